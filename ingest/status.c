#include "ingest/feed_int.h"
#include "ingest/findings_int.h"

/* The stage's own goes with the next body. */
static void copy_quarantine(struct fl_arena *arena, struct fl_feed_status *s)
{
	struct fl_quarantined *q = s->n_quarantined ? fl_arena_array(arena, s->n_quarantined, sizeof(*q)) : NULL;

	for (size_t i = 0; q && i < s->n_quarantined; i++)
		q[i] = (struct fl_quarantined){ fl_arena_str(arena, s->quarantined[i].entry), fl_arena_str(arena, s->quarantined[i].name),
						fl_arena_str(arena, s->quarantined[i].why), s->quarantined[i].scope };
	s->quarantined = q;
	s->n_quarantined = q ? s->n_quarantined : 0;
}

void fl_ingest_status(struct fl_ingest *g, struct fl_arena *arena, struct fl_feed_status **out, size_t *n)
{
	struct fl_feed_status *v = fl_arena_array(arena, g->n_feeds + 1, sizeof(*v));

	*out = v;
	*n = v ? g->n_feeds : 0;
	for (size_t i = 0; i < *n; i++) {
		v[i] = g->feeds[i].s;
		v[i].stale_after_ms = g->feeds[i].cfg->stale_after_ms;
		copy_quarantine(arena, &v[i]);
	}
}

const char *fl_ingest_problem(const struct fl_ingest *g)
{
	return g->config_problem[0] ? g->config_problem : g->protect_problem;
}

void fl_ingest_metrics(struct fl_ingest *g, struct fl_buf *out)
{
	fl_metric_family(out, "fireline_feed_last_success_timestamp_seconds", FL_GAUGE, "Last good fetch.");
	for (size_t i = 0; i < g->n_feeds; i++)
		fl_metric_double(out, "fireline_feed_last_success_timestamp_seconds", "", FL_LABELS("feed", g->feeds[i].s.name),
				 (double)g->feeds[i].s.last_ok / 1e6);
	fl_metric_family(out, "fireline_feed_stale_after_seconds", FL_GAUGE, "Configured age limit.");
	for (size_t i = 0; i < g->n_feeds; i++)
		fl_metric_double(out, "fireline_feed_stale_after_seconds", "", FL_LABELS("feed", g->feeds[i].s.name),
				 (double)g->feeds[i].cfg->stale_after_ms / 1e3);
	fl_metric_family(out, "fireline_feed_names", FL_GAUGE, "Names accepted from the last good copy.");
	for (size_t i = 0; i < g->n_feeds; i++)
		fl_metric_u64(out, "fireline_feed_names", "", FL_LABELS("feed", g->feeds[i].s.name), g->feeds[i].s.names);
	fl_metric_family(out, "fireline_feed_fetches_total", FL_COUNTER, "Fetches: changed, unchanged, failed.");
	for (size_t i = 0; i < g->n_feeds; i++) {
		const struct fl_feed_status *s = &g->feeds[i].s;

		fl_metric_u64(out, "fireline_feed_fetches_total", "", FL_LABELS("feed", s->name, "result", "changed"), s->fetches_ok);
		fl_metric_u64(out, "fireline_feed_fetches_total", "", FL_LABELS("feed", s->name, "result", "unchanged"), s->fetches_unchanged);
		fl_metric_u64(out, "fireline_feed_fetches_total", "", FL_LABELS("feed", s->name, "result", "failed"), s->fetches_failed);
	}
	fl_metric_family(out, "fireline_feed_held", FL_GAUGE, "1 while a content waits for a person.");
	for (size_t i = 0; i < g->n_feeds; i++)
		fl_metric_u64(out, "fireline_feed_held", "", FL_LABELS("feed", g->feeds[i].s.name), g->feeds[i].s.held.digest[0] != '\0');
	fl_metric_family(out, "fireline_feed_quarantined_entries", FL_GAUGE, "Entries kept out because they would block a protected name.");
	for (size_t i = 0; i < g->n_feeds; i++)
		fl_metric_u64(out, "fireline_feed_quarantined_entries", "", FL_LABELS("feed", g->feeds[i].s.name), g->feeds[i].s.quarantined_total);
	fl_metric_family(out, "fireline_feed_rejected_entries", FL_GAUGE, "Entries of the last body refused by format or normalisation, by reason.");
	for (size_t i = 0; i < g->n_feeds; i++)
		for (unsigned d = 0; d < FL_DROP_COUNT; d++) {
			const struct fl_feed_status *s = &g->feeds[i].s;
			uint64_t v = s->lines.dropped[d] + s->claims.dropped[d];

			if (v)
				fl_metric_u64(out, "fireline_feed_rejected_entries", "", FL_LABELS("feed", s->name, "reason", fl_drop_word((enum fl_drop)d)), v);
		}
}

static void say_waits(const struct fl_claim_set *s, struct fl_findings_status *out)
{
	const struct fl_expiry_watch *x = &s->expiry;

	memcpy(out->waits_list, s->list, sizeof(out->waits_list));
	snprintf(out->waits, sizeof(out->waits), "%.60s: %llu claims on a set of %llu names ended while nobody looked, or when a clock jumped; they stay until approved", s->source,
		 (unsigned long long)x->waits, (unsigned long long)x->entries);
}

static void ledger_status(const struct fl_findings_stage *f, struct fl_findings_status *out)
{
	struct fl_ledger_status l;

	if (!f->keep.ledger)
		return;
	fl_ledger_status(f->keep.ledger, &l);
	out->ledger = true;
	out->ledger_file = !l.bus_keeps;
	out->ledger_pending = l.pending;
	out->ledger_delivered = l.delivered;
	out->ledger_kept = l.kept;
	out->ledger_sent_on = l.sent_on;
	out->ledger_failed = l.failed;
	out->ledger_unreadable = f->keep.unreadable;
	out->restored = f->keep.restored;
	snprintf(out->ledger_problem, sizeof(out->ledger_problem), "%s", l.problem);
}

void fl_findings_status(struct fl_findings_stage *f, struct fl_findings_status *out)
{
	*out = f->s;
	for (size_t i = 0; i < f->n_sets; i++) {
		const struct fl_expiry_watch *x = &f->sets[i].expiry;

		out->unreadable += x->unreadable;
		if (x->waits && !out->expiry_waits)
			say_waits(&f->sets[i], out);
		out->expiry_waits += x->waits;
		out->restoring = out->restoring || f->sets[i].held;
	}
	ledger_status(f, out);
}

static bool list_held(const struct fl_findings_stage *f, const char *list)
{
	for (size_t i = 0; i < f->n_sets; i++)
		if (f->sets[i].expiry.waits && strcmp(f->sets[i].list, list) == 0)
			return true;
	return false;
}

static void ledger_metrics(const struct fl_findings_stage *f, struct fl_buf *out)
{
	struct fl_findings_status s = { 0 };

	ledger_status(f, &s);
	if (!s.ledger)
		return;
	fl_metric_family(out, "fireline_ledger_pending_records", FL_GAUGE, "Records of the ledger that this host holds until Kafka is back.");
	fl_metric_u64(out, "fireline_ledger_pending_records", "", FL_LABELS("topic", FL_TOPIC_FINDINGS), s.ledger_pending);
	fl_metric_family(out, "fireline_ledger_records_total", FL_COUNTER, "Records of the ledger: delivered to the topic, kept in the file, sent on from there, in neither.");
	fl_metric_u64(out, "fireline_ledger_records_total", "", FL_LABELS("topic", FL_TOPIC_FINDINGS, "result", "delivered"), s.ledger_delivered);
	fl_metric_u64(out, "fireline_ledger_records_total", "", FL_LABELS("topic", FL_TOPIC_FINDINGS, "result", "kept"), s.ledger_kept);
	fl_metric_u64(out, "fireline_ledger_records_total", "", FL_LABELS("topic", FL_TOPIC_FINDINGS, "result", "sent_on"), s.ledger_sent_on);
	fl_metric_u64(out, "fireline_ledger_records_total", "", FL_LABELS("topic", FL_TOPIC_FINDINGS, "result", "failed"), s.ledger_failed);
	fl_metric_family(out, "fireline_ledger_restored_claims_total", FL_COUNTER, "Claims that the store had lost, committed again from the ledger.");
	fl_metric_u64(out, "fireline_ledger_restored_claims_total", "", FL_LABELS("topic", FL_TOPIC_FINDINGS), s.restored);
}

void fl_findings_metrics(struct fl_findings_stage *f, struct fl_buf *out)
{
	const struct {
		const char *result;
		uint64_t v;
	} rows[] = {
		{ "accepted", f->s.accepted },		 { "duplicate", f->s.duplicate }, { "sample", f->s.sample },
		{ "low_severity", f->s.low_severity }, { "no_domain", f->s.no_domain }, { "ignored", f->s.ignored },
		{ "protected", f->s.protected },
		{ "malformed", f->s.malformed },	 { "withdrawn", f->s.withdrawn }, { "expired", f->s.expired },
	};

	fl_metric_family(out, "fireline_findings_total", FL_COUNTER, "Findings by result.");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fl_metric_u64(out, "fireline_findings_total", "", FL_LABELS("result", rows[i].result), rows[i].v);
	ledger_metrics(f, out);
	fl_metric_family(out, "fireline_list_held", FL_GAUGE, "1 while an expiry of the list waits for approval.");
	for (size_t i = 0; i < f->c.cfg->n_lists; i++)
		fl_metric_u64(out, "fireline_list_held", "", FL_LABELS("domain_list", f->c.cfg->lists[i].name), list_held(f, f->c.cfg->lists[i].name));
}
