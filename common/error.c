#include "common/error.h"

const char *ordo_err_text(ordo_err err) {
    switch (err) {
    case ORDO_OK: return "no error";
#define X(name, text)                                                                                                  \
    case ORDO_ERR_##name: return text;
        ORDO_ERRORS(X)
#undef X
    }
    return "unknown error";
}
