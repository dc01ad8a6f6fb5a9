/* ordo keys: the folder of keys with which the processes of a cluster know one another (common/link/keyring.h).
 *
 * Whoever reads `trusted` while keys are being renewed finds everybody in it: the file is replaced whole, a new key stands in
 * it before any process can show it, and an old one until `prune`. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/files.h"
#include "common/link/keyring.h"
#include "tools/ordo/command.h"

struct keys_folder {
    const char *path;
    int fd; /* locked, so that two commands do not mix their keys */
    char trusted_path[PATH_MAX];
    struct ordo_link_trusted trusted;
    bool has_trusted;
};

static bool join(char out[PATH_MAX], const char *folder, const char *name, const char *ending) {
    return snprintf(out, PATH_MAX, "%s/%s%s", folder, name, ending) < PATH_MAX;
}

static int cannot(const char *verb, const char *path) {
    return ordo_command_fail("cannot %s %s: %s", verb, path, strerror(errno));
}

static int read_trusted(struct keys_folder *folder) {
    struct ordo_buffer text = {0};
    struct ordo_problem problem;
    int status = EXIT_SUCCESS;
    ordo_err err = ordo_file_read(folder->trusted_path, &text);
    folder->has_trusted = err == ORDO_OK;
    if (err && err != ORDO_ERR_NOT_FOUND) status = cannot("read", folder->trusted_path);
    if (!err && ordo_link_key_parse_trusted(ordo_buffer_slice(&text), &folder->trusted, &problem) != ORDO_OK)
        status = ordo_command_fail("%s is malformed: %s", folder->trusted_path, problem.text);
    ordo_buffer_finish(&text);
    return status;
}

static int open_folder(struct keys_folder *folder, bool creates) {
    if (!join(folder->trusted_path, folder->path, "trusted", "")) return ordo_command_fail("%s is too long", folder->path);
    if (creates && mkdir(folder->path, 0700) != 0 && errno != EEXIST) return cannot("make", folder->path);
    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0) return cannot("open", folder->path);
    if (flock(folder->fd, LOCK_EX) != 0) return cannot("lock", folder->path);
    return read_trusted(folder);
}

static int write_trusted(const struct keys_folder *folder) {
    struct ordo_buffer text = {0};
    char temporary[PATH_MAX];
    ordo_link_key_write_trusted(&text, &folder->trusted);
    bool is_done = join(temporary, folder->path, "trusted", ".new") &&
                   ordo_file_replace(folder->trusted_path, temporary, ordo_buffer_slice(&text)) == ORDO_OK;
    ordo_buffer_finish(&text);
    return is_done ? EXIT_SUCCESS : cannot("write", folder->trusted_path);
}

static int write_secret(const struct keys_folder *folder, enum ordo_link_role role, const struct ordo_link_key *secret) {
    struct ordo_buffer text = {0};
    char path[PATH_MAX], temporary[PATH_MAX];
    ordo_link_key_write_secret(&text, role, secret);
    bool is_done = join(path, folder->path, ordo_link_role_name(role), ".key") &&
                   join(temporary, folder->path, ordo_link_role_name(role), ".key.new") &&
                   ordo_file_replace_secret(path, temporary, ordo_buffer_slice(&text)) == ORDO_OK;
    explicit_bzero(text.data, text.size);
    ordo_buffer_finish(&text);
    return is_done ? EXIT_SUCCESS : cannot("write", path);
}

static bool draw_pair(struct ordo_link_key *secret, struct ordo_link_key *public) {
    char secret_text[41], public_text[41];
    bool is_done = zmq_curve_keypair(public_text, secret_text) == 0 && zmq_z85_decode(secret->bytes, secret_text) != NULL &&
                   zmq_z85_decode(public->bytes, public_text) != NULL;
    explicit_bzero(secret_text, sizeof secret_text);
    return is_done;
}

/* A new pair for every role. The public keys are trusted before the secrets can be in use. */
static int add_pairs(struct keys_folder *folder, bool secrets_first) {
    struct ordo_link_key secrets[ORDO_LINK_ROLE_COUNT];
    if (folder->trusted.count + ORDO_LINK_ROLE_COUNT > ORDO_LINK_TRUSTED_MAX)
        return ordo_command_fail("%s is full: say `ordo keys prune` first", folder->trusted_path);
    for (int role = 0; role < ORDO_LINK_ROLE_COUNT; role++) {
        struct ordo_link_trusted_key *one = &folder->trusted.items[folder->trusted.count++];
        one->role = (enum ordo_link_role)role;
        if (!draw_pair(&secrets[role], &one->key)) return ordo_command_fail("this ZeroMQ was built without CURVE");
    }
    int status = secrets_first ? EXIT_SUCCESS : write_trusted(folder);
    for (int role = 0; role < ORDO_LINK_ROLE_COUNT && status == EXIT_SUCCESS; role++)
        status = write_secret(folder, (enum ordo_link_role)role, &secrets[role]);
    explicit_bzero(secrets, sizeof secrets);
    if (status == EXIT_SUCCESS && secrets_first) status = write_trusted(folder);
    return status;
}

/* `trusted` is written last: it says that the folder is whole, and until then nobody starts with it. */
static int make(struct keys_folder *folder) {
    if (folder->has_trusted) {
        printf("%s has keys already; nothing was changed\n", folder->path);
        return EXIT_SUCCESS;
    }
    int status = add_pairs(folder, true);
    if (status == EXIT_SUCCESS)
        printf("made in %s: shard.key, gateway.key, operator.key (secrets) and trusted\n", folder->path);
    return status;
}

static int renew(struct keys_folder *folder) {
    if (!folder->has_trusted) return ordo_command_fail("%s has no keys: say `ordo keys make`", folder->path);
    int status = add_pairs(folder, false);
    if (status == EXIT_SUCCESS)
        printf("%s has new keys, and the old ones are good as well. Bring `trusted` to every machine, then the key files; restart\n"
               "the processes one by one; then say `ordo keys prune`.\n", folder->path);
    return status;
}

/* The keys whose secrets lie here. */
static int prune(struct keys_folder *folder) {
    struct ordo_link_trusted kept = {.count = 0};
    for (int role = 0; role < ORDO_LINK_ROLE_COUNT; role++) {
        struct ordo_link_keyring *ring;
        struct ordo_problem problem;
        if (ordo_link_keyring_open(folder->path, (enum ordo_link_role)role, &problem, &ring) != ORDO_OK)
            return ordo_command_fail("it keeps the keys of the three key files in %s, so it needs them: %s", folder->path,
                                     problem.text);
        kept.items[kept.count++] =
            (struct ordo_link_trusted_key){.role = (enum ordo_link_role)role, .key = *ordo_link_keyring_public(ring)};
        ordo_link_keyring_close(ring);
    }
    size_t gone = folder->trusted.count - kept.count;
    folder->trusted = kept;
    int status = write_trusted(folder);
    if (status == EXIT_SUCCESS)
        printf("%zu keys are trusted no more. Bring `trusted` to every machine; whoever is connected with one of them stays so\n"
               "until the shards are restarted.\n", gone);
    return status;
}

static int run(int argc, char **argv, const char *usage, bool creates, int (*act)(struct keys_folder *)) {
    static struct keys_folder folder = {.fd = -1};
    struct ordo_words words = {.items = &folder.path, .capacity = 1};
    int status;
    if (!ordo_command_parse(usage, NULL, 0, argc, argv, &words, &status)) return status;
    status = open_folder(&folder, creates);
    if (status == EXIT_SUCCESS) status = act(&folder);
    if (folder.fd >= 0) close(folder.fd);
    return status == EXIT_SUCCESS ? ordo_command_flush() : status;
}

int ordo_keys_make_run(int argc, char **argv) {
    return run(argc, argv,
               "ordo keys make DIR\n\nMakes a key for each role of a cluster's processes in the folder DIR, which is made if\n"
               "missing; where there are keys already nothing is changed. Each process then gets --keys DIR.\n",
               true, make);
}

int ordo_keys_renew_run(int argc, char **argv) {
    return run(argc, argv,
               "ordo keys renew DIR\n\nMakes new keys; the old ones stay good until `ordo keys prune`. A running cluster goes\n"
               "on.\n",
               false, renew);
}

int ordo_keys_prune_run(int argc, char **argv) {
    return run(argc, argv,
               "ordo keys prune DIR\n\nTakes all keys out of DIR/trusted but those of the key files in DIR.\n", false, prune);
}
