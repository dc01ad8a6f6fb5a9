/* common/problem.h: a whole sentence for people, when something failed. The code that travels with it is an `ordo_err`. */
#ifndef ORDO_COMMON_PROBLEM_H
#define ORDO_COMMON_PROBLEM_H

#define ORDO_PROBLEM_SIZE 512

struct ordo_problem {
    char text[ORDO_PROBLEM_SIZE];
};

/* A sentence that is too long is cut. */
__attribute__((format(printf, 2, 3))) void ordo_problem_set(struct ordo_problem *problem, const char *format, ...);

#endif
