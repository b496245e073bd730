#include "enforcer/counters.h"

static const char *const source_words[FL__SOURCES] = { "cache", "upstream", "policy", "local", "error" };
static const char *const lost_words[FL__LOSSES] = { "malformed", "overload", "send", "limit", "stranger" };
enum { BOUNDS = sizeof(fl_bounds_dns) / sizeof(fl_bounds_dns[0]) };
_Static_assert(BOUNDS + 1 == FL__DURATIONS, "one bucket a bound, and one above");

static unsigned bucket(uint32_t us)
{
	unsigned i = 0;

	while (i < BOUNDS && (double)us > fl_bounds_dns[i] * 1e6)
		i++;
	return i;
}

void fl__count_answer(struct fl__counters *c, enum fl__source source, unsigned rcode, uint32_t duration_us)
{
	fl__bump(&c->responses[source][rcode < FL__RCODES ? rcode : FL__RCODES - 1]);
	fl__bump(&c->durations[source][bucket(duration_us)]);
	atomic_store_explicit(&c->duration_us[source], fl__peek(&c->duration_us[source]) + duration_us, memory_order_relaxed);
}

void fl__counters_add(struct fl__counters *to, const struct fl__counters *from)
{
	_Atomic uint64_t *t = (_Atomic uint64_t *)to;
	const _Atomic uint64_t *f = (const _Atomic uint64_t *)from;

	_Static_assert(sizeof(*to) % sizeof(*t) == 0, "counters only");
	for (size_t i = 0; i < sizeof(*to) / sizeof(*t); i++)
		atomic_store_explicit(&t[i], fl__peek(&t[i]) + fl__peek(&f[i]), memory_order_relaxed);
}

static void responses(const struct fl__counters *c, struct fl_buf *out)
{
	char rcode[16];

	fl_metric_family(out, "fireline_dns_responses_total", FL_COUNTER, "Answers sent, by source: cache, upstream, policy, local, error.");
	for (int s = 0; s < FL__SOURCES; s++)
		for (unsigned r = 0; r < FL__RCODES; r++)
			if (fl__peek(&c->responses[s][r]))
				fl_metric_u64(out, "fireline_dns_responses_total", "", FL_LABELS("rcode", fl_rcode_format(r, rcode), "source", source_words[s]),
					      fl__peek(&c->responses[s][r]));
}

static void durations(const struct fl__counters *c, struct fl_buf *out)
{
	fl_metric_family(out, "fireline_dns_request_duration_seconds", FL_HISTOGRAM, "Time from receive to send, by source.");
	for (int s = 0; s < FL__SOURCES; s++) {
		struct fl_histogram h = { .bounds = fl_bounds_dns, .n = BOUNDS, .sum = (double)fl__peek(&c->duration_us[s]) / 1e6 };

		for (unsigned i = 0; i < FL__DURATIONS; i++)
			h.counts[i] = fl__peek(&c->durations[s][i]);
		fl_metric_histogram(out, "fireline_dns_request_duration_seconds", FL_LABELS("source", source_words[s]), &h);
	}
}

void fl__counters_metrics(const struct fl__counters *c, struct fl_buf *out)
{
	fl_metric_family(out, "fireline_dns_requests_total", FL_COUNTER, "Questions received.");
	fl_metric_u64(out, "fireline_dns_requests_total", "", FL_LABELS("proto", "udp"), fl__peek(&c->queries_udp));
	fl_metric_u64(out, "fireline_dns_requests_total", "", FL_LABELS("proto", "tcp"), fl__peek(&c->queries_tcp));
	responses(c, out);
	durations(c, out);
	fl_metric_family(out, "fireline_dns_dropped_total", FL_COUNTER, "Queries not answered, by reason: malformed, overload, send, limit, stranger.");
	for (int i = 0; i < FL__LOSSES; i++)
		fl_metric_u64(out, "fireline_dns_dropped_total", "", FL_LABELS("reason", lost_words[i]), fl__peek(&c->lost[i]));
	fl_metric_family(out, "fireline_dns_tcp_refused_total", FL_COUNTER, "TCP connections closed at once: too many in all, or from one address.");
	fl_metric_u64(out, "fireline_dns_tcp_refused_total", "", NULL, fl__peek(&c->tcp_refused));
	fl_metric_family(out, "fireline_dns_strangers_total", FL_COUNTER, "Questions of clients outside `clients.allow`: refused, or dropped.");
	fl_metric_u64(out, "fireline_dns_strangers_total", "", NULL, fl__peek(&c->strangers));
	fl_metric_family(out, "fireline_dns_limited_total", FL_COUNTER, "Questions over `rate_limit`: dropped, or sent to TCP, or refused.");
	fl_metric_u64(out, "fireline_dns_limited_total", "", NULL, fl__peek(&c->limited));
	fl_metric_family(out, "fireline_dns_special_total", FL_COUNTER, "Special-use names, answered here and not forwarded.");
	fl_metric_u64(out, "fireline_dns_special_total", "", NULL, fl__peek(&c->special));
	fl_metric_family(out, "fireline_dns_rebinding_total", FL_COUNTER, "Answers withheld because they hold an address of a private network.");
	fl_metric_u64(out, "fireline_dns_rebinding_total", "", NULL, fl__peek(&c->rebinding));
	fl_metric_family(out, "fireline_cache_prefetches_total", FL_COUNTER, "Answers asked for anew while they were still good.");
	fl_metric_u64(out, "fireline_cache_prefetches_total", "", NULL, fl__peek(&c->prefetches));
	fl_metric_family(out, "fireline_policy_redirect_matches_total", FL_COUNTER, "Decisions made by a CNAME or DNAME target.");
	fl_metric_u64(out, "fireline_policy_redirect_matches_total", "", NULL, fl__peek(&c->redirect_matches));
	fl_metric_family(out, "fireline_cache_hits_total", FL_COUNTER, "Questions answered from the cache.");
	fl_metric_u64(out, "fireline_cache_hits_total", "", NULL, fl__peek(&c->hits));
	fl_metric_family(out, "fireline_cache_misses_total", FL_COUNTER, "Questions that the cache could not answer.");
	fl_metric_u64(out, "fireline_cache_misses_total", "", NULL, fl__peek(&c->misses));
}
