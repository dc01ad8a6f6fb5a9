#include "tools/ordo/cluster_access.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/hex.h"
#include "tools/ordo/command.h"

#define FIRST_READ_MS 5000

static ordo_err read_view(struct cluster_access *access, struct ordo_problem *problem) {
    const struct ordo_directory_view *view = ordo_directory_view(access->directory);
    struct ordo_cluster *cluster;
    ordo_err err = ordo_cluster_decode(view, &cluster, problem);
    if (!err) {
        ordo_cluster_destroy(access->cluster);
        access->cluster = cluster;
    }
    ordo_directory_view_release(view);
    return err;
}

static ordo_err wait_for_first(struct cluster_access *access, struct ordo_problem *problem) {
    const struct ordo_directory_view *view = ordo_directory_view(access->directory);
    uint64_t end_ms = ordo_clock_monotonic_ms() + FIRST_READ_MS, now_ms;
    while (view->generation == 0 && (now_ms = ordo_clock_monotonic_ms()) < end_ms) {
        ordo_directory_view_release(view);
        ordo_directory_wait(access->directory, 0, (uint32_t)(end_ms - now_ms));
        view = ordo_directory_view(access->directory);
    }
    bool is_there = view->generation > 0 && view->away_since_ms == 0;
    if (!is_there)
        ordo_problem_set(problem, "the directory %.200s cannot be read: %.200s", access->url,
                         view->away_reason[0] != '\0' ? view->away_reason : "it does not answer");
    ordo_directory_view_release(view);
    return is_there ? ORDO_OK : ORDO_ERR_UNAVAILABLE;
}

/* Of a data folder that `ordo up` never ran in, or a name typed wrong, nothing is to be waited for. */
static bool is_absent(const struct cluster_words *words, struct ordo_problem *problem) {
    struct stat status;
    if (words->directory != NULL || stat(words->data, &status) == 0 || errno != ENOENT) return false;
    ordo_problem_set(problem, "there is no cluster in %.200s: no such folder", words->data);
    return true;
}

ordo_err cluster_access_try(struct cluster_access *access, const struct cluster_words *words, struct ordo_problem *problem) {
    if (is_absent(words, problem)) return ORDO_ERR_NOT_FOUND;
    int size = words->directory != NULL ? snprintf(access->url, sizeof access->url, "%s", words->directory)
                                        : snprintf(access->url, sizeof access->url, "file:%s/directory", words->data);
    if (size >= (int)sizeof access->url) {
        ordo_problem_set(problem, "the directory's URL is too long");
        return ORDO_ERR_TOO_LARGE;
    }
    ordo_err err = ordo_directory_open(&access->directory, access->url, NULL, problem);
    if (!err) err = wait_for_first(access, problem);
    return err ? err : read_view(access, problem);
}

int cluster_access_open(struct cluster_access *access, const struct cluster_words *words) {
    struct ordo_problem problem = {{0}};
    return cluster_access_try(access, words, &problem) ? ordo_command_fail("%s", problem.text) : EXIT_SUCCESS;
}

void cluster_access_close(struct cluster_access *access) {
    ordo_directory_close(access->directory);
    ordo_cluster_destroy(access->cluster);
    access->directory = NULL;
    access->cluster = NULL;
}

int cluster_access_with(const struct cluster_words *words, cluster_act *act, void *context) {
    static struct cluster_access access;
    int status = cluster_access_open(&access, words);
    if (status == EXIT_SUCCESS) status = act(&access, context);
    cluster_access_close(&access);
    return status == EXIT_SUCCESS ? ordo_command_flush() : status;
}

int cluster_access_need_table(const struct cluster_access *access) {
    if (access->cluster->has_table) return EXIT_SUCCESS;
    return ordo_command_fail("the directory %s holds no cluster", access->url);
}

int cluster_access_refresh(struct cluster_access *access, uint32_t timeout_ms) {
    struct ordo_problem problem = {{0}};
    ordo_directory_wait(access->directory, access->cluster->generation, timeout_ms);
    return read_view(access, &problem) ? ordo_command_fail("%s", problem.text) : EXIT_SUCCESS;
}

const struct ordo_cluster_store *cluster_access_store(const struct cluster_access *access, const char *text) {
    const struct ordo_cluster_store *store = ordo_cluster_store_called(access->cluster, text);
    if (store == NULL)
        ordo_command_fail("no shard is called %s, or several are: `ordo status` lists them with their names and ids", text);
    return store;
}

/* ---- slots */

static bool take_number(const char **text, unsigned *out) {
    char *end;
    if (**text < '0' || **text > '9') return false;
    errno = 0;
    unsigned long number = strtoul(*text, &end, 10);
    *text = end;
    *out = (unsigned)number;
    return errno == 0 && number < ORDO_SLOT_COUNT;
}

bool cluster_slots_parse(const char *text, bool slots[ORDO_SLOT_COUNT]) {
    bool is_all = strcmp(text, "all") == 0;
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) slots[slot] = is_all;
    if (is_all) return true;
    for (;; text++) {
        unsigned first, last;
        if (!take_number(&text, &first)) return false;
        last = first;
        if (*text == '-' && (text++, !take_number(&text, &last))) return false;
        if (last < first) return false;
        while (first <= last) slots[first++] = true;
        if (*text == '\0') return true;
        if (*text != ',') return false;
    }
}

void cluster_slots_print(const bool slots[ORDO_SLOT_COUNT], char *out, size_t size) {
    size_t used = 0;
    snprintf(out, size, "none");
    for (unsigned first = 0; first < ORDO_SLOT_COUNT; first++) {
        if (!slots[first]) continue;
        unsigned last = first;
        while (last + 1 < ORDO_SLOT_COUNT && slots[last + 1]) last++;
        char range[24];
        int range_size = last == first ? snprintf(range, sizeof range, "%s%u", used ? "," : "", first)
                                       : snprintf(range, sizeof range, "%s%u-%u", used ? "," : "", first, last);
        if (used + (size_t)range_size + sizeof ",…" > size) {
            snprintf(out + used, size - used, ",…");
            return;
        }
        memcpy(out + used, range, (size_t)range_size + 1);
        used += (size_t)range_size;
        first = last;
    }
}
