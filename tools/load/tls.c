#include "tools/load/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "common/assert.h"

SSL_CTX *load_tls_create(const char *ca_file) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    ORDO_ASSERT(context != NULL);
    int rc = ca_file != NULL ? SSL_CTX_load_verify_file(context, ca_file) : SSL_CTX_set_default_verify_paths(context);
    if (rc != 1 || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return context;
}

static bool expect(SSL *tls, const char *host) {
    uint8_t number[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1;
    return SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1;
}

SSL *load_tls_open(SSL_CTX *context, int fd, const char *host) {
    SSL *tls = SSL_new(context);
    ORDO_ASSERT(tls != NULL && SSL_set_fd(tls, fd) == 1 && expect(tls, host));
    SSL_set_connect_state(tls);
    return tls;
}

void load_tls_close(SSL *tls) { SSL_free(tls); }

enum load_tls_state load_tls_handshake(SSL *tls, char *fault) {
    ERR_clear_error();
    int rc = SSL_do_handshake(tls);
    if (rc == 1) return LOAD_TLS_DONE;
    switch (SSL_get_error(tls, rc)) {
    case SSL_ERROR_WANT_READ: return LOAD_TLS_WAITS_TO_READ;
    case SSL_ERROR_WANT_WRITE: return LOAD_TLS_WAITS_TO_WRITE;
    default: break;
    }
    long verified = SSL_get_verify_result(tls);
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    if (verified != X509_V_OK) why = X509_verify_cert_error_string(verified);
    snprintf(fault, 256, "TLS: %s", why != NULL ? why : "the server hung up");
    ERR_clear_error();
    return LOAD_TLS_BROKEN;
}

/* What a failed read or write means to somebody who knows sockets. */
static ssize_t failure(const SSL *tls, int rc) {
    int error = SSL_get_error(tls, rc);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    ERR_clear_error();
    return -1;
}

ssize_t load_tls_write(SSL *tls, const void *bytes, size_t size) {
    size_t written = 0;
    int rc = SSL_write_ex(tls, bytes, size, &written);
    return rc == 1 ? (ssize_t)written : failure(tls, rc);
}

ssize_t load_tls_read(SSL *tls, void *bytes, size_t size) {
    size_t taken = 0, piece;
    int rc = 1;
    while (taken < size && (rc = SSL_read_ex(tls, (char *)bytes + taken, size - taken, &piece)) == 1) taken += piece;
    if (taken == 0) return failure(tls, rc);
    ERR_clear_error(); /* whatever it was, the next read says it again */
    return (ssize_t)taken;
}

bool load_tls_has_more(const SSL *tls) { return SSL_has_pending(tls) == 1; }
