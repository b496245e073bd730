/* The stage. A step drains events (bounded), then asks the store for heads when that is due: at the poll interval with jitter anyway, because the silence of a dead
 * relay looks like no news, and at once for a list whose event could not be judged alone. */
#include "enforcer/follow_int.h"

#include <inttypes.h>
#include <stdlib.h>

#include "model/enforcer_state.h"

enum { HEAD_RETRY_MS = 500, EVENTS_RETRY_MS = 250, OFFSETS_MS = 5000, BEAT_MS = 10000, GENERATION_RETRY_MS = 30000, FETCH_TRIES = 5 };

static int load_lists(struct fl_follow *f, const struct fl_config *cfg)
{
	struct fl_arena arena = { 0 };
	struct fl_follow_list *v = fl_arena_array(&arena, cfg->n_lists + 1, sizeof(*v));

	if (!v)
		return FL_ENOMEM;
	for (size_t i = 0; i < cfg->n_lists; i++) {
		const struct fl_follow_list *old = fl__follow_list(f, cfg->lists[i].name);
		const struct fl_image_list *held = fl__follow_held(f, cfg->lists[i].name);

		if (old)
			v[i] = *old;
		else {
			memcpy(v[i].name, cfg->lists[i].name, strnlen(cfg->lists[i].name, sizeof(v[i].name) - 1));
			v[i].state = held ? FL_FOLLOW_BEHIND : FL_FOLLOW_WAITING;
			v[i].known_version = held ? held->id.number : 0;
			v[i].head_due = true;
		}
	}
	fl_arena_done(&f->lists_arena);
	f->lists_arena = arena;
	f->lists = v;
	f->n_lists = cfg->n_lists;
	f->c.cfg = cfg;
	return 0;
}

/* What the configuration no longer names leaves the image, and the disk with it. */
static int drop_orphans(struct fl_follow *f)
{
	const struct fl_image_list *v;
	struct fl_err err = { 0 };
	bool dropped = false;

	for (bool again = true; again;) {
		size_t n = fl_image_lists(f->image, &v);

		again = false;
		for (size_t i = 0; i < n && !again; i++) {
			struct fl_image *next;

			if (fl__follow_list(f, v[i].name))
				continue;
			if (fl_image_drop_list(f->image, v[i].name, &next, NULL) < 0)
				return FL_ENOMEM;
			fl_image_release(f->image);
			f->image = next;
			again = dropped = true;
		}
	}
	if (dropped && fl__generation_write(f, f->image, &err) < 0) {
		f->journal_broken = true;
		snprintf(f->s.problem, sizeof(f->s.problem), "%.190s", err.text);
	}
	return 0;
}

int fl_follow_open(const struct fl_follow_config *c, struct fl_follow **out, struct fl_err *err)
{
	struct fl_follow *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return fl_err_set(err, FL_ENOMEM, "follow: out of memory");
	f->c = *c;
	f->propagation.bounds = fl_bounds_propagation;
	f->propagation.n = sizeof(fl_bounds_propagation) / sizeof(fl_bounds_propagation[0]);
	ret = fl__follow_disk_open(f, err);
	if (ret == 0)
		ret = load_lists(f, c->cfg);
	if (ret == 0)
		ret = drop_orphans(f);
	if (ret < 0) {
		fl_image_release(f->image);
		fl__follow_disk_close(f);
		fl_arena_done(&f->lists_arena);
		free(f);
		return fl_err_set(err, ret, "follow: %s", fl_code_text(ret));
	}
	fl__offsets_load(f);
	f->c.on_image(f->c.ctx, f->image);
	*out = f;
	return 0;
}

int fl_follow_reload(struct fl_follow *f, const struct fl_config *cfg)
{
	struct fl_image *before = f->image;
	int ret = load_lists(f, cfg);

	if (ret == 0)
		ret = drop_orphans(f);
	if (ret == 0 && f->image != before)
		f->c.on_image(f->c.ctx, f->image);
	return ret;
}

void fl_follow_close(struct fl_follow *f)
{
	if (!f)
		return;
	fl__offsets_save(f, NULL);
	if (f->events)
		fl_bus_consumer_close(f->c.bus, f->events);
	fl__follow_disk_close(f);
	fl_image_release(f->image);
	fl_arena_done(&f->lists_arena);
	free(f);
}

struct fl_image *fl_follow_image(struct fl_follow *f)
{
	return f->image;
}

struct fl_follow_list *fl__follow_list(struct fl_follow *f, const char *name)
{
	for (size_t i = 0; i < f->n_lists; i++)
		if (strcmp(f->lists[i].name, name) == 0)
			return &f->lists[i];
	return NULL;
}

const struct fl_image_list *fl__follow_held(struct fl_follow *f, const char *name)
{
	const struct fl_image_list *v;
	int i = fl_image_list_index(f->image, name);

	if (i < 0)
		return NULL;
	fl_image_lists(f->image, &v);
	return v[i].id.number ? &v[i] : NULL;
}

void fl__follow_swap(struct fl_follow *f, struct fl_image *take_next)
{
	struct fl_image *old = f->image;

	f->image = take_next;
	f->c.on_image(f->c.ctx, take_next); /* returns once no reader can still see what it replaced */
	fl_image_release(old);
	f->s.swaps_ok++;
}

static void say(struct fl_follow_list *l, enum fl_follow_state state, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void say(struct fl_follow_list *l, enum fl_follow_state state, const char *fmt, ...)
{
	va_list ap;

	l->state = state;
	va_start(ap, fmt);
	vsnprintf(l->reason, sizeof(l->reason), fmt, ap);
	va_end(ap);
}

static void apply(struct fl_follow *f, struct fl_follow_list *l, const struct fl_list_version *v, const struct fl_event *ev)
{
	struct fl_err err = { 0 };
	int ret = fl__follow_apply(f, v, ev, &err);

	l->known_version = v->id.number;
	if (ret == 0) {
		l->n_seen = 0;
		say(l, FL_FOLLOW_OK, "%s", "");
		f->s.events_applied++;
		return;
	}
	l->head_due = true;
	if (ret == FL_EUNAVAIL || ret == FL_EUNKNOWN)
		f->store_up = false;
	say(l, fl__follow_held(f, l->name) ? FL_FOLLOW_BEHIND : FL_FOLLOW_WAITING, "version %" PRIu64 ": %.120s", v->id.number, err.text);
}

/* --- heads --- */

/* The present head is of another history. Where it says the very same, the store has only forgotten how it came to it: followed. Else a person decides. */
static void foreign_head(struct fl_follow *f, struct fl_follow_list *l, const struct fl_image_list *held, const struct fl_list_version *v)
{
	const struct fl_image_input *in;
	size_t n = fl_image_inputs(f->image, &in);

	if (fl__keeps_all(held, in, n, v))
		apply(f, l, v, NULL);
	else
		say(l, FL_FOLLOW_DEGRADED, "the store's version %" PRIu64 " does not descend from what is held (%" PRIu64 "): fireline recover %s",
		    v->id.number, held->id.number, l->name);
}

/* Over a gap: is what we hold in the store's own history? */
static void over_gap(struct fl_follow *f, struct fl_follow_list *l, const struct fl_image_list *held, const struct fl_list_version *v)
{
	uint8_t chain[32];
	int ret = fl_set_lineage(f->c.sets, FL_LIST, l->name, held->id.number, chain, NULL);

	if (ret == 0 && memcmp(chain, held->id.chain, sizeof(chain)) == 0)
		apply(f, l, v, NULL);
	else if (ret == 0 || ret == FL_ENOTFOUND)
		foreign_head(f, l, held, v);
	else
		say(l, FL_FOLLOW_STALE, "ancestry of version %" PRIu64 " cannot be known now (%s)", v->id.number, fl_code_text(ret));
}

static void judge_head(struct fl_follow *f, struct fl_follow_list *l, const struct fl_list_version *v)
{
	const struct fl_image_list *held = fl__follow_held(f, l->name);

	l->known_version = v->id.number;
	switch (fl__judge(held, v)) {
	case FL_V_HELD:
		say(l, FL_FOLLOW_OK, "%s", "");
		break;
	case FL_V_FIRST:
	case FL_V_NEXT:
	case FL_V_RECOVERED:
		apply(f, l, v, NULL);
		break;
	case FL_V_GAP:
		over_gap(f, l, held, v);
		break;
	case FL_V_OLD:
		say(l, FL_FOLLOW_DEGRADED, "the store is behind: its head is %" PRIu64 ", held is %" PRIu64 ": fireline recover %s", v->id.number,
		    held->id.number, l->name);
		break;
	case FL_V_OTHER:
		foreign_head(f, l, held, v);
		break;
	}
}

/* One list, again while retention moves things away under us. */
static int look_at_head(struct fl_follow *f, struct fl_follow_list *l, const struct fl_head *first)
{
	struct fl_head head = *first;
	int ret = 0;

	for (int i = 0; i < FETCH_TRIES; i++) {
		const struct fl_image_list *held = fl__follow_held(f, l->name);
		struct fl_arena arena = { 0 };
		struct fl_list_version v;

		l->head_due = false;
		if (head.id.number == 0) {
			if (held)
				say(l, FL_FOLLOW_DEGRADED, "the store has no head of this list, held is %" PRIu64 ": fireline recover %s", held->id.number,
				    l->name);
			return 0;
		}
		if (held && fl_version_id_eq(&held->id, &head.id)) {
			l->known_version = head.id.number;
			say(l, FL_FOLLOW_OK, "%s", "");
			return 0;
		}
		ret = fl_list_version_get(f->c.sets, l->name, head.id.number, &arena, &v, NULL);
		if (ret == 0 && fl_version_id_eq(&v.id, &head.id))
			judge_head(f, l, &v);
		fl_arena_done(&arena);
		if (ret == FL_EUNAVAIL || ret == FL_EUNKNOWN || (ret == 0 && !l->head_due))
			return ret;
		l->head_due = true;
		ret = fl_set_head(f->c.sets, FL_LIST, l->name, &head, NULL);
		if (ret < 0 && ret != FL_ENOTFOUND)
			return ret;
	}
	return 0;
}

static int read_heads(struct fl_follow *f, bool all)
{
	struct fl_arena arena = { 0 };
	const char **names = fl_arena_array(&arena, f->n_lists + 1, sizeof(*names));
	struct fl_follow_list **lists = fl_arena_array(&arena, f->n_lists + 1, sizeof(*lists));
	struct fl_head *heads = fl_arena_array(&arena, f->n_lists + 1, sizeof(*heads));
	size_t n = 0;
	int ret = names && heads && lists ? 0 : FL_ENOMEM;

	for (size_t i = 0; ret == 0 && i < f->n_lists; i++)
		if (all || f->lists[i].head_due) {
			lists[n] = &f->lists[i];
			names[n++] = f->lists[i].name;
		}
	if (ret == 0 && n)
		ret = fl_set_heads(f->c.sets, FL_LIST, names, n, heads, NULL);
	f->store_up = ret == 0;
	for (size_t i = 0; ret == 0 && i < n; i++)
		ret = look_at_head(f, lists[i], &heads[i]);
	f->store_up = f->store_up && ret == 0;
	fl_arena_done(&arena);
	return ret;
}

/* --- events --- */

static bool remember_epoch(struct fl_follow_list *l, const struct fl_version_id *id)
{
	for (uint32_t i = 0; i < l->n_seen; i++)
		if (fl_epoch_eq(&l->seen[i].epoch, &id->epoch)) {
			l->seen[i] = *id;
			return l->n_seen == 1;
		}
	if (l->n_seen < sizeof(l->seen) / sizeof(l->seen[0]))
		l->seen[l->n_seen++] = *id;
	return l->n_seen == 1;
}

/* Holding nothing, the store's head says which epoch is in force. While the store is away an event that carries all there is may be taken, if the topic knows one epoch. */
static void first_event(struct fl_follow *f, struct fl_follow_list *l, const struct fl_event *ev)
{
	bool complete = remember_epoch(l, &ev->version.id) && !f->store_up;

	l->head_due = true;
	for (uint32_t i = 0; i < ev->version.n_inputs; i++) {
		const struct fl_event_input *in = &ev->inputs[i];

		complete = complete && (ev->version.inputs[i].id.number == 0 || (in->n_deltas && in->from.number == 0));
	}
	if (complete)
		apply(f, l, &ev->version, ev);
}

static void judge_event(struct fl_follow *f, const struct fl_event *ev)
{
	struct fl_follow_list *l = fl__follow_list(f, ev->version.list);
	const struct fl_image_list *held;

	if (!l) {
		f->s.events_dropped++;
		return; /* a list this configuration does not know */
	}
	if (ev->version.recovered.version > ev->version.id.number) {
		f->s.events_corrupt++;
		return;
	}
	held = fl__follow_held(f, l->name);
	switch (fl__judge(held, &ev->version)) {
	case FL_V_NEXT:
	case FL_V_RECOVERED:
		apply(f, l, &ev->version, ev);
		break;
	case FL_V_FIRST:
		first_event(f, l, ev);
		break;
	case FL_V_GAP:
		l->known_version = ev->version.id.number;
		l->head_due = true;
		say(l, FL_FOLLOW_BEHIND, "version %" PRIu64 " is known, versions between are not", ev->version.id.number);
		break;
	case FL_V_OTHER:
		l->head_due = true; /* the head says whether this is a stale relay or another history */
		f->s.events_dropped++;
		break;
	case FL_V_HELD:
	case FL_V_OLD:
		f->s.events_dropped++;
		break;
	}
}

static void take_event(struct fl_follow *f, const struct fl_bus_msg *m)
{
	struct fl_arena arena = { 0 };
	struct fl_event ev;

	if (m->partition >= 0 && m->partition < FL_BUS_PARTITIONS_MAX) {
		f->offsets.next[m->partition] = m->offset + 1;
		if (m->partition >= f->offsets.n)
			f->offsets.n = m->partition + 1;
		f->offsets_dirty = true;
	}
	if (!m->value.p)
		f->s.events_dropped++; /* a tombstone: deletion is a version, this says nothing */
	else if (fl_event_decode(m->value, &arena, &ev, NULL) < 0) {
		f->s.events_corrupt++;
		f->heads_at = 0; /* whatever it said, the heads say it too */
	} else
		judge_event(f, &ev);
	fl_arena_done(&arena);
}

/* An end offset below ours means a new broker: begin again. */
static void check_offsets(struct fl_follow *f)
{
	struct fl_bus_offsets first, end;

	if (f->c.bus->ops->watermarks(f->events, &first, &end, NULL) < 0)
		return;
	for (int32_t i = 0; i < end.n && i < f->offsets.n; i++)
		if (f->offsets.next[i] > end.next[i]) {
			for (int32_t k = 0; k < FL_BUS_PARTITIONS_MAX; k++)
				f->offsets.next[k] = -1;
			fl_bus_consumer_close(f->c.bus, f->events);
			f->events = NULL;
			f->events_at = 0;
			return;
		}
	f->offsets_known = true;
}

static void open_events(struct fl_follow *f, fl_mono_ns now)
{
	struct fl_bus_offsets from = f->offsets;

	if (now < f->events_at)
		return;
	f->events_at = now + EVENTS_RETRY_MS * FL_NS_PER_MS;
	from.n = FL_BUS_PARTITIONS_MAX;
	if (fl_bus_consumer_open(f->c.bus, FL_TOPIC_LIST_EVENTS, &from, &f->events, NULL) < 0)
		f->events = NULL;
	f->bus_up = f->events != NULL;
	if (f->events && !f->offsets_known)
		check_offsets(f);
}

static bool drain_events(struct fl_follow *f, fl_mono_ns now)
{
	int ret = 1, i;

	if (!f->c.bus)
		return false;
	if (!f->events)
		open_events(f, now);
	for (i = 0; f->events && i < FL_FOLLOW_EVENTS_A_STEP && ret == 1; i++) {
		struct fl_bus_msg m;

		ret = fl_bus_fetch(f->c.bus, f->events, 0, &m, NULL);
		if (ret == 1)
			take_event(f, &m);
		f->bus_up = ret >= 0;
	}
	return ret == 1 && f->events;
}

/* --- the rest of a step --- */

static void beat(struct fl_follow *f, fl_mono_ns now)
{
	const struct fl_image_list *v;
	size_t n = fl_image_lists(f->image, &v);
	struct fl_enforcer_state s = { .at = fl_now_unix(f->c.clock) };
	struct fl_arena arena = { 0 };
	struct fl_buf b = { 0 };

	f->beat_at = now + BEAT_MS * FL_NS_PER_MS;
	if (!f->c.bus || !f->bus_up)
		return;
	snprintf(s.enforcer, sizeof(s.enforcer), "%s", f->c.cfg->node_name);
	s.lists = fl_arena_array(&arena, n + 1, sizeof(*s.lists));
	for (size_t i = 0; s.lists && i < n; i++) {
		const struct fl_follow_list *l = fl__follow_list(f, v[i].name);
		struct fl_enforcer_list *e = &s.lists[s.n++];

		memcpy(e->list, v[i].name, sizeof(e->list));
		e->id = v[i].id;
		e->applied_at = v[i].applied_at;
		snprintf(e->state, sizeof(e->state), "%s", l ? fl_follow_state_word(l->state) : "unknown");
	}
	fl_enforcer_state_encode(&s, &b);
	if (!b.failed)
		fl_bus_produce(f->c.bus, FL_BUS_CONTROL, FL_TOPIC_ENFORCER_STATE, fl_span_str(s.enforcer), fl_buf_span(&b), NULL, 0, 0, NULL);
	fl_buf_done(&b);
	fl_arena_done(&arena);
}

static void ignore_report(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset)
{
	(void)ctx, (void)tag, (void)code, (void)partition, (void)offset; /* the next heartbeat says the same */
}

static fl_mono_ns poll_interval(struct fl_follow *f)
{
	uint64_t ms = f->c.cfg->head_poll_ms > 0 ? (uint64_t)f->c.cfg->head_poll_ms : 10000;

	return (fl_mono_ns)(ms - ms / 10 + fl_random_below(f->c.random, ms / 5 + 1)) * FL_NS_PER_MS;
}

static bool any_head_due(const struct fl_follow *f)
{
	for (size_t i = 0; i < f->n_lists; i++)
		if (f->lists[i].head_due)
			return true;
	return false;
}

int fl_follow_step(struct fl_follow *f, fl_mono_ns now, fl_mono_ns *wake)
{
	bool more = drain_events(f, now), all = now >= f->heads_at;

	if (f->c.bus)
		fl_bus_poll(f->c.bus, FL_BUS_CONTROL, 0, ignore_report, NULL);
	if (all || (any_head_due(f) && now >= f->heads_retry_at)) {
		int ret = read_heads(f, all);

		f->heads_retry_at = now + HEAD_RETRY_MS * FL_NS_PER_MS;
		if (all)
			f->heads_at = now + (ret == 0 ? poll_interval(f) : (fl_mono_ns)EVENTS_RETRY_MS * FL_NS_PER_MS);
	}
	if (f->journal_broken && now >= f->generation_at) {
		struct fl_err err = { 0 };

		f->generation_at = now + GENERATION_RETRY_MS * FL_NS_PER_MS;
		if (fl__generation_write(f, f->image, &err) < 0)
			snprintf(f->s.problem, sizeof(f->s.problem), "%.190s", err.text);
		else
			f->s.problem[0] = '\0';
	}
	if (f->offsets_dirty && now >= f->offsets_at) {
		f->offsets_at = now + OFFSETS_MS * FL_NS_PER_MS;
		fl__offsets_save(f, NULL);
	}
	if (now >= f->beat_at)
		beat(f, now);
	*wake = more ? now : f->heads_at;
	if (!more && any_head_due(f) && f->heads_retry_at < *wake)
		*wake = f->heads_retry_at;
	if (!f->events && f->events_at < *wake)
		*wake = f->events_at;
	if (f->beat_at < *wake)
		*wake = f->beat_at;
	return 0;
}
