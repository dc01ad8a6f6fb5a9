/* tools/load/tls.h: TLS of the driver's own sockets, which do not block. Threads: one. */
#ifndef ORDO_TOOLS_LOAD_TLS_H
#define ORDO_TOOLS_LOAD_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

/* Believes what an authority in `ca_file` (PEM) has signed, or, where that is NULL, one of the system's. NULL: the file does
 * not read. */
SSL_CTX *load_tls_create(const char *ca_file);

/* A client's end on a connected socket; the certificate must be for `host`, a name or an address in numbers. */
SSL *load_tls_open(SSL_CTX *context, int fd, const char *host);
void load_tls_close(SSL *tls); /* NULL is fine; the socket stays open */

enum load_tls_state { LOAD_TLS_DONE, LOAD_TLS_WAITS_TO_READ, LOAD_TLS_WAITS_TO_WRITE, LOAD_TLS_BROKEN };
/* Goes on with the handshake. BROKEN: `fault` (256 bytes) says why. */
enum load_tls_state load_tls_handshake(SSL *tls, char *fault);

/* As send(2) and recv(2): -1 with EAGAIN where the socket has to be waited for. A read takes all that is there, as far as it
 * fits; load_tls_has_more says that it did not. */
ssize_t load_tls_write(SSL *tls, const void *bytes, size_t size);
ssize_t load_tls_read(SSL *tls, void *bytes, size_t size);
bool load_tls_has_more(const SSL *tls);

#endif
