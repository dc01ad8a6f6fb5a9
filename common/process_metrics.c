#include "common/process_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/metrics.h"

struct process_figures {
    double cpu_s, start_s;
    uint64_t resident_size, virtual_size, open_files, open_files_max, threads;
};

static const struct ordo_metric table[] = {
    {.name = "process_resident_memory_bytes", .help = "Memory of the process that is in RAM.", .kind = ORDO_METRIC_GAUGE,
     .offset = offsetof(struct process_figures, resident_size)},
    {.name = "process_virtual_memory_bytes", .help = "Address space of the process.", .kind = ORDO_METRIC_GAUGE,
     .offset = offsetof(struct process_figures, virtual_size)},
    {.name = "process_open_fds", .help = "Open file descriptors.", .kind = ORDO_METRIC_GAUGE,
     .offset = offsetof(struct process_figures, open_files)},
    {.name = "process_max_fds", .help = "Open file descriptors that the process may have.", .kind = ORDO_METRIC_GAUGE,
     .offset = offsetof(struct process_figures, open_files_max)},
    {.name = "process_threads", .help = "Threads of the process.", .kind = ORDO_METRIC_GAUGE,
     .offset = offsetof(struct process_figures, threads)},
    {.name = "process_start_time_seconds", .help = "When the process was started, since 1970.", .kind = ORDO_METRIC_REAL,
     .offset = offsetof(struct process_figures, start_s)},
};

/* Of /proc/self/stat what follows the name, which may hold anything but ends with the last ')'. Fields from 3 on (proc(5)). */
static void read_stat(struct process_figures *figures) {
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL) return;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *rest = strrchr(text, ')');
    unsigned long long user, system, threads, start, virtual_size;
    long long resident_pages;
    bool is_read = rest != NULL && sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %llu %*d "
                                          "%llu %llu %lld", &user, &system, &threads, &start, &virtual_size, &resident_pages) == 6;
    if (!is_read) return;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    double since_boot_s = (double)ordo_clock_boot_ms() / 1000;
    figures->cpu_s = (double)(user + system) / ticks;
    figures->start_s = (double)ordo_clock_wall_ms() / 1000 - since_boot_s + (double)start / ticks;
    figures->threads = threads;
    figures->virtual_size = virtual_size;
    figures->resident_size = resident_pages > 0 ? (uint64_t)resident_pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t count_open_files(void) {
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) return 0;
    uint64_t count = 0;
    while (readdir(folder) != NULL) count++;
    closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", "..", and the one that reads */
}

void ordo_process_metrics(struct ordo_buffer *out, const char *role) {
    struct process_figures figures = {0};
    struct ordo_buffer labels = {0};
    struct rlimit limit;
    read_stat(&figures);
    figures.open_files = count_open_files();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.open_files_max = limit.rlim_cur;
    ordo_metrics_label(&labels, "role", ordo_slice_of(role));
    ordo_metrics_label(&labels, "version", ordo_slice_of(ORDO_VERSION));
    ordo_metrics_family(out, "ordo_build_info", "1; what was built.", ORDO_METRIC_GAUGE);
    ordo_metrics_sample(out, "ordo_build_info", ordo_buffer_slice(&labels), 1);
    ordo_buffer_finish(&labels);
    /* Prometheus calls it a counter, and it is none of whole seconds. */
    ordo_metrics_family(out, "process_cpu_seconds_total", "CPU time that the process has used.", ORDO_METRIC_COUNTER);
    ordo_metrics_sample(out, "process_cpu_seconds_total", ordo_slice(NULL, 0), figures.cpu_s);
    ordo_metrics_write(out, table, sizeof table / sizeof *table, &(struct ordo_metric_source){.figures = &figures}, 1);
}
