/* The relay: outbox -> list-events, at least once. It produces, and after the delivery report trims exactly the reported pairs; a crash in between
 * sends again, never loses. It also reads list-events: whenever the newest record of a list is not the head (a stale predecessor's late write, a lost topic) the head's
 * event is sent again, and once an hour anyway. */
#include "publisher/state.h"

#include "base/mutant.h"
#include "base/text.h"
#include "model/enforcer_state.h"

void fl__relay_know(struct fl_pub_list *l, const struct fl_version_id *id)
{
	struct fl_seen *s = &l->seen;
	uint32_t i;

	if (id->number == 0)
		return;
	if (id->number > s->highest.number)
		s->highest = *id;
	for (i = 0; i < s->n_epochs; i++)
		if (fl_epoch_eq(&s->epochs[i], &id->epoch))
			return;
	if (s->n_epochs < FL_RECOVERED_OVER_MAX)
		s->epochs[s->n_epochs++] = id->epoch;
}

static struct fl_in_flight *flight_by_tag(struct fl_publisher *p, uint64_t tag, struct fl_pub_list **list)
{
	for (size_t i = 0; i < p->n_lists; i++)
		for (size_t k = 0; k < FL_RELAY_BATCH; k++)
			if (p->lists[i].flight[k].used && p->lists[i].flight[k].tag == tag) {
				*list = &p->lists[i];
				return &p->lists[i].flight[k];
			}
	return NULL;
}

void fl__relay_report(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset)
{
	struct fl_publisher *p = ctx;
	struct fl_pub_list *l = NULL;
	struct fl_in_flight *f = flight_by_tag(p, tag, &l);
	struct fl_err err = { 0 };

	(void)partition;
	(void)offset;
	if (p->audit.ledger && fl_ledger_report(p->audit.ledger, tag, code))
		return;
	if (!f)
		return; /* of a list that the configuration dropped */
	f->used = false;
	l->outbox_due = true;
	if (code == FL_EREFUSED) { /* for good: sending it again would say the same; the head's next event says all that is in force */
		p->produced_failed++;
		snprintf(l->problem, sizeof(l->problem), "Kafka refuses the event of version %llu for good (too large for the topic, or no right to write)",
			 (unsigned long long)f->entry.number);
		if (!f->resend)
			fl_outbox_trim(p->c.sets, l->name, &f->entry, 1, NULL);
		return;
	}
	if (code < 0) {
		p->produced_failed++;
		p->bus_up = false;
		return;
	}
	p->produced_ok++;
	p->bus_up = true;
	if (f->entry.number >= l->sent.number) {
		l->sent = l->head.id;
		l->sent.number = f->entry.number;
		memcpy(l->sent.chain, f->entry.chain, sizeof(l->sent.chain));
	}
	if (!f->resend && fl_outbox_trim(p->c.sets, l->name, &f->entry, 1, &err) < 0)
		fl__pub_problem(l, &err); /* it is sent again: harmless */
}

void fl__relay_reports(struct fl_publisher *p)
{
	fl_bus_poll(p->c.bus, FL_BUS_CONTROL, 0, fl__relay_report, p);
}

static void see(struct fl_publisher *p, const struct fl_bus_msg *m)
{
	struct fl_arena arena = { 0 };
	char name[FL_SET_NAME] = "";
	struct fl_pub_list *l;
	struct fl_event ev;

	if (m->key.n && m->key.n < sizeof(name)) {
		memcpy(name, m->key.p, m->key.n);
		l = fl__pub_list(p, name);
		if (l && m->value.p && fl_event_decode(m->value, &arena, &ev, NULL) == 0 && strcmp(ev.version.list, name) == 0) {
			l->seen.last = ev.version.id;
			fl__relay_know(l, &ev.version.id);
		}
	}
	fl_arena_done(&arena);
}

/* What enforcers hold is known too: a number they have must not be given again. */
static void see_enforcer(struct fl_publisher *p, const struct fl_bus_msg *m)
{
	struct fl_arena arena = { 0 };
	struct fl_enforcer_state st;

	if (m->value.p && fl_enforcer_state_decode(m->value, &arena, &st, NULL) == 0)
		for (size_t i = 0; i < st.n; i++) {
			struct fl_pub_list *l = fl__pub_list(p, st.lists[i].list);

			if (l)
				fl__relay_know(l, &st.lists[i].id);
		}
	fl_arena_done(&arena);
}

static struct fl_bus_consumer *opened(struct fl_publisher *p, struct fl_bus_consumer *c, const char *topic)
{
	if (!c && fl_bus_consumer_open(p->c.bus, topic, NULL, &c, NULL) < 0)
		return NULL;
	return c;
}

void fl__relay_read_events(struct fl_publisher *p, fl_mono_ns now)
{
	struct fl_bus_msg m;
	int i, ret = 1;

	if ((!p->events || !p->enforcers) && now >= p->events_at) {
		p->events_at = now + 2000 * FL_NS_PER_MS;
		p->events = opened(p, p->events, FL_TOPIC_LIST_EVENTS);
		p->enforcers = opened(p, p->enforcers, FL_TOPIC_ENFORCER_STATE);
	}
	for (i = 0; p->events && i < 256 && ret == 1; i++) {
		ret = fl_bus_fetch(p->c.bus, p->events, 0, &m, NULL);
		if (ret == 1)
			see(p, &m);
	}
	for (i = 0, ret = 1; p->enforcers && i < 256 && ret == 1; i++) {
		ret = fl_bus_fetch(p->c.bus, p->enforcers, 0, &m, NULL);
		if (ret == 1)
			see_enforcer(p, &m);
	}
}

/* CloudEvents 1.0, binary mode: metadata in headers, the value stays the bare record. */
static int produce(struct fl_publisher *p, struct fl_pub_list *l, const struct fl_outbox_entry *e, uint64_t tag, struct fl_err *err)
{
	char id[2 * FL_SET_NAME], when[FL_TIME_TEXT], chain[17];
	struct fl_arena arena = { 0 };
	struct fl_buf value = { 0 };
	struct fl_event ev;
	int ret = fl_event_load(p->c.sets, l->name, e->number, &arena, &ev, err);

	if (ret == 0 && memcmp(ev.version.id.chain, e->chain, sizeof(e->chain)) != 0)
		ret = fl_err_set(err, FL_ENOTFOUND, "list '%s': version %llu is another than the outbox says", l->name, (unsigned long long)e->number);
	if (ret == 0) {
		ev.produced_at = fl_now_unix(p->c.clock);
		ret = fl_event_encode(&ev, &value, err);
	}
	if (ret == 0) {
		fl_hex(e->chain, 8, chain);
		snprintf(id, sizeof(id), "%s@%llu-%s", l->name, (unsigned long long)e->number, chain);
		fl_time_format(ev.version.at, when);
		struct fl_bus_header headers[] = {
			{ "ce_specversion", fl_span_str("1.0") },	   { "ce_id", fl_span_str(id) },
			{ "ce_source", fl_span_str("/fireline/publisher") }, { "ce_type", fl_span_str("io.fireline.list.version.v1") },
			{ "ce_time", fl_span_str(when) },		   { "ce_subject", fl_span_str(l->name) },
			{ "content-type", fl_span_str("application/json") },
		};
		ret = fl_bus_produce(p->c.bus, FL_BUS_CONTROL, FL_TOPIC_LIST_EVENTS, fl_span_str(l->name), fl_buf_span(&value), headers,
				     sizeof(headers) / sizeof(headers[0]), tag, err);
	}
	fl_buf_done(&value);
	fl_arena_done(&arena);
	return ret;
}

static bool on_its_way(const struct fl_pub_list *l, const struct fl_outbox_entry *e)
{
	for (size_t i = 0; i < FL_RELAY_BATCH; i++)
		if (l->flight[i].used && l->flight[i].entry.number == e->number && strcmp(l->flight[i].entry.id, e->id) == 0)
			return true;
	return false;
}

/* 1 when it went out or is out, 0 when there is no room, negative when it cannot be sent now. */
static int send_one(struct fl_publisher *p, struct fl_pub_list *l, const struct fl_outbox_entry *e, bool resend)
{
	struct fl_in_flight *f = NULL;
	struct fl_err err = { 0 };
	int ret;

	if (on_its_way(l, e))
		return 1;
	for (size_t i = 0; i < FL_RELAY_BATCH && !f; i++)
		if (!l->flight[i].used)
			f = &l->flight[i];
	if (!f)
		return 0;
	ret = produce(p, l, e, p->next_tag, &err);
	if (ret == FL_ENOTFOUND || ret == FL_ECORRUPT) {
		/* retention or a lost tail took it: the head's own event says all that is in force */
		if (!resend)
			fl_outbox_trim(p->c.sets, l->name, e, 1, NULL);
		fl__pub_problem(l, &err);
		return 1;
	}
	if (ret < 0) {
		fl__pub_problem(l, &err);
		return ret;
	}
	*f = (struct fl_in_flight){ .used = true, .resend = resend, .tag = p->next_tag++, .entry = *e };
	if (FL_MUTANT(FL_MUTANT_TRIM_EARLY) && !resend)
		fl_outbox_trim(p->c.sets, l->name, e, 1, NULL);
	return 1;
}

static void resend_head(struct fl_publisher *p, struct fl_pub_list *l, fl_mono_ns now)
{
	struct fl_outbox_entry e = { .number = l->head.id.number };
	bool differs = !fl_version_id_eq(&l->seen.last, &l->head.id);

	if (l->head.id.number == 0 || !p->events || l->outbox_length)
		return;
	if (l->hourly_at == 0) {
		l->resend_at = now + FL_RESEND_GRACE_MS * FL_NS_PER_MS; /* let our own reader catch up first */
		l->hourly_at = now + FL_RESEND_MS * FL_NS_PER_MS;
	}
	if (FL_MUTANT(FL_MUTANT_STALE_RELAY) || (!(differs && now >= l->resend_at) && now < l->hourly_at))
		return;
	memcpy(e.chain, l->head.id.chain, sizeof(e.chain));
	snprintf(e.id, sizeof(e.id), "resend");
	send_one(p, l, &e, true);
	l->resend_at = now + FL_RESEND_GRACE_MS * FL_NS_PER_MS;
	l->hourly_at = now + FL_RESEND_MS * FL_NS_PER_MS;
}

void fl__relay_list(struct fl_publisher *p, struct fl_pub_list *l, fl_mono_ns now)
{
	struct fl_arena arena = { 0 };
	struct fl_outbox_entry *v = NULL;
	struct fl_err err = { 0 };
	size_t n = 0;
	int ret = 1;

	if (l->outbox_due && now >= l->relay_at) {
		if (fl_outbox_read(p->c.sets, l->name, FL_RELAY_BATCH, &arena, &v, &n, &l->outbox_length, &err) < 0) {
			l->relay_at = now + 500 * FL_NS_PER_MS;
			fl__pub_problem(l, &err);
			goto out;
		}
		l->outbox_due = false;
		l->outbox_oldest = n ? v[0].at : 0;
		for (size_t i = 0; i < n && ret == 1; i++)
			ret = send_one(p, l, &v[i], false);
		if (ret < 0) {
			l->relay_at = now + 200 * FL_NS_PER_MS;
			l->outbox_due = true;
		}
	}
	if (!l->orphan)
		resend_head(p, l, now);
out:
	fl_arena_done(&arena);
}
