#include "common/token/token.h"

const char *ordo_token_fault_text(enum ordo_token_fault fault) {
    switch (fault) {
    case ORDO_TOKEN_FINE: return "the token is fine";
#define X(name, text)                                                                                                  \
    case ORDO_TOKEN_##name: return text;
        ORDO_TOKEN_FAULTS(X)
#undef X
    }
    return "unknown fault";
}
