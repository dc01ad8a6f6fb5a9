/* gateway/tls.h: the certificate of the gateway's port, and what TLS is spoken there.
 *
 * TLS 1.2 with forward secrecy and AEAD ciphers, or 1.3. The certificate and its key are read at the start and again whenever a
 * file has changed: who connects from then on gets the new one, who is connected stays. Files that do not read, or do not fit
 * together, change nothing: renewing writes two files, and one is there before the other. Threads: one. */
#ifndef ORDO_GATEWAY_TLS_H
#define ORDO_GATEWAY_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/problem.h"

struct ordo_tls;

/* Reads PEM: the certificate with what it was signed by behind it, and its key, which nobody but owner and group may read.
 * Paths are borrowed. On failure `problem` is a sentence. */
ORDO_MUST_USE ordo_err ordo_tls_open(const char *cert_path, const char *key_path, struct ordo_problem *problem,
                                     struct ordo_tls **out);
void ordo_tls_close(struct ordo_tls *tls); /* NULL is fine */

/* Makes `context`, which somebody else owns and keeps for as long as `tls` is asked to look, serve as said above, now and
 * after each change. */
ORDO_MUST_USE ordo_err ordo_tls_serve(struct ordo_tls *tls, SSL_CTX *context);
/* Looks for changed files, at most once a second; with `now`, at once. */
void ordo_tls_look(struct ordo_tls *tls, uint64_t now_ms, bool now);

#endif
