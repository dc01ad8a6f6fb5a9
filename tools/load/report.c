#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tools/load/load.h"

static double seconds_measured(const struct load *load) {
    return load->end_ns > load->measure_ns ? (double)(load->end_ns - load->measure_ns) / 1e9 : 0;
}

static double per_second(const struct load *load, uint64_t count) {
    double seconds = seconds_measured(load);
    return seconds > 0 ? (double)count / seconds : 0;
}

/* CPU within the measured time; negative: the process is not known, or was replaced meanwhile. */
static double cpu_us(const struct ordo_proc *begin, const struct ordo_proc *end) {
    return begin->pid != 0 && end->pid != 0 ? (double)(end->cpu_us - begin->cpu_us) : -1;
}

void load_report_progress(const struct load *load) {
    static uint64_t last_acks, last_ns; /* of the one terminal that there is */
    uint64_t now_ns = ordo_clock_monotonic_ns();
    if (!load->is_writing) {
        fprintf(stderr, "\r\033[K%u of %u clients open", load->open_count, load->worker_count);
    } else {
        double seconds = last_ns ? (double)(now_ns - last_ns) / 1e9 : 1;
        fprintf(stderr, "\r\033[K%.0f s  %.0f ops/s  ack p50 %.2f ms  p99 %.2f ms  %llu deliveries  %llu reconnects",
                (double)(now_ns - load->begin_ns) / 1e9, (double)(load->total.acks - last_acks) / seconds,
                (double)ordo_histogram_percentile(&load->ack_ns, 50) / 1e6,
                (double)ordo_histogram_percentile(&load->ack_ns, 99) / 1e6, (unsigned long long)load->total.deliveries,
                (unsigned long long)load->total.reconnects);
    }
    last_acks = load->total.acks;
    last_ns = now_ns;
}

static void print_latency(const char *name, const struct ordo_histogram *histogram) {
    if (histogram->count == 0) return;
    printf("%-10s p50 %9.1f   p90 %9.1f   p99 %9.1f   p99.9 %9.1f   max %9.1f µs\n", name,
           (double)ordo_histogram_percentile(histogram, 50) / 1e3, (double)ordo_histogram_percentile(histogram, 90) / 1e3,
           (double)ordo_histogram_percentile(histogram, 99) / 1e3,
           (double)ordo_histogram_percentile(histogram, 99.9) / 1e3, (double)histogram->max / 1e3);
}

static void print_proc(const char *name, const struct load *load, const struct ordo_proc *begin,
                       const struct ordo_proc *end) {
    double cpu = cpu_us(begin, end);
    if (cpu < 0) return;
    printf("%-10s %5.1f %% CPU", name, cpu / (seconds_measured(load) * 1e4));
    if (load->counts.acks > 0) printf("   %7.2f µs per op", cpu / (double)load->counts.acks);
    if (load->counts.deliveries > 0) printf("   %7.2f µs per delivery", cpu / (double)load->counts.deliveries);
    printf("   %.1f MiB\n", (double)end->rss_size / (1024.0 * 1024.0));
}

void load_report_text(const struct load *load) {
    printf("%llu documents, %u clients, %.1f s\n", (unsigned long long)load->config.docs, load->worker_count,
           seconds_measured(load));
    printf("%-10s %llu   %.0f per second\n", "ops", (unsigned long long)load->counts.acks,
           per_second(load, load->counts.acks));
    printf("%-10s %llu   %.0f per second\n", "deliveries", (unsigned long long)load->counts.deliveries,
           per_second(load, load->counts.deliveries));
    print_latency("ack", &load->ack_ns);
    print_latency("delivery", &load->delivery_ns);
    print_proc("gateway", load, &load->procs_begin.gateway, &load->procs_end.gateway);
    print_proc("shard", load, &load->procs_begin.shard, &load->procs_end.shard);
    print_proc("driver", load, &load->self_begin, &load->self_end);
    if (load->total.reconnects > 0) printf("%-10s %llu\n", "reconnects", (unsigned long long)load->total.reconnects);
    if (load->total.given_back > 0) printf("%-10s %llu\n", "given back", (unsigned long long)load->total.given_back);
    if (load->total.overtaken > 0) printf("%-10s %llu\n", "overtaken", (unsigned long long)load->total.overtaken);
    if (load->config.verify) {
        printf("%-10s %s: %llu documents, %llu ops in their logs, %llu acks in all\n", "verified",
               load->violations == 0 ? "exact" : "VIOLATED", (unsigned long long)load->verified_docs,
               (unsigned long long)load->verified_ops, (unsigned long long)load->total.acks);
        if (load->unkept_acks > 0) {
            printf("%-10s %llu acked ops are older than the history that is kept: their places in the log were not seen\n", "",
                   (unsigned long long)load->unkept_acks);
        }
    }
}

static json_t *latency_json(const struct ordo_histogram *histogram) {
    static const struct {
        const char *name;
        double percent;
    } rows[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};
    if (histogram->count == 0) return json_null();
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_object_set_new(object, rows[i].name,
                            json_real((double)ordo_histogram_percentile(histogram, rows[i].percent) / 1e3));
    }
    json_object_set_new(object, "max", json_real((double)histogram->max / 1e3));
    json_object_set_new(object, "mean", json_real(ordo_histogram_mean(histogram) / 1e3));
    json_object_set_new(object, "count", json_integer((json_int_t)histogram->count));
    return object;
}

static json_t *proc_json(const struct load *load, const struct ordo_proc *before, const struct ordo_proc *open,
                         const struct ordo_proc *begin, const struct ordo_proc *end) {
    double cpu = cpu_us(begin, end);
    if (cpu < 0) return json_null();
    json_t *object = json_pack("{s:i, s:f, s:I}", "pid", (int)end->pid, "cpu_percent",
                               cpu / (seconds_measured(load) * 1e4), "rss_bytes", (json_int_t)end->rss_size);
    if (load->counts.acks > 0) {
        json_object_set_new(object, "cpu_us_per_op", json_real(cpu / (double)load->counts.acks));
    }
    if (load->counts.deliveries > 0) {
        json_object_set_new(object, "cpu_us_per_delivery", json_real(cpu / (double)load->counts.deliveries));
    }
    if (before != NULL && before->pid == open->pid) {
        json_object_set_new(object, "rss_bytes_before", json_integer((json_int_t)before->rss_size));
        json_object_set_new(object, "rss_bytes_open", json_integer((json_int_t)open->rss_size));
    }
    return object;
}

static json_t *verify_json(const struct load *load) {
    if (!load->config.verify) return json_null();
    json_t *object = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "exact", load->violations == 0, "violations",
                               (json_int_t)load->violations, "documents", (json_int_t)load->verified_docs, "log_ops",
                               (json_int_t)load->verified_ops, "acks", (json_int_t)load->total.acks, "unkept_acks",
                               (json_int_t)load->unkept_acks);
    if (load->violations > 0) json_object_set_new(object, "first", json_string(load->first_violation));
    return object;
}

void load_report_json(const struct load *load) {
    const struct load_config *config = &load->config;
    json_t *root = json_pack(
        "{s:s, s:I, s:I, s:I, s:f, s:f}", "mode",
        config->trace_path ? "trace" : config->rate > 0 ? "open loop" : "closed loop", "documents",
        (json_int_t)config->docs, "clients", (json_int_t)load->worker_count, "writers", (json_int_t)load->writer_count,
        "rate", config->rate, "seconds", seconds_measured(load));
    json_object_set_new(root, "ops", json_integer((json_int_t)load->counts.acks));
    json_object_set_new(root, "ops_per_second", json_real(per_second(load, load->counts.acks)));
    json_object_set_new(root, "deliveries", json_integer((json_int_t)load->counts.deliveries));
    json_object_set_new(root, "deliveries_per_second", json_real(per_second(load, load->counts.deliveries)));
    json_object_set_new(root, "ack_us", latency_json(&load->ack_ns));
    json_object_set_new(root, "delivery_us", latency_json(&load->delivery_ns));
    json_object_set_new(root, "gateway",
                        proc_json(load, &load->procs_before.gateway, &load->procs_open.gateway,
                                  &load->procs_begin.gateway, &load->procs_end.gateway));
    json_object_set_new(root, "shard",
                        proc_json(load, &load->procs_before.shard, &load->procs_open.shard, &load->procs_begin.shard,
                                  &load->procs_end.shard));
    json_object_set_new(root, "driver", proc_json(load, NULL, NULL, &load->self_begin, &load->self_end));
    json_object_set_new(root, "reconnects", json_integer((json_int_t)load->total.reconnects));
    json_object_set_new(root, "overtaken", json_integer((json_int_t)load->total.overtaken));
    json_object_set_new(root, "given_back", json_integer((json_int_t)load->total.given_back));
    json_object_set_new(root, "verify", verify_json(load));
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}
