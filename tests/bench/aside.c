/* Runs a command that stands for a program on some other machine: it steps aside for whatever is measured on this one.
 *
 *   aside COMMAND [ARGUMENT...] */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/sched.h"

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: aside COMMAND [ARGUMENT...]\n");
        return EXIT_FAILURE;
    }
    ordo_sched_step_aside();
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return EXIT_FAILURE;
}
