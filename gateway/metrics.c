#include "gateway/metrics.h"

#include "common/hex.h"
#include "common/metrics.h"
#include "common/process_metrics.h"
#include "gateway/follower.h"

#define COUNTER_ROW(field, text)                                                                                       \
    {.name = "ordo_gateway_" #field "_total", .help = text, .kind = ORDO_METRIC_COUNTER, AT(field)},
#define GAUGE_ROW(field, text) {.name = "ordo_gateway_" #field, .help = text, .kind = ORDO_METRIC_GAUGE, AT(field)},

#define AT(field) .offset = offsetof(struct ordo_edge_stats, field)
static const struct ordo_metric edge_table[] = {ORDO_EDGE_STATS(COUNTER_ROW, GAUGE_ROW)};

#undef AT
#define AT(field) .offset = offsetof(struct ordo_gateway_stats, field)
static const struct ordo_metric core_table[] = {
    ORDO_GATEWAY_STATS(COUNTER_ROW, GAUGE_ROW)
    {.name = "ordo_gateway_nacks_total", .help = "Submits that were refused, by code.", .kind = ORDO_METRIC_COUNTER, AT(nacks),
     .label = "code", .values = ordo_nack_code_names, .value_count = ORDO_NACK_CODE_COUNT},
    {.name = "ordo_gateway_errors_total", .help = "Other requests that were refused, by code.", .kind = ORDO_METRIC_COUNTER,
     AT(errors), .label = "code", .values = ordo_error_code_names, .value_count = ORDO_ERROR_CODE_COUNT},
    {.name = "ordo_gateway_closes_total", .help = "Connections that the gateway closed, by close code.",
     .kind = ORDO_METRIC_COUNTER, AT(closes), .label = "code", .values = ordo_close_code_names,
     .value_count = ORDO_CLOSE_CODE_COUNT},
    {.name = "ordo_gateway_ack_seconds", .help = "From a submit's coming to its ack's going: what its author waits for here.",
     ORDO_METRIC_DURATION_US, AT(ack_us)},
    {.name = "ordo_gateway_shard_seconds", .help = "Of this, the part up to the shard's commit.", ORDO_METRIC_DURATION_US,
     AT(shard_us)},
    {.name = "ordo_gateway_delivery_seconds",
     .help = "From a commit's coming from the shard to its going to a reader; of each frame, the oldest commit.",
     ORDO_METRIC_DURATION_US, AT(delivery_us)},
    {.name = "ordo_gateway_open_seconds", .help = "From an open's coming to the shard's answer.", ORDO_METRIC_DURATION_US,
     AT(open_us)},
};

static const struct ordo_metric turn_table[] = {
    {.name = "ordo_gateway_turn_seconds", .help = "How long turns of the loop took, without its sleep.",
     ORDO_METRIC_DURATION_US, .offset = offsetof(struct ordo_turn, turn_us)},
};

static void write_links(struct ordo_buffer *out, const struct ordo_turn *turn) {
    ordo_metrics_family(out, "ordo_gateway_link_up", "1 where the link to the shard of this store is up.", ORDO_METRIC_GAUGE);
    struct ordo_buffer labels = {0};
    struct ordo_gateway_link link;
    for (uint32_t cursor = 0; ordo_gateway_next_link(turn->core, &cursor, &link);) {
        char digits[2 * ORDO_STORE_ID_SIZE + 1];
        ordo_hex_encode(digits, link.store.bytes, sizeof link.store.bytes);
        const char *name = turn->follower != NULL ? ordo_follower_store_name(turn->follower, &link.store) : NULL;
        ordo_buffer_clear(&labels);
        ordo_metrics_label(&labels, "store", ordo_slice_of(name != NULL ? name : digits));
        ordo_metrics_sample(out, "ordo_gateway_link_up", ordo_buffer_slice(&labels), link.is_ready);
    }
    ordo_buffer_finish(&labels);
}

/* Its name as a label, for whoever finds the port and wants to know whose it is. */
static void write_name(struct ordo_buffer *out, const struct ordo_turn *turn) {
    struct ordo_buffer labels = {0};
    ordo_metrics_label(&labels, "name", ordo_gateway_name(turn->core));
    ordo_metrics_family(out, "ordo_gateway_info", "1; what the gateway is called.", ORDO_METRIC_GAUGE);
    ordo_metrics_sample(out, "ordo_gateway_info", ordo_buffer_slice(&labels), 1);
    ordo_buffer_finish(&labels);
}

/* Whether the process is what it should be, seen from the process. */
static void write_state(struct ordo_buffer *out, const struct ordo_turn *turn) {
    ordo_metrics_family(out, "ordo_gateway_ready", "1 while /readyz says so.", ORDO_METRIC_GAUGE);
    ordo_metrics_sample(out, "ordo_gateway_ready", ordo_slice(NULL, 0), ordo_gateway_is_ready(turn->core));
    ordo_metrics_family(out, "ordo_gateway_directory_up", "1 while the directory is there; nothing, where there is none to follow.",
                        ORDO_METRIC_GAUGE);
    if (turn->follower != NULL)
        ordo_metrics_sample(out, "ordo_gateway_directory_up", ordo_slice(NULL, 0), !ordo_follower_is_away(turn->follower));
}

void ordo_gateway_metrics(struct ordo_buffer *out, const struct ordo_turn *turn) {
    const struct ordo_metric_source core = {.figures = ordo_gateway_stats(turn->core)};
    const struct ordo_metric_source edge = {.figures = &turn->stats};
    const struct ordo_metric_source own = {.figures = turn};
    ordo_process_metrics(out, "gateway");
    write_name(out, turn);
    write_state(out, turn);
    write_links(out, turn);
    ordo_metrics_write(out, core_table, sizeof core_table / sizeof *core_table, &core, 1);
    ordo_metrics_write(out, edge_table, sizeof edge_table / sizeof *edge_table, &edge, 1);
    ordo_metrics_write(out, turn_table, sizeof turn_table / sizeof *turn_table, &own, 1);
}
