/* tests/sim/check.h: the promises that the simulator checks, by name.
 *
 * The first violation of a schedule is kept and ends it; a test that expects a broken build to be caught names the
 * check that must fire. */
#ifndef ORDO_TESTS_SIM_CHECK_H
#define ORDO_TESTS_SIM_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#define SIM_CHECKS(X)                                                                                                \
    X(DENSE, "dense", "a document's server_seq is 1, 2, 3, ... without a hole")                                      \
    X(REISSUED, "reissued", "a server_seq never stands for two different ops, whoever sees it")                      \
    X(ONCE, "once", "an op_id is committed at most once")                                                            \
    X(DURABLE, "durable", "nothing is acked or shown before it is on disk")                                          \
    X(SURVIVES, "survives", "what was durable is there after every crash")                                           \
    X(DUPLICATE, "duplicate", "a duplicate is answered with the original server_seq")                                \
    X(ORDER, "order", "each connection sees Committed and Ack in order, without a gap")                              \
    X(SUBMITTED, "submitted", "only what somebody submitted is committed")                                           \
    X(REBASE, "rebase", "a committed op is the submitted one transformed op by op")                                  \
    X(TIMESTAMP, "timestamp", "timestamps never go backwards")                                                       \
    X(OPENED, "opened", "Opened tells the truth: lineage, content, ops, last_client_seq")                            \
    X(FORGOTTEN, "forgotten", "of a forgotten document nothing is kept, and nothing shown from then on")              \
    X(HISTORY, "history", "history is what was: the ops of the log, the content as it stood")                        \
    X(HONEST, "honest", "an honest client is never refused for good, nor ends in an error")                          \
    X(REFUSED, "refused", "a misbehaving client gets the code that the protocol says")                               \
    X(CONVERGE, "converge", "at rest every client holds the text that the log makes")                                \
    X(LOST, "lost", "what was typed and deleted by nobody is in the text")                                           \
    X(DOUBLED, "doubled", "what was typed once is in the text once")                                                 \
    X(INTERLEAVED, "interleaved", "two people's runs of typing do not interleave")                                   \
    X(OWNER, "owner", "each slot has exactly one owner, by what is on the disks")                                    \
    X(HANDOVER, "handover", "what is given away is all on the disk of the one who takes it")                         \
    X(LEFTOVER, "leftover", "and nothing else of that slot is")                                                      \
    X(TAIL, "tail", "what one shard sends to another is on its own disk")                                            \
    X(LIVENESS, "liveness", "once all is healed everybody settles in bounded time")                                  \
    X(BOUNDS, "bounds", "queues keep their limits")                                                                  \
    X(WIRE, "wire", "what we send decodes and keeps the rules of the protocol")

enum sim_check {
    SIM_CHECK_NONE,
#define X(name, text, promise) SIM_CHECK_##name,
    SIM_CHECKS(X)
#undef X
};

const char *sim_check_name(enum sim_check check);
const char *sim_check_promise(enum sim_check check);

struct sim_verdict {
    enum sim_check violated; /* the first; SIM_CHECK_NONE: none */
    char message[1024];
};

__attribute__((format(printf, 3, 4))) void sim_fail(struct sim_verdict *verdict, enum sim_check check,
                                                    const char *format, ...);

#endif
