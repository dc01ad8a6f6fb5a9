#include "common/link/key.h"

#include <stdio.h>

#include "common/hex.h"

static const char *const role_names[ORDO_LINK_ROLE_COUNT] = {
    [ORDO_LINK_ROLE_SHARD] = "shard", [ORDO_LINK_ROLE_GATEWAY] = "gateway", [ORDO_LINK_ROLE_OPERATOR] = "operator"};

const char *ordo_link_role_name(enum ordo_link_role role) { return role_names[role]; }

bool ordo_link_key_equal(const struct ordo_link_key *a, const struct ordo_link_key *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* ---- lines */

static bool is_space(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r'; }

static struct ordo_slice strip(struct ordo_slice line) {
    while (line.size > 0 && is_space(line.data[0])) line = ordo_slice(line.data + 1, line.size - 1);
    while (line.size > 0 && is_space(line.data[line.size - 1])) line.size--;
    return line;
}

/* The next line that says something, without its spaces; false: there is none. `*number` counts all lines, from 1. */
static bool next_line(struct ordo_slice *rest, struct ordo_slice *line, size_t *number) {
    while (rest->size > 0) {
        const uint8_t *end = memchr(rest->data, '\n', rest->size);
        size_t size = end != NULL ? (size_t)(end - rest->data) : rest->size;
        *line = strip(ordo_slice(rest->data, size));
        ++*number;
        size += end != NULL;
        *rest = ordo_slice(rest->data + size, rest->size - size);
        if (line->size > 0 && line->data[0] != '#') return true;
    }
    return false;
}

static bool parse_key(struct ordo_slice digits, struct ordo_link_key *out) {
    char text[ORDO_LINK_KEY_TEXT_SIZE + 1];
    if (digits.size != ORDO_LINK_KEY_TEXT_SIZE || memchr(digits.data, 0, digits.size) != NULL) return false;
    memcpy(text, digits.data, digits.size);
    text[digits.size] = '\0';
    return ordo_hex_decode(text, out->bytes, sizeof out->bytes);
}

/* "WORD KEY". */
static bool split_line(struct ordo_slice line, struct ordo_slice *word, struct ordo_link_key *key) {
    size_t size = 0;
    while (size < line.size && !is_space(line.data[size])) size++;
    *word = ordo_slice(line.data, size);
    return parse_key(strip(ordo_slice(line.data + size, line.size - size)), key);
}

ordo_err ordo_link_key_parse_secret(struct ordo_slice text, struct ordo_link_key *out, struct ordo_problem *problem) {
    struct ordo_slice line, word;
    size_t number = 0, count = 0;
    while (next_line(&text, &line, &number)) {
        bool is_secret = split_line(line, &word, out) && ordo_slice_equal(word, ordo_slice_of("secret"));
        if (is_secret && ++count == 1) continue;
        ordo_problem_set(problem, is_secret ? "its line %zu is a second key" : "its line %zu is not \"secret\" and 64 hex digits",
                         number);
        return ORDO_ERR_INVALID;
    }
    if (count == 1) return ORDO_OK;
    ordo_problem_set(problem, "it holds no key");
    return ORDO_ERR_INVALID;
}

static bool parse_role(struct ordo_slice word, enum ordo_link_role *out) {
    for (int role = 0; role < ORDO_LINK_ROLE_COUNT; role++) {
        *out = (enum ordo_link_role)role;
        if (ordo_slice_equal(word, ordo_slice_of(role_names[role]))) return true;
    }
    return false;
}

/* What is wrong with one line, as the end of a sentence; NULL: nothing. */
static const char *take_trusted(struct ordo_link_trusted *trusted, struct ordo_slice line) {
    struct ordo_link_trusted_key one;
    struct ordo_slice word;
    if (!split_line(line, &word, &one.key)) return "is not a role and the 64 hex digits of a public key";
    if (!parse_role(word, &one.role)) return "names a role that is none of shard, gateway and operator";
    if (ordo_link_trusted_find(trusted, &one.key) != NULL) return "repeats a key";
    if (trusted->count == ORDO_LINK_TRUSTED_MAX) return "is one key too many";
    trusted->items[trusted->count++] = one;
    return NULL;
}

ordo_err ordo_link_key_parse_trusted(struct ordo_slice text, struct ordo_link_trusted *out, struct ordo_problem *problem) {
    struct ordo_slice line;
    size_t number = 0;
    out->count = 0;
    while (next_line(&text, &line, &number)) {
        const char *fault = take_trusted(out, line);
        if (fault == NULL) continue;
        ordo_problem_set(problem, "its line %zu %s", number, fault);
        return ORDO_ERR_INVALID;
    }
    if (out->count > 0) return ORDO_OK;
    ordo_problem_set(problem, "it names nobody");
    return ORDO_ERR_INVALID;
}

const struct ordo_link_trusted_key *ordo_link_trusted_find(const struct ordo_link_trusted *trusted,
                                                           const struct ordo_link_key *key) {
    for (size_t i = 0; i < trusted->count; i++) {
        if (ordo_link_key_equal(&trusted->items[i].key, key)) return &trusted->items[i];
    }
    return NULL;
}

static void write_line(struct ordo_buffer *out, const char *word, const struct ordo_link_key *key) {
    char line[ORDO_LINK_KEY_TEXT_SIZE + 32], digits[ORDO_LINK_KEY_TEXT_SIZE + 1];
    ordo_hex_encode(digits, key->bytes, sizeof key->bytes);
    int size = snprintf(line, sizeof line, "%s %s\n", word, digits);
    ordo_buffer_append(out, line, (size_t)size);
}

void ordo_link_key_write_secret(struct ordo_buffer *out, enum ordo_link_role role, const struct ordo_link_key *key) {
    char comment[128];
    int size = snprintf(comment, sizeof comment, "# The secret key of Ordo's role %s: for its processes alone.\n",
                        role_names[role]);
    ordo_buffer_append(out, comment, (size_t)size);
    write_line(out, "secret", key);
}

void ordo_link_key_write_trusted(struct ordo_buffer *out, const struct ordo_link_trusted *trusted) {
    ordo_buffer_append_slice(out, ordo_slice_of("# The public keys of an Ordo cluster: who may talk to whom. Not a secret.\n"));
    for (size_t i = 0; i < trusted->count; i++) write_line(out, role_names[trusted->items[i].role], &trusted->items[i].key);
}

/* ---- endpoints */

bool ordo_endpoint_parse(const char *text, struct ordo_endpoint *out) {
    *out = (struct ordo_endpoint){.has_key = strchr(text, '#') != NULL};
    size_t size = strcspn(text, "#");
    if (size >= sizeof out->address) return false;
    memcpy(out->address, text, size);
    return !out->has_key || parse_key(ordo_slice_of(text + size + 1), &out->key);
}

bool ordo_endpoint_put_key(char out[ORDO_ENDPOINT_SIZE], const struct ordo_link_key *key) {
    size_t size = strcspn(out, "#");
    if (size + 1 + ORDO_LINK_KEY_TEXT_SIZE >= ORDO_ENDPOINT_SIZE) return false;
    out[size] = '#';
    ordo_hex_encode(out + size + 1, key->bytes, sizeof key->bytes);
    return true;
}

/* The host of "tcp://HOST:PORT" is four numbers, of which the first is 127. */
static bool is_loopback_v4(const char *host) {
    unsigned part[4];
    int size = 0;
    bool is_address = sscanf(host, "%3u.%3u.%3u.%3u%n", &part[0], &part[1], &part[2], &part[3], &size) == 4;
    return is_address && host[size] == ':' && part[0] == 127 && part[1] < 256 && part[2] < 256 && part[3] < 256;
}

bool ordo_endpoint_is_local(const char *text) {
    if (strncmp(text, "ipc://", 6) == 0 || strncmp(text, "inproc://", 9) == 0) return true;
    /* "tcp://SOURCE;DESTINATION" says where from, too: whose host comes first is not to be guessed at. */
    if (strncmp(text, "tcp://", 6) != 0 || strchr(text, ';') != NULL) return false;
    const char *host = text + 6;
    return is_loopback_v4(host) || strncmp(host, "[::1]:", 6) == 0 || strncmp(host, "localhost:", 10) == 0;
}
