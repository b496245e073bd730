#include "ingest/source_status.h"

static const char *const states[] = {
#define FL_X(name, word) [FL_SOURCE_##name] = word,
	FL_SOURCE_STATES(FL_X)
#undef FL_X
};
static const char *const counts[] = {
#define FL_X(name, word) [FL_SOURCE_N_##name] = word,
	FL_SOURCE_COUNTS(FL_X)
#undef FL_X
};

const char *fl_source_state_word(enum fl_source_state s)
{
	return states[s];
}

const char *fl_source_count_word(enum fl_source_count c)
{
	return counts[c];
}

void fl_source_metrics(const struct fl_source_status *v, size_t n, struct fl_buf *out)
{
	fl_metric_family(out, "fireline_findings_source_total", FL_COUNTER, "What came by each source of findings, and what became of it.");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < FL_SOURCE_COUNT_COUNT; k++)
			fl_metric_u64(out, "fireline_findings_source_total", "", FL_LABELS("source", v[i].name, "result", counts[k]), v[i].n[k]);
	fl_metric_family(out, "fireline_findings_source_up", FL_GAUGE, "1 while the source is asked, or can be posted to, without trouble.");
	for (size_t i = 0; i < n; i++)
		fl_metric_u64(out, "fireline_findings_source_up", "", FL_LABELS("source", v[i].name), v[i].state == FL_SOURCE_OK);
	fl_metric_family(out, "fireline_findings_source_under_way", FL_GAUGE, "Documents that were received and are not durable yet.");
	for (size_t i = 0; i < n; i++)
		fl_metric_u64(out, "fireline_findings_source_under_way", "", FL_LABELS("source", v[i].name), v[i].under_way);
}
