#include "publisher/state.h"

void fl_publisher_status(struct fl_publisher *p, struct fl_arena *arena, struct fl_publish_status **out, size_t *n)
{
	struct fl_publish_status *v = fl_arena_array(arena, p->n_lists ? p->n_lists : 1, sizeof(*v));

	*out = v;
	*n = v ? p->n_lists : 0;
	for (size_t i = 0; i < *n; i++) {
		const struct fl_pub_list *l = &p->lists[i];

		memcpy(v[i].list, l->name, sizeof(v[i].list));
		v[i].version = l->head.id.number;
		v[i].sent_version = l->sent.number;
		v[i].published_at = l->head.published_at;
		v[i].outbox = l->outbox_length;
		v[i].outbox_oldest = l->outbox_oldest;
		v[i].leader = l->leased;
		memcpy(v[i].problem, l->problem, sizeof(v[i].problem));
		for (uint32_t k = 0; k < l->current.n_inputs; k++) {
			v[i].pinned += l->current.inputs[k].pinned;
			v[i].gone += l->current.inputs[k].gone;
		}
		for (size_t k = 0; k < l->n_sources; k++)
			v[i].waiting_sources += l->sources[k].head.id.number == 0 && l->sources[k].cfg.kind == FL_SRC_FEED;
	}
}

void fl_publisher_ledger(const struct fl_publisher *p, struct fl_publish_ledger *out)
{
	struct fl_ledger_status s;

	*out = (struct fl_publish_ledger){ 0 };
	if (!p->audit.ledger)
		return;
	fl_ledger_status(p->audit.ledger, &s);
	out->there = true;
	out->file = !s.bus_keeps;
	out->pending = s.pending;
	out->again = p->audit.again;
	snprintf(out->problem, sizeof(out->problem), "%s", s.problem[0] ? s.problem : p->audit.problem);
}

static void ledger_metrics(const struct fl_publisher *p, struct fl_buf *out)
{
	struct fl_ledger_status s;

	if (!p->audit.ledger)
		return;
	fl_ledger_status(p->audit.ledger, &s);
	fl_metric_family(out, "fireline_audit_pending_records", FL_GAUGE, "Decisions on lists that this host holds until Kafka is back.");
	fl_metric_u64(out, "fireline_audit_pending_records", "", FL_LABELS("topic", FL_TOPIC_AUDIT), s.pending);
	fl_metric_family(out, "fireline_audit_records_total", FL_COUNTER, "Decisions on lists: delivered to the topic, kept in the file, sent on from there, in neither.");
	fl_metric_u64(out, "fireline_audit_records_total", "", FL_LABELS("topic", FL_TOPIC_AUDIT, "result", "delivered"), s.delivered);
	fl_metric_u64(out, "fireline_audit_records_total", "", FL_LABELS("topic", FL_TOPIC_AUDIT, "result", "kept"), s.kept);
	fl_metric_u64(out, "fireline_audit_records_total", "", FL_LABELS("topic", FL_TOPIC_AUDIT, "result", "sent_on"), s.sent_on);
	fl_metric_u64(out, "fireline_audit_records_total", "", FL_LABELS("topic", FL_TOPIC_AUDIT, "result", "failed"), s.failed);
}

void fl_publisher_metrics(struct fl_publisher *p, struct fl_buf *out)
{
	fl_unix_us now = fl_now_unix(p->c.clock), oldest = 0;
	uint64_t waiting = 0;

	fl_metric_family(out, "fireline_list_published_version", FL_GAUGE, "Newest version in the store.");
	for (size_t i = 0; i < p->n_lists; i++)
		fl_metric_u64(out, "fireline_list_published_version", "", FL_LABELS("domain_list", p->lists[i].name), p->lists[i].head.id.number);
	fl_metric_family(out, "fireline_list_published_timestamp_seconds", FL_GAUGE, "When the newest version was published.");
	for (size_t i = 0; i < p->n_lists; i++)
		fl_metric_double(out, "fireline_list_published_timestamp_seconds", "", FL_LABELS("domain_list", p->lists[i].name),
				 (double)p->lists[i].head.published_at / 1e6);
	fl_metric_family(out, "fireline_list_names", FL_GAUGE, "Names in the newest version.");
	for (size_t i = 0; i < p->n_lists; i++)
		fl_metric_u64(out, "fireline_list_names", "", FL_LABELS("domain_list", p->lists[i].name), p->lists[i].head.entries);
	fl_metric_family(out, "fireline_list_publishes_total", FL_COUNTER, "Publish attempts: published, unchanged, failed.");
	for (size_t i = 0; i < p->n_lists; i++) {
		const struct fl_pub_list *l = &p->lists[i];

		fl_metric_u64(out, "fireline_list_publishes_total", "", FL_LABELS("domain_list", l->name, "result", "published"), l->published);
		fl_metric_u64(out, "fireline_list_publishes_total", "", FL_LABELS("domain_list", l->name, "result", "unchanged"), l->unchanged);
		fl_metric_u64(out, "fireline_list_publishes_total", "", FL_LABELS("domain_list", l->name, "result", "failed"), l->failed);
		waiting += l->outbox_length;
		if (l->outbox_oldest && (oldest == 0 || l->outbox_oldest < oldest))
			oldest = l->outbox_oldest;
	}
	ledger_metrics(p, out);
	fl_metric_family(out, "fireline_outbox_records", FL_GAUGE, "Change events not yet acknowledged by Kafka.");
	fl_metric_u64(out, "fireline_outbox_records", "", NULL, waiting);
	fl_metric_family(out, "fireline_outbox_oldest_age_seconds", FL_GAUGE, "Age of the oldest of them.");
	fl_metric_double(out, "fireline_outbox_oldest_age_seconds", "", NULL, oldest && now > oldest ? (double)(now - oldest) / 1e6 : 0);
	fl_metric_family(out, "fireline_kafka_produced_messages_total", FL_COUNTER, "Delivery reports.");
	fl_metric_u64(out, "fireline_kafka_produced_messages_total", "", FL_LABELS("topic", FL_TOPIC_LIST_EVENTS, "result", "ok"), p->produced_ok);
	fl_metric_u64(out, "fireline_kafka_produced_messages_total", "", FL_LABELS("topic", FL_TOPIC_LIST_EVENTS, "result", "failed"), p->produced_failed);
}
