#include "gateway/door.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

enum { HOST_SIZE = 256 };

bool ordo_door_is_loopback(const char *address) {
    struct in_addr four;
    if (inet_pton(AF_INET, address, &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
    return strcmp(address, "::1") == 0;
}

/* ---- tokens */

static struct ordo_slice trim(struct ordo_slice text) {
    while (text.size > 0 && text.data[0] == ' ') text = ordo_slice(text.data + 1, text.size - 1);
    while (text.size > 0 && text.data[text.size - 1] == ' ') text.size--;
    return text;
}

bool ordo_door_bearer(struct ordo_slice authorization, struct ordo_slice *token_out) {
    static const char scheme[] = "bearer ";
    size_t size = sizeof scheme - 1;
    if (authorization.size <= size || strncasecmp((const char *)authorization.data, scheme, size) != 0) return false;
    *token_out = trim(ordo_slice(authorization.data + size, authorization.size - size));
    return token_out->size > 0;
}

bool ordo_door_cookie(struct ordo_slice cookies, const char *name, struct ordo_slice *token_out) {
    while (cookies.size > 0) {
        const uint8_t *semicolon = memchr(cookies.data, ';', cookies.size);
        size_t size = semicolon != NULL ? (size_t)(semicolon - cookies.data) : cookies.size;
        struct ordo_slice cookie = trim(ordo_slice(cookies.data, size));
        const uint8_t *equals = cookie.size > 0 ? memchr(cookie.data, '=', cookie.size) : NULL;
        size_t name_size = equals != NULL ? (size_t)(equals - cookie.data) : 0;
        if (equals != NULL && ordo_slice_equal(ordo_slice(cookie.data, name_size), ordo_slice_of(name))) {
            *token_out = ordo_slice(equals + 1, cookie.size - name_size - 1);
            return token_out->size > 0;
        }
        size += semicolon != NULL;
        cookies = ordo_slice(cookies.data + size, cookies.size - size);
    }
    return false;
}

/* ---- origins */

/* What stands behind SCHEME://; false: it is no origin of a page ("null", say). */
static bool authority_of(struct ordo_slice origin, struct ordo_slice *out) {
    for (size_t i = 1; i + 3 < origin.size; i++) {
        if (memcmp(origin.data + i, "://", 3) != 0) continue;
        *out = ordo_slice(origin.data + i + 3, origin.size - i - 3);
        return true;
    }
    return false;
}

/* The host without its port, and without the brackets of an IPv6 address. */
static bool host_of(struct ordo_slice authority, char out[HOST_SIZE]) {
    size_t size = authority.size;
    const uint8_t *first = authority.data;
    if (size > 0 && first[0] == '[') {
        const uint8_t *end = memchr(first, ']', size);
        if (end == NULL) return false;
        first++;
        size = (size_t)(end - first);
    } else {
        const uint8_t *colon = size > 0 ? memchr(first, ':', size) : NULL;
        if (colon != NULL) size = (size_t)(colon - first);
    }
    if (size == 0 || size >= HOST_SIZE || memchr(first, 0, size) != NULL) return false;
    snprintf(out, HOST_SIZE, "%.*s", (int)size, (const char *)first);
    return true;
}

static bool is_of_this_machine(struct ordo_slice authority) {
    static const char local[] = ".localhost";
    char host[HOST_SIZE];
    if (!host_of(authority, host)) return false;
    size_t size = strlen(host), local_size = sizeof local - 1;
    if (strcasecmp(host, "localhost") == 0 || ordo_door_is_loopback(host)) return true;
    return size > local_size && strcasecmp(host + size - local_size, local) == 0;
}

bool ordo_door_origin_is_valid(const char *origin) {
    struct ordo_slice authority;
    if (strcmp(origin, "*") == 0) return true;
    return strlen(origin) < HOST_SIZE && authority_of(ordo_slice_of(origin), &authority) &&
           strpbrk((const char *)authority.data, "/?#@ ") == NULL;
}

static bool is_named(const struct ordo_door *door, struct ordo_slice origin) {
    for (size_t i = 0; i < door->origin_count; i++) {
        struct ordo_slice allowed = ordo_slice_of(door->origins[i]);
        bool is_same = allowed.size == origin.size &&
                       strncasecmp((const char *)allowed.data, (const char *)origin.data, origin.size) == 0;
        if (is_same || strcmp(door->origins[i], "*") == 0) return true;
    }
    return false;
}

bool ordo_door_lets_in(const struct ordo_door *door, struct ordo_slice origin, struct ordo_slice host,
                       bool has_cookie_token) {
    struct ordo_slice authority;
    if (origin.size == 0) return !has_cookie_token;
    if (door->origin_count > 0) return is_named(door, origin);
    if (door->asks_token) return !has_cookie_token;
    if (!authority_of(origin, &authority)) return false;
    if (is_of_this_machine(authority)) return true;
    /* On loopback that would be no check: any name can be made to point there. */
    return !door->is_loopback && host.size == authority.size &&
           strncasecmp((const char *)host.data, (const char *)authority.data, host.size) == 0;
}
