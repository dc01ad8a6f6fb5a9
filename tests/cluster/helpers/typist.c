/* typist URL COLLECTION/ID LETTER COUNT PAUSE_MS: a C client that types COUNT times LETTER (ASCII) in one run.
 *
 * The caret follows the run: before, it is the end of the text. A letter that stands for nothing else in the document
 * is how the run is found again. Then it prints `typed SEQ`, waits for a line `seq N` on stdin, and prints the text as
 * it shows it at N. Independent clients, which set no tie bits, meet ours, which do, through this. */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/c/ordo_client.h"

enum { TIMEOUT_MS = 60000 };

static int fail(const char *what, ordo_err err) {
    fprintf(stderr, "typist: %s: %s\n", what, ordo_err_text(err));
    return EXIT_FAILURE;
}

/* Where the next letter goes, in code points: behind the last LETTER, or at the end of the text. */
static uint64_t find_caret(const struct ordo_client_doc *doc, char letter) {
    size_t size;
    char *text = ordo_client_text(doc, &size);
    uint64_t count = 0, caret = 0;
    for (size_t i = 0; i < size; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) count++;
        if (text[i] == letter) caret = count;
    }
    free(text);
    return caret > 0 ? caret : count;
}

static bool never(void *user) {
    (void)user;
    return false;
}

static ordo_err type_run(struct ordo_client_loop *loop, struct ordo_client_doc *doc, char letter, int count,
                         uint32_t pause_ms) {
    char text[2] = {letter, '\0'};
    for (int i = 0; i < count; i++) {
        ordo_err err = ordo_client_insert(doc, find_caret(doc, letter), text);
        if (err) return err;
        if (ordo_client_loop_run_until(loop, never, NULL, pause_ms) != ORDO_ERR_TIMEOUT) return ORDO_ERR_CLOSED;
    }
    return ordo_client_wait_synced(doc, TIMEOUT_MS);
}

static int run(struct ordo_client_loop *loop, struct ordo_client_doc *doc, char **argv) {
    ordo_err err = ordo_client_wait_open(doc, TIMEOUT_MS);
    if (err) return fail("open", err);
    printf("open\n");
    fflush(stdout);
    err = type_run(loop, doc, argv[3][0], atoi(argv[4]), (uint32_t)atoi(argv[5]));
    if (err) return fail("typing", err);
    printf("typed %llu\n", (unsigned long long)ordo_client_seq(doc));
    fflush(stdout);

    unsigned long long seq;
    if (scanf("seq %llu", &seq) != 1) return fail("stdin", ORDO_ERR_INVALID);
    err = ordo_client_wait_seq(doc, seq, TIMEOUT_MS);
    if (err) return fail("waiting for the others", err);
    size_t size;
    char *text = ordo_client_text(doc, &size);
    fwrite(text, 1, size, stdout);
    free(text);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    char *slash = argc == 6 ? strchr(argv[2], '/') : NULL;
    if (slash == NULL) {
        fprintf(stderr, "usage: typist URL COLLECTION/ID LETTER COUNT PAUSE_MS\n");
        return 2;
    }
    *slash = '\0';
    struct ordo_client_loop *loop = ordo_client_loop_create();
    struct ordo_client *client;
    ordo_err err = ordo_client_connect(loop, &(struct ordo_client_options){.url = argv[1]}, &client);
    if (err) return fail(argv[1], err);
    struct ordo_client_doc *doc =
        ordo_client_open(client, argv[2], slash + 1, &(struct ordo_client_open_options){.create_type = "text"});
    int status = run(loop, doc, argv);
    ordo_client_disconnect(client);
    ordo_client_loop_destroy(loop);
    return status;
}
