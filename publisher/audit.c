/* Decisions (rollback, hold, unhold, recover, deletion) beside the store: a record each in the topic `audit`, acknowledged only when it is there or in this host's file, and made again when a
 * list's head has not got the last one in its history: a store that was put back forgets what a person said.
 *
 * A record is the decision's version as in list-events, without deltas: its pins are all that a decision says of a list, so that the last one alone is enough. Start at fl__audit_mend(). */
#include "publisher/state.h"

#include <stdlib.h>

#define DECISION "io.fireline.decision.v1"

enum { READ_A_STEP = 256, DELETED_MS = 10000, DECIDED_MAX = 4096, AGAIN_MS = 5000 };

/* The last decision on a list. */
struct fl_decided {
	struct fl_arena arena; /* of v */
	struct fl_list_version v;
};

int fl__audit_open(struct fl_publisher *p, struct fl_err *err)
{
	struct fl_ledger_config c = { .topic = FL_TOPIC_AUDIT, .type = DECISION, .source = "/fireline/publisher", .bus = p->c.bus, .bus_keeps = p->c.bus_keeps,
				      .disk = p->c.ledger, .file = "audit", .clock = p->c.clock, .others = fl__relay_report, .others_ctx = p };

	if (!p->c.ledger && !p->c.bus_keeps)
		return 0;
	return fl_ledger_open(&c, &p->audit.ledger, err);
}

void fl__audit_close(struct fl_publisher *p)
{
	struct fl_audit *a = &p->audit;

	fl_ledger_close(a->ledger);
	if (a->topic)
		fl_bus_consumer_close(p->c.bus, a->topic);
	for (size_t i = 0; i < a->n; i++)
		fl_arena_done(&a->v[i].arena);
	free(a->v);
	*a = (struct fl_audit){ 0 };
}

/* --- the last decision on each list --- */

static struct fl_decided *decided_of(struct fl_audit *a, const char *list)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i].v.list, list) == 0)
			return &a->v[i];
	return NULL;
}

static struct fl_decided *decided_new(struct fl_audit *a)
{
	if (a->n == DECIDED_MAX)
		return NULL;
	if (a->n % 16 == 0) {
		struct fl_decided *v = reallocarray(a->v, a->n + 16, sizeof(*v));

		if (!v)
			return NULL;
		a->v = v;
	}
	memset(&a->v[a->n], 0, sizeof(a->v[a->n]));
	return &a->v[a->n++];
}

/* The topic also has what people did, for people (sets/audit.c): no version of a list, and no fault. */
static bool is_decision(const struct fl_bus_msg *m)
{
	for (size_t i = 0; i < m->n_headers; i++)
		if (strcmp(m->headers[i].key, "ce_type") == 0)
			return fl_span_eqs(m->headers[i].value, DECISION);
	return false;
}

static int take(void *ctx, struct fl_span key, struct fl_span value)
{
	struct fl_audit *a = ctx;
	struct fl_arena arena = { 0 };
	struct fl_decided *d;
	struct fl_event ev;

	(void)key;
	if (fl_event_decode(value, &arena, &ev, NULL) < 0) {
		a->unreadable++;
		fl_arena_done(&arena);
		return 0;
	}
	d = decided_of(a, ev.version.list);
	if (d && (d->v.at > ev.version.at || (d->v.at == ev.version.at && d->v.id.number >= ev.version.id.number))) {
		fl_arena_done(&arena);
		return 0;
	}
	if (!d)
		d = decided_new(a);
	if (!d) {
		fl_arena_done(&arena);
		return FL_ENOMEM;
	}
	fl_arena_done(&d->arena);
	*d = (struct fl_decided){ arena, ev.version };
	return 0;
}

/* --- writing --- */

int fl__audit_keep(struct fl_publisher *p, const struct fl_list_version *v, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_event ev = { .version = *v };
	struct fl_buf value = { 0 };
	int ret;

	if (!p->audit.ledger)
		return 0;
	ev.inputs = fl_arena_array(&arena, v->n_inputs + 1, sizeof(*ev.inputs));
	ret = ev.inputs ? fl_event_encode(&ev, &value, err) : FL_ENOMEM;
	if (ret == 0)
		ret = fl_ledger_put(p->audit.ledger, fl_span_str(v->actor), fl_buf_span(&value), err);
	if (ret == 0)
		ret = fl_ledger_flush(p->audit.ledger, err);
	if (ret == 0)
		take(&p->audit, fl_span(NULL, 0), fl_buf_span(&value));
	fl_buf_done(&value);
	fl_arena_done(&arena);
	if (ret < 0) {
		fl_err_wrap(err, ret, "version %llu is committed, but the decision is in Redis alone", (unsigned long long)v->id.number);
		return FL_EUNAVAIL;
	}
	return 0;
}

/* --- reading --- */

static bool at_end(struct fl_publisher *p)
{
	struct fl_bus_offsets first, end, now;

	if (p->c.bus->ops->watermarks(p->audit.topic, &first, &end, NULL) < 0)
		return false;
	p->c.bus->ops->position(p->audit.topic, &now);
	for (int32_t i = 0; i < end.n; i++)
		if (end.next[i] > first.next[i] && (i >= now.n || now.next[i] < end.next[i]))
			return false;
	return true;
}

void fl__audit_step(struct fl_publisher *p, fl_mono_ns now)
{
	struct fl_audit *a = &p->audit;
	struct fl_bus_msg m;
	int ret = 1;

	if (!a->ledger)
		return;
	fl_ledger_step(a->ledger);
	if (!a->local_read)
		a->local_read = fl_ledger_local(a->ledger, take, a, NULL) == 0;
	if (!p->c.bus_keeps) {
		a->read = a->local_read;
		return;
	}
	if (!a->topic && now >= a->at) {
		a->at = now + AGAIN_MS * FL_NS_PER_MS;
		ret = fl_bus_consumer_open(p->c.bus, FL_TOPIC_AUDIT, NULL, &a->topic, NULL);
		if (ret < 0)
			a->topic = NULL;
		a->read = ret == FL_ENOTFOUND; /* nothing was ever decided */
	}
	ret = a->topic ? 1 : 0;
	for (int i = 0; i < READ_A_STEP && ret == 1; i++) {
		ret = fl_bus_fetch(p->c.bus, a->topic, 0, &m, NULL);
		if (ret == 1 && m.value.p && is_decision(&m))
			take(a, m.key, m.value);
	}
	if (a->topic && !a->read && ret == 0 && now >= a->at) {
		a->at = now + 200 * FL_NS_PER_MS;
		a->read = at_end(p);
	}
}

/* --- made again --- */

/* 1: the head has it in its history. */
static int has(struct fl_publisher *p, const char *list, const struct fl_version_id *head, const struct fl_version_id *id, struct fl_err *err)
{
	uint8_t chain[32];
	int ret;

	if (fl_version_id_eq(head, id))
		return 1;
	if (!fl_epoch_eq(&head->epoch, &id->epoch) || head->number <= id->number)
		return 0;
	ret = fl_set_lineage(p->c.sets, FL_LIST, list, id->number, chain, err);
	if (ret == FL_ENOTFOUND || ret == FL_EGAP)
		return 0;
	return ret < 0 ? ret : memcmp(chain, id->chain, sizeof(chain)) == 0;
}

static bool same_pin(const struct fl_list_input *a, const struct fl_list_input *b)
{
	bool x = a && a->pinned, y = b && b->pinned;

	return x == y && (!x || fl_version_id_eq(&a->id, &b->id));
}

static int by_source(const void *a, const void *b)
{
	return strcmp(((const struct fl_list_input *)a)->source, ((const struct fl_list_input *)b)->source);
}

static void newest(const struct fl_pub_list *l, struct fl_list_input *in)
{
	for (size_t i = 0; i < l->n_sources; i++) {
		const struct fl_pub_source *s = &l->sources[i];

		if (strcmp(s->cfg.source, in->source) == 0 && s->head.id.number && !s->head_lost) {
			in->id = s->head.id;
			in->digest = s->head.digest;
			in->entries = s->head.entries;
			in->gone = false;
		}
	}
}

/* The head's inputs with the decision's pins. *n_pins differ; FL_EREFUSED: a version that it pins is gone. */
static int with_pins(struct fl_publisher *p, const struct fl_pub_list *l, const struct fl_list_version *d, struct fl_list_input *in, uint32_t *n, uint32_t *n_pins, struct fl_err *err)
{
	uint32_t had = l->current.n_inputs;

	*n = had;
	*n_pins = 0;
	if (had)
		memcpy(in, l->current.inputs, had * sizeof(*in));
	for (uint32_t i = 0; i < d->n_inputs; i++) {
		struct fl_list_input *to = fl_list_input_find(in, had, d->inputs[i].source);
		const char *name = d->inputs[i].source;
		bool there = true;
		int ret;

		if (same_pin(to, &d->inputs[i]))
			continue;
		*n_pins += 1;
		if (!d->inputs[i].pinned) {
			to->pinned = false;
			newest(l, to);
			continue;
		}
		ret = fl_set_versions_there(p->c.sets, FL_SOURCE, &name, &d->inputs[i].id, 1, &there, err);
		if (ret < 0)
			return ret;
		if (!there)
			return fl_err_set(err, FL_EREFUSED, "the store lost the %s of version %llu, which cannot be made again: version %llu of source '%s' is gone", fl_cause_word(d->cause),
					  (unsigned long long)d->id.number, (unsigned long long)d->inputs[i].id.number, name);
		if (!to) {
			if (*n == FL_INPUTS_MAX)
				return fl_err_set(err, FL_ELIMIT, "list '%s': over %d inputs", l->name, FL_INPUTS_MAX);
			to = &in[(*n)++];
		}
		*to = d->inputs[i];
		to->gone = false;
	}
	return 0;
}

static int again(struct fl_publisher *p, struct fl_pub_list *l, const struct fl_list_version *d, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_list_version v;
	struct fl_list_commit c = { .name = l->name, .lease = &l->lease, .parent = &l->head, .cause = d->cause, .actor = d->actor,
				    .at_least = l->seen.highest.number > d->id.number ? l->seen.highest.number : d->id.number };
	struct fl_list_input *in = fl_arena_array(&arena, FL_INPUTS_MAX, sizeof(*in));
	uint32_t pins = 0;
	int ret = in ? with_pins(p, l, d, in, &c.n_inputs, &pins, err) : FL_ENOMEM;

	c.reason = fl_arena_printf(&arena, "again, the store had lost it: %.200s", d->reason);
	if (ret == 0 && !c.reason)
		ret = FL_ENOMEM;
	if (ret == 0 && pins) {
		qsort(in, c.n_inputs, sizeof(*in), by_source);
		c.inputs = in;
		ret = fl_list_commit(p->c.sets, &c, &arena, &v, err);
		if (ret == 0) {
			fl__pub_committed(p, l, &v);
			p->audit.again++;
			fl__audit_keep(p, &v, NULL); /* if it cannot be kept: its pins are what counts, and they are there now */
		}
	}
	fl_arena_done(&arena);
	return ret;
}

/* Is the head still what is held to be it? A store that was put back says nothing by itself. FL_ESTALE: no. */
static int head_stands(struct fl_publisher *p, const struct fl_pub_list *l, struct fl_err *err)
{
	struct fl_head head;
	int ret = fl_set_head(p->c.sets, FL_LIST, l->name, &head, err);

	if (ret == FL_ENOTFOUND || (ret == 0 && !fl_version_id_eq(&head.id, &l->head.id)))
		return fl_err_set(err, FL_ESTALE, "list '%s': the head is another", l->name);
	return ret;
}

int fl__audit_mend(struct fl_publisher *p, struct fl_pub_list *l, struct fl_err *err)
{
	struct fl_audit *a = &p->audit;
	struct fl_decided *d = a->read && l->head.id.number ? decided_of(a, l->name) : NULL;
	int ret = d ? head_stands(p, l, err) : 0;

	if (!d || ret < 0 || fl_version_id_eq(&l->decided, &d->v.id))
		return ret;
	ret = has(p, l->name, &l->head.id, &d->v.id, err);
	/* a recovery is a new beginning, and a deletion is for lists that the configuration does not name */
	if (ret == 0 && (d->v.cause == FL_CAUSE_ROLLBACK || d->v.cause == FL_CAUSE_HOLD || d->v.cause == FL_CAUSE_UNHOLD))
		ret = again(p, l, &d->v, err);
	if (ret == FL_EREFUSED || ret == FL_ELIMIT) {
		snprintf(a->problem, sizeof(a->problem), "%.190s", err->text);
		ret = 0;
	}
	if (ret >= 0)
		l->decided = d->v.id;
	return ret < 0 ? ret : 0;
}

/* A list that was deleted and that the configuration does not name is there again: the store was put back. */
static void delete_again(struct fl_publisher *p, const struct fl_list_version *d)
{
	struct fl_publish_request r = { .op = FL_OP_PURGE, .list = d->list, .actor = d->actor };
	struct fl_publish_answer answer;
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	struct fl_head head;
	int ret = fl_set_head(p->c.sets, FL_LIST, d->list, &head, &err);

	if (ret == 0 && strcmp(head.state, "deleted") != 0 && has(p, d->list, &head.id, &d->id, &err) == 0) {
		r.reason = fl_arena_printf(&arena, "again, the store had lost it: %.200s", d->reason);
		ret = fl_publisher_request(p, &r, &arena, &answer, &err);
		p->audit.again += ret == 0;
		if (ret < 0)
			snprintf(p->audit.problem, sizeof(p->audit.problem), "the deletion of list '%.50s' cannot be made again: %.90s", d->list, err.text);
	}
	fl_arena_done(&arena);
}

void fl__audit_deletions(struct fl_publisher *p, fl_mono_ns now)
{
	struct fl_audit *a = &p->audit;

	if (!a->read || now < a->deleted_at)
		return;
	a->deleted_at = now + DELETED_MS * FL_NS_PER_MS;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].v.cause == FL_CAUSE_DELETE && !fl__pub_list(p, a->v[i].v.list)) {
			struct fl_list_version d = a->v[i].v; /* its own record replaces it */

			delete_again(p, &d);
		}
}
