/* Whatever stands on the command line of a shard or a gateway: parsing it ends, and says in a sentence what is wrong, or what was
 * taken is within its bounds and is taken the same again. The first byte says whose command line it is; the rest are arguments, a line
 * each. Names of hosts are looked up nowhere. */
#include <netdb.h>
#include <stdlib.h>

#include "common/limits.h"
#include "common/memory.h"
#include "gateway/options.h"
#include "shard/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out);

enum { ARGS_MAX = 64, TEXT_SIZE_MAX = 4096 };

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
    struct addrinfo numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    return __real_getaddrinfo(host, service, &numeric, out);
}

static void check(bool holds) {
    if (!holds) abort();
}

static void check_fault(const char *fault, size_t size) { check(fault[0] != '\0' && memchr(fault, '\0', size) != NULL); }

static void try_shard(int argc, char **argv) {
    static struct ordo_config config, again;
    char fault[ORDO_CONFIG_FAULT_SIZE] = {0};
    enum ordo_config_outcome outcome = ordo_config_parse(&config, argc, argv, fault);
    if (outcome == ORDO_CONFIG_WRONG) check_fault(fault, sizeof fault);
    if (outcome != ORDO_CONFIG_RUN) return;
    check(config.data != NULL || config.volume != NULL);
    check(config.core.op_size_max >= 1 && config.core.op_size_max <= ORDO_OP_SIZE_MAX);
    check(config.core.document_length_max >= 1 && config.core.document_length_max <= ORDO_DOCUMENT_SIZE_MAX);
    check(config.core.writer_idle_ms >= 1 && config.helper_count >= 2 && config.helper_count <= 64);
    check(config.core.retention_rule_count <= ORDO_RETENTION_RULES_MAX);
    check((config.webhook.url == NULL) == (config.webhook.secret_file == NULL));
    check(config.keys_folder == NULL || !config.links.may_be_plain);
    check(ordo_config_parse(&again, argc, argv, fault) == ORDO_CONFIG_RUN);
    check(again.core.writers_max == config.core.writers_max && again.core.log_ops == config.core.log_ops);
}

static void try_gateway(int argc, char **argv) {
    static struct ordo_options options, again;
    char fault[ORDO_OPTIONS_FAULT_SIZE] = {0};
    enum ordo_options_outcome outcome = ordo_options_parse(&options, argc, argv, fault);
    if (outcome == ORDO_OPTIONS_WRONG) check_fault(fault, sizeof fault);
    if (outcome != ORDO_OPTIONS_RUN) return;
    check(options.directory != NULL || options.shard_data[0] != '\0');
    check(memchr(options.host, '\0', sizeof options.host) != NULL && options.address[0] != '\0');
    check(options.key_file_count <= ORDO_KEYRING_FILES_MAX);
    check(options.core.documents_per_connection_max >= 1 && options.connections_max >= 1);
    check((options.tls_cert == NULL) == (options.tls_key == NULL));
    check(ordo_options_parse(&again, argc, argv, fault) == ORDO_OPTIONS_RUN);
    check(again.port == options.port && again.connections_max == options.connections_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > TEXT_SIZE_MAX) return 0;
    char *text = ordo_alloc(size); /* without the first byte, and with a NUL */
    memcpy(text, data + 1, size - 1);
    static char name[] = "ordo";
    char *argv[ARGS_MAX + 2] = {name};
    int argc = 1;
    for (char *line = text; *line != '\0' && argc <= ARGS_MAX;) {
        char *end = line + strcspn(line, "\n");
        argv[argc++] = line;
        line = *end == '\0' ? end : end + 1;
        *end = '\0';
    }
    if (data[0] % 2 == 0) try_shard(argc, argv);
    else try_gateway(argc, argv);
    free(text);
    return 0;
}
