/* ordo backup: copies the stores of a running cluster; lists and thins out what was copied before.
 *
 * Each shard copies its own store (shard/backup.h) and is asked over its side link, while moves are held: so every slot is in
 * the backup once. What came of it is read back here, checked, and only then gets the name that makes it a backup. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/random.h"
#include "shard/backup_files.h"
#include "shard/core/verify.h"
#include "common/files.h"
#include "shard/folder.h"
#include "tools/ordo/command.h"
#include "tools/ordo/backup_manifest.h"
#include "tools/ordo/backup_source.h"
#include "tools/ordo/side_link.h"

enum { ASK_MS = 200, ANSWER_TIMEOUT_MS = 1000, SILENCE_MS = 15000, BUSY_MS = 15000, NICENESS = 10 };
#define MIB ((uint64_t)1024 * 1024)

struct backup {
    struct cluster_words words;
    char dir[PATH_MAX];              /* absolute, as are these */
    char partial[PATH_MAX], path[PATH_MAX];
    uint64_t previous;               /* number of the newest backup so far; 0: none */
    uint64_t rate;
    bool is_quick;
    struct ordo_backup_manifest manifest;
    uint64_t copied_size, linked_size;
};

/* ---- the folder of backups */

/* Returns the descriptor that holds the lock; -1: a message was printed. */
static int open_dir(struct backup *backup, const char *dir) {
    if (mkdir(dir, 0755) != 0 && errno != EEXIST) {
        ordo_command_fail("the folder %s cannot be made: %s", dir, strerror(errno));
        return -1;
    }
    char path[PATH_MAX + 8];
    if (realpath(dir, backup->dir) == NULL) {
        ordo_command_fail("the folder %s cannot be used: %s", dir, strerror(errno));
        return -1;
    }
    snprintf(path, sizeof path, "%s/lock", backup->dir);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0) {
        ordo_command_fail("the folder %s cannot be written to: %s", backup->dir, strerror(errno));
    } else if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        ordo_command_fail("another `ordo backup` works in %s", backup->dir);
        close(lock);
        return -1;
    }
    return lock;
}

/* What interrupted ones left. One that a shard is still giving up stays for now. */
static void remove_partials(const char *dir) {
    DIR *folder = opendir(dir);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *end = strstr(entry->d_name, ".partial");
        char path[PATH_MAX];
        if (end == NULL || strspn(entry->d_name, "0123456789") != (size_t)(end - entry->d_name)) continue;
        if (snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= (int)sizeof path) continue;
        if (ordo_folder_remove(path)) fprintf(stderr, "ordo: %s cannot be removed: %s\n", path, strerror(errno));
    }
    if (folder != NULL) closedir(folder);
}

/* Gives up its name first, so that what is half removed is no backup. */
static int remove_backup(const char *dir, uint64_t id) {
    char path[PATH_MAX], partial[PATH_MAX];
    if (!ordo_backup_manifest_path(path, dir, id, "") || !ordo_backup_manifest_path(partial, dir, id, ".partial")) return EXIT_FAILURE;
    if (rename(path, partial) == 0 && ordo_folder_remove(partial) == ORDO_OK) {
        printf("%06" PRIu64 ": removed\n", id);
        return EXIT_SUCCESS;
    }
    return ordo_command_fail("the backup %s cannot be removed: %s", path, strerror(errno));
}

static int keep_newest(const char *dir, uint64_t keep) {
    size_t count;
    uint64_t *ids = ordo_backup_manifest_list(dir, &count);
    int status = EXIT_SUCCESS;
    for (size_t i = 0; i + keep < count && status == EXIT_SUCCESS; i++) status = remove_backup(dir, ids[i]);
    free(ids);
    return status;
}

static void print_time(uint64_t time_ms) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    char text[32] = "?";
    if (gmtime_r(&seconds, &utc) != NULL) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    fputs(text, stdout);
}

static int list(const char *dir) {
    static struct ordo_backup_manifest manifest;
    size_t count;
    uint64_t *ids = ordo_backup_manifest_list(dir, &count);
    int status = count > 0 ? EXIT_SUCCESS : ordo_command_fail("there is no backup in %s", dir);
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX];
        struct ordo_problem problem = {{0}};
        if (!ordo_backup_manifest_path(path, dir, ids[i], "") || ordo_backup_manifest_read(&manifest, path, &problem)) {
            status = ordo_command_fail("%06" PRIu64 ": %s", ids[i], problem.text);
            continue;
        }
        for (size_t j = 0; j < manifest.store_count; j++) {
            const struct ordo_backup_manifest_store *store = &manifest.stores[j];
            printf("%06" PRIu64 "  ", ids[i]);
            print_time(store->time_ms);
            printf("  %s  turn %" PRIu64 "  %.1f MiB\n", store->name, store->identity.turn,
                   (double)store->size / (double)MIB);
        }
    }
    free(ids);
    return status;
}

/* ---- one shard */

/* Asks until it is over. EXIT_SUCCESS: `turn` is the one that it has promised. */
static int ask_shard(struct backup *backup, struct side_link *link, const char *name, uint64_t *turn) {
    char path[PATH_MAX], previous[PATH_MAX] = "";
    if (snprintf(path, sizeof path, "%s/%s", backup->partial, name) >= (int)sizeof path ||
        (backup->previous > 0 &&
         (!ordo_backup_manifest_path(previous, backup->dir, backup->previous, "/") ||
          strlen(previous) + strlen(name) >= sizeof previous))) {
        return ordo_command_fail("the path of %s is too long", backup->dir);
    }
    if (previous[0] != '\0') strcat(previous, name);
    Ordo__Cluster__V1__Backup request = ORDO__CLUSTER__V1__BACKUP__INIT;
    request.id = ordo_random_u64() | 1;
    request.path = ordo_binary_of_slice(ordo_slice_of(path));
    request.previous = ordo_binary_of_slice(ordo_slice_of(previous));
    request.rate = backup->rate;
    uint64_t begun_ms = ordo_clock_monotonic_ms(), heard_ms = begun_ms;
    for (;; ordo_clock_sleep_ms(ASK_MS)) {
        const Ordo__Cluster__V1__SideReply *reply = side_link_ask_backup(link, &request, ANSWER_TIMEOUT_MS);
        uint64_t now_ms = ordo_clock_monotonic_ms();
        if (reply == NULL && now_ms - heard_ms < SILENCE_MS) continue;
        if (reply == NULL) return ordo_command_fail("the shard %s does not answer", name);
        heard_ms = now_ms;
        const Ordo__Cluster__V1__BackupStatus *status = reply->backup;
        int size = (int)status->message.len;
        const char *text = (const char *)status->message.data;
        switch (status->state) {
        case ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_RUNNING: continue;
        case ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_DONE:
            *turn = status->turn;
            backup->copied_size += status->copied_size;
            backup->linked_size += status->linked_size;
            return EXIT_SUCCESS;
        case ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_UNKNOWN: /* the first answer is this, and tells whom to ask */
            if (request.incarnation != 0) break;
            request.incarnation = reply->incarnation;
            continue;
        case ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_BUSY: /* perhaps it is about to give up one that nobody waits for */
            if (now_ms - begun_ms < BUSY_MS) continue;
            break;
        default: break;
        }
        return ordo_command_fail("the shard %s made no backup: %.*s", name, size, text);
    }
}

static void print_finding(void *context, const struct ordo_finding *finding) {
    fprintf(stderr, "ordo: %s: %.*s/%.*s at server_seq %" PRIu64 ": %s\n", (const char *)context,
            (int)finding->collection.size, (const char *)finding->collection.data, (int)finding->id.size,
            (const char *)finding->id.data, finding->seq, finding->text);
}

/* Opens the copy as `ordo verify` does, and notes which store it is. */
static int look_inside(const struct backup *backup, char *path, struct ordo_backup_manifest_store *store) {
    static struct ordo_folder folder;
    struct ordo_problem problem = {{0}};
    ordo_err err = ordo_folder_open_readonly(&folder, path, &problem);
    uint64_t finding_count = 0;
    if (!err) {
        store->identity = folder.identity;
        if (!backup->is_quick) {
            struct ordo_view *view = folder.store->ops->view_open(folder.store);
            finding_count = ordo_verify(view, print_finding, path).findings;
            folder.store->ops->view_close(view);
        }
    }
    ordo_folder_finish(&folder);
    if (err) return ordo_command_fail("the copy does not open: %s", problem.text);
    if (finding_count == 0) return EXIT_SUCCESS;
    return ordo_command_fail("%" PRIu64 " findings in the copy, so it is no backup; `ordo verify` on the stopped store says "
                             "whether they are there, too", finding_count);
}

static int check_store(const struct backup *backup, uint64_t turn, struct ordo_backup_manifest_store *store) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", backup->partial, store->name) >= (int)sizeof path) return EXIT_FAILURE;
    struct ordo_backup_list list = {0};
    struct ordo_problem problem = {{0}};
    ordo_err err = ordo_backup_list_read(&list, path, &problem);
    if (!err && !backup->is_quick) err = ordo_backup_check(path, &list, &problem);
    for (size_t i = 0; i < list.count; i++) store->size += list.items[i].size;
    ordo_backup_list_finish(&list);
    if (err) return ordo_command_fail("%s", problem.text);
    int status = look_inside(backup, path, store);
    if (status != EXIT_SUCCESS || store->identity.turn >= turn) return status;
    return ordo_command_fail("the copy of %s ends at turn %" PRIu64 ", before turn %" PRIu64 " that it must hold",
                             store->name, store->identity.turn, turn);
}

static int take_shard(struct backup *backup, const char *name, const char *endpoint) {
    struct ordo_backup_manifest_store *store = &backup->manifest.stores[backup->manifest.store_count++];
    snprintf(store->name, sizeof store->name, "%s", name);
    struct ordo_problem problem;
    struct side_link *link = side_link_open(endpoint, &problem);
    if (link == NULL) return ordo_command_fail("%s cannot be asked: %s", name, problem.text);
    uint64_t turn = 0;
    store->time_ms = ordo_clock_wall_ms();
    int status = ask_shard(backup, link, name, &turn);
    side_link_close(link);
    return status == EXIT_SUCCESS ? check_store(backup, turn, store) : status;
}

/* One after the other, so that together they keep to the rate. */
static int take_shards(struct backup *backup) {
    struct backup_source source = {0};
    int status = backup_source_open(&source, &backup->words);
    if (status == EXIT_SUCCESS && source.shard_count > ORDO_BACKUP_STORES_MAX)
        status = ordo_command_fail("%zu shards are more than fit into a backup (%d)", source.shard_count, ORDO_BACKUP_STORES_MAX);
    for (size_t i = 0; i < source.shard_count && status == EXIT_SUCCESS; i++)
        status = take_shard(backup, source.shards[i].name, source.shards[i].side_endpoint);
    backup_source_close(&source);
    return status;
}

/* ---- the whole */

/* Numbers, --keep and what a restore takes by default would mix up two clusters. */
static bool is_of_another_cluster(const struct backup *backup) {
    static struct ordo_backup_manifest previous;
    struct ordo_problem unread; /* the previous one may be damaged; that is found out when it is needed */
    char path[PATH_MAX];
    return backup->previous > 0 && ordo_backup_manifest_path(path, backup->dir, backup->previous, "") &&
           ordo_backup_manifest_read(&previous, path, &unread) == ORDO_OK &&
           memcmp(previous.stores[0].identity.cluster_id, backup->manifest.stores[0].identity.cluster_id,
                  ORDO_CLUSTER_ID_SIZE) != 0;
}

static int complete(struct backup *backup) {
    struct ordo_problem problem = {{0}};
    if (is_of_another_cluster(backup))
        return ordo_command_fail("%s holds backups of another cluster; use a folder of its own", backup->dir);
    ordo_err err = ordo_backup_manifest_check(&backup->manifest, &problem);
    if (!err) err = ordo_backup_manifest_write(&backup->manifest, backup->partial, &problem);
    if (err) return ordo_command_fail("%s", problem.text);
    if (rename(backup->partial, backup->path) != 0 || ordo_folder_sync(backup->dir) != ORDO_OK)
        return ordo_command_fail("the backup cannot be named %s: %s", backup->path, strerror(errno));
    for (size_t i = 0; i < backup->manifest.store_count; i++) {
        const struct ordo_backup_manifest_store *store = &backup->manifest.stores[i];
        printf("%06" PRIu64 ": %s, turn %" PRIu64 ", all that was acknowledged before ", backup->manifest.id,
               store->name, store->identity.turn);
        print_time(store->time_ms);
        printf("\n");
    }
    printf("%06" PRIu64 ": %.1f MiB copied, %.1f MiB shared with earlier ones%s\n", backup->manifest.id,
           (double)backup->copied_size / (double)MIB, (double)backup->linked_size / (double)MIB,
           backup->is_quick ? "; not read back" : "; read back and verified");
    return EXIT_SUCCESS;
}

static int make(struct backup *backup) {
    size_t count;
    uint64_t *ids = ordo_backup_manifest_list(backup->dir, &count);
    backup->previous = count > 0 ? ids[count - 1] : 0;
    free(ids);
    backup->manifest.id = backup->previous + 1;
    /* A name of its own: a shard may still be giving one up that nobody waits for, and removes what it made. */
    char end[32];
    snprintf(end, sizeof end, ".partial-%08" PRIx32, (uint32_t)ordo_random_u64());
    if (!ordo_backup_manifest_path(backup->path, backup->dir, backup->manifest.id, "") ||
        !ordo_backup_manifest_path(backup->partial, backup->dir, backup->manifest.id, end)) {
        return ordo_command_fail("the path of %s is too long", backup->dir);
    }
    remove_partials(backup->dir);
    if (mkdir(backup->partial, 0755) != 0)
        return ordo_command_fail("the folder %s cannot be made: %s", backup->partial, strerror(errno));
    int status = take_shards(backup);
    if (status == EXIT_SUCCESS) status = complete(backup);
    remove_partials(backup->dir); /* by now every shard has given up what was interrupted before */
    return status;
}

int ordo_backup_run(int argc, char **argv) {
    static struct backup backup;
    const char *dir;
    bool is_list = false;
    uint64_t keep = 0, rate_mib = 64;
    backup.words = (struct cluster_words)CLUSTER_WORDS_INIT;
    const struct ordo_option options[] = {
        CLUSTER_OPTIONS(backup.words),
        SIDE_LINK_OPTION,
        {"--keep", "K", "then remove all but the newest K", ORDO_OPTION_COUNT, &keep, 1, 1000000},
        {"--rate-mib", "N", "copy at most N MiB per second (64)", ORDO_OPTION_COUNT, &rate_mib, 1, 1 << 20},
        {"--quick", NULL, "do not read back what was copied", ORDO_OPTION_FLAG, &backup.is_quick},
        {"--list", NULL, "make none; print those that are there", ORDO_OPTION_FLAG, &is_list},
    };
    struct ordo_words words = {.items = &dir, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo backup DIR [OPTIONS]\n\nCopies the stores of a running cluster into a new folder below DIR. "
                            "Tables that the newest\nbackup there has already are shared with it.\n",
                            options, sizeof options / sizeof *options, argc, argv, &words, &status)) {
        return status;
    }
    if (is_list) return list(dir);
    backup.rate = rate_mib * MIB;
    setpriority(PRIO_PROCESS, 0, NICENESS); /* reading back is work: after that of the cluster */
    int lock = open_dir(&backup, dir);
    if (lock < 0) return EXIT_FAILURE;
    status = make(&backup);
    if (status == EXIT_SUCCESS && keep > 0) status = keep_newest(backup.dir, keep);
    close(lock);
    return status == EXIT_SUCCESS ? ordo_command_flush() : status;
}
