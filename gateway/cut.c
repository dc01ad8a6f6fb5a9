#include "gateway/cut.h"

#include <linux/sockios.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Something that it was sent is on its way, or waits for it to read. */
static bool has_unread(struct lws *wsi) {
    int size = 0;
    return lws_partial_buffered(wsi) || (ioctl(lws_get_socket_fd(wsi), SIOCOUTQ, &size) == 0 && size > 0);
}

/* libwebsockets would give a peer that does not read five seconds to take what is left, and forget about it for good if it is
 * told to close again meanwhile. (Its asynchronous kill needs a timer that only runs after other traffic.) A socket that is
 * shut down can be written to at once, and the error ends it. What the system keeps for the peer goes, too: megabytes, for
 * minutes. */
static void make_unwritable(struct lws *wsi) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    int file = lws_get_socket_fd(wsi);
    (void)setsockopt(file, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)shutdown(file, SHUT_RDWR);
}

void ordo_cut(struct lws *wsi) {
    if (has_unread(wsi)) make_unwritable(wsi);
    lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
}
