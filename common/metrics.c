#include "common/metrics.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kind_words[] = {[ORDO_METRIC_COUNTER] = "counter",
                                         [ORDO_METRIC_GAUGE] = "gauge",
                                         [ORDO_METRIC_REAL] = "gauge",
                                         [ORDO_METRIC_HISTOGRAM] = "histogram"};

static void append_text(struct ordo_buffer *out, const char *text) { ordo_buffer_append_slice(out, ordo_slice_of(text)); }

void ordo_metrics_label(struct ordo_buffer *labels, const char *name, struct ordo_slice value) {
    if (labels->size > 0) append_text(labels, ",");
    append_text(labels, name);
    append_text(labels, "=\"");
    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = value.data[i];
        if (byte == '\n') append_text(labels, "\\n");
        else if (byte == '\\' || byte == '"') ordo_buffer_append(labels, (uint8_t[]){'\\', byte}, 2);
        else if (byte != 0) ordo_buffer_append_u8(labels, byte);
    }
    append_text(labels, "\"");
}

void ordo_metrics_family(struct ordo_buffer *out, const char *name, const char *help, enum ordo_metric_kind kind) {
    append_text(out, "# HELP ");
    append_text(out, name);
    append_text(out, " ");
    append_text(out, help);
    append_text(out, "\n# TYPE ");
    append_text(out, name);
    append_text(out, " ");
    append_text(out, kind_words[kind]);
    append_text(out, "\n");
}

/* NAME SUFFIX {LABELS,MORE} and a blank. */
static void begin_sample(struct ordo_buffer *out, const char *name, const char *suffix, struct ordo_slice labels,
                         struct ordo_slice more) {
    append_text(out, name);
    append_text(out, suffix);
    if (labels.size + more.size > 0) {
        append_text(out, "{");
        ordo_buffer_append_slice(out, labels);
        if (labels.size > 0 && more.size > 0) append_text(out, ",");
        ordo_buffer_append_slice(out, more);
        append_text(out, "}");
    }
    append_text(out, " ");
}

static void end_whole(struct ordo_buffer *out, uint64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64 "\n", value);
    append_text(out, text);
}

static void end_real(struct ordo_buffer *out, double value) {
    char text[40];
    snprintf(text, sizeof text, "%.10g\n", value);
    append_text(out, text);
}

static void end_scaled(struct ordo_buffer *out, uint64_t value, double scale) {
    if (scale != 0) end_real(out, (double)value * scale);
    else end_whole(out, value);
}

void ordo_metrics_sample(struct ordo_buffer *out, const char *name, struct ordo_slice labels, double value) {
    begin_sample(out, name, "", labels, ordo_slice(NULL, 0));
    end_real(out, value);
}

static void write_bucket(struct ordo_buffer *out, const char *name, struct ordo_slice labels, const char *bound,
                         uint64_t count) {
    char more[48];
    snprintf(more, sizeof more, "le=\"%s\"", bound);
    begin_sample(out, name, "_bucket", labels, ordo_slice_of(more));
    end_whole(out, count);
}

static bool is_shown(const struct ordo_metric *metric, unsigned index) {
    return index == metric->first ||
           (index > metric->first && index <= metric->last && (metric->last - index) % metric->step == 0);
}

static void write_histogram(struct ordo_buffer *out, const struct ordo_metric *metric, struct ordo_slice labels,
                            const struct ordo_buckets *buckets) {
    double scale = metric->scale != 0 ? metric->scale : 1;
    uint64_t count = 0;
    for (unsigned i = 0; i < ORDO_BUCKET_COUNT; i++) {
        count += buckets->counts[i];
        char bound[32];
        snprintf(bound, sizeof bound, "%.10g", (double)ordo_bucket_bound(i) * scale);
        if (is_shown(metric, i)) write_bucket(out, metric->name, labels, bound, count);
    }
    write_bucket(out, metric->name, labels, "+Inf", count);
    begin_sample(out, metric->name, "_sum", labels, ordo_slice(NULL, 0));
    end_scaled(out, buckets->sum, metric->scale);
    begin_sample(out, metric->name, "_count", labels, ordo_slice(NULL, 0));
    end_whole(out, count);
}

static void write_values(struct ordo_buffer *out, const struct ordo_metric *metric, struct ordo_slice labels,
                         const uint64_t *values) {
    struct ordo_buffer more = {0};
    for (size_t i = 0; i < metric->value_count; i++) {
        ordo_buffer_clear(&more);
        ordo_metrics_label(&more, metric->label, ordo_slice_of(metric->values[i]));
        begin_sample(out, metric->name, "", labels, ordo_buffer_slice(&more));
        end_scaled(out, values[i], metric->scale);
    }
    ordo_buffer_finish(&more);
}

static void write_one(struct ordo_buffer *out, const struct ordo_metric *metric, const struct ordo_metric_source *source) {
    const void *field = (const uint8_t *)source->figures + metric->offset;
    switch (metric->kind) {
    case ORDO_METRIC_HISTOGRAM: write_histogram(out, metric, source->labels, field); return;
    case ORDO_METRIC_REAL: ordo_metrics_sample(out, metric->name, source->labels, *(const double *)field); return;
    case ORDO_METRIC_COUNTER:
    case ORDO_METRIC_GAUGE: break;
    }
    if (metric->label != NULL) {
        write_values(out, metric, source->labels, field);
        return;
    }
    begin_sample(out, metric->name, "", source->labels, ordo_slice(NULL, 0));
    end_scaled(out, *(const uint64_t *)field, metric->scale);
}

void ordo_metrics_write(struct ordo_buffer *out, const struct ordo_metric *table, size_t count,
                        const struct ordo_metric_source *sources, size_t source_count) {
    for (size_t i = 0; i < count; i++) {
        ordo_metrics_family(out, table[i].name, table[i].help, table[i].kind);
        for (size_t k = 0; k < source_count; k++) write_one(out, &table[i], &sources[k]);
    }
}
