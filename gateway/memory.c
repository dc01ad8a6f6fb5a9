#include "gateway/memory.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4200, LINE_SIZE = 4096 };

static uint64_t machine_size(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_size > 0 ? (uint64_t)pages * (uint64_t)page_size : UINT64_MAX;
}

/* A number in a file; UINT64_MAX: there is none ("max"). */
static uint64_t read_size(const char *path) {
    uint64_t size = UINT64_MAX;
    FILE *file = fopen(path, "re");
    if (file == NULL) return size;
    if (fscanf(file, "%" SCNu64, &size) != 1) size = UINT64_MAX;
    fclose(file);
    return size;
}

/* The group's path in the one hierarchy of version 2: "0::/PATH". */
static bool find_group(char group[LINE_SIZE]) {
    bool is_found = false;
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL) return false;
    while (!is_found && fgets(group, LINE_SIZE, file) != NULL) is_found = strncmp(group, "0::/", 4) == 0;
    fclose(file);
    if (!is_found) return false;
    group[strcspn(group, "\n")] = '\0';
    memmove(group, group + 3, strlen(group + 3) + 1);
    return true;
}

/* The smallest of its own limit and those of the groups around it. */
static uint64_t group_size(void) {
    char group[LINE_SIZE], path[PATH_SIZE];
    uint64_t smallest = read_size("/sys/fs/cgroup/memory/memory.limit_in_bytes"); /* version 1, in a container */
    if (!find_group(group)) return smallest;
    for (;;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", strcmp(group, "/") == 0 ? "" : group);
        uint64_t size = read_size(path);
        if (size < smallest) smallest = size;
        char *slash = strrchr(group, '/');
        if (slash == NULL || slash[1] == '\0') return smallest;
        slash[slash == group] = '\0'; /* the last step up leaves "/" */
    }
}

uint64_t ordo_memory_default_max(void) {
    uint64_t machine = machine_size(), group = group_size();
    return group < machine ? group / 4 * 3 : machine / 4;
}

uint64_t ordo_memory_used(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

uint64_t ordo_budget_look(struct ordo_budget *budget, uint64_t used) {
    uint64_t calm = budget->size_max / 5 * 4;
    if (budget->size_max == 0) return 0;
    if (used > budget->size_max) budget->is_over = true;
    if (used <= calm) budget->is_over = false;
    return budget->is_over ? used - calm : 0;
}
