#include "gateway/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/directory/cluster.h"

enum {
    PING_INTERVAL_MS = 30000,
    CONNECTIONS_MAX = 100000,
    TOKEN_LEEWAY_MS = 30000,
    CONNECTIONS_PER_ADDRESS = 1000, /* a large office behind one address has hundreds of tabs */
    HANDSHAKES_MAX = 10000,
    HANDSHAKE_TIMEOUT_MS = 10000, /* TLS and a request are four round trips */
    MESSAGE_TIMEOUT_MS = 120000,  /* the largest op over 70 kbit/s */
    BYTES_RATE_MIN = 64 * 1024,   /* the largest frame is paid for in 17 seconds */
};

const char ordo_options_help[] =
    "usage: ordo-gateway --directory URL [options]\n"
    "       ordo-gateway --shard data=ENDPOINT,side=ENDPOINT [options]\n"
    "\n"
    "Serves clients on ws://HOST:PORT/v1/ws, and /healthz, /readyz over HTTP on the same port.\n"
    "Prints `ready ws://HOST:PORT/v1/ws` once it serves (wss:// with TLS).\n"
    "\n"
    "  --directory URL            where the cluster's processes find each other: file:PATH, or\n"
    "                             etcd:http://HOST:PORT[,HOST:PORT...]/NAME\n"
    "  --shard data=E,side=E      without a directory: the one shard's two ZeroMQ endpoints, as it prints them\n"
    "  --listen HOST:PORT         for clients; port 0: any free one (127.0.0.1:8080)\n"
    "  --token-jwks FILE          public keys of tokens, as a JSON Web Key Set. This and the next two may be repeated, and\n"
    "                             are read again when they change. With any of them clients need a token\n"
    "                             (docs/security.md), without them everybody may do everything\n"
    "  --token-key FILE           a public key in PEM: RSA, P-256 or Ed25519\n"
    "  --token-secret FILE        a shared secret for HS256, 32 bytes at least\n"
    "  --token-issuer ISS         tokens must be by ISS\n"
    "  --token-audience AUD       tokens must be for AUD; without this, for nobody in particular\n"
    "  --token-leeway-ms MS       by which the issuer's clock may differ (30000)\n"
    "  --token-cookie NAME        take a token out of this cookie, too; needs --allow-origin\n"
    "  --allow-origin ORIGIN      pages that may connect, such as https://app.example.com; may be repeated; '*': any.\n"
    "                             Without it: any with tokens, without tokens those of this machine and of HOST itself\n"
    "  --insecure-listen-anywhere let everybody who can reach HOST read and write everything: without keys and without\n"
    "                             this only loopback addresses are listened on\n"
    "  --listen-metrics HOST:PORT where /metrics is told to Prometheus, and /healthz, /readyz, too; off: nowhere\n"
    "                             (127.0.0.1:0, any free port of this machine, which the directory names)\n"
    "  --tls-cert FILE, --tls-key FILE\n"
    "                             serve TLS alone: the certificate with its chain, and its key, in PEM; read again when a\n"
    "                             file has changed, and on SIGHUP\n"
    "  --trusted-proxy CIDR       a proxy in front, or a network of such (10.0.0.0/8): the client's address is what it says\n"
    "                             in X-Forwarded-For (several behind commas, or repeated; nobody)\n"
    "  --keys DIR                 encrypts the links to shards: DIR/gateway.key and DIR/trusted, as `ordo keys make` writes\n"
    "                             them; needed for shards on other machines\n"
    "  --insecure-links           no keys, also to other machines: whoever is on the way there reads and forges everything\n"
    "  --static DIR               serve the files of DIR, read once at the start: DIR/index.html is the page /\n"
    "  --name NAME                shown to clients, in `ordo status` and in the shards' logs; one of its own\n"
    "                             (HOSTNAME-PID)\n"
    "  --advertise HOST           where others reach this machine (what it listens on; its name, if that is all\n"
    "                             addresses)\n"
    "  --log-level LEVEL          error, warn, info or debug (info)\n"
    "  --ping-interval-ms MS      a client silent for so long is pinged, one silent twice as long is closed "
    "(30000)\n"
    "  --hello-timeout-ms MS      a connection that has not said Hello after this is closed (10000)\n"
    "  --open-timeout-ms MS       an Open that waits for a shard that is away is refused after this (10000)\n"
    "  --connections-max N        (100000, or what the limit of open files allows)\n"
    "  --documents-max N          open documents of one connection (1000)\n"
    "  --frame-size-max BYTES     one frame of a client (1114112)\n"
    "  --presence-size-max BYTES  one presence update (4096)\n"
    "  --outbox-size-max BYTES    waiting for one client; beyond, it is resynced or closed (4194304)\n"
    "\n"
    "Rates, per second; twice as much may come at once; 0: no limit (docs/security.md, Limits):\n"
    "  --ops-rate N               ops of one connection (5000)\n"
    "  --requests-rate N          of everything else that is asked for, on one connection (1000)\n"
    "  --bytes-rate BYTES         of one connection (8388608)\n"
    "  --presence-rate N          presence updates of one connection (100)\n"
    "  --user-ops-rate N, --user-requests-rate N, --user-bytes-rate BYTES\n"
    "                             of all connections of one user, where tokens are asked for (20000, 4000, 33554432)\n"
    "Numbers and memory:\n"
    "  --connections-per-address N  of one client address on the internet; private ones are not counted; 0: any (1000)\n"
    "  --handshakes-max N         connections that have sent no whole request; beyond, the oldest are closed (10000, or a\n"
    "                             tenth of the files that may be open)\n"
    "  --handshake-timeout-ms MS  for TLS and a whole request, however it comes (10000)\n"
    "  --message-timeout-ms MS    for a whole message on a WebSocket, however it comes (120000)\n"
    "  --memory-max-mib N         in use; beyond, nobody new is let in and the slowest readers are cut off; 0: no limit\n"
    "                             (three quarters of what the control group allows, or a quarter of the machine)\n";

static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < min || number > max)
        return false;
    *out = number;
    return true;
}

/* HOST:PORT, where HOST may be an IPv6 address in brackets. */
static bool parse_listen(const char *text, char host[256], uint16_t *port_out) {
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || colon == text || !parse_number(colon + 1, 0, UINT16_MAX, &port)) return false;
    size_t size = (size_t)(colon - text);
    if (text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    if (size == 0 || size >= 256) return false;
    memcpy(host, text, size);
    host[size] = '\0';
    *port_out = (uint16_t)port;
    return true;
}

/* The first of the host's addresses, as a number. */
static bool resolve(const char *host, char address[64]) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0) return false;
    int rc = getnameinfo(found->ai_addr, found->ai_addrlen, address, 64, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
    return rc == 0;
}

static bool copy_endpoint(char out[256], const char *text, size_t size) {
    if (size == 0 || size >= 256) return false;
    memcpy(out, text, size);
    out[size] = '\0';
    return true;
}

static bool parse_shard(struct ordo_options *options, const char *text) {
    const char *side = strstr(text, ",side=");
    if (strncmp(text, "data=", 5) != 0 || side == NULL) return false;
    return copy_endpoint(options->shard_data, text + 5, (size_t)(side - text) - 5) &&
           copy_endpoint(options->shard_side, side + 6, strlen(side + 6));
}

static bool set_number(const char *name, const char *value, uint64_t min, uint64_t max, uint32_t *out,
                       char fault[ORDO_OPTIONS_FAULT_SIZE]) {
    uint64_t number;
    if (parse_number(value, min, max, &number)) {
        *out = (uint32_t)number;
        return true;
    }
    snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "%s wants a number from %llu to %llu, not \"%.60s\"", name,
             (unsigned long long)min, (unsigned long long)max, value);
    return false;
}

/* One network, or several behind commas. */
static bool add_proxies(struct ordo_proxies *proxies, const char *text) {
    for (;;) {
        char one[64];
        size_t size = strcspn(text, ",");
        if (size >= sizeof one || proxies->count == ORDO_PROXIES_MAX) return false;
        memcpy(one, text, size);
        one[size] = '\0';
        if (!ordo_network_parse(one, &proxies->items[proxies->count])) return false;
        proxies->count++;
        if (text[size] == '\0') return true;
        text += size + 1;
    }
}

static bool add_key_file(struct ordo_options *options, enum ordo_key_file_kind kind, const char *path,
                         char fault[ORDO_OPTIONS_FAULT_SIZE]) {
    if (options->key_file_count == ORDO_KEYRING_FILES_MAX) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "more than %d files with keys of tokens", ORDO_KEYRING_FILES_MAX);
        return false;
    }
    options->key_files[options->key_file_count++] = (struct ordo_key_file){kind, path};
    return true;
}

static bool add_origin(struct ordo_door *door, const char *origin, char fault[ORDO_OPTIONS_FAULT_SIZE]) {
    if (door->origin_count == ORDO_DOOR_ORIGINS_MAX) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "more than %d of --allow-origin", ORDO_DOOR_ORIGINS_MAX);
        return false;
    }
    if (!ordo_door_origin_is_valid(origin)) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE,
                 "--allow-origin wants SCHEME://HOST or SCHEME://HOST:PORT, not \"%.100s\"", origin);
        return false;
    }
    door->origins[door->origin_count++] = origin;
    return true;
}

/* Those about tokens and pages. `*known_out`: whether it is one. */
static bool set_door_option(struct ordo_options *options, const char *name, const char *value, bool *known_out,
                            char fault[ORDO_OPTIONS_FAULT_SIZE]) {
    *known_out = true;
    if (strcmp(name, "--token-jwks") == 0) return add_key_file(options, ORDO_KEY_FILE_JWKS, value, fault);
    if (strcmp(name, "--token-key") == 0) return add_key_file(options, ORDO_KEY_FILE_PEM, value, fault);
    if (strcmp(name, "--token-secret") == 0) return add_key_file(options, ORDO_KEY_FILE_SECRET, value, fault);
    if (strcmp(name, "--allow-origin") == 0) return add_origin(&options->door, value, fault);
    if (strcmp(name, "--token-issuer") == 0) options->core.token_policy.issuer = ordo_slice_of(value);
    else if (strcmp(name, "--token-audience") == 0) options->core.token_policy.audience = ordo_slice_of(value);
    else if (strcmp(name, "--token-cookie") == 0) options->door.cookie = value;
    else *known_out = false;
    return true;
}

static bool set_option(struct ordo_options *options, const char *name, const char *value,
                       char fault[ORDO_OPTIONS_FAULT_SIZE]) {
    struct ordo_gateway_config *core = &options->core;
    if (strcmp(name, "--memory-max-mib") == 0) options->memory_max_is_given = true;
    const struct {
        const char *name;
        uint64_t min, max;
        uint32_t *out;
    } numbers[] = {
        {"--ping-interval-ms", 10, UINT32_MAX, &options->ping_interval_ms},
        {"--hello-timeout-ms", 1, UINT32_MAX, &core->hello_timeout_ms},
        {"--open-timeout-ms", 1, UINT32_MAX, &core->open_timeout_ms},
        {"--connections-max", 1, 10 * 1000 * 1000, &options->connections_max},
        {"--documents-max", 1, 1000 * 1000, &core->documents_per_connection_max},
        {"--frame-size-max", 1024, 64 * 1024 * 1024, &core->frame_size_max},
        {"--presence-size-max", 0, 1024 * 1024, &core->presence_size_max},
        {"--outbox-size-max", 4096, 1024 * 1024 * 1024, &core->outbox_size_max},
        {"--ops-rate", 0, UINT32_MAX, &core->conn_rates.ops},
        {"--requests-rate", 0, UINT32_MAX, &core->conn_rates.requests},
        {"--bytes-rate", 0, UINT32_MAX, &core->conn_rates.bytes},
        {"--presence-rate", 0, UINT32_MAX, &core->presence_rate},
        {"--user-ops-rate", 0, UINT32_MAX, &core->user_rates.ops},
        {"--user-requests-rate", 0, UINT32_MAX, &core->user_rates.requests},
        {"--user-bytes-rate", 0, UINT32_MAX, &core->user_rates.bytes},
        {"--connections-per-address", 0, 10 * 1000 * 1000, &options->connections_per_address},
        {"--handshakes-max", 1, 10 * 1000 * 1000, &options->handshakes_max},
        {"--handshake-timeout-ms", 100, 3600 * 1000, &options->handshake_timeout_ms},
        {"--message-timeout-ms", 100, 3600 * 1000, &options->message_timeout_ms},
        {"--memory-max-mib", 0, 1024 * 1024 * 1024, &options->memory_max_mib},
        {"--token-leeway-ms", 0, 3600 * 1000, &options->token_leeway_ms},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i].name) == 0)
            return set_number(name, value, numbers[i].min, numbers[i].max, numbers[i].out, fault);
    const struct {
        const char *name;
        const char **out;
    } texts[] = {{"--name", &options->name}, {"--directory", &options->directory}, {"--advertise", &options->advertise},
                 {"--static", &options->site_folder}, {"--keys", &options->keys_folder},
                 {"--tls-cert", &options->tls_cert}, {"--tls-key", &options->tls_key}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].out = value;
            return true;
        }
    bool is_known;
    if (!set_door_option(options, name, value, &is_known, fault)) return false;
    if (is_known) return true;
    if (strcmp(name, "--listen") == 0) {
        if (parse_listen(value, options->host, &options->port)) return true;
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "--listen wants HOST:PORT, not \"%.60s\"", value);
    } else if (strcmp(name, "--listen-metrics") == 0) {
        options->has_metrics = strcmp(value, "off") != 0;
        if (!options->has_metrics || parse_listen(value, options->metrics_host, &options->metrics_port)) return true;
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "--listen-metrics wants HOST:PORT or off, not \"%.60s\"", value);
    } else if (strcmp(name, "--shard") == 0) {
        if (parse_shard(options, value)) return true;
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "--shard wants data=ENDPOINT,side=ENDPOINT, not \"%.120s\"",
                 value);
    } else if (strcmp(name, "--trusted-proxy") == 0) {
        if (add_proxies(&options->proxies, value)) return true;
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE,
                 "--trusted-proxy wants up to %d addresses, or networks such as 10.0.0.0/8 without bits behind the prefix, not "
                 "\"%.60s\"", ORDO_PROXIES_MAX, value);
    } else if (strcmp(name, "--log-level") == 0) {
        int level = ordo_log_level_of(value);
        options->log_level = (enum ordo_log_level)level;
        if (level >= 0) return true;
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE,
                 "--log-level wants error, warn, info or debug, not \"%.60s\"", value);
    } else {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "\"%.60s\" is no option of ordo-gateway; see --help", name);
    }
    return false;
}

static bool is_too_slow(uint32_t bytes_rate) { return bytes_rate > 0 && bytes_rate < BYTES_RATE_MIN; }

static bool check(struct ordo_options *options, char fault[ORDO_OPTIONS_FAULT_SIZE]) {
    if ((options->shard_data[0] == '\0') == (options->directory == NULL)) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE,
                 "either --directory URL or --shard data=ENDPOINT,side=ENDPOINT is needed; see --help");
        return false;
    }
    if ((options->tls_cert == NULL) != (options->tls_key == NULL)) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "--tls-cert and --tls-key go together");
        return false;
    }
    if (is_too_slow(options->core.conn_rates.bytes) || is_too_slow(options->core.user_rates.bytes)) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "--bytes-rate and --user-bytes-rate want 0, or %d and more", BYTES_RATE_MIN);
        return false;
    }
    if (options->keys_folder != NULL && options->links.may_be_plain) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "--keys and --insecure-links do not go together");
        return false;
    }
    if (options->directory != NULL && options->name != NULL && !ordo_cluster_name_is_valid(options->name)) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "--name wants up to %d of A-Z a-z 0-9 . _ -, not \"%.60s\"",
                 ORDO_CLUSTER_NAME_SIZE_MAX, options->name);
        return false;
    }
    if (!resolve(options->host, options->address)) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "--listen: the host \"%.100s\" has no address",
                 options->host);
        return false;
    }
    if (options->has_metrics && !resolve(options->metrics_host, options->metrics_address)) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "--listen-metrics: the host \"%.100s\" has no address",
                 options->metrics_host);
        return false;
    }
    return true;
}

/* Who may come in: what contradicts itself, or is open to all without anybody having said so. */
static bool check_door(struct ordo_options *options, bool may_listen_anywhere, char fault[ORDO_OPTIONS_FAULT_SIZE]) {
    struct ordo_door *door = &options->door;
    const struct ordo_token_policy *policy = &options->core.token_policy;
    door->asks_token = options->core.asks_token = options->key_file_count > 0;
    door->is_loopback = ordo_door_is_loopback(options->address);
    options->core.token_policy.leeway_ms = options->token_leeway_ms;
    if (!door->asks_token && (policy->issuer.size > 0 || policy->audience.size > 0 || door->cookie != NULL)) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE,
                 "--token-issuer, --token-audience and --token-cookie say nothing without a key: --token-jwks, "
                 "--token-key or --token-secret");
        return false;
    }
    bool is_any = false;
    for (size_t i = 0; i < door->origin_count; i++) is_any = is_any || strcmp(door->origins[i], "*") == 0;
    if (door->cookie != NULL && (door->origin_count == 0 || is_any)) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE,
                 "--token-cookie needs --allow-origin with the pages that may use it: browsers send cookies for "
                 "any page");
        return false;
    }
    if (!door->asks_token && !may_listen_anywhere && !door->is_loopback) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE,
                 "%s is not a loopback address, and without keys everybody who reaches it may read and write "
                 "everything: give it keys with --token-jwks, --token-key or --token-secret, or, if that is what "
                 "you want, say --insecure-listen-anywhere",
                 options->address);
        return false;
    }
    return true;
}

enum ordo_options_outcome ordo_options_parse(struct ordo_options *options, int argc, char **argv,
                                             char fault[ORDO_OPTIONS_FAULT_SIZE]) {
    *options = (struct ordo_options){
        .host = "127.0.0.1",
        .port = 8080,
        .has_metrics = true,
        .metrics_host = "127.0.0.1",
        .log_level = ORDO_LOG_INFO,
        .ping_interval_ms = PING_INTERVAL_MS,
        .connections_max = CONNECTIONS_MAX,
        .connections_per_address = CONNECTIONS_PER_ADDRESS,
        .handshakes_max = HANDSHAKES_MAX,
        .handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS,
        .message_timeout_ms = MESSAGE_TIMEOUT_MS,
        .token_leeway_ms = TOKEN_LEEWAY_MS,
    };
    ordo_gateway_config_init(&options->core);
    bool may_listen_anywhere = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) return ORDO_OPTIONS_HELP;
        if (strcmp(argv[i], "--insecure-listen-anywhere") == 0) {
            may_listen_anywhere = true;
            continue;
        }
        if (strcmp(argv[i], "--insecure-links") == 0) {
            options->links.may_be_plain = true;
            continue;
        }
        if (i + 1 == argc) {
            snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "%.60s wants a value; see --help", argv[i]);
            return ORDO_OPTIONS_WRONG;
        }
        if (!set_option(options, argv[i], argv[i + 1], fault)) return ORDO_OPTIONS_WRONG;
        i++;
    }
    if (!check(options, fault) || !check_door(options, may_listen_anywhere, fault)) return ORDO_OPTIONS_WRONG;
    options->core.has_directory = options->directory != NULL;
    return ORDO_OPTIONS_RUN;
}
