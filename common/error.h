/* common/error.h: what can go wrong in the world, as a value.
 *
 * Three kinds of trouble have three answers (docs/architecture.md): our own bug stops the process (assert.h), a
 * peer's mistake becomes a Nack or an Error message (proto/), and the world (disk, network, files) becomes an
 * `ordo_err` that travels up to whoever can retry, shed load or stop. Memory that cannot be had counts as the first
 * kind: every queue and size is bounded, so running out means a wrong limit (memory.h). */
#ifndef ORDO_COMMON_ERROR_H
#define ORDO_COMMON_ERROR_H

#define ORDO_ERRORS(X)                                                                                                 \
    X(INVALID, "not valid")                                                                                            \
    X(TOO_LARGE, "larger than the limit")                                                                              \
    X(FULL, "limit reached")                                                                                           \
    X(NOT_FOUND, "not found")                                                                                          \
    X(EXISTS, "exists already")                                                                                        \
    X(CORRUPT, "stored data is damaged")                                                                               \
    X(IO, "input or output failed")                                                                                    \
    X(NO_SPACE, "the disk is full")                                                                                    \
    X(LOCKED, "held by another process")                                                                               \
    X(CONFLICT, "changed by somebody else meanwhile")                                                                  \
    X(VERSION, "written by another version")                                                                           \
    X(UNAVAILABLE, "not available now")                                                                                \
    X(TIMEOUT, "took too long")                                                                                        \
    X(CLOSED, "closed")

enum ordo_error {
    ORDO_OK = 0,
#define X(name, text) ORDO_ERR_##name,
    ORDO_ERRORS(X)
#undef X
};

typedef enum ordo_error ordo_err;

#define ORDO_MUST_USE __attribute__((warn_unused_result))

/* A static sentence without a full stop; never NULL. */
const char *ordo_err_text(ordo_err err);

#endif
