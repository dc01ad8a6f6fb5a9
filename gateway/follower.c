#include "gateway/follower.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/directory/cluster_change.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/wake.h"

#define REST_S 0.01
#define REGISTER_MS 250 /* so often the entry is looked after; bounds how long stopping takes, too */

struct ordo_follower {
    struct ordo_turn *turn;
    struct ev_loop *loop;
    ev_io news;
    ev_timer rest;                     /* while slots move there are news hundreds of times a second: not each is read */
    const struct ordo_directory_view *view; /* the one that `cluster` is of; held */
    void (*changed)(void *user);
    void (*refused)(void *user, const char *sentence);
    void *user;
    struct ordo_problem refusal;       /* "": none */
    struct ordo_directory *directory;
    struct ordo_cluster *cluster;      /* the newest that was understood, with a table; NULL before the first */
    bool is_away, is_odd;              /* logged */
    uint64_t away_since_ms;            /* wall clock; 0: it is there */
    struct ordo_cluster_gateway entry; /* of the thread from its start on */
    pthread_t thread;
    atomic_bool stops;
};

/* ---- the loop's side */

/* True: `cluster` may take the place of what is known. */
static bool is_ours(struct ordo_follower *follower, const struct ordo_cluster *cluster) {
    const struct ordo_cluster *known = follower->cluster;
    bool is_other = known != NULL && cluster->has_table &&
                    !ordo_cluster_id_equal(&known->table.cluster, &cluster->table.cluster);
    if (is_other && !follower->is_odd)
        log_error("event=directory_of_another_cluster action=\"going on with what was known; restart to follow it\"");
    follower->is_odd = is_other;
    return cluster->has_table && !is_other;
}

/* It would not understand what is written at that level. */
static void check_format(struct ordo_follower *follower, const struct ordo_cluster *cluster) {
    uint32_t level = cluster->table.format_level;
    if (!cluster->has_table || ordo_format_is_known(level)) return;
    ordo_problem_set(&follower->refusal, "The cluster's format level is %u, and this program reads %u to %u: use the version "
                                         "that the others are of.",
                     level, (unsigned)ORDO_FORMAT_MIN, (unsigned)ordo_format_max());
}

static void tell_revocations(struct ordo_follower *follower, const struct ordo_cluster *cluster) {
    const struct ordo_revocations revocations = {cluster->revocations, cluster->revocation_count};
    ordo_turn_step(follower->turn,
                   (struct ordo_gateway_event){.kind = ORDO_GATEWAY_REVOKED, .revocations = &revocations});
}

static void take(struct ordo_follower *follower, const struct ordo_directory_view *view, struct ordo_cluster *cluster) {
    ordo_directory_view_release(follower->view);
    follower->view = ordo_directory_view_hold(view);
    ordo_cluster_destroy(follower->cluster);
    follower->cluster = cluster;
    tell_revocations(follower, cluster);
    ordo_turn_step(follower->turn, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_PLACEMENT,
                                                               .placement = &cluster->table.placement});
    if (follower->changed != NULL) follower->changed(follower->user);
}

static void read_news(struct ordo_follower *follower) {
    const struct ordo_directory_view *view = ordo_directory_view(follower->directory);
    struct ordo_cluster *cluster;
    struct ordo_problem problem = {{0}};
    bool is_away = view->generation == 0 || view->away_since_ms != 0;
    if (is_away != follower->is_away)
        log_info("event=directory_%s reason=\"%s\"", is_away ? "away" : "there",
                 log_quoted(view->away_reason));
    follower->is_away = is_away;
    follower->away_since_ms = view->away_since_ms;
    if (ordo_cluster_decode(view, &cluster, &problem) != ORDO_OK) {
        log_error("event=table_not_understood reason=\"%s\"", log_quoted(problem.text));
    } else {
        check_format(follower, cluster);
        if (is_ours(follower, cluster) && follower->refusal.text[0] == '\0') take(follower, view, cluster);
        else ordo_cluster_destroy(cluster);
    }
    ordo_directory_view_release(view);
    if (follower->refusal.text[0] != '\0' && follower->refused != NULL)
        follower->refused(follower->user, follower->refusal.text);
}

static void on_news(struct ev_loop *loop, ev_io *watcher, int events) {
    (void)events;
    struct ordo_follower *follower = watcher->data;
    ev_io_stop(loop, watcher);
    ordo_directory_calm(follower->directory);
    read_news(follower);
    ev_timer_again(loop, &follower->rest);
}

static void on_rested(struct ev_loop *loop, ev_timer *watcher, int events) {
    (void)events;
    struct ordo_follower *follower = watcher->data;
    ev_timer_stop(loop, watcher);
    ev_io_start(loop, &follower->news);
}

bool ordo_follower_find(const struct ordo_follower *follower, const struct ordo_store_id *store,
                        const char **data_endpoint, const char **side_endpoint) {
    if (follower->cluster == NULL) return false;
    const struct ordo_cluster_live *live = ordo_cluster_live(follower->cluster, store);
    if (live == NULL || live->data_endpoint[0] == '\0') return false;
    *data_endpoint = live->data_endpoint;
    *side_endpoint = live->side_endpoint;
    return true;
}

const char *ordo_follower_store_name(const struct ordo_follower *follower, const struct ordo_store_id *store) {
    const struct ordo_cluster_store *known = follower->cluster != NULL ? ordo_cluster_store(follower->cluster, store) : NULL;
    return known != NULL ? known->name : NULL;
}

bool ordo_follower_is_away(const struct ordo_follower *follower) { return follower->is_away; }

bool ordo_follower_describe(const struct ordo_follower *follower, struct ordo_buffer *out) {
    const struct ordo_directory_view *view = follower->view;
    if (view == NULL) return false;
    json_t *items = json_object();
    for (size_t i = 0; i < view->count; i++)
        json_object_set_new(items, view->items[i].key,
                            json_stringn((const char *)view->items[i].value.data, view->items[i].value.size));
    json_t *all = json_pack("{s:I, s:o}", "away_since_ms", (json_int_t)follower->away_since_ms, "items", items);
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    if (text != NULL) ordo_buffer_append_slice(out, ordo_slice_of(text));
    free(text);
    return text != NULL;
}

/* ---- the thread: the gateway's own entry */

static bool is_entered(const struct ordo_follower *follower, const struct ordo_directory_view *view) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    ordo_cluster_key_gateway(key, follower->entry.name);
    const struct ordo_directory_item *item = ordo_directory_find(view, key);
    struct ordo_cluster_gateway shown;
    return item != NULL && ordo_cluster_gateway_decode(item, &shown) == NULL &&
           ordo_process_id_equal(&shown.process, &follower->entry.process);
}

static ordo_err enter(struct ordo_follower *follower, bool is_first, struct ordo_problem *problem) {
    return is_first ? ordo_cluster_enter_gateway(follower->directory, &follower->entry, problem)
                    : ordo_cluster_register_gateway(follower->directory, &follower->entry, problem);
}

static void *keep_entry(void *context) {
    ordo_thread_name("entry");
    struct ordo_follower *follower = context;
    bool is_told = false, is_first = true;
    while (!atomic_load(&follower->stops)) {
        const struct ordo_directory_view *view = ordo_directory_view(follower->directory);
        uint64_t generation = view->generation;
        bool may_enter = generation > 0 && view->away_since_ms == 0 && !is_entered(follower, view);
        ordo_directory_view_release(view);
        struct ordo_problem problem = {{0}};
        ordo_err err = may_enter ? enter(follower, is_first, &problem) : ORDO_OK;
        if (may_enter && !err) is_first = false;
        if (err && !is_told) log_info("event=not_registered reason=\"%s\"", log_quoted(problem.text));
        is_told = is_told || err;
        ordo_directory_wait(follower->directory, generation, REGISTER_MS);
    }
    return NULL;
}

/* ---- start and stop */

static void destroy(struct ordo_follower *follower) {
    ev_io_stop(follower->loop, &follower->news);
    ev_timer_stop(follower->loop, &follower->rest);
    ordo_directory_close(follower->directory);
    ordo_directory_view_release(follower->view);
    ordo_cluster_destroy(follower->cluster);
    free(follower);
}

ordo_err ordo_follower_start(const struct ordo_follower_config *config, struct ordo_problem *problem,
                             struct ordo_follower **follower_out) {
    struct ordo_follower *follower = ordo_alloc(sizeof *follower);
    ordo_err err = ordo_directory_open(&follower->directory, config->directory, NULL, problem);
    if (err) {
        free(follower);
        return err;
    }
    follower->turn = config->turn;
    follower->loop = config->loop;
    snprintf(follower->entry.name, sizeof follower->entry.name, "%s", config->name);
    snprintf(follower->entry.url, sizeof follower->entry.url, "%s", config->url);
    snprintf(follower->entry.metrics_url, sizeof follower->entry.metrics_url, "%s", config->metrics_url);
    follower->entry.reads_format_min = ORDO_FORMAT_MIN;
    follower->entry.reads_format_max = ordo_format_max();
    ordo_random_bytes(follower->entry.process.bytes, sizeof follower->entry.process.bytes);
    ev_io_init(&follower->news, on_news, ordo_directory_event_fd(follower->directory), EV_READ);
    ev_init(&follower->rest, on_rested);
    follower->rest.repeat = REST_S;
    follower->news.data = follower->rest.data = follower;
    ev_io_start(follower->loop, &follower->news);
    read_news(follower);
    if (follower->refusal.text[0] != '\0') {
        *problem = follower->refusal;
        destroy(follower);
        return ORDO_ERR_VERSION;
    }
    follower->changed = config->changed; /* from now on: the caller has no follower yet */
    follower->refused = config->refused;
    follower->user = config->user;
    int error = pthread_create(&follower->thread, NULL, keep_entry, follower);
    ORDO_ASSERT(error == 0);
    *follower_out = follower;
    return ORDO_OK;
}

void ordo_follower_stop(struct ordo_follower *follower) {
    if (follower == NULL) return;
    atomic_store(&follower->stops, true);
    pthread_join(follower->thread, NULL);
    destroy(follower);
}
