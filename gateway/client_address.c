#include "gateway/client_address.h"

/* More headers than this libwebsockets does not take. */
enum { FORWARDED_SIZE_MAX = 4096 };

static bool find_peer(struct lws *wsi, struct ordo_ip *out) {
    char text[64] = "";
    lws_get_peer_simple(wsi, text, sizeof text);
    return ordo_ip_parse(ordo_slice_of(text), out);
}

struct ordo_ip ordo_client_address(struct lws *wsi, const struct ordo_proxies *proxies) {
    struct ordo_ip peer;
    char forwarded[FORWARDED_SIZE_MAX];
    if (!find_peer(wsi, &peer)) return (struct ordo_ip){{0}};
    if (proxies->count == 0) return peer;
    int size = lws_hdr_copy(wsi, forwarded, sizeof forwarded, WSI_TOKEN_X_FORWARDED_FOR);
    return ordo_proxies_client(proxies, &peer, ordo_slice(forwarded, size > 0 ? (size_t)size : 0));
}

bool ordo_client_is_local(struct lws *wsi, const struct ordo_proxies *proxies) {
    struct ordo_ip peer, client = ordo_client_address(wsi, proxies);
    if (!find_peer(wsi, &peer) || !ordo_ip_is_loopback(&client)) return false;
    bool is_forwarded =
        lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR) > 0 || lws_hdr_custom_length(wsi, "forwarded:", 10) > 0 ||
        lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_X_REAL_IP) > 0 || lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_VIA) > 0;
    /* A proxy that nobody named: whom it speaks for is not known. */
    return !is_forwarded || ordo_proxies_have(proxies, &peer);
}
