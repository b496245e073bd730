/* The bus's twin: one broker in memory, any number of doors, and every way in which a broker lets people down.
 *
 *   broker -> topics -> partitions -> records (offset = index; a hidden one was lost, and its offset is a hole)
 *         \-> delayed: produced, neither stored nor reported before its time; it outlives the door that produced it
 *   door -> reports per producer, in order, until polled
 *   group -> members, committed offsets; a member hears of assignments and commits within its next fetch
 *
 * A key decides the partition. A topic comes into being with create_topic, or with the first record. A consumer whose
 * offset the broker does not have (fl_bus_mem_reset) begins again, as auto.offset.reset=earliest does. Deterministic;
 * for one thread. Out of memory ends the process. Start at mem_produce() and mem_fetch(). */
#include "io/bus.h"
#include "io/clock.h"

#include <stdlib.h>

enum { PRODUCERS = 2 };
#define DELAY_NS (2 * FL_NS_PER_S)

struct record {
	struct fl_arena arena; /* owns what msg points to, and this */
	struct fl_bus_msg msg;
	bool hidden;
};

struct partition {
	struct record **v;
	size_t n, cap;
	size_t read_to; /* some consumer has had what is before */
};

struct topic {
	struct topic *next;
	char *name;
	int32_t n;
	uint32_t spread; /* for records without key */
	struct partition parts[FL_BUS_PARTITIONS_MAX];
};

struct report {
	uint64_t tag;
	int code;
	int32_t partition;
	int64_t offset;
};

struct reports {
	struct report *v;
	size_t n, cap;
};

struct door {
	struct fl_bus bus;
	struct fl_bus_mem *w;
	struct reports done[PRODUCERS];
	size_t in_flight[PRODUCERS]; /* delayed ones, and reports not fetched */
};

struct delayed {
	struct delayed *next;
	fl_mono_ns at;
	struct door *door; /* NULL: closed */
	enum fl_bus_producer which;
	uint64_t tag;
	struct topic *topic;
	struct record *record;
};

/* Members share the partitions of a topic: partition i is the (i modulo their number)th member's. */
struct group {
	struct group *next;
	char *name, *topic_name;
	struct fl_bus_member *members;
	int64_t committed[FL_BUS_PARTITIONS_MAX]; /* -1: nothing */
};

struct fl_bus_mem {
	struct fl_clock *clock;
	int partitions;
	struct topic *topics;
	struct group *groups;
	struct delayed *delayed; /* in order of time */
	uint64_t faults; /* fired so far: spreads the kinds of one fault */
	fl_bus_fault_plan *plan;
	void *plan_ctx;
};

struct fl_bus_consumer {
	struct fl_bus_mem *w;
	struct topic *topic;
	struct fl_bus_offsets next;		   /* -1: the beginning */
	int64_t held[FL_BUS_PARTITIONS_MAX]; /* passed over by a reorder, comes next; -1: none */
	int32_t turn;
	struct record *lent;
};

struct fl_bus_member {
	struct fl_bus_member *next;
	struct fl_bus_mem *w;
	struct group *group;
	struct fl_bus_assigned a, coming; /* what it knows of; what its next fetch will tell */
	bool rebalanced, paused;
	int64_t at[FL_BUS_PARTITIONS_MAX];
	struct fl_bus_offsets asked; /* while a commit is under way */
	uint32_t asked_in[FL_BUS_PARTITIONS_MAX]; /* turns */
	int32_t turn; /* of the partitions, in fetching */
	struct record *lent;
};

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

/* --- records --- */

static struct fl_span dup(struct fl_arena *a, struct fl_span s)
{
	return s.p ? fl_span(need(fl_arena_dup(a, s.p, s.n)), s.n) : s;
}

static struct record *record_new(const struct fl_bus_msg *msg)
{
	struct fl_arena arena = { 0 };
	struct record *r = need(fl_arena_alloc(&arena, sizeof(*r)));

	r->msg = *msg;
	r->msg.key = dup(&arena, msg->key);
	r->msg.value = dup(&arena, msg->value);
	for (size_t i = 0; i < msg->n_headers; i++) {
		r->msg.headers[i].key = need(fl_arena_str(&arena, msg->headers[i].key));
		r->msg.headers[i].value = dup(&arena, msg->headers[i].value);
	}
	r->arena = arena;
	return r;
}

static void record_free(struct record *r)
{
	struct fl_arena arena;

	if (!r)
		return;
	arena = r->arena; /* r lies in it */
	fl_arena_done(&arena);
}

static void record_flip(struct fl_bus_mem *w, struct record *r)
{
	uint8_t *p = (uint8_t *)r->msg.value.p; /* our own copy */
	size_t bit = r->msg.value.n ? (size_t)(w->faults * UINT64_C(0x9e3779b97f4a7c15) >> 8) % (8 * r->msg.value.n) : 0;

	if (r->msg.value.n)
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* --- topics --- */

static struct topic *topic_of(const struct fl_bus_mem *w, const char *name)
{
	struct topic *t = w->topics;

	while (t && strcmp(t->name, name) != 0)
		t = t->next;
	return t;
}

static struct topic *topic_make(struct fl_bus_mem *w, const char *name, int partitions)
{
	struct topic *t = topic_of(w, name);

	if (t)
		return t;
	t = need(calloc(1, sizeof(*t)));
	t->name = need(strdup(name));
	t->n = partitions;
	t->next = w->topics;
	w->topics = t;
	return t;
}

static int32_t partition_of(struct topic *t, struct fl_span key)
{
	uint32_t h = 2166136261u;

	if (key.n == 0)
		return (int32_t)(t->spread++ % (uint32_t)t->n);
	for (size_t i = 0; i < key.n; i++)
		h = (h ^ key.p[i]) * 16777619u;
	return (int32_t)(h % (uint32_t)t->n);
}

/* Takes r. Its offset. */
static int64_t store(struct topic *t, struct record *r)
{
	struct partition *p = &t->parts[r->msg.partition];

	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 64;
		p->v = need(reallocarray(p->v, p->cap, sizeof(p->v[0])));
	}
	r->msg.offset = (int64_t)p->n;
	p->v[p->n++] = r;
	return r->msg.offset;
}

/* The newest record changes places with the one before it; what a consumer has had stays where it was. */
static int64_t swap_with_previous(struct topic *t, struct record *r)
{
	struct partition *p = &t->parts[r->msg.partition];
	size_t i = (size_t)r->msg.offset;

	if (i == 0 || p->read_to >= i)
		return r->msg.offset;
	p->v[i] = p->v[i - 1];
	p->v[i]->msg.offset = (int64_t)i;
	p->v[i - 1] = r;
	r->msg.offset = (int64_t)i - 1;
	return r->msg.offset;
}

/* --- faults and time --- */

static enum fl_bus_fault plan(struct fl_bus_mem *w, const char *what, const char *topic)
{
	enum fl_bus_fault f = w->plan ? w->plan(w->plan_ctx, what, topic) : FL_BUS_OK;

	w->faults += f != FL_BUS_OK;
	return f;
}

static void add_report(struct door *d, enum fl_bus_producer which, struct report rep)
{
	struct reports *q = &d->done[which];

	if (q->n == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 16;
		q->v = need(reallocarray(q->v, q->cap, sizeof(q->v[0])));
	}
	q->v[q->n++] = rep;
}

static void release_due(struct fl_bus_mem *w)
{
	while (w->delayed && w->delayed->at <= fl_now_mono(w->clock)) {
		struct delayed *d = w->delayed;
		int32_t partition = d->record->msg.partition;
		int64_t offset = store(d->topic, d->record);

		if (d->door)
			add_report(d->door, d->which, (struct report){ d->tag, 0, partition, offset });
		w->delayed = d->next;
		free(d);
	}
}

static void delay(struct door *door, enum fl_bus_producer which, uint64_t tag, struct topic *t, struct record *r)
{
	struct delayed *d = need(calloc(1, sizeof(*d))), **end = &door->w->delayed;

	*d = (struct delayed){ NULL, fl_now_mono(door->w->clock) + DELAY_NS, door, which, tag, t, r };
	while (*end)
		end = &(*end)->next;
	*end = d;
}

/* --- producing --- */

/* Takes r. What the broker does with it, and what it says. */
static void deliver(struct door *d, enum fl_bus_producer which, uint64_t tag, struct topic *t, struct record *r, enum fl_bus_fault fault)
{
	struct report rep = { tag, 0, r->msg.partition, -1 };

	d->in_flight[which]++;
	switch (fault) {
	case FL_BUS_DELAY:
		delay(d, which, tag, t, r);
		return;
	case FL_BUS_DOWN:
		rep.code = FL_EUNAVAIL;
		record_free(r);
		break;
	case FL_BUS_REPEAT:
		store(t, record_new(&r->msg));
		rep.offset = store(t, r);
		break;
	case FL_BUS_REORDER:
		store(t, r);
		rep.offset = swap_with_previous(t, r);
		break;
	case FL_BUS_LOST:
	case FL_BUS_LOST_ACK:
	case FL_BUS_CORRUPT:
	case FL_BUS_OK:
		r->hidden = fault == FL_BUS_LOST;
		if (fault == FL_BUS_CORRUPT)
			record_flip(d->w, r);
		rep.offset = store(t, r);
		break;
	}
	if (fault == FL_BUS_LOST_ACK) {
		rep.code = FL_EUNKNOWN;
		rep.offset = -1;
	}
	add_report(d, which, rep);
}

static int mem_produce(struct fl_bus *b, enum fl_bus_producer which, const char *topic, struct fl_span key, struct fl_span value,
		       const struct fl_bus_header *headers, size_t n_headers, uint64_t tag, struct fl_err *err)
{
	struct door *d = (struct door *)b;
	struct fl_bus_msg msg = { .timestamp = fl_now_unix(d->w->clock), .key = key, .value = value, .n_headers = n_headers };
	enum fl_bus_fault fault;
	struct topic *t;

	if (n_headers > FL_BUS_HEADERS_MAX)
		return fl_err_set(err, FL_EUSAGE, "topic '%s': over %d headers", topic, FL_BUS_HEADERS_MAX);
	release_due(d->w);
	fault = plan(d->w, "produce", topic);
	if (fault == FL_BUS_DOWN && d->w->faults % 2)
		return fl_err_set(err, FL_EUNAVAIL, "topic '%s': the broker is down", topic);
	t = topic_make(d->w, topic, d->w->partitions);
	msg.partition = partition_of(t, key);
	for (size_t i = 0; i < n_headers; i++)
		msg.headers[i] = headers[i];
	deliver(d, which, tag, t, record_new(&msg), fault);
	return 0;
}

/* A report may produce: what it adds is reported by the next poll. */
static int mem_poll(struct fl_bus *b, enum fl_bus_producer which, int timeout_ms, fl_bus_report *report, void *ctx)
{
	struct door *d = (struct door *)b;
	struct reports q;

	(void)timeout_ms;
	release_due(d->w);
	q = d->done[which];
	d->done[which] = (struct reports){ 0 };
	d->in_flight[which] -= q.n;
	for (size_t i = 0; i < q.n; i++)
		report(ctx, q.v[i].tag, q.v[i].code, q.v[i].partition, q.v[i].offset);
	free(q.v);
	return (int)q.n;
}

static size_t mem_in_flight(struct fl_bus *b, enum fl_bus_producer which)
{
	return ((struct door *)b)->in_flight[which];
}

static int mem_create_topic(struct fl_bus *b, const char *topic, int partitions, const char *const *config, struct fl_err *err)
{
	(void)config;
	if (partitions < 1 || partitions > FL_BUS_PARTITIONS_MAX)
		return fl_err_set(err, FL_EUSAGE, "topic '%s': 1 to %d partitions, not %d", topic, FL_BUS_PARTITIONS_MAX, partitions);
	topic_make(((struct door *)b)->w, topic, partitions);
	return 0;
}

/* --- consuming --- */

static int mem_consumer_open(struct fl_bus *b, const char *topic, const struct fl_bus_offsets *from, struct fl_bus_consumer **out,
			     struct fl_err *err)
{
	struct fl_bus_mem *w = ((struct door *)b)->w;
	struct fl_bus_consumer *c;
	struct topic *t;

	release_due(w);
	t = topic_of(w, topic);
	if (!t)
		return fl_err_set(err, FL_ENOTFOUND, "topic '%s': the broker has none of this name", topic);
	c = need(calloc(1, sizeof(*c)));
	c->w = w;
	c->topic = t;
	c->next.n = t->n;
	for (int32_t i = 0; i < FL_BUS_PARTITIONS_MAX; i++) {
		c->next.next[i] = from && i < from->n && from->next[i] >= 0 ? from->next[i] : -1;
		c->held[i] = -1;
	}
	*out = c;
	return 0;
}

/* The offset of the next record that is there, from `at` on; -1: none. */
static int64_t visible_from(const struct partition *p, int64_t at)
{
	for (size_t i = at < 0 ? 0 : (size_t)at; i < p->n; i++)
		if (!p->v[i]->hidden)
			return (int64_t)i;
	return -1;
}

static int64_t due(struct fl_bus_consumer *c, int32_t i)
{
	const struct partition *p = &c->topic->parts[i];

	if (c->next.next[i] > (int64_t)p->n) { /* a new broker */
		c->next.next[i] = 0;
		c->held[i] = -1;
	}
	return c->held[i] >= 0 ? c->held[i] : visible_from(p, c->next.next[i]);
}

static int lend(struct fl_bus_consumer *c, int32_t i, int64_t offset, bool corrupt, struct fl_bus_msg *out)
{
	struct partition *p = &c->topic->parts[i];

	if (p->read_to < (size_t)offset + 1)
		p->read_to = (size_t)offset + 1;
	record_free(c->lent);
	c->lent = record_new(&p->v[offset]->msg);
	if (corrupt)
		record_flip(c->w, c->lent);
	*out = c->lent->msg;
	return 1;
}

static void pass(struct fl_bus_consumer *c, int32_t i, int64_t offset)
{
	if (c->held[i] == offset)
		c->held[i] = -1;
	else
		c->next.next[i] = offset + 1;
}

static int fetch_with(struct fl_bus_consumer *c, int32_t i, int64_t offset, enum fl_bus_fault fault, struct fl_bus_msg *out,
		      struct fl_err *err)
{
	int64_t after;

	switch (fault) {
	case FL_BUS_DOWN:
		return fl_err_set(err, FL_EUNAVAIL, "topic '%s': the broker is down", c->topic->name);
	case FL_BUS_DELAY:
		return 0;
	case FL_BUS_LOST:
		pass(c, i, offset);
		return 0;
	case FL_BUS_REPEAT:
		return lend(c, i, offset, false, out);
	case FL_BUS_REORDER:
		after = c->held[i] < 0 ? visible_from(&c->topic->parts[i], offset + 1) : -1;
		if (after >= 0) {
			c->held[i] = offset;
			c->next.next[i] = after + 1;
			return lend(c, i, after, false, out);
		}
		break;
	default:
		break;
	}
	pass(c, i, offset);
	return lend(c, i, offset, fault == FL_BUS_CORRUPT, out);
}

static int mem_fetch(struct fl_bus_consumer *c, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err)
{
	enum fl_bus_fault fault;

	(void)timeout_ms;
	release_due(c->w);
	fault = plan(c->w, "fetch", c->topic->name);
	if (fault == FL_BUS_DOWN)
		return fetch_with(c, 0, 0, fault, out, err);
	for (int32_t k = 0; k < c->next.n; k++) {
		int32_t i = (c->turn + k) % c->next.n;
		int64_t offset = due(c, i);

		if (offset >= 0) {
			c->turn = (i + 1) % c->next.n;
			return fetch_with(c, i, offset, fault, out, err);
		}
	}
	return 0;
}

static int mem_watermarks(struct fl_bus_consumer *c, struct fl_bus_offsets *first, struct fl_bus_offsets *end, struct fl_err *err)
{
	(void)err;
	release_due(c->w);
	first->n = end->n = c->next.n;
	for (int32_t i = 0; i < c->next.n; i++) {
		first->next[i] = 0;
		end->next[i] = (int64_t)c->topic->parts[i].n;
	}
	return 0;
}

static void mem_position(struct fl_bus_consumer *c, struct fl_bus_offsets *out)
{
	*out = c->next;
	for (int32_t i = 0; i < c->next.n; i++)
		if (c->held[i] >= 0)
			out->next[i] = c->held[i];
}

static void mem_consumer_close(struct fl_bus_consumer *c)
{
	record_free(c->lent);
	free(c);
}

/* --- groups --- */

static struct group *group_of(const struct fl_bus_mem *w, const char *topic, const char *name)
{
	struct group *g = w->groups;

	while (g && (strcmp(g->name, name) != 0 || strcmp(g->topic_name, topic) != 0))
		g = g->next;
	return g;
}

static struct group *group_make(struct fl_bus_mem *w, const char *topic, const char *name)
{
	struct group *g = group_of(w, topic, name);

	if (g)
		return g;
	g = need(calloc(1, sizeof(*g)));
	g->name = need(strdup(name));
	g->topic_name = need(strdup(topic));
	for (int i = 0; i < FL_BUS_PARTITIONS_MAX; i++)
		g->committed[i] = -1;
	g->next = w->groups;
	w->groups = g;
	return g;
}

/* All are given anew what they have, as the eager protocol does. */
static void rebalance(struct group *g)
{
	int32_t members = 0, k = 0;

	for (struct fl_bus_member *m = g->members; m; m = m->next)
		members++;
	for (struct fl_bus_member *m = g->members; m; m = m->next, k++) {
		m->coming = m->a;
		m->rebalanced = true;
		for (int32_t i = 0; i < FL_BUS_PARTITIONS_MAX; i++)
			m->coming.ours[i] = i % members == k;
	}
}

static int mem_member_open(struct fl_bus *b, const char *topic, const char *group, struct fl_bus_member **out, struct fl_err *err)
{
	struct fl_bus_member *m = need(calloc(1, sizeof(*m)));

	(void)err;
	m->w = ((struct door *)b)->w;
	m->group = group_make(m->w, topic, group);
	m->next = m->group->members;
	m->group->members = m;
	rebalance(m->group);
	*out = m;
	return 0;
}

/* A fetch is when a member hears of things, as with a real broker; a topic may come into being later than its readers. */
static void member_hears(struct fl_bus_member *m, const struct topic *t)
{
	if (m->a.committing) {
		bool fails = plan(m->w, "commit", t->name) != FL_BUS_OK;

		m->a.committing = false;
		for (int32_t i = 0; !fails && i < m->asked.n; i++)
			if (m->asked.next[i] >= 0 && m->a.ours[i] && !m->rebalanced && m->asked_in[i] == m->a.turn[i])
				m->group->committed[i] = m->a.committed[i] = m->asked.next[i];
	}
	if (!m->rebalanced)
		return;
	m->rebalanced = false;
	m->a = m->coming;
	m->a.n = t->n;
	for (int32_t i = 0; i < FL_BUS_PARTITIONS_MAX; i++) {
		m->a.ours[i] &= i < t->n;
		m->a.turn[i] += m->a.ours[i];
		m->a.committed[i] = -1;
		m->at[i] = m->group->committed[i] < 0 ? 0 : m->group->committed[i];
	}
}

static int member_lend(struct fl_bus_member *m, struct partition *p, int32_t i, int64_t offset, enum fl_bus_fault fault, struct fl_bus_msg *out)
{
	record_free(m->lent);
	m->lent = record_new(&p->v[offset]->msg);
	if (fault == FL_BUS_CORRUPT)
		record_flip(m->w, m->lent);
	if (fault != FL_BUS_REPEAT)
		m->at[i] = offset + 1;
	*out = m->lent->msg;
	return 1;
}

static int mem_member_fetch(struct fl_bus_member *m, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err)
{
	struct topic *t = (release_due(m->w), topic_of(m->w, m->group->topic_name));
	enum fl_bus_fault fault = plan(m->w, "fetch", m->group->topic_name);

	(void)timeout_ms;
	if (fault == FL_BUS_DOWN)
		return fl_err_set(err, FL_EUNAVAIL, "topic '%s': the broker is down", m->group->topic_name);
	if (!t)
		return fl_err_set(err, FL_EUNAVAIL, "topic '%s': the broker has none of this name", m->group->topic_name);
	member_hears(m, t);
	if (m->paused || fault == FL_BUS_DELAY)
		return 0;
	for (int32_t k = 0; k < t->n; k++) {
		int32_t i = (m->turn + k) % t->n;
		int64_t offset = -1;

		if (m->a.ours[i]) {
			if (m->at[i] > (int64_t)t->parts[i].n) /* a new broker */
				m->at[i] = 0;
			offset = visible_from(&t->parts[i], m->at[i]);
		}
		if (offset >= 0) {
			m->turn = (i + 1) % t->n;
			return member_lend(m, &t->parts[i], i, offset, fault, out);
		}
	}
	return 0;
}

static void mem_member_pause(struct fl_bus_member *m, bool pause)
{
	m->paused = pause;
}

static void mem_member_assigned(struct fl_bus_member *m, struct fl_bus_assigned *out)
{
	*out = m->a;
}

static int mem_member_commit(struct fl_bus_member *m, const struct fl_bus_offsets *next, struct fl_err *err)
{
	if (m->a.committing)
		return fl_err_set(err, FL_EUNAVAIL, "topic '%s': a commit is under way", m->group->topic_name);
	m->asked = *next;
	memcpy(m->asked_in, m->a.turn, sizeof(m->asked_in));
	for (int32_t i = 0; i < next->n; i++)
		m->a.committing |= next->next[i] >= 0 && m->a.ours[i];
	return 0;
}

static void mem_member_close(struct fl_bus_member *m)
{
	struct fl_bus_member **at = &m->group->members;
	struct topic *t = topic_of(m->w, m->group->topic_name);

	if (t)
		member_hears(m, t);
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	rebalance(m->group);
	record_free(m->lent);
	free(m);
}

int64_t fl_bus_mem_committed(const struct fl_bus_mem *w, const char *topic, const char *group, int32_t partition)
{
	const struct group *g = group_of(w, topic, group);

	return g && partition >= 0 && partition < FL_BUS_PARTITIONS_MAX ? g->committed[partition] : -1;
}

/* --- doors and the broker --- */

static int mem_wake_fd(struct fl_bus *b)
{
	(void)b;
	return -1;
}

static void mem_close(struct fl_bus *b)
{
	struct door *d = (struct door *)b;

	for (struct delayed *l = d->w->delayed; l; l = l->next)
		if (l->door == d)
			l->door = NULL;
	for (int i = 0; i < PRODUCERS; i++)
		free(d->done[i].v);
	free(d);
}

static const struct fl_bus_ops mem_ops = {
	.produce = mem_produce,
	.poll = mem_poll,
	.in_flight = mem_in_flight,
	.create_topic = mem_create_topic,
	.consumer_open = mem_consumer_open,
	.fetch = mem_fetch,
	.watermarks = mem_watermarks,
	.position = mem_position,
	.consumer_close = mem_consumer_close,
	.member_open = mem_member_open,
	.member_fetch = mem_member_fetch,
	.member_pause = mem_member_pause,
	.member_assigned = mem_member_assigned,
	.member_commit = mem_member_commit,
	.member_close = mem_member_close,
	.wake_fd = mem_wake_fd,
	.close = mem_close,
};

struct fl_bus_mem *fl_bus_mem_new(struct fl_clock *clock, int partitions)
{
	struct fl_bus_mem *w = need(calloc(1, sizeof(*w)));

	w->clock = clock;
	w->partitions = partitions < 1 ? 1 : partitions > FL_BUS_PARTITIONS_MAX ? FL_BUS_PARTITIONS_MAX : partitions;
	return w;
}

static void forget_records(struct fl_bus_mem *w)
{
	for (struct topic *t = w->topics; t; t = t->next)
		for (int32_t i = 0; i < t->n; i++) {
			for (size_t k = 0; k < t->parts[i].n; k++)
				record_free(t->parts[i].v[k]);
			free(t->parts[i].v);
			t->parts[i] = (struct partition){ 0 };
		}
}

/* Its doors and consumers are closed before. */
void fl_bus_mem_free(struct fl_bus_mem *w)
{
	if (!w)
		return;
	forget_records(w);
	while (w->topics) {
		struct topic *t = w->topics;

		w->topics = t->next;
		free(t->name);
		free(t);
	}
	while (w->groups) {
		struct group *g = w->groups;

		w->groups = g->next;
		free(g->name);
		free(g->topic_name);
		free(g);
	}
	while (w->delayed) {
		struct delayed *l = w->delayed;

		w->delayed = l->next;
		record_free(l->record);
		free(l);
	}
	free(w);
}

struct fl_bus *fl_bus_mem_open(struct fl_bus_mem *w, const char *topic_prefix)
{
	struct door *d = need(calloc(1, sizeof(*d)));

	d->bus = (struct fl_bus){ &mem_ops, topic_prefix };
	d->w = w;
	return &d->bus;
}

void fl_bus_mem_faults(struct fl_bus_mem *w, fl_bus_fault_plan *fault_plan, void *ctx)
{
	w->plan = fault_plan;
	w->plan_ctx = ctx;
}

void fl_bus_mem_reset(struct fl_bus_mem *w)
{
	forget_records(w);
}

size_t fl_bus_mem_count(const struct fl_bus_mem *w, const char *topic)
{
	const struct topic *t = topic_of(w, topic);
	size_t n = 0;

	for (int32_t i = 0; t && i < t->n; i++)
		for (size_t k = 0; k < t->parts[i].n; k++)
			n += !t->parts[i].v[k]->hidden;
	return n;
}
