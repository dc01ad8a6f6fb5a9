#include "common/format.h"

enum { NEWEST = ORDO_FORMAT_CONTENT_HASH };

/* ORDO_FORMER: the version before, for tests of upgrades. */
#ifdef ORDO_FORMER
uint32_t ordo_format_max(void) { return NEWEST - 1; }
#else
uint32_t ordo_format_max(void) { return NEWEST; }
#endif
