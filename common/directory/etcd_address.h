/* common/directory/etcd_address.h: where an etcd is, and what a directory's keys in it begin with. Pure. */
#ifndef ORDO_DIRECTORY_ETCD_ADDRESS_H
#define ORDO_DIRECTORY_ETCD_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define ORDO_ETCD_ADDRESS_FORM "http://HOST:PORT[,HOST:PORT…]/NAME"

enum { ORDO_ETCD_ENDPOINTS_MAX = 16, ORDO_ETCD_ENDPOINT_SIZE = 128, ORDO_ETCD_PREFIX_SIZE = 64 };

struct ordo_etcd_address {
    char endpoints[ORDO_ETCD_ENDPOINTS_MAX][ORDO_ETCD_ENDPOINT_SIZE]; /* HOST:PORT */
    size_t endpoint_count;                                            /* 1 at least */
    char prefix[ORDO_ETCD_PREFIX_SIZE];                               /* NAME with a slash behind it */
};

/* `text` is of the form above; "http://" may also stand before each of the others, as etcd's own tools have it. False:
 * it is not. */
bool ordo_etcd_address_parse(struct ordo_etcd_address *address, const char *text);

#endif
