#include "base/metrics.h"

#include <stdio.h>

const double fl_bounds_propagation[14] = { .005, .01, .02, .035, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60 };
const double fl_bounds_dns[14] = { .00005, .0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .5, 1, 2 };

void fl_metric_family(struct fl_buf *out, const char *name, enum fl_metric_type type, const char *help)
{
	static const char *const words[] = { "counter", "gauge", "histogram" };

	fl_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, words[type]);
}

static void put_labels(struct fl_buf *out, const char *const *labels, const char *le)
{
	const char *sep = "{";

	for (size_t i = 0; labels && labels[i] && labels[i + 1]; i += 2) {
		fl_buf_printf(out, "%s%s=\"", sep, labels[i]);
		for (const char *s = labels[i + 1]; *s; s++) {
			if (*s == '\n')
				fl_buf_str(out, "\\n");
			else if (*s == '"' || *s == '\\')
				fl_buf_printf(out, "\\%c", *s);
			else
				fl_buf_u8(out, (uint8_t)*s);
		}
		fl_buf_u8(out, '"');
		sep = ",";
	}
	if (le) {
		fl_buf_printf(out, "%sle=\"%s\"", sep, le);
		sep = ",";
	}
	if (*sep == ',')
		fl_buf_u8(out, '}');
}

void fl_metric_u64(struct fl_buf *out, const char *name, const char *suffix, const char *const *labels, uint64_t value)
{
	fl_buf_printf(out, "%s%s", name, suffix);
	put_labels(out, labels, NULL);
	fl_buf_printf(out, " %llu\n", (unsigned long long)value);
}

void fl_metric_double(struct fl_buf *out, const char *name, const char *suffix, const char *const *labels, double value)
{
	fl_buf_printf(out, "%s%s", name, suffix);
	put_labels(out, labels, NULL);
	fl_buf_printf(out, " %.9g\n", value);
}

void fl_histogram_add(struct fl_histogram *h, double seconds)
{
	uint32_t i = 0;

	while (i < h->n && seconds > h->bounds[i])
		i++;
	h->counts[i]++;
	h->sum += seconds;
}

void fl_metric_histogram(struct fl_buf *out, const char *name, const char *const *labels, const struct fl_histogram *h)
{
	uint64_t total = 0;
	char le[32];

	for (uint32_t i = 0; i <= h->n; i++) {
		total += h->counts[i];
		if (i < h->n)
			snprintf(le, sizeof(le), "%g", h->bounds[i]);
		fl_buf_printf(out, "%s_bucket", name);
		put_labels(out, labels, i < h->n ? le : "+Inf");
		fl_buf_printf(out, " %llu\n", (unsigned long long)total);
	}
	fl_metric_double(out, name, "_sum", labels, h->sum);
	fl_metric_u64(out, name, "_count", labels, total);
}
