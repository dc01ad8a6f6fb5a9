#include "gateway/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/memory.h"

enum { LOOK_MS = 1000 };

#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"

struct ordo_tls {
    const char *cert_path, *key_path;
    SSL_CTX *loaded;  /* holds what was read last, and serves nobody */
    SSL_CTX *serving; /* borrowed; NULL: none yet */
    struct stat cert_seen, key_seen;
    uint64_t looked_ms;
};

/* What OpenSSL met first, in few words; the rest of its queue is dropped. */
static const char *reason(void) {
    const char *text = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return text != NULL ? text : "it is not in PEM";
}

static ordo_err check_key_file(const char *path, const struct stat *status, struct ordo_problem *problem) {
    if ((status->st_mode & S_IRWXO) == 0) return ORDO_OK;
    ordo_problem_set(problem, "%s holds a secret key and everybody on this machine may read it (mode %04o): say `chmod o=`.", path,
                     (unsigned)(status->st_mode & 07777));
    return ORDO_ERR_INVALID;
}

static ordo_err load(const struct ordo_tls *tls, SSL_CTX *into, struct ordo_problem *problem) {
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(into, tls->cert_path) != 1) {
        ordo_problem_set(problem, "The certificate %s cannot be read: %s.", tls->cert_path, reason());
    } else if (SSL_CTX_use_PrivateKey_file(into, tls->key_path, SSL_FILETYPE_PEM) != 1) {
        ordo_problem_set(problem, "The key %s cannot be read, or is not that of the certificate %s: %s.", tls->key_path,
                         tls->cert_path, reason());
    } else if (SSL_CTX_check_private_key(into) != 1) {
        ordo_problem_set(problem, "The key %s is not that of the certificate %s.", tls->key_path, tls->cert_path);
        ERR_clear_error();
    } else {
        return ORDO_OK;
    }
    return ORDO_ERR_INVALID;
}

static ordo_err cannot_see(const char *path, struct ordo_problem *problem) {
    ordo_problem_set(problem, "%s cannot be read: %s.", path, strerror(errno));
    return ORDO_ERR_NOT_FOUND;
}

/* Reads both files anew; `tls->loaded` is as before unless all is well. */
static ordo_err read_files(struct ordo_tls *tls, struct ordo_problem *problem) {
    if (stat(tls->cert_path, &tls->cert_seen) != 0) return cannot_see(tls->cert_path, problem);
    if (stat(tls->key_path, &tls->key_seen) != 0) return cannot_see(tls->key_path, problem);
    ordo_err err = check_key_file(tls->key_path, &tls->key_seen, problem);
    if (err) return err;
    SSL_CTX *fresh = SSL_CTX_new(TLS_server_method());
    if (fresh == NULL) {
        ordo_problem_set(problem, "TLS cannot be set up: %s.", reason());
        return ORDO_ERR_UNAVAILABLE;
    }
    err = load(tls, fresh, problem);
    if (!err) {
        SSL_CTX *old = tls->loaded;
        tls->loaded = fresh;
        fresh = old;
    }
    SSL_CTX_free(fresh);
    return err;
}

/* In one step, so that nobody gets the certificate of one pair with the key of another. */
static ordo_err hand_over(const struct ordo_tls *tls) {
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_get0_chain_certs(tls->loaded, &chain);
    int rc = SSL_CTX_use_cert_and_key(tls->serving, SSL_CTX_get0_certificate(tls->loaded), SSL_CTX_get0_privatekey(tls->loaded),
                                      chain, 1);
    return rc == 1 ? ORDO_OK : ORDO_ERR_INVALID;
}

ordo_err ordo_tls_open(const char *cert_path, const char *key_path, struct ordo_problem *problem, struct ordo_tls **out) {
    struct ordo_tls *tls = ordo_alloc(sizeof *tls);
    tls->cert_path = cert_path;
    tls->key_path = key_path;
    ordo_err err = read_files(tls, problem);
    if (err) {
        ordo_tls_close(tls);
        return err;
    }
    *out = tls;
    return ORDO_OK;
}

void ordo_tls_close(struct ordo_tls *tls) {
    if (tls == NULL) return;
    SSL_CTX_free(tls->loaded);
    free(tls);
}

ordo_err ordo_tls_serve(struct ordo_tls *tls, SSL_CTX *context) {
    tls->serving = context;
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 || SSL_CTX_set_cipher_list(context, CIPHERS_1_2) != 1)
        return ORDO_ERR_UNAVAILABLE;
    /* A client could have us negotiate again and again, at our cost. */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Thousands of connections are idle at any time: they keep no buffers. Sessions are in the clients' tickets, not here. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return hand_over(tls);
}

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void ordo_tls_look(struct ordo_tls *tls, uint64_t now_ms, bool now) {
    struct stat cert, key;
    struct ordo_problem problem;
    if (!now && now_ms - tls->looked_ms < LOOK_MS) return;
    tls->looked_ms = now_ms;
    bool is_there = stat(tls->cert_path, &cert) == 0 && stat(tls->key_path, &key) == 0;
    if (!is_there || (!now && is_same(&cert, &tls->cert_seen) && is_same(&key, &tls->key_seen))) return;
    if (read_files(tls, &problem) != ORDO_OK)
        log_error("event=certificate_refused reason=\"%s\" text=\"the one before goes on\"", problem.text);
    else if (hand_over(tls) != ORDO_OK)
        log_error("event=certificate_refused reason=\"%s\" text=\"the one before goes on\"", reason());
    else
        log_info("event=certificate_read file=%s", tls->cert_path);
}
