/* ordo doc at, diff, restore: one document of a running cluster, as it was. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/c/core/wire.h"
#include "common/clock.h"
#include "common/limits.h"
#include "tools/history.h"
#include "tools/line_diff.h"
#include "tools/moment.h"
#include "tools/ordo/session.h"

enum { NOT_GIVEN = 0, BAD_REQUEST = 400 };

static unsigned long long number(uint64_t value) { return value; } /* for printf */

/* --- reading ---------------------------------------------------------------------------------------------------- */

static void keep_time(void *user, const struct ordo_client_commit *op) { *(uint64_t *)user = op->timestamp_ms; }

/* When the op at `seq` was committed; 0: there is none, or it can no longer be read. */
static uint64_t time_of(struct session *session, uint64_t seq) {
    uint64_t time_ms = 0;
    struct ordo_tools_history history = {.op = keep_time, .user = &time_ms};
    if (seq == 0) return 0;
    ordo_err err = ordo_tools_read_history(session->loop, session->doc, seq, seq, SESSION_WORK_TIMEOUT_MS, &history);
    return err ? 0 : time_ms;
}

/* EXIT_SUCCESS: `content` is there, and to be finished. Else a message was printed. */
static int read_at(struct session *session, struct ordo_tools_place place, struct ordo_client_content *content) {
    ordo_err err = ordo_tools_read_content(session->loop, session->doc, place, SESSION_WORK_TIMEOUT_MS, content);
    if (!err) return EXIT_SUCCESS;
    uint64_t head = ordo_client_seq(session->doc);
    if (!place.is_time && content->error_code == BAD_REQUEST && place.seq_or_ms > head)
        ordo_command_fail("%s has no op %llu yet: its newest is %llu", session->name, number(place.seq_or_ms), number(head));
    else if (content->error_code != 0)
        ordo_command_fail("%s at %s %llu cannot be read: error %u: %s", session->name, place.is_time ? "time" : "seq",
                          number(place.seq_or_ms), content->error_code, content->error_message);
    else ordo_command_fail("%s: %s", session->name, ordo_err_text(err));
    ordo_client_content_finish(content);
    return EXIT_FAILURE;
}

/* --- at --------------------------------------------------------------------------------------------------------- */

static int fail_before_the_first(struct session *session, uint64_t at_ms) {
    char at[ORDO_MOMENT_SIZE], first[ORDO_MOMENT_SIZE];
    uint64_t first_ms = time_of(session, 1);
    ordo_moment_print(at_ms, at);
    ordo_moment_print(first_ms, first);
    return ordo_command_fail("%s did not exist yet at %s%s%s", session->name, at, first_ms ? ": its first op is of " : "",
                             first_ms ? first : "");
}

static int print_json(struct session *session, const struct ordo_client_content *content) {
    uint64_t time_ms = time_of(session, content->seq);
    json_t *line = json_pack("{s:I}", "seq", (json_int_t)content->seq);
    if (time_ms != 0) json_object_set_new(line, "timestamp_ms", json_integer((json_int_t)time_ms));
    json_object_set_new(line, "deleted", json_boolean(content->is_deleted));
    int err = json_object_set_new(line, "text", json_stringn(content->text, content->size));
    if (!err) err = json_dumpf(line, stdout, JSON_COMPACT);
    json_decref(line);
    putchar('\n');
    return err ? ordo_command_fail("%s is not text", session->name) : EXIT_SUCCESS;
}

static int print_at(struct session *session, struct ordo_tools_place place, bool as_json) {
    struct ordo_client_content content;
    int status = read_at(session, place, &content);
    if (status != EXIT_SUCCESS) return status;
    if (content.seq == 0) status = fail_before_the_first(session, place.seq_or_ms);
    else if (as_json) status = print_json(session, &content);
    else if (content.is_deleted) status = ordo_command_fail("%s is deleted at seq %llu", session->name, number(content.seq));
    else fwrite(content.text, 1, content.size, stdout);
    ordo_client_content_finish(&content);
    return status == EXIT_SUCCESS ? ordo_command_flush() : status;
}

int ordo_doc_at_run(int argc, char **argv) {
    struct session session;
    session_init(&session);
    struct ordo_tools_place place = {.seq_or_ms = NOT_GIVEN};
    const char *time = NULL;
    bool as_json = false;
    const struct ordo_option options[] = {
        SESSION_OPTIONS(session),
        {"--seq", "N", "with op N as the newest", ORDO_OPTION_COUNT, &place.seq_or_ms, 1, ORDO_NUMBER_MAX},
        {"--time", "T", "as it was then: 2026-07-01, '2026-07-01 14:30[:05]' (UTC),\n"
                        "2026-07-01T14:30:05+02:00, -90s, -15m, -2h, -3d (before now),\n"
                        "or milliseconds since 1970", ORDO_OPTION_TEXT, &time},
        {"--json", NULL, "print {\"seq\", \"timestamp_ms\", \"deleted\", \"text\"}", ORDO_OPTION_FLAG, &as_json},
    };
    const char *name;
    struct ordo_words words = {.items = &name, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo doc at [OPTIONS] COLLECTION/ID --seq N | --time T", options, SESSION_OPTION_COUNT + 3,
                            argc, argv, &words, &status)) {
        return status;
    }
    place.is_time = time != NULL;
    if (place.is_time == (place.seq_or_ms != NOT_GIVEN))
        return ordo_command_misuse(argv[0], "wants either --seq or --time");
    if (place.is_time && !ordo_moment_parse(time, ordo_clock_wall_ms(), &place.seq_or_ms))
        return ordo_command_misuse(argv[0], "--time wants a time, such as 2026-07-01T14:30:05Z or -15m");

    status = session_open(&session, name, NULL, true);
    if (status != EXIT_SUCCESS) return status;
    status = print_at(&session, place, as_json);
    session_close(&session);
    return status;
}

/* --- diff ------------------------------------------------------------------------------------------------------- */

/* SEQ or "head", which is left open. */
static bool parse_place(const char *word, bool *is_head, uint64_t *seq) {
    char *end;
    *is_head = strcmp(word, "head") == 0;
    if (*is_head) return true;
    if (*word < '0' || *word > '9' || strlen(word) > 16) return false;
    *seq = strtoull(word, &end, 10);
    return *end == '\0' && *seq <= ORDO_NUMBER_MAX;
}

static bool wants_colours(void) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool is_dumb = term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0;
    return isatty(STDOUT_FILENO) && !is_dumb && (no_color == NULL || no_color[0] == '\0');
}

static void print_heading(const struct session *session, const char *mark, const struct ordo_client_content *content,
                          uint64_t time_ms, bool is_coloured) {
    char when[ORDO_MOMENT_SIZE] = "before the first op";
    if (time_ms != 0) ordo_moment_print(time_ms, when);
    else if (content->seq != 0) snprintf(when, sizeof when, "time not known");
    printf("%s%s %s\tseq %llu\t%s%s%s\n", is_coloured ? "\033[1m" : "", mark, session->name, number(content->seq), when,
           content->is_deleted && content->seq != 0 ? "\tdeleted" : "", is_coloured ? "\033[m" : "");
}

/* True: they differ. */
static bool print_difference(struct session *session, const struct ordo_client_content *old_content,
                             const struct ordo_client_content *new_content) {
    struct ordo_line_diff diff;
    ordo_line_diff_init(&diff, ordo_slice(old_content->text, old_content->size),
                        ordo_slice(new_content->text, new_content->size));
    bool differs = diff.change_count > 0 || old_content->is_deleted != new_content->is_deleted;
    if (differs) {
        bool is_coloured = wants_colours();
        print_heading(session, "---", old_content, time_of(session, old_content->seq), is_coloured);
        print_heading(session, "+++", new_content, time_of(session, new_content->seq), is_coloured);
        ordo_line_diff_print(&diff, stdout, is_coloured);
    }
    ordo_line_diff_finish(&diff);
    return differs;
}

static int diff(struct session *session, uint64_t old_seq, uint64_t new_seq, bool *differs) {
    struct ordo_client_content old_content = {0}, new_content = {0};
    int status = read_at(session, (struct ordo_tools_place){.seq_or_ms = old_seq}, &old_content);
    if (status == EXIT_SUCCESS) status = read_at(session, (struct ordo_tools_place){.seq_or_ms = new_seq}, &new_content);
    if (status == EXIT_SUCCESS) *differs = print_difference(session, &old_content, &new_content);
    ordo_client_content_finish(&old_content);
    ordo_client_content_finish(&new_content);
    return status == EXIT_SUCCESS ? ordo_command_flush() : status;
}

int ordo_doc_diff_run(int argc, char **argv) {
    struct session session;
    session_init(&session);
    bool wants_exit_code = false;
    const struct ordo_option options[] = {
        SESSION_OPTIONS(session),
        {"--exit-code", NULL, "exit with 1 if they differ", ORDO_OPTION_FLAG, &wants_exit_code},
    };
    const char *items[3] = {NULL, NULL, "head"};
    struct ordo_words words = {.items = items, .capacity = 3, .optional_count = 1};
    int status;
    static const char usage[] = "ordo doc diff [OPTIONS] COLLECTION/ID A [B]\n"
                                "What differs, line by line, between the document at seq A and at seq B (head). A and B are\n"
                                "a server_seq, 0 (nothing yet) or head.";
    if (!ordo_command_parse(usage, options, SESSION_OPTION_COUNT + 1, argc, argv, &words, &status)) return status;
    bool is_old_head, is_new_head, differs = false;
    uint64_t old_seq = 0, new_seq = 0;
    if (!parse_place(items[1], &is_old_head, &old_seq) || !parse_place(items[2], &is_new_head, &new_seq))
        return ordo_command_misuse(argv[0], "A and B are a server_seq or head");

    status = session_open(&session, items[0], NULL, true);
    if (status != EXIT_SUCCESS) return status;
    if (is_old_head) old_seq = ordo_client_seq(session.doc);
    if (is_new_head) new_seq = ordo_client_seq(session.doc);
    status = diff(&session, old_seq, new_seq, &differs);
    session_close(&session);
    return status == EXIT_SUCCESS && wants_exit_code && differs ? EXIT_FAILURE : status;
}

/* --- restore ---------------------------------------------------------------------------------------------------- */

/* Somebody deleted the document, or created it anew, in the very moment: then it takes another op than the one that was
 * sent, which did nothing. */
static bool was_overtaken(const struct session *session) {
    if (!session->was_given_back) return false;
    switch (session->given_reason) {
    case ORDO_CLIENT_GONE:
    case ORDO_CLIENT_REPLACED: return true;
    case ORDO_CLIENT_REFUSED: return session->given_code == ORDO_NACK_EXISTS;
    case ORDO_CLIENT_FATE_UNKNOWN:
    case ORDO_CLIENT_UNMERGEABLE: break;
    }
    return false;
}

static ordo_err set_text(struct session *session, struct ordo_slice text) {
    ordo_err err = ordo_client_set_text(session->doc, text);
    if (err == ORDO_ERR_TOO_LARGE && ordo_client_is_deleted(session->doc)) { /* for one op: first create, then fill */
        err = ordo_client_create_document(session->doc);
        if (!err) err = ordo_client_wait_synced(session->doc, SESSION_WORK_TIMEOUT_MS);
        if (!err) err = ordo_client_set_text(session->doc, text);
    }
    if (!err) err = ordo_client_wait_synced(session->doc, SESSION_WORK_TIMEOUT_MS);
    return err;
}

static int restore(struct session *session, struct ordo_slice text, uint64_t seq) {
    enum { TRIES_MAX = 5 };
    ordo_err err;
    int tries = 0;
    do {
        session_forget_answers(session);
        err = set_text(session, text);
    } while (!err && was_overtaken(session) && ++tries < TRIES_MAX);
    if (session->was_given_back)
        return ordo_command_fail("%s was not restored: %s", session->name, session->given_message);
    if (err) return ordo_command_fail("%s was not restored: %s", session->name, ordo_err_text(err));
    if (session->ack_count == 0) {
        fprintf(stderr, "ordo: %s is what it was at seq %llu already\n", session->name, number(seq));
        return EXIT_SUCCESS;
    }
    if (session->ack_count > 1)
        fprintf(stderr, "ordo: that was too large for one op, and went as %llu; the last is %llu\n",
                number(session->ack_count), number(session->acked_seq));
    printf("%llu\n", number(session->acked_seq));
    return ordo_command_flush();
}

static int read_and_restore(struct session *session, uint64_t seq) {
    struct ordo_client_content content;
    int status = read_at(session, (struct ordo_tools_place){.seq_or_ms = seq}, &content);
    if (status != EXIT_SUCCESS) return status;
    if (content.is_deleted) status = ordo_command_fail("%s is deleted at seq %llu", session->name, number(seq));
    else status = restore(session, ordo_slice(content.text, content.size), seq);
    ordo_client_content_finish(&content);
    return status;
}

int ordo_doc_restore_run(int argc, char **argv) {
    struct session session;
    session_init(&session);
    uint64_t seq = NOT_GIVEN;
    bool is_sure = false;
    const struct ordo_option options[] = {
        SESSION_OPTIONS(session),
        {"--seq", "N", "with op N as the newest", ORDO_OPTION_COUNT, &seq, 1, ORDO_NUMBER_MAX},
        {"--yes", NULL, "do not ask", ORDO_OPTION_FLAG, &is_sure},
    };
    const char *name;
    struct ordo_words words = {.items = &name, .capacity = 1};
    int status;
    static const char usage[] = "ordo doc restore [OPTIONS] COLLECTION/ID --seq N\n"
                                "Makes the content at seq N the content again, by one new op, and prints its server_seq. Nothing\n"
                                "is rewritten, and what others edit meanwhile is merged. A deleted document is created again.";
    if (!ordo_command_parse(usage, options, SESSION_OPTION_COUNT + 2, argc, argv, &words, &status)) return status;
    if (seq == NOT_GIVEN) return ordo_command_misuse(argv[0], "wants --seq");
    if (!is_sure && !isatty(STDIN_FILENO)) return ordo_command_misuse(argv[0], "wants --yes where nobody can be asked");

    status = session_open(&session, name, NULL, false);
    if (status != EXIT_SUCCESS) return status;
    bool goes_on = is_sure || ordo_command_confirm("Make %s (now at seq %llu) what it was at seq %llu?", name,
                                                   number(ordo_client_seq(session.doc)), number(seq));
    if (goes_on) status = read_and_restore(&session, seq);
    else status = ordo_command_fail("%s was not restored", name);
    session_close(&session);
    return status;
}
