#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/sim/regressions.h"
#include "tests/sim/sim.h"

/* ordo-sim: runs schedules, one per seed, until one breaks a promise. */

enum { EXIT_USAGE = 2 };

struct options {
    uint64_t from, to;
    enum sim_profile profile;
    uint64_t minutes;    /* 0: until `to` */
    bool is_verbose, only_regressions;
    bool has_one_shard;
    bool goes_on;        /* after a violation */
    const char *expect;  /* the check that has to fire */
};

/* What a crash of the core, which cannot be caught otherwise, leaves behind. */
static char reproduce[256];

static void on_crash(int number) {
    (void)!write(STDERR_FILENO, reproduce, strlen(reproduce));
    signal(number, SIG_DFL);
    raise(number);
}

static const char *profile_option(enum sim_profile profile) {
    if (profile == SIM_PROFILE_STARVED) return " --starved";
    if (profile == SIM_PROFILE_MOVES) return " --moves";
    return profile == SIM_PROFILE_INTERLEAVING ? " --interleaving" : "";
}

static const char *program;
static struct sim_counts counts;

static enum sim_check run_one(uint64_t seed, enum sim_profile profile, bool has_one_shard, bool is_verbose,
                              bool is_quiet) {
    const char *one_shard = has_one_shard ? " --one-shard" : "";
    snprintf(reproduce, sizeof reproduce,
             "violation: assertion\n  reproduce: %s --seeds %" PRIu64 "..%" PRIu64 "%s%s --verbose\n", program, seed,
             seed, profile_option(profile), one_shard);
    struct sim_plan plan;
    sim_plan_draw(&plan, seed, profile, has_one_shard);
    struct sim *sim = sim_create(seed, &plan, is_verbose);
    sim_run(sim);
    enum sim_check violated = sim->verdict.violated;
    if (violated != SIM_CHECK_NONE && !is_quiet) {
        fflush(stdout);
        fprintf(stderr, "violation: %s (%s)\n  %s\n  seed %" PRIu64 ", at %.3f ms, step %" PRIu64 "\n"
                "  reproduce: %s --seeds %" PRIu64 "..%" PRIu64 "%s%s --verbose\n",
                sim_check_name(violated), sim_check_promise(violated), sim->verdict.message, seed,
                (double)sim->now_us / 1000, sim->step_count, program, seed, seed, profile_option(profile),
                one_shard);
    }
    sim_destroy(sim, &counts);
    return violated;
}

static int run_regressions(const struct options *options) {
    for (size_t i = 0; i < sim_regression_count; i++) {
        const struct sim_regression *regression = &sim_regressions[i];
        if (run_one(regression->seed, regression->profile, regression->has_one_shard, options->is_verbose, false) ==
            SIM_CHECK_NONE)
            continue;
        fprintf(stderr, "  this is the regression test %s\n", regression->name);
        return EXIT_FAILURE;
    }
    printf("%zu regression schedules without a violation\n", sim_regression_count);
    return EXIT_SUCCESS;
}

static int run_expecting(const struct options *options) {
    for (uint64_t seed = options->from; seed <= options->to; seed++) {
        enum sim_check violated = run_one(seed, options->profile, options->has_one_shard, false, true);
        if (violated == SIM_CHECK_NONE) continue;
        bool is_expected = strcmp(sim_check_name(violated), options->expect) == 0;
        printf("seed %" PRIu64 " violates %s, %s\n", seed, sim_check_name(violated),
               is_expected ? "as it should" : "which is not what was expected");
        return is_expected ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    printf("no violation of %s in the seeds %" PRIu64 "..%" PRIu64 "\n", options->expect, options->from, options->to);
    return EXIT_FAILURE;
}

static void print_counts(void) {
    printf("reached:");
#define X(name) printf(" " #name "=%" PRIu64, counts.name);
    SIM_COUNTS(X)
#undef X
    printf("\nnacks by code:");
    for (size_t i = 0; i < sizeof counts.nack_codes / sizeof *counts.nack_codes; i++) {
        if (counts.nack_codes[i] > 0) printf(" %zu=%" PRIu64, i, counts.nack_codes[i]);
    }
    printf("\n");
}

static int run_seeds(const struct options *options) {
    uint64_t start_ms = ordo_clock_monotonic_ms(), told_ms = start_ms, count = 0, violation_count = 0;
    for (uint64_t seed = options->from; seed <= options->to; seed++) {
        bool is_violated = run_one(seed, options->profile, options->has_one_shard, options->is_verbose, false) !=
                           SIM_CHECK_NONE;
        if (is_violated && !options->goes_on) return EXIT_FAILURE;
        violation_count += is_violated;
        count++;
        uint64_t now_ms = ordo_clock_monotonic_ms();
        if (options->minutes > 0 && now_ms - start_ms >= options->minutes * 60000) break;
        if (now_ms - told_ms < 10000 || !isatty(STDERR_FILENO)) continue;
        told_ms = now_ms;
        fprintf(stderr, "seed %" PRIu64 ", %" PRIu64 " schedules per minute\n", seed,
                count * 60000 / (now_ms - start_ms));
    }
    uint64_t took_ms = ordo_clock_monotonic_ms() - start_ms;
    printf("%" PRIu64 " schedules, %" PRIu64 " violations, %" PRIu64 " schedules per minute\n", count,
           violation_count, count * 60000 / (took_ms ? took_ms : 1));
    print_counts();
    return violation_count > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static bool parse_number(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0;
}

static bool parse_seeds(const char *text, struct options *options) {
    char from[32];
    const char *dots = strstr(text, "..");
    if (dots == NULL) {
        if (!parse_number(text, &options->from)) return false;
        options->to = options->from;
        return true;
    }
    if ((size_t)(dots - text) >= sizeof from) return false;
    memcpy(from, text, (size_t)(dots - text));
    from[dots - text] = 0;
    return parse_number(from, &options->from) && parse_number(dots + 2, &options->to) &&
           options->from <= options->to;
}

static bool parse(struct options *options, int argc, char **argv) {
    *options = (struct options){.from = 1, .to = 10000};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--verbose") == 0) options->is_verbose = true;
        else if (strcmp(argv[i], "--interleaving") == 0) options->profile = SIM_PROFILE_INTERLEAVING;
        else if (strcmp(argv[i], "--starved") == 0) options->profile = SIM_PROFILE_STARVED;
        else if (strcmp(argv[i], "--moves") == 0) options->profile = SIM_PROFILE_MOVES;
        else if (strcmp(argv[i], "--go-on") == 0) options->goes_on = true;
        else if (strcmp(argv[i], "--one-shard") == 0) options->has_one_shard = true;
        else if (strcmp(argv[i], "--regressions") == 0) options->only_regressions = true;
        else if (value == NULL) return false;
        else if (strcmp(argv[i], "--seeds") == 0 && parse_seeds(value, options)) i++;
        else if (strcmp(argv[i], "--minutes") == 0 && parse_number(value, &options->minutes)) i++;
        else if (strcmp(argv[i], "--expect") == 0) options->expect = value, i++;
        else return false;
    }
    if (options->minutes > 0 && options->to == 10000) options->to = UINT64_MAX - 1;
    return true;
}

int main(int argc, char **argv) {
    struct options options;
    program = argv[0];
    if (!parse(&options, argc, argv)) {
        fprintf(stderr, "usage: ordo-sim [--seeds FROM..TO | --minutes N] [--interleaving | --starved | --moves] [--verbose]\n"
                        "                [--one-shard] [--go-on] [--regressions] [--expect CHECK]\n");
        return EXIT_USAGE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    if (options.only_regressions) return run_regressions(&options);
    return options.expect ? run_expecting(&options) : run_seeds(&options);
}
