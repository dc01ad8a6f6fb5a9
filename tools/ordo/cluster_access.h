/* tools/ordo/cluster_access.h: how commands get at a cluster: its directory, and what that says. One thread. */
#ifndef ORDO_TOOLS_CLUSTER_ACCESS_H
#define ORDO_TOOLS_CLUSTER_ACCESS_H

#include "common/directory/cluster_change.h"
#include "tools/options.h"

/* --directory and --data, as all of these commands have them. */
struct cluster_words {
    const char *directory; /* NULL: that of `data` */
    const char *data;
};
#define CLUSTER_WORDS_INIT {.data = "./ordo-data"}
/* clang-format off */
#define CLUSTER_OPTIONS(words)                                                                                          \
    {"--directory", "URL", "of the cluster (file:DATA/directory, as `ordo up` has it)", ORDO_OPTION_TEXT, &(words).directory}, \
    {"--data", "DATA", "as given to `ordo up` (./ordo-data)", ORDO_OPTION_TEXT, &(words).data}
/* clang-format on */

struct cluster_access {
    char url[4200];
    struct ordo_directory *directory;
    struct ordo_cluster *cluster; /* as last read */
};

/* EXIT_SUCCESS: the directory was read. Else a message was printed: it cannot be reached, or what it holds does not read. */
int cluster_access_open(struct cluster_access *access, const struct cluster_words *words);
/* The same without a message: UNAVAILABLE when the directory cannot be reached, and else what is wrong with it. */
ORDO_MUST_USE ordo_err cluster_access_try(struct cluster_access *access, const struct cluster_words *words,
                                          struct ordo_problem *problem);
void cluster_access_close(struct cluster_access *access); /* safe on a half-opened one */

/* A command that opens, acts and closes, which is most of them: `act` returns the exit status. EXIT_SUCCESS: what it printed has
 * reached stdout, too. */
typedef int cluster_act(struct cluster_access *access, void *context);
int cluster_access_with(const struct cluster_words *words, cluster_act *act, void *context);
/* EXIT_SUCCESS: there is a cluster in the directory. Else a message was printed. */
int cluster_access_need_table(const struct cluster_access *access);

/* Reads what it says now; waits at most `timeout_ms` for something newer. EXIT_SUCCESS also when nothing is newer. */
int cluster_access_refresh(struct cluster_access *access, uint32_t timeout_ms);

/* The store that is called so (its name, or the beginning of its id). NULL: a message was printed. */
const struct ordo_cluster_store *cluster_access_store(const struct cluster_access *access, const char *text);

/* "12,20-23,1000" or "all"; false: it is something else. */
bool cluster_slots_parse(const char *text, bool slots[ORDO_SLOT_COUNT]);
/* The same back, of those that are set; "none" if none is. `out` is cut with an ellipsis where it is too small. */
void cluster_slots_print(const bool slots[ORDO_SLOT_COUNT], char *out, size_t size);

#endif
