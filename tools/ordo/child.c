#define _GNU_SOURCE /* pipe2 */
#include "tools/ordo/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

void ordo_child_init(struct ordo_child *child, const char *name) {
    *child = (struct ordo_child){.name = name, .output = -1};
}

static bool is_program(char *path, size_t path_size, const char *folder, size_t folder_size, const char *name) {
    int size = snprintf(path, path_size, "%.*s/%s", (int)folder_size, folder, name);
    return size > 0 && (size_t)size < path_size && access(path, X_OK) == 0;
}

ordo_err ordo_child_find(struct ordo_child *child) {
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size > 0) {
        self[size] = '\0';
        char *slash = strrchr(self, '/');
        if (is_program(child->program, sizeof child->program, self, (size_t)(slash - self), child->name)) return ORDO_OK;
    }
    for (const char *path = getenv("PATH"); path != NULL && *path != '\0';) {
        size_t folder_size = strcspn(path, ":");
        if (is_program(child->program, sizeof child->program, path, folder_size, child->name)) return ORDO_OK;
        path += folder_size;
        if (*path == ':') path++;
    }
    return ORDO_ERR_NOT_FOUND;
}

/* Between fork and exec. */
static void become(const struct ordo_child *child, const char **argv, int output, pid_t supervisor) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* safe at any moment: what is not durable was not acked */
    if (getppid() != supervisor) _exit(EXIT_FAILURE); /* it died before the line above */
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0) _exit(EXIT_FAILURE);
    argv[0] = child->program;
    execv(child->program, (char *const *)argv);
    fprintf(stderr, "ordo: %s: %s\n", child->program, strerror(errno));
    _exit(EXIT_FAILURE);
}

ordo_err ordo_child_start(struct ordo_child *child, const char **argv) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return ORDO_ERR_IO;
    pid_t supervisor = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return ORDO_ERR_IO;
    }
    if (pid == 0) become(child, argv, ends[1], supervisor);
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    child->pid = pid;
    child->output = ends[0];
    child->line_size = 0;
    return ORDO_OK;
}

static bool line_done(struct ordo_child *child, char *rest) {
    child->line[child->line_size] = '\0';
    child->line_size = 0;
    if (strncmp(child->line, "ready ", 6) == 0) {
        strcpy(rest, child->line + 6);
        return true;
    }
    fprintf(stderr, "%s: %s\n", child->name, child->line);
    return false;
}

bool ordo_child_read(struct ordo_child *child, char *rest) {
    bool is_ready = false;
    char bytes[512];
    for (;;) {
        ssize_t size = read(child->output, bytes, sizeof bytes);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return is_ready; /* EAGAIN: for now that was all */
        if (size == 0) {
            close(child->output);
            child->output = -1;
            return is_ready;
        }
        for (ssize_t i = 0; i < size; i++) {
            if (bytes[i] != '\n') {
                if (child->line_size < sizeof child->line - 1) child->line[child->line_size++] = bytes[i];
            } else if (line_done(child, rest)) {
                is_ready = true;
            }
        }
    }
}

void ordo_child_ended(struct ordo_child *child) {
    if (child->output >= 0) close(child->output);
    child->output = -1;
    child->pid = 0;
}
