/* ordo doc cat, put, rm, log: one document of a running cluster, as it is now, and its ops. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/utf8.h"
#include "tools/history.h"
#include "tools/ordo/op_json.h"
#include "tools/ordo/session.h"

int ordo_doc_cat_run(int argc, char **argv) {
    struct session session;
    session_init(&session);
    const struct ordo_option options[] = {SESSION_OPTIONS(session)};
    const char *name;
    struct ordo_words words = {.items = &name, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo doc cat [OPTIONS] COLLECTION/ID", options, SESSION_OPTION_COUNT, argc, argv, &words,
                            &status)) {
        return status;
    }
    status = session_open(&session, name, NULL, false);
    if (status != EXIT_SUCCESS) return status;
    size_t size;
    char *text = ordo_client_text(session.doc, &size);
    fwrite(text, 1, size, stdout);
    free(text);
    session_close(&session);
    return ordo_command_flush();
}

/* --- log -------------------------------------------------------------------------------------------------------- */

struct log_printing {
    struct ordo_tools_history history;
    struct ordo_buffer line;
    uint64_t unreadable_seq; /* 0: none */
};

static void print_op(void *user, const struct ordo_client_commit *op) {
    struct log_printing *printing = user;
    ordo_buffer_clear(&printing->line);
    if (ordo_op_json(op, &printing->line) == ORDO_OK) {
        ordo_buffer_append_u8(&printing->line, '\n');
        fwrite(printing->line.data, 1, printing->line.size, stdout);
        if (ferror(stdout)) printing->history.is_enough = true; /* nobody reads on */
    } else if (printing->unreadable_seq == 0) {
        printing->unreadable_seq = op->server_seq;
    }
}

int ordo_doc_log_run(int argc, char **argv) {
    struct session session;
    session_init(&session);
    uint64_t from_seq = 1, to_seq = 0;
    const struct ordo_option options[] = {
        SESSION_OPTIONS(session),
        {"--from", "SEQ", "first server_seq (1)", ORDO_OPTION_COUNT, &from_seq, 1, ORDO_NUMBER_MAX},
        {"--to", "SEQ", "last server_seq (the newest)", ORDO_OPTION_COUNT, &to_seq, 1, ORDO_NUMBER_MAX},
    };
    const char *name;
    struct ordo_words words = {.items = &name, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo doc log [OPTIONS] COLLECTION/ID", options, SESSION_OPTION_COUNT + 2, argc, argv,
                            &words, &status)) {
        return status;
    }
    if (to_seq != 0 && from_seq > to_seq) return ordo_command_misuse(argv[0], "--from lies behind --to");

    status = session_open(&session, name, NULL, true);
    if (status != EXIT_SUCCESS) return status;
    struct log_printing printing = {.history = {.op = print_op, .user = &printing}};
    ordo_err err = ordo_tools_read_history(session.loop, session.doc, from_seq, to_seq, SESSION_WORK_TIMEOUT_MS,
                                           &printing.history);
    session_close(&session);
    ordo_buffer_finish(&printing.line);
    status = ordo_command_flush();
    if (status != EXIT_SUCCESS) return status;
    if (printing.history.error_code != 0) {
        return ordo_command_fail("%s: error %u: %s", name, printing.history.error_code, printing.history.error_message);
    }
    if (err) return ordo_command_fail("%s: %s", name, ordo_err_text(err));
    if (printing.unreadable_seq != 0) {
        return ordo_command_fail("%s: op %llu is not understood by this version", name,
                                 (unsigned long long)printing.unreadable_seq);
    }
    return status;
}

/* --- put -------------------------------------------------------------------------------------------------------- */

/* All of stdin. False: a message was printed. */
static bool read_stdin(struct ordo_buffer *text) {
    enum { CHUNK_SIZE = 1 << 16 };
    size_t size;
    while ((size = fread(ordo_buffer_reserve(text, CHUNK_SIZE), 1, CHUNK_SIZE, stdin)) > 0) {
        text->size += size;
        if (text->size > ORDO_DOCUMENT_SIZE_MAX) {
            ordo_command_fail("stdin has more than the %u MiB that a document can hold", ORDO_DOCUMENT_SIZE_MAX >> 20);
            return false;
        }
    }
    if (ferror(stdin)) {
        ordo_command_fail("cannot read stdin: %s", strerror(errno));
        return false;
    }
    if (!ordo_utf8_validate(ordo_buffer_slice(text), NULL) ||
        (text->size > 0 && memchr(text->data, 0, text->size) != NULL)) {
        ordo_command_fail("stdin is not UTF-8 text without U+0000");
        return false;
    }
    return true;
}

/* What others have in the same document (cursors, edits on their way) stays in place. */
static int replace(struct session *session, struct ordo_slice text) {
    ordo_err err = ordo_client_set_text(session->doc, text);
    if (!err) err = ordo_client_wait_synced(session->doc, SESSION_WORK_TIMEOUT_MS);
    if (session->was_given_back) return ordo_command_fail("%s was refused: %s", session->name, session->given_message);
    if (err) return ordo_command_fail("%s was not saved: %s", session->name, ordo_err_text(err));
    return EXIT_SUCCESS;
}

int ordo_doc_put_run(int argc, char **argv) {
    struct session session;
    session_init(&session);
    const struct ordo_option options[] = {SESSION_OPTIONS(session)};
    const char *name;
    struct ordo_words words = {.items = &name, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo doc put [OPTIONS] COLLECTION/ID < FILE", options, SESSION_OPTION_COUNT, argc, argv,
                            &words, &status)) {
        return status;
    }
    struct ordo_buffer text = {0};
    status = EXIT_FAILURE;
    if (read_stdin(&text)) status = session_open(&session, name, "text", false);
    if (status == EXIT_SUCCESS) {
        status = replace(&session, ordo_buffer_slice(&text));
        session_close(&session);
    }
    ordo_buffer_finish(&text);
    return status;
}

/* --- rm --------------------------------------------------------------------------------------------------------- */

static int delete(struct session *session) {
    if (ordo_client_is_deleted(session->doc)) {
        fprintf(stderr, "ordo: %s is deleted already\n", session->name);
        return EXIT_SUCCESS;
    }
    ordo_err err = ordo_client_delete_document(session->doc);
    if (!err) err = ordo_client_wait_synced(session->doc, SESSION_WORK_TIMEOUT_MS);
    if (err) return ordo_command_fail("%s was not deleted: %s", session->name, ordo_err_text(err));
    if (session->ack_count > 0) printf("%llu\n", (unsigned long long)session->acked_seq);
    else if (!ordo_client_is_deleted(session->doc)) return ordo_command_fail("the server refused to delete %s", session->name);
    else fprintf(stderr, "ordo: %s was deleted by somebody else just now\n", session->name);
    return ordo_command_flush();
}

/* The answer may get lost on its way, so it is asked again; the lineage says what is meant, so that nothing is erased that
 * somebody has made meanwhile. */
static int forget(struct session *session) {
    struct ordo_client_forgotten forgotten;
    uint64_t lineage = ordo_client_lineage(session->doc), begun_ms = ordo_clock_monotonic_ms();
    ordo_err err;
    do err = ordo_client_wait_forgotten(session->doc, lineage, SESSION_WORK_TIMEOUT_MS, &forgotten);
    while (ordo_tools_shall_try_again(session->loop, err, forgotten.error_code, begun_ms));
    if (err && forgotten.error_code != 0)
        return ordo_command_fail("%s was not forgotten: error %u: %s", session->name, forgotten.error_code, forgotten.error_message);
    if (err) return ordo_command_fail("whether %s was forgotten is not known: %s", session->name, ordo_err_text(err));
    printf("%llu\n", (unsigned long long)forgotten.head);
    return ordo_command_flush();
}

int ordo_doc_rm_run(int argc, char **argv) {
    struct session session;
    session_init(&session);
    bool is_forgetting = false, is_sure = false;
    const struct ordo_option options[] = {
        SESSION_OPTIONS(session),
        {"--forget", NULL, "erase it with all of its history, for good", ORDO_OPTION_FLAG, &is_forgetting},
        {"--yes", NULL, "with --forget: do not ask", ORDO_OPTION_FLAG, &is_sure},
    };
    const char *name;
    struct ordo_words words = {.items = &name, .capacity = 1};
    int status;
    static const char usage[] = "ordo doc rm [OPTIONS] COLLECTION/ID\n"
                                "Deletes the document for everybody and prints the server_seq of that. Its history stays:\n"
                                "`ordo doc restore` brings it back. With --forget nothing does, but backups of before.";
    if (!ordo_command_parse(usage, options, SESSION_OPTION_COUNT + 2, argc, argv, &words, &status)) return status;
    if (is_forgetting && !is_sure && !isatty(STDIN_FILENO))
        return ordo_command_misuse(argv[0], "wants --yes where nobody can be asked");
    status = session_open(&session, name, NULL, true);
    if (status != EXIT_SUCCESS) return status;
    if (!is_forgetting) status = delete(&session);
    else if (is_sure || ordo_command_confirm("Erase %s with all of its history, for everybody and for good?", name))
        status = forget(&session);
    else status = ordo_command_fail("%s was not forgotten", name);
    session_close(&session);
    return status;
}
