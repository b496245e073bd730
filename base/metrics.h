/* Prometheus text exposition, format 0.0.4. Each role writes its own families into a buffer; nothing is registered. */
#pragma once
#include "base/span.h"

enum fl_metric_type { FL_COUNTER, FL_GAUGE, FL_HISTOGRAM };

/** HELP and TYPE lines of a family; then its samples. */
void fl_metric_family(struct fl_buf *out, const char *name, enum fl_metric_type type, const char *help);
/** One sample. labels: name, value, ..., NULL; values are escaped. suffix ("", "_bucket", "_sum", "_count"). */
void fl_metric_u64(struct fl_buf *out, const char *name, const char *suffix, const char *const *labels, uint64_t value);
void fl_metric_double(struct fl_buf *out, const char *name, const char *suffix, const char *const *labels, double value);
#define FL_LABELS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

/* A histogram of seconds with fixed bounds; add is for one writer at a time. */
enum { FL_HISTOGRAM_BUCKETS = 24 };
struct fl_histogram {
	const double *bounds; /* rising, n of them; +Inf is implied */
	uint32_t n;
	uint64_t counts[FL_HISTOGRAM_BUCKETS + 1];
	double sum;
};
void fl_histogram_add(struct fl_histogram *h, double seconds);
void fl_metric_histogram(struct fl_buf *out, const char *name, const char *const *labels, const struct fl_histogram *h);
/** 5 ms to 60 s, and 50 us to 2 s. */
extern const double fl_bounds_propagation[14];
extern const double fl_bounds_dns[14];
