/* Records in the order in which they were read, a queue a partition:
 *
 *   part: [done] [done] [intake] [again, at t] [read] [letter] [read]
 *          \__ committed next     \__ nothing behind it is handed over, so that order stays: but when the store is broken there
 *
 * A record is its queue's until it is dealt with. When a partition goes to another member, its queue is forgotten: what lies in the intake or with the producer is freed when it comes back.
 * Start at fl_kafka_source_step(). */
#include "ingest/source_kafka.h"

#include <pthread.h>
#include <stdlib.h>

enum { IDLE_MS = 100, FULL_MS = 50, BUSY_FETCHES = 500, OPEN_AGAIN_MS = 2000, LETTER_MAX = 512 << 10 };

enum where { READ, IN_INTAKE, AGAIN, TO_LETTERS, AT_LETTERS, DONE };

struct record {
	struct fl_intake_item item;
	struct core *core;
	struct fl_kafka_source *owner; /* not of an orphan's */
	enum where where;
	bool orphan; /* of a partition that is no more ours */
	bool cut;    /* the letter's value */
	int32_t partition;
	int64_t offset;
	fl_mono_ns at;	/* AGAIN, TO_LETTERS: not before */
	uint32_t tries;
	const char *why; /* that it cannot be read, without the stage's word */
	struct record *next;	/* of the queue */
	struct record *came;	/* of what the stage gave back */
	uint8_t value[];
};

struct part {
	uint32_t turn;
	bool ours;
	struct record *first, **last;
	int64_t read_to;      /* the next offset not read; -1: nothing was read */
	int64_t done_to;      /* all before it is dealt with */
	int64_t committed_to; /* as confirmed; before that: where reading began */
};

/* What outlives the source while the intake has records of it. */
struct core {
	pthread_mutex_t lock;
	struct record *came; /* given back by the stage, newest first */
	size_t refs;	     /* the source, and records */
	bool closed;
	void (*wake)(void *ctx);
	void *ctx;
	struct fl_arena arena; /* texts that items borrow */
	struct fl_cfg_finding_mapping mapping;
	const char *name;
};

struct fl_kafka_source {
	struct fl_kafka_source_config c;
	struct core *core;
	const char *topic, *group;
	struct fl_bus_member *member;
	fl_mono_ns open_at;
	struct part parts[FL_BUS_PARTITIONS_MAX];
	size_t under_way, bytes;
	bool paused, full;
	bool bus_well, ever; /* the last fetch; has a partition ever been ours? */
	uint32_t failures; /* of the stage, in a row */
	bool letters_fail;
	char bus_why[200], stage_why[200], letter_why[200];
	struct fl_source_status s;
};

/* --- the core --- */

static void core_drop(struct core *k)
{
	bool last;

	pthread_mutex_lock(&k->lock);
	last = --k->refs == 0;
	pthread_mutex_unlock(&k->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&k->lock);
	fl_arena_done(&k->arena);
	free(k);
}

static void record_free(struct record *r)
{
	struct core *k = r->core;

	free(r);
	core_drop(k);
}

/* In the stage's thread. */
static void on_done(void *ctx, struct fl_intake_item *item)
{
	struct record *r = ctx;
	struct core *k = r->core;
	bool closed;

	(void)item;
	pthread_mutex_lock(&k->lock);
	closed = k->closed;
	if (!closed) {
		r->came = k->came;
		k->came = r;
		if (!r->came)
			k->wake(k->ctx); /* under the lock: whoever closes comes after it */
	}
	pthread_mutex_unlock(&k->lock);
	if (closed)
		record_free(r);
}

static const struct fl_cfg_finding_mapping *copy_mapping(struct core *k, const struct fl_cfg_finding_mapping *m)
{
	const char *const *from = (const char *const *)m;
	const char **to = (const char **)&k->mapping;

	if (!m->domain || !m->domain[0])
		return NULL;
	for (size_t i = 0; i < sizeof(*m) / sizeof(*from); i++)
		to[i] = fl_arena_str(&k->arena, from[i] ? from[i] : "");
	return &k->mapping;
}

int fl_kafka_source_open(const struct fl_kafka_source_config *c, struct fl_kafka_source **out, struct fl_err *err)
{
	struct fl_kafka_source *s = calloc(1, sizeof(*s));
	struct core *k = calloc(1, sizeof(*k));

	if (s && k) {
		pthread_mutex_init(&k->lock, NULL);
		k->refs = 1;
		k->wake = c->wake;
		k->ctx = c->ctx;
		k->name = fl_arena_str(&k->arena, c->source->name);
		s->topic = fl_arena_str(&k->arena, c->source->topic);
		s->group = fl_arena_str(&k->arena, c->source->group);
		copy_mapping(k, &c->source->mapping);
	}
	if (!s || !k || !k->name || !s->topic || !s->group) {
		free(s);
		if (k)
			fl_arena_done(&k->arena);
		free(k);
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	s->c = *c;
	s->c.source = NULL;
	s->core = k;
	snprintf(s->s.name, sizeof(s->s.name), "%s", k->name);
	s->s.type = "kafka";
	for (int i = 0; i < FL_BUS_PARTITIONS_MAX; i++)
		s->parts[i] = (struct part){ .last = &s->parts[i].first, .read_to = -1, .done_to = -1, .committed_to = -1 };
	*out = s;
	return 0;
}

/* --- partitions that come and go --- */

static void leave_queue(struct fl_kafka_source *s, struct record *r)
{
	s->under_way--;
	s->bytes -= r->item.json.n;
}

/* Those that others hold are freed when they come back. */
static void forget(struct fl_kafka_source *s, struct part *p)
{
	struct record *next;

	for (struct record *r = p->first; r; r = next) {
		next = r->next;
		leave_queue(s, r);
		r->orphan = true;
		if (r->where != IN_INTAKE && r->where != AT_LETTERS)
			record_free(r);
	}
	p->first = NULL;
	p->last = &p->first;
	p->read_to = p->done_to = p->committed_to = -1;
}

static void look_at_assignment(struct fl_kafka_source *s, struct fl_bus_assigned *a)
{
	s->c.bus->ops->member_assigned(s->member, a);
	for (int32_t i = 0; i < FL_BUS_PARTITIONS_MAX; i++) {
		struct part *p = &s->parts[i];

		if (p->ours != a->ours[i] || p->turn != a->turn[i])
			forget(s, p);
		p->ours = a->ours[i];
		p->turn = a->turn[i];
		s->ever |= p->ours;
	}
}

/* --- what the stage gave back --- */

static fl_mono_ns again_at(uint32_t tries, fl_mono_ns now)
{
	int64_t ms = FL_KAFKA_AGAIN_MIN_MS;

	while (--tries && ms < FL_KAFKA_AGAIN_MAX_MS)
		ms *= 2;
	return now + (ms < FL_KAFKA_AGAIN_MAX_MS ? ms : FL_KAFKA_AGAIN_MAX_MS) * FL_NS_PER_MS;
}

static void take_back(struct fl_kafka_source *s, struct record *r, fl_mono_ns now)
{
	const struct fl_finding_outcome *o = &r->item.outcome;

	if (r->item.ret == 0) {
		r->where = DONE;
		s->failures = 0;
		s->stage_why[0] = '\0';
		s->s.n[FL_SOURCE_N_TAKEN]++;
		s->s.n[FL_SOURCE_N_ACCEPTED] += o->accepted;
		s->s.n[FL_SOURCE_N_WITHDRAWN] += o->withdrawn;
		s->s.n[FL_SOURCE_N_DUPLICATE] += o->duplicate;
		s->s.n[FL_SOURCE_N_REFUSED] += o->refused;
	} else if (r->item.ret == FL_EFORMAT || r->item.ret == FL_ELIMIT) {
		r->where = TO_LETTERS;
		r->at = now;
		r->tries = 0;
	} else {
		r->where = AGAIN;
		r->at = again_at(++r->tries, now);
		s->failures++;
		snprintf(s->stage_why, sizeof(s->stage_why), "not durable: %.180s", r->item.err.text);
		s->s.n[FL_SOURCE_N_AGAIN]++;
	}
}

static void take_all_back(struct fl_kafka_source *s, fl_mono_ns now)
{
	struct record *r, *next;

	pthread_mutex_lock(&s->core->lock);
	r = s->core->came;
	s->core->came = NULL;
	pthread_mutex_unlock(&s->core->lock);
	for (; r; r = next) {
		next = r->came;
		if (r->orphan)
			record_free(r);
		else
			take_back(s, r, now);
	}
}

/* --- dead letters --- */

static void letters_fail(struct fl_kafka_source *s, const char *why)
{
	s->letters_fail = true;
	snprintf(s->letter_why, sizeof(s->letter_why), "topic " FL_TOPIC_DEAD_LETTER ": %.160s", why);
}

static void send_letter(struct fl_kafka_source *s, struct record *r, fl_mono_ns now)
{
	const char *why = r->why ? r->why : r->item.err.text;
	struct fl_bus_header h[3] = { { "reason", fl_span_str(why[0] ? why : fl_code_text(r->item.ret)) } };
	struct fl_span value = r->item.json;
	char origin[320], size[24];
	struct fl_err err = { 0 };
	int ret;

	snprintf(origin, sizeof(origin), "%.249s/%d/%lld", s->topic, r->partition, (long long)r->offset);
	h[1] = (struct fl_bus_header){ "origin", fl_span_str(origin) };
	snprintf(size, sizeof(size), "%zu", value.n);
	h[2] = (struct fl_bus_header){ "cut-from", fl_span_str(size) };
	if (r->cut && value.n > LETTER_MAX)
		value.n = LETTER_MAX;
	else
		r->cut = false;
	ret = fl_bus_produce(s->c.bus, FL_BUS_CONTROL, FL_TOPIC_DEAD_LETTER, fl_span_str(s->core->name), value, h, 2 + r->cut, (uintptr_t)r, &err);
	if (ret == 0) {
		r->where = AT_LETTERS;
		return;
	}
	if (ret == FL_EREFUSED)
		r->cut = true; /* too large for that topic, perhaps */
	r->at = again_at(++r->tries, now);
	letters_fail(s, err.text);
}

/* The tag is the record, whichever source's. */
static void on_report(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset)
{
	const fl_mono_ns *now = ctx;
	struct record *r = (struct record *)(uintptr_t)tag;

	(void)partition, (void)offset;
	if (!r)
		return;
	if (r->orphan) {
		record_free(r);
	} else if (code == 0) {
		r->where = DONE;
	} else {
		r->where = TO_LETTERS;
		r->cut |= code == FL_EREFUSED;
		r->at = again_at(++r->tries, *now);
		letters_fail(r->owner, fl_code_text(code));
	}
}

void fl_kafka_source_letters(struct fl_bus *bus, int timeout_ms)
{
	fl_mono_ns now = 0;

	fl_bus_poll(bus, FL_BUS_CONTROL, timeout_ms, on_report, &now);
}

/* --- reading --- */

static bool room(const struct fl_kafka_source *s)
{
	return s->under_way < FL_KAFKA_UNDER_WAY && s->bytes < FL_KAFKA_UNDER_WAY_BYTES;
}

/* NULL, or why a record that must not be passed over is not kept. */
static const char *keep(struct fl_kafka_source *s, const struct fl_bus_msg *m)
{
	struct part *p = &s->parts[m->partition];
	struct record *r;

	if (!p->ours)
		return NULL; /* it comes again, to whoever has the partition */
	if (m->offset < p->read_to)
		return "offsets went back: was the topic made anew?";
	r = calloc(1, sizeof(*r) + m->value.n);
	if (!r)
		return "out of memory";
	if (m->value.n)
		memcpy(r->value, m->value.p, m->value.n);
	r->core = s->core;
	r->owner = s;
	r->partition = m->partition;
	r->offset = m->offset;
	r->item = (struct fl_intake_item){ .source = s->core->name, .json = fl_span(r->value, m->value.n), .actor = s->core->name, .received_at = fl_now_unix(s->c.clock),
					   .done = on_done, .ctx = r };
	if (s->core->mapping.domain)
		r->item.mapping = &s->core->mapping;
	s->s.n[FL_SOURCE_N_RECEIVED]++;
	s->s.last_at = r->item.received_at;
	if (m->value.n == 0) {
		r->where = DONE;
		s->s.n[FL_SOURCE_N_EMPTY]++;
	} else if (m->value.n > FL_KAFKA_DOCUMENT_MAX) {
		r->where = TO_LETTERS;
		r->item.ret = FL_ELIMIT;
		r->why = "a record of more than 16 MiB";
		r->cut = true;
	}
	pthread_mutex_lock(&s->core->lock);
	s->core->refs++;
	pthread_mutex_unlock(&s->core->lock);
	if (p->done_to < 0)
		p->done_to = p->committed_to = m->offset;
	p->read_to = m->offset + 1;
	*p->last = r;
	p->last = &r->next;
	s->under_way++;
	s->bytes += m->value.n;
	return NULL;
}

static bool member_up(struct fl_kafka_source *s, fl_mono_ns now)
{
	struct fl_err err = { 0 };

	if (s->member)
		return true;
	if (now < s->open_at)
		return false;
	s->open_at = now + OPEN_AGAIN_MS * FL_NS_PER_MS;
	if (fl_bus_member_open(s->c.bus, s->topic, s->group, &s->member, &err) == 0) {
		s->paused = false;
		return true;
	}
	s->bus_well = false;
	snprintf(s->bus_why, sizeof(s->bus_why), "%.190s", err.text);
	return false;
}

/* The member is left and joined anew: it reads again what is not committed. */
static void start_over(struct fl_kafka_source *s, const char *why, fl_mono_ns now)
{
	fl_bus_member_close(s->c.bus, s->member);
	s->member = NULL;
	s->open_at = now + OPEN_AGAIN_MS * FL_NS_PER_MS;
	for (int i = 0; i < FL_BUS_PARTITIONS_MAX; i++) {
		forget(s, &s->parts[i]);
		s->parts[i].ours = false;
		s->parts[i].turn = 0;
	}
	s->bus_well = false;
	snprintf(s->bus_why, sizeof(s->bus_why), "%s", why);
}

/* Always fetches once, paused or not: that is what keeps the member alive. True: more may be there. */
static bool read_some(struct fl_kafka_source *s, fl_mono_ns now)
{
	struct fl_bus_assigned a;
	struct fl_bus_msg m;
	struct fl_err err = { 0 };
	const char *why = NULL;
	int ret = 1;

	for (int i = 0; ret == 1 && i < BUSY_FETCHES; i++) {
		bool pause = !room(s) || (s->paused && s->under_way > FL_KAFKA_UNDER_WAY / 2);

		if (pause != s->paused)
			s->c.bus->ops->member_pause(s->member, pause);
		s->paused = pause;
		ret = fl_bus_member_fetch(s->c.bus, s->member, 0, &m, &err);
		look_at_assignment(s, &a);
		if (ret == 1)
			why = keep(s, &m);
		if (why) {
			start_over(s, why, now);
			return false;
		}
	}
	s->bus_well = ret >= 0;
	if (ret < 0)
		snprintf(s->bus_why, sizeof(s->bus_why), "%.190s", err.text);
	return ret == 1;
}

/* --- handing over, and committing --- */

/* False: the intake is full, or closing. It may be back before this returns. */
static bool hand_over(struct fl_kafka_source *s, struct record *r)
{
	r->where = IN_INTAKE;
	if (fl_intake_push(s->c.intake, &r->item) == 0)
		return true;
	r->where = READ;
	return false;
}

/* In order, up to the first that has to wait. Letters hold nothing up, nor does what the store has broken: that lasts until a person mends it. */
static bool hand_over_part(struct fl_kafka_source *s, struct part *p, fl_mono_ns now, fl_mono_ns *wake)
{
	for (struct record *r = p->first; r; r = r->next) {
		bool waits = (r->where == AGAIN || r->where == TO_LETTERS) && r->at > now;

		if (waits && r->at < *wake)
			*wake = r->at;
		if (waits && r->where == AGAIN && r->item.ret != FL_ECORRUPT)
			return true;
		if (waits)
			continue;
		if (r->where == TO_LETTERS)
			send_letter(s, r, now);
		else if ((r->where == READ || r->where == AGAIN) && !hand_over(s, r))
			return false;
	}
	return true;
}

static void advance(struct fl_kafka_source *s, struct part *p)
{
	struct record *r;

	while ((r = p->first) && r->where == DONE) {
		p->done_to = r->offset + 1;
		p->first = r->next;
		if (!p->first)
			p->last = &p->first;
		if (r->item.ret) {
			s->s.n[FL_SOURCE_N_UNREADABLE]++;
			s->letters_fail = false;
			s->letter_why[0] = '\0';
		}
		leave_queue(s, r);
		record_free(r);
	}
}

/* One commit at a time; one that failed is asked for again, since the broker's word did not move. */
static void commit(struct fl_kafka_source *s)
{
	struct fl_bus_offsets next = { .n = FL_BUS_PARTITIONS_MAX };
	struct fl_bus_assigned a;
	bool any = false;

	look_at_assignment(s, &a);
	for (int32_t i = 0; i < FL_BUS_PARTITIONS_MAX; i++) {
		struct part *p = &s->parts[i];

		advance(s, p);
		if (a.committed[i] > p->committed_to)
			p->committed_to = a.committed[i];
		next.next[i] = p->ours && p->done_to > p->committed_to ? p->done_to : -1;
		any |= next.next[i] >= 0;
	}
	if (any && !a.committing)
		s->c.bus->ops->member_commit(s->member, &next, NULL);
}

void fl_kafka_source_step(struct fl_kafka_source *s, fl_mono_ns now, fl_mono_ns *wake)
{
	bool more;

	*wake = now + IDLE_MS * FL_NS_PER_MS;
	take_all_back(s, now);
	fl_bus_poll(s->c.bus, FL_BUS_CONTROL, 0, on_report, &now);
	if (!member_up(s, now))
		return;
	more = read_some(s, now);
	s->full = false;
	for (int i = 0; s->member && i < FL_BUS_PARTITIONS_MAX && !s->full; i++)
		s->full = !hand_over_part(s, &s->parts[i], now, wake);
	if (s->full && *wake > now + FULL_MS * FL_NS_PER_MS)
		*wake = now + FULL_MS * FL_NS_PER_MS;
	if (s->member)
		commit(s);
	if (more && !s->paused)
		*wake = now;
}

void fl_kafka_source_status(const struct fl_kafka_source *s, struct fl_source_status *out)
{
	const char *why = !s->bus_well && s->bus_why[0] ? s->bus_why : s->letters_fail ? s->letter_why : s->stage_why[0] ? s->stage_why : "";

	*out = s->s;
	out->under_way = s->under_way;
	out->state = why[0] ? FL_SOURCE_DEGRADED : s->ever ? FL_SOURCE_OK : FL_SOURCE_STARTING;
	snprintf(out->reason, sizeof(out->reason), "%s", why[0] ? why : s->full ? "the intake is full: reading waits" : "");
}

bool fl_kafka_source_is(const struct fl_kafka_source *s, const struct fl_cfg_findings_source *c)
{
	const char *const *a = (const char *const *)&s->core->mapping, *const *b = (const char *const *)&c->mapping;
	bool same = strcmp(s->core->name, c->name) == 0 && strcmp(s->topic, c->topic) == 0 && strcmp(s->group, c->group) == 0;

	for (size_t i = 0; same && i < sizeof(c->mapping) / sizeof(*a); i++)
		same = strcmp(a[i] ? a[i] : "", b[i] ? b[i] : "") == 0;
	return same;
}

void fl_kafka_source_close(struct fl_kafka_source *s)
{
	struct record *r, *next;

	if (!s)
		return;
	for (int i = 0; i < FL_BUS_PARTITIONS_MAX; i++)
		forget(s, &s->parts[i]);
	fl_bus_member_close(s->c.bus, s->member);
	pthread_mutex_lock(&s->core->lock);
	s->core->closed = true;
	r = s->core->came;
	s->core->came = NULL;
	pthread_mutex_unlock(&s->core->lock);
	for (; r; r = next) {
		next = r->came;
		record_free(r);
	}
	core_drop(s->core);
	free(s);
}
