#include "common/link/socket.h"

#include <errno.h>
#include <stdio.h>
#include <zmq.h>

#include "common/assert.h"
#include "common/link/guard.h"

enum {
    RECONNECT_MS = 20,
    DEALER_HANDSHAKE_MS = 2000,
    ROUTER_HANDSHAKE_MS = 5000,
    ROUTING_ID_SIZE = 9,
};

static void set(void *socket, int option, const void *value, size_t size) {
    int rc = zmq_setsockopt(socket, option, value, size);
    ORDO_ASSERT(rc == 0);
}

static void set_int(void *socket, int option, int value) { set(socket, option, &value, sizeof value); }

static void set_key(void *socket, int option, const struct ordo_link_key *key) {
    set(socket, option, key->bytes, sizeof key->bytes);
}

/* ---- a DEALER */

/* Who is at the other end of it, as the endpoint says; whether that may be. */
static ordo_err check_peer(const struct ordo_link_security *security, const struct ordo_endpoint *endpoint,
                           struct ordo_problem *problem) {
    enum ordo_link_role role;
    if (security->keys == NULL) {
        if (endpoint->has_key) {
            ordo_problem_set(problem, "The shard at %s wants keys: say --keys.", endpoint->address);
            return ORDO_ERR_INVALID;
        }
        if (security->may_be_plain || ordo_endpoint_is_local(endpoint->address)) return ORDO_OK;
        ordo_problem_set(problem,
                         "%s is on another machine, and without keys whoever is on the way there reads and forges "
                         "everything: make some with `ordo keys make` and say --keys, or, if that is what you want, "
                         "--insecure-links.",
                         endpoint->address);
        return ORDO_ERR_INVALID;
    }
    if (!endpoint->has_key) {
        ordo_problem_set(problem, "The shard at %s has no keys, and this process has: give it --keys, too.", endpoint->address);
        return ORDO_ERR_INVALID;
    }
    if (ordo_link_keyring_find(security->keys, &endpoint->key, &role) && role == ORDO_LINK_ROLE_SHARD) return ORDO_OK;
    ordo_problem_set(problem, "The key of the shard at %s is not trusted.", endpoint->address);
    return ORDO_ERR_INVALID;
}

static void set_dealer(void *socket, const struct ordo_dealer_options *options, const struct ordo_endpoint *endpoint) {
    if (options->kind != 0) {
        uint8_t id[ROUTING_ID_SIZE] = {(uint8_t)options->kind};
        memcpy(id + 1, &options->session, sizeof options->session);
        set(socket, ZMQ_ROUTING_ID, id, sizeof id);
    }
    set(socket, ZMQ_MAXMSGSIZE, &options->message_size_max, sizeof options->message_size_max);
    set_int(socket, ZMQ_IMMEDIATE, !options->waits);
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_SNDHWM, 0);
    set_int(socket, ZMQ_RCVHWM, 0);
    set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_int(socket, ZMQ_RECONNECT_IVL_MAX, options->reconnect_ms_max);
    set_int(socket, ZMQ_HANDSHAKE_IVL, DEALER_HANDSHAKE_MS);
    if (options->security->keys == NULL) return;
    set_key(socket, ZMQ_CURVE_SERVERKEY, &endpoint->key);
    set_key(socket, ZMQ_CURVE_PUBLICKEY, ordo_link_keyring_public(options->security->keys));
    set_key(socket, ZMQ_CURVE_SECRETKEY, ordo_link_keyring_secret(options->security->keys));
}

ordo_err ordo_dealer_open(void *context, const char *text, const struct ordo_dealer_options *options,
                          struct ordo_problem *problem, void **socket_out) {
    struct ordo_endpoint endpoint;
    if (!ordo_endpoint_parse(text, &endpoint)) {
        ordo_problem_set(problem, "%.200s is no endpoint: what follows the # is no key, or it is too long.", text);
        return ORDO_ERR_INVALID;
    }
    ordo_err err = check_peer(options->security, &endpoint, problem);
    if (err) return err;
    void *socket = zmq_socket(context, ZMQ_DEALER);
    ORDO_ASSERT(socket != NULL);
    set_dealer(socket, options, &endpoint);
    if (zmq_connect(socket, endpoint.address) == 0) {
        *socket_out = socket;
        return ORDO_OK;
    }
    ordo_problem_set(problem, "%s cannot be connected to: %s.", endpoint.address, zmq_strerror(zmq_errno()));
    zmq_close(socket);
    return ORDO_ERR_INVALID;
}

/* ---- a ROUTER */

static ordo_err check_listening(const struct ordo_link_security *security, const char *address, struct ordo_problem *problem) {
    if (security->keys != NULL || security->may_be_plain || ordo_endpoint_is_local(address)) return ORDO_OK;
    ordo_problem_set(problem,
                     "%s is not a loopback address, and without keys everybody who reaches it may read and write all "
                     "documents in anybody's name: make keys with `ordo keys make` and say --keys, or, if that is what you "
                     "want, --insecure-links.",
                     address);
    return ORDO_ERR_INVALID;
}

static void set_router(void *socket, const struct ordo_router_options *options) {
    struct ordo_link_keyring *keys = options->security->keys;
    set(socket, ZMQ_MAXMSGSIZE, &options->message_size_max, sizeof options->message_size_max);
    set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
    set_int(socket, ZMQ_SNDHWM, options->message_count_max);
    set_int(socket, ZMQ_RCVHWM, options->message_count_max);
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_IMMEDIATE, 1);
    set_int(socket, ZMQ_HANDSHAKE_IVL, ROUTER_HANDSHAKE_MS);
    if (keys == NULL) return;
    set_int(socket, ZMQ_CURVE_SERVER, 1);
    set_key(socket, ZMQ_CURVE_SECRETKEY, ordo_link_keyring_secret(keys));
    set(socket, ZMQ_ZAP_DOMAIN, ORDO_GUARD_DOMAIN, strlen(ORDO_GUARD_DOMAIN));
}

static bool bind_at(void *socket, const struct ordo_router_options *options, const char *address,
                    char endpoint_out[ORDO_ENDPOINT_SIZE]) {
    size_t size = ORDO_ENDPOINT_SIZE;
    if (zmq_bind(socket, address) != 0 || zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint_out, &size) != 0) return false;
    if (options->security->keys == NULL || ordo_endpoint_put_key(endpoint_out, ordo_link_keyring_public(options->security->keys)))
        return true;
    errno = ENAMETOOLONG;
    return false;
}

ordo_err ordo_router_open(void *context, const char *text, const struct ordo_router_options *options,
                          struct ordo_problem *problem, char endpoint_out[ORDO_ENDPOINT_SIZE], void **socket_out) {
    struct ordo_endpoint endpoint;
    if (!ordo_endpoint_parse(text, &endpoint)) {
        ordo_problem_set(problem, "%.200s is no endpoint: what follows the # is no key, or it is too long.", text);
        return ORDO_ERR_INVALID;
    }
    ordo_err err = check_listening(options->security, endpoint.address, problem);
    if (err) return err;
    void *socket = zmq_socket(context, ZMQ_ROUTER);
    if (socket == NULL) {
        ordo_problem_set(problem, "A socket cannot be made: %s.", zmq_strerror(zmq_errno()));
        return ORDO_ERR_UNAVAILABLE;
    }
    set_router(socket, options);
    if (bind_at(socket, options, endpoint.address, endpoint_out)) {
        *socket_out = socket;
        return ORDO_OK;
    }
    ordo_problem_set(problem, "The endpoint %s cannot be listened on: %s.", endpoint.address, zmq_strerror(zmq_errno()));
    zmq_close(socket);
    return ORDO_ERR_UNAVAILABLE;
}
