/* The neighbours from hell, for the measurement that nobody waits for them.
 *
 *   bench_disturb prepare URL FOLDER   makes bench/big (64 MiB) and bench/far, and writes FOLDER/far.record: what a
 *                                      client has stored that made a huge edit on bench/far and could not send it
 *   bench_disturb big URL              opens bench/big and reads all of it
 *   bench_disturb far URL FOLDER       comes back with the record, however far bench/far has gone on since
 *
 * Each prints one JSON line with the milliseconds that it took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/c/ordo_client.h"
#include "common/buffer.h"
#include "common/clock.h"
#include "common/ot/text_codec.h"

enum {
    WAIT_MS = 120000,
    BIG_SIZE = 64 * 1000 * 1000,   /* below the limit of 64 MiB, in ASCII */
    BIG_CHUNK_SIZE = 500 * 1000,
    FAR_LENGTH = 50000,
    FAR_INSERT_COUNT = 43500,      /* with the retains between: 87,000 components */
};

static struct ordo_buffer record; /* the newest that `store` was given */

static bool keep_record(void *user, struct ordo_client_doc *doc, struct ordo_slice bytes) {
    (void)user;
    (void)doc;
    ordo_buffer_clear(&record);
    ordo_buffer_append_slice(&record, bytes);
    return false; /* so that the op is never sent: this client goes away first */
}

static int fail(const char *what, ordo_err err) {
    fprintf(stderr, "bench_disturb: %s: %s\n", what, ordo_err_text(err));
    return EXIT_FAILURE;
}

static struct ordo_client *connect_to(struct ordo_client_loop *loop, const char *url,
                                      const struct ordo_client_id *client_id) {
    struct ordo_client_options options = {.url = url, .agent = "bench_disturb"};
    struct ordo_client *client;
    if (client_id) options.client_id = *client_id;
    if (ordo_client_connect(loop, &options, &client) != ORDO_OK) exit(fail("the URL", ORDO_ERR_INVALID));
    return client;
}

/* Lines of text, so that the size stands for something. */
static char *filler(size_t size) {
    char *text = malloc(size + 1);
    for (size_t i = 0; i < size; i++) text[i] = i % 80 == 79 ? '\n' : (char)('a' + i * 7 % 26);
    text[size] = '\0';
    return text;
}

static ordo_err make_big(struct ordo_client *client) {
    struct ordo_client_doc *doc =
        ordo_client_open(client, "bench", "big", &(struct ordo_client_open_options){.create_type = "text"});
    ordo_err err = ordo_client_wait_open(doc, WAIT_MS);
    char *chunk = filler(BIG_CHUNK_SIZE);
    while (!err && ordo_client_length(doc) + BIG_CHUNK_SIZE <= BIG_SIZE) {
        err = ordo_client_insert(doc, ordo_client_length(doc), chunk);
        if (!err) err = ordo_client_wait_synced(doc, WAIT_MS);
    }
    free(chunk);
    ordo_client_close(doc);
    return err;
}

/* A letter after every letter of the first 43,500. */
static void append_huge_op(struct ordo_buffer *out) {
    char *text = filler(FAR_INSERT_COUNT);
    size_t start;
    struct text_writer writer = text_message_begin(out, &start);
    for (int i = 0; i < FAR_INSERT_COUNT; i++) {
        text_put(&writer, text_span(TEXT_RETAIN, 1));
        text_put(&writer, text_span(TEXT_INSERT, 1));
    }
    text_message_end(&writer, start, ordo_slice(text, FAR_INSERT_COUNT));
    free(text);
}

static ordo_err make_far(struct ordo_client_loop *loop, const char *url, const char *folder) {
    struct ordo_client *first = connect_to(loop, url, NULL);
    struct ordo_client_doc *doc =
        ordo_client_open(first, "bench", "far", &(struct ordo_client_open_options){.create_type = "text"});
    ordo_err err = ordo_client_wait_open(doc, WAIT_MS);
    char *text = filler(FAR_LENGTH);
    if (!err) err = ordo_client_insert(doc, 0, text);
    free(text);
    if (!err) err = ordo_client_wait_synced(doc, WAIT_MS);
    ordo_client_disconnect(first);
    if (err) return err;

    struct ordo_client *second = connect_to(loop, url, NULL);
    struct ordo_client_id id = ordo_client_id(second);
    doc = ordo_client_open(second, "bench", "far",
                           &(struct ordo_client_open_options){.listener = {.store = keep_record}});
    err = ordo_client_wait_open(doc, WAIT_MS);
    struct ordo_buffer op = {0};
    append_huge_op(&op);
    if (!err) err = ordo_client_apply(doc, ordo_buffer_slice(&op));
    ordo_buffer_finish(&op);
    if (!err && ordo_client_wait_synced(doc, 200) != ORDO_ERR_TIMEOUT) err = ORDO_ERR_INVALID; /* it must not get through */
    ordo_client_disconnect(second);
    if (err) return err;
    if (record.size == 0) return ORDO_ERR_NOT_FOUND;

    char path[4096];
    snprintf(path, sizeof path, "%s/far.record", folder);
    FILE *file = fopen(path, "wb");
    if (file == NULL) return ORDO_ERR_IO;
    bool is_written = fwrite(id.bytes, sizeof id.bytes, 1, file) == 1 && fwrite(record.data, record.size, 1, file) == 1;
    return fclose(file) == 0 && is_written ? ORDO_OK : ORDO_ERR_IO;
}

static ordo_err read_big(struct ordo_client_loop *loop, const char *url) {
    struct ordo_client *client = connect_to(loop, url, NULL);
    struct ordo_client_doc *doc = ordo_client_open(client, "bench", "big", &(struct ordo_client_open_options){0});
    ordo_err err = ordo_client_wait_open(doc, WAIT_MS);
    if (!err && ordo_client_length(doc) + BIG_CHUNK_SIZE <= BIG_SIZE) err = ORDO_ERR_INVALID;
    ordo_client_disconnect(client);
    return err;
}

static ordo_err come_back(struct ordo_client_loop *loop, const char *url, const char *folder) {
    char path[4096];
    struct ordo_client_id id;
    snprintf(path, sizeof path, "%s/far.record", folder);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(id.bytes, sizeof id.bytes, 1, file) != 1) return ORDO_ERR_IO;
    size_t size;
    while ((size = fread(ordo_buffer_reserve(&record, 65536), 1, 65536, file)) > 0) record.size += size;
    fclose(file);

    struct ordo_client *client = connect_to(loop, url, &id);
    struct ordo_client_doc *doc = ordo_client_open(
        client, "bench", "far", &(struct ordo_client_open_options){.record = ordo_buffer_slice(&record)});
    ordo_err err = ordo_client_wait_open(doc, WAIT_MS);
    if (!err) err = ordo_client_wait_synced(doc, WAIT_MS);
    ordo_client_disconnect(client);
    return err;
}

int main(int argc, char **argv) {
    bool wants_folder = argc > 1 && strcmp(argv[1], "big") != 0;
    if (argc != (wants_folder ? 4 : 3)) {
        fprintf(stderr, "usage: bench_disturb prepare|far URL FOLDER, bench_disturb big URL\n");
        return 2;
    }
    struct ordo_client_loop *loop = ordo_client_loop_create();
    uint64_t begin_ns = ordo_clock_monotonic_ns();
    ordo_err err = ORDO_ERR_INVALID;
    if (strcmp(argv[1], "prepare") == 0) {
        struct ordo_client *client = connect_to(loop, argv[2], NULL);
        err = make_big(client);
        ordo_client_disconnect(client);
        if (!err) err = make_far(loop, argv[2], argv[3]);
    } else if (strcmp(argv[1], "big") == 0) {
        err = read_big(loop, argv[2]);
    } else if (strcmp(argv[1], "far") == 0) {
        err = come_back(loop, argv[2], argv[3]);
    }
    ordo_client_loop_destroy(loop);
    ordo_buffer_finish(&record);
    if (err) return fail(argv[1], err);
    printf("{\"%s_ms\": %.1f}\n", argv[1], (double)(ordo_clock_monotonic_ns() - begin_ns) / 1e6);
    return EXIT_SUCCESS;
}
