#include "shard/webhook/sender.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/files.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/sched.h"
#include "common/wake.h"
#include "shard/core/change.h"
#include "shard/core/key.h"
#include "shard/webhook/payload.h"

enum {
    SECRET_SIZE_MIN = 16,
    SECRET_SIZE_MAX = 1024,
    GIVEN_SIZE_MAX = 4 * 1024 * 1024,
    ANSWER_SIZE_MAX = 64 * 1024, /* read and thrown away */
    CONNECT_TIMEOUT_MS = 3000,
    TIMEOUT_MS = 10000,
    STOP_MS = 3000,
    LOG_PAUSE_MS = 60000, /* one line about what is dropped, and one about what fails, at most so often */
    POLL_MS = 10000,
};

struct transfer {
    CURL *curl;
    struct curl_slist *headers;
    struct ordo_webhook_entry *entry; /* NULL: free */
    struct ordo_buffer body;
    size_t answer_size;
    char error[CURL_ERROR_SIZE];
};

struct ordo_webhooks {
    char *url;
    struct ordo_buffer secret;
    const char *collections[ORDO_WEBHOOK_COLLECTIONS_MAX];
    size_t collection_count;
    struct ordo_webhook_queue *queue; /* the thread's */
    CURLM *multi;
    struct transfer transfers[ORDO_WEBHOOKS_AT_ONCE];
    uint64_t drop_logged_ms, failure_logged_ms, dropped_logged;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    struct ordo_buffer given;
    uint64_t overflow_count; /* changes that did not fit there */
    struct ordo_webhook_stats stats;
    bool stops;
};

static uint64_t now_ms(void) { return ordo_clock_monotonic_ms(); }

/* ---- one notification */

static size_t swallow(char *bytes, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    (void)bytes;
    transfer->answer_size += size * count;
    return transfer->answer_size <= ANSWER_SIZE_MAX ? size * count : 0; /* 0 ends the transfer */
}

static void sign(const struct ordo_webhooks *webhooks, const char *timestamp, struct ordo_slice body,
                 char out[2 * EVP_MAX_MD_SIZE + 1]) {
    static const char digits[] = "0123456789abcdef";
    struct ordo_buffer text = {0};
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    ordo_buffer_append_slice(&text, ordo_slice_of(timestamp));
    ordo_buffer_append_u8(&text, '.');
    ordo_buffer_append_slice(&text, body);
    HMAC(EVP_sha256(), webhooks->secret.data, (int)webhooks->secret.size, text.data, text.size, digest, &size);
    for (unsigned i = 0; i < size; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * size] = '\0';
    ordo_buffer_finish(&text);
}

static struct curl_slist *make_headers(const struct ordo_webhooks *webhooks, struct ordo_slice body) {
    char timestamp[24], signature[2 * EVP_MAX_MD_SIZE + 1], line[2 * EVP_MAX_MD_SIZE + 40];
    snprintf(timestamp, sizeof timestamp, "%llu", (unsigned long long)ordo_clock_wall_ms());
    sign(webhooks, timestamp, body, signature);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    snprintf(line, sizeof line, "Ordo-Timestamp: %s", timestamp);
    headers = curl_slist_append(headers, line);
    snprintf(line, sizeof line, "Ordo-Signature: v1=%s", signature);
    headers = curl_slist_append(headers, line);
    ORDO_ASSERT(headers != NULL);
    return headers;
}

static void begin(struct ordo_webhooks *webhooks, struct transfer *transfer, struct ordo_webhook_entry *entry) {
    CURL *curl = transfer->curl;
    transfer->entry = entry;
    transfer->answer_size = 0;
    transfer->error[0] = '\0';
    ordo_buffer_clear(&transfer->body);
    ordo_webhook_payload_put(&transfer->body, entry);
    transfer->headers = make_headers(webhooks, ordo_buffer_slice(&transfer->body));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.size);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, transfer->body.data);
    ORDO_ASSERT(curl_multi_add_handle(webhooks->multi, curl) == CURLM_OK);
}

static enum ordo_webhook_outcome outcome_of(CURLcode code, long status) {
    if (code != CURLE_OK || status == 408 || status == 429 || status >= 500) return ORDO_WEBHOOK_FAILED;
    return status >= 200 && status < 300 ? ORDO_WEBHOOK_DELIVERED : ORDO_WEBHOOK_REFUSED;
}

static void log_failure(struct ordo_webhooks *webhooks, const struct transfer *transfer, CURLcode code, long status) {
    uint64_t now = now_ms();
    if (webhooks->failure_logged_ms != 0 && now - webhooks->failure_logged_ms < LOG_PAUSE_MS) return;
    webhooks->failure_logged_ms = now;
    const char *why = code == CURLE_OK ? "" : transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);
    log_warn("event=webhook_failed status=%ld reason=\"%s\" waiting=%llu", status, why,
             (unsigned long long)ordo_webhook_queue_stats(webhooks->queue).waiting);
}

static void end(struct ordo_webhooks *webhooks, struct transfer *transfer, CURLcode code) {
    long status = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(webhooks->multi, transfer->curl);
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    enum ordo_webhook_outcome outcome = outcome_of(code, status);
    if (outcome != ORDO_WEBHOOK_DELIVERED) log_failure(webhooks, transfer, code, status);
    if (ordo_webhook_queue_done(webhooks->queue, transfer->entry, outcome, now_ms()))
        log_error("event=webhook_given_up tries=%d", ORDO_WEBHOOK_TRIES_MAX);
    transfer->entry = NULL;
}

/* ---- the thread */

static bool is_wanted(const struct ordo_webhooks *webhooks, struct ordo_slice collection) {
    for (size_t i = 0; i < webhooks->collection_count; i++)
        if (ordo_slice_equal(collection, ordo_slice_of(webhooks->collections[i]))) return true;
    return webhooks->collection_count == 0;
}

static void note_all(struct ordo_webhooks *webhooks, struct ordo_slice changes) {
    struct ordo_reader reader = ordo_reader(changes);
    struct ordo_change change;
    uint64_t now = now_ms();
    while (ordo_change_take(&reader, &change)) {
        struct ordo_key key;
        ORDO_ASSERT(ordo_key_parse(change.doc_key, &key));
        if (!is_wanted(webhooks, key.collection)) continue;
        const struct ordo_webhook_news news = {.collection = key.collection, .id = key.id, .lineage = change.lineage,
                                               .seq = change.seq, .timestamp_ms = change.timestamp_ms,
                                               .is_deleted = change.is_deleted, .user = change.user};
        (void)ordo_webhook_queue_note(webhooks->queue, &news, now);
    }
}

/* For other threads to read. */
static void keep_stats(struct ordo_webhooks *webhooks) {
    pthread_mutex_lock(&webhooks->mutex);
    webhooks->stats = ordo_webhook_queue_stats(webhooks->queue);
    webhooks->stats.dropped += webhooks->overflow_count;
    pthread_mutex_unlock(&webhooks->mutex);
}

static void take_given(struct ordo_webhooks *webhooks, struct ordo_buffer *changes, uint64_t *overflow_count) {
    keep_stats(webhooks);
    pthread_mutex_lock(&webhooks->mutex);
    struct ordo_buffer given = webhooks->given;
    webhooks->given = *changes;
    *changes = given;
    *overflow_count = webhooks->overflow_count;
    pthread_mutex_unlock(&webhooks->mutex);
}

static void log_dropped(struct ordo_webhooks *webhooks, uint64_t overflow_count) {
    uint64_t dropped = ordo_webhook_queue_stats(webhooks->queue).dropped + overflow_count, now = now_ms();
    bool was_logged_just_now = webhooks->drop_logged_ms != 0 && now - webhooks->drop_logged_ms < LOG_PAUSE_MS;
    if (dropped == webhooks->dropped_logged || was_logged_just_now) return;
    log_error("event=webhooks_dropped count=%llu reason=\"the queue is full: the receiver is away or too slow\" remedy=\"once it "
              "is back, have it compare what it has with the documents\"",
              (unsigned long long)(dropped - webhooks->dropped_logged));
    webhooks->dropped_logged = dropped;
    webhooks->drop_logged_ms = now;
}

static void begin_due(struct ordo_webhooks *webhooks) {
    for (size_t i = 0; i < ORDO_WEBHOOKS_AT_ONCE; i++) {
        if (webhooks->transfers[i].entry != NULL) continue;
        struct ordo_webhook_entry *entry = ordo_webhook_queue_take(webhooks->queue, now_ms());
        if (entry == NULL) return;
        begin(webhooks, &webhooks->transfers[i], entry);
    }
}

static void send_on(struct ordo_webhooks *webhooks) {
    int running = 0, left;
    curl_multi_perform(webhooks->multi, &running);
    const CURLMsg *message;
    while ((message = curl_multi_info_read(webhooks->multi, &left)) != NULL) {
        struct transfer *transfer;
        if (message->msg != CURLMSG_DONE) continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        end(webhooks, transfer, message->data.result);
    }
}

static bool has_free_transfer(const struct ordo_webhooks *webhooks) {
    for (size_t i = 0; i < ORDO_WEBHOOKS_AT_ONCE; i++)
        if (webhooks->transfers[i].entry == NULL) return true;
    return false;
}

static void wait_for_more(struct ordo_webhooks *webhooks, uint64_t until_ms) {
    uint64_t due_ms = has_free_transfer(webhooks) ? ordo_webhook_queue_due_ms(webhooks->queue) : UINT64_MAX, now = now_ms();
    if (due_ms > until_ms) due_ms = until_ms;
    uint64_t wait_ms = due_ms <= now ? 0 : due_ms - now > POLL_MS ? POLL_MS : due_ms - now;
    curl_multi_poll(webhooks->multi, NULL, 0, (int)wait_ms, NULL);
}

static void step(struct ordo_webhooks *webhooks, struct ordo_buffer *changes) {
    uint64_t overflow_count;
    take_given(webhooks, changes, &overflow_count);
    note_all(webhooks, ordo_buffer_slice(changes));
    ordo_buffer_clear(changes);
    log_dropped(webhooks, overflow_count);
    begin_due(webhooks);
    send_on(webhooks);
}

static bool stops(struct ordo_webhooks *webhooks) {
    pthread_mutex_lock(&webhooks->mutex);
    bool value = webhooks->stops;
    pthread_mutex_unlock(&webhooks->mutex);
    return value;
}

/* What waits goes out now, as far as there is time. */
static void say_goodbye(struct ordo_webhooks *webhooks, struct ordo_buffer *changes) {
    uint64_t until_ms = now_ms() + STOP_MS;
    ordo_webhook_queue_hurry(webhooks->queue, now_ms());
    uint64_t left;
    for (;;) {
        step(webhooks, changes);
        left = ordo_webhook_queue_stats(webhooks->queue).waiting;
        if (left == 0 || now_ms() >= until_ms) break;
        wait_for_more(webhooks, until_ms);
    }
    keep_stats(webhooks);
    if (left > 0) log_error("event=webhooks_lost documents=%llu reason=\"the process stops\"", (unsigned long long)left);
}

static void *run(void *context) {
    ordo_thread_name("webhooks");
    struct ordo_webhooks *webhooks = context;
    struct ordo_buffer changes = {0};
    ordo_sched_step_aside();
    while (!stops(webhooks)) {
        step(webhooks, &changes);
        wait_for_more(webhooks, UINT64_MAX);
    }
    say_goodbye(webhooks, &changes);
    ordo_buffer_finish(&changes);
    return NULL;
}

/* ---- from other threads */

void ordo_webhooks_give(struct ordo_webhooks *webhooks, struct ordo_slice changes) {
    pthread_mutex_lock(&webhooks->mutex);
    bool was_empty = webhooks->given.size == 0;
    if (webhooks->given.size + changes.size <= GIVEN_SIZE_MAX)
        ordo_buffer_append_slice(&webhooks->given, changes);
    else
        webhooks->overflow_count++;
    pthread_mutex_unlock(&webhooks->mutex);
    if (was_empty) curl_multi_wakeup(webhooks->multi);
}

struct ordo_webhook_stats ordo_webhooks_stats(struct ordo_webhooks *webhooks) {
    pthread_mutex_lock(&webhooks->mutex);
    struct ordo_webhook_stats stats = webhooks->stats;
    pthread_mutex_unlock(&webhooks->mutex);
    return stats;
}

/* ---- start and stop */

static void start_curl(void) {
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    ORDO_ASSERT(code == CURLE_OK);
}

static ordo_err read_secret(const char *path, struct ordo_buffer *out, struct ordo_problem *problem) {
    struct stat status;
    if (stat(path, &status) != 0 || ordo_file_read(path, out) != ORDO_OK) {
        ordo_problem_set(problem, "The webhook's secret %s cannot be read: %s.", path, strerror(errno));
        return ORDO_ERR_IO;
    }
    while (out->size > 0 && (out->data[out->size - 1] == '\n' || out->data[out->size - 1] == '\r')) out->size--;
    if ((status.st_mode & S_IRWXO) != 0) {
        ordo_problem_set(problem, "The webhook's secret %s is open to everybody on this machine: chmod o= it.", path);
        return ORDO_ERR_INVALID;
    }
    if (out->size < SECRET_SIZE_MIN || out->size > SECRET_SIZE_MAX) {
        ordo_problem_set(problem, "The webhook's secret %s must have %d to %d bytes.", path, SECRET_SIZE_MIN, SECRET_SIZE_MAX);
        return ORDO_ERR_INVALID;
    }
    return ORDO_OK;
}

static void make_transfer(struct ordo_webhooks *webhooks, struct transfer *transfer) {
    CURL *curl = transfer->curl = curl_easy_init();
    ORDO_ASSERT(curl != NULL);
    curl_easy_setopt(curl, CURLOPT_URL, webhooks->url);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "ordo");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
}

static void destroy(struct ordo_webhooks *webhooks) {
    for (size_t i = 0; i < ORDO_WEBHOOKS_AT_ONCE; i++) {
        struct transfer *transfer = &webhooks->transfers[i];
        if (transfer->entry != NULL) curl_multi_remove_handle(webhooks->multi, transfer->curl);
        if (transfer->curl != NULL) curl_easy_cleanup(transfer->curl);
        curl_slist_free_all(transfer->headers);
        ordo_buffer_finish(&transfer->body);
    }
    if (webhooks->multi != NULL) curl_multi_cleanup(webhooks->multi);
    ordo_webhook_queue_destroy(webhooks->queue);
    pthread_mutex_destroy(&webhooks->mutex);
    ordo_buffer_finish(&webhooks->given);
    ordo_buffer_finish(&webhooks->secret);
    free(webhooks->url);
    free(webhooks);
}

ordo_err ordo_webhooks_start(const struct ordo_webhooks_config *config, struct ordo_problem *problem,
                             struct ordo_webhooks **out) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_curl);
    struct ordo_webhooks *webhooks = ordo_alloc(sizeof *webhooks);
    struct ordo_webhook_queue_config queue = config->queue;
    queue.seed = ordo_random_u64();
    pthread_mutex_init(&webhooks->mutex, NULL);
    webhooks->url = ordo_strdup(config->url);
    memcpy(webhooks->collections, config->collections, sizeof webhooks->collections);
    webhooks->collection_count = config->collection_count;
    ordo_err err = read_secret(config->secret_file, &webhooks->secret, problem);
    if (err) {
        destroy(webhooks);
        return err;
    }
    webhooks->queue = ordo_webhook_queue_create(&queue);
    webhooks->multi = curl_multi_init();
    ORDO_ASSERT(webhooks->multi != NULL);
    for (size_t i = 0; i < ORDO_WEBHOOKS_AT_ONCE; i++) make_transfer(webhooks, &webhooks->transfers[i]);
    int error = pthread_create(&webhooks->thread, NULL, run, webhooks);
    ORDO_ASSERT(error == 0);
    log_info("event=webhooks_on collections=%zu debounce_ms=%llu", webhooks->collection_count,
             (unsigned long long)queue.debounce_ms);
    *out = webhooks;
    return ORDO_OK;
}

void ordo_webhooks_stop(struct ordo_webhooks *webhooks) {
    if (webhooks == NULL) return;
    pthread_mutex_lock(&webhooks->mutex);
    webhooks->stops = true;
    pthread_mutex_unlock(&webhooks->mutex);
    curl_multi_wakeup(webhooks->multi);
    pthread_join(webhooks->thread, NULL);
    const struct ordo_webhook_stats stats = ordo_webhooks_stats(webhooks);
    log_info("event=webhooks_off delivered=%llu failed_tries=%llu refused=%llu given_up=%llu dropped=%llu",
             (unsigned long long)stats.delivered, (unsigned long long)stats.failed_tries, (unsigned long long)stats.refused,
             (unsigned long long)stats.given_up, (unsigned long long)stats.dropped);
    destroy(webhooks);
}
