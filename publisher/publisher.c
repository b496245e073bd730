/* The stage. Each step: wakes and delivery reports first (they are what latency is made of), then the lists that are due.
 * A list is due when one of its sources woke us, and once a tick anyway: a wake is a hint and may be lost. */
#include "publisher/state.h"

#include <stdlib.h>

static int load_lists(struct fl_publisher *p, const struct fl_config *cfg)
{
	struct fl_arena arena = { 0 };
	struct fl_pub_list *lists = fl_arena_array(&arena, cfg->n_lists + FL_ORPHANS_MAX, sizeof(*lists));

	if (!lists)
		return FL_ENOMEM;
	for (size_t i = 0; i < cfg->n_lists; i++) {
		struct fl_pub_list *l = &lists[i], *old = fl__pub_list(p, cfg->lists[i].name);
		struct fl_cfg_source *src = NULL;
		size_t n = fl_config_sources(cfg, cfg->lists[i].name, &arena, &src);

		if (old) { /* lease, in-flight entries and what was seen live on; the arena of the manifest moves */
			*l = *old;
			old->arena = (struct fl_arena){ 0 };
			old->leased = false;
			l->orphan = false;
		}
		memcpy(l->name, cfg->lists[i].name, strnlen(cfg->lists[i].name, sizeof(l->name) - 1));
		l->sources = fl_arena_array(&arena, n ? n : 1, sizeof(*l->sources));
		if (!l->sources) {
			fl_arena_done(&arena);
			return FL_ENOMEM;
		}
		for (size_t k = 0; k < n; k++) {
			l->sources[k].cfg = src[k];
			l->sources[k].cfg.source = fl_arena_str(&arena, src[k].source);
		}
		l->n_sources = n;
		l->dirty = true;
	}
	for (size_t i = 0; i < p->n_lists; i++) {
		if (p->lists[i].leased) /* dropped: whoever purges it must not wait for a lease that nobody uses */
			fl_lease_release(p->c.sets, &p->lists[i].lease, NULL);
		fl_arena_done(&p->lists[i].arena);
	}
	fl_arena_done(&p->arena);
	p->arena = arena;
	p->lists = lists;
	p->n_lists = cfg->n_lists;
	p->c.cfg = cfg;
	return 0;
}

int fl_publisher_open(const struct fl_publisher_config *c, struct fl_publisher **out, struct fl_err *err)
{
	struct fl_publisher *p = calloc(1, sizeof(*p));

	if (!p)
		return fl_err_set(err, FL_ENOMEM, "publisher: out of memory");
	p->c = *c;
	p->next_tag = 1;
	if (fl__audit_open(p, err) < 0 || load_lists(p, c->cfg) < 0) {
		fl__audit_close(p);
		free(p);
		return fl_err_set(err, FL_ENOMEM, "publisher: out of memory");
	}
	*out = p;
	return 0;
}

int fl_publisher_reload(struct fl_publisher *p, const struct fl_config *cfg)
{
	return load_lists(p, cfg);
}

void fl_publisher_close(struct fl_publisher *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_lists; i++) {
		if (p->lists[i].leased)
			fl_lease_release(p->c.sets, &p->lists[i].lease, NULL);
		fl_arena_done(&p->lists[i].arena);
	}
	fl__audit_close(p);
	if (p->events)
		fl_bus_consumer_close(p->c.bus, p->events);
	if (p->enforcers)
		fl_bus_consumer_close(p->c.bus, p->enforcers);
	fl_arena_done(&p->arena);
	free(p);
}

struct fl_pub_list *fl__pub_list(struct fl_publisher *p, const char *name)
{
	for (size_t i = 0; i < p->n_lists; i++)
		if (strcmp(p->lists[i].name, name) == 0)
			return &p->lists[i];
	return NULL;
}

struct fl_pub_list *fl__pub_adopt(struct fl_publisher *p, const char *name)
{
	struct fl_pub_list *l = &p->lists[p->n_lists];

	if (p->n_lists >= p->c.cfg->n_lists + FL_ORPHANS_MAX)
		return NULL;
	memset(l, 0, sizeof(*l));
	memcpy(l->name, name, strnlen(name, sizeof(l->name) - 1));
	l->orphan = l->outbox_due = true;
	p->n_lists++;
	return l;
}

void fl__pub_let_go(struct fl_publisher *p, struct fl_pub_list *l)
{
	if (l->leased)
		fl_lease_release(p->c.sets, &l->lease, NULL);
	fl_arena_done(&l->arena);
	*l = p->lists[--p->n_lists]; /* orphans stand at the end, in no order */
}

void fl__pub_problem(struct fl_pub_list *l, const struct fl_err *err)
{
	snprintf(l->problem, sizeof(l->problem), "%.*s", (int)sizeof(l->problem) - 1, err->text);
}

int fl__pub_lease(struct fl_publisher *p, struct fl_pub_list *l, fl_mono_ns now, int64_t ttl_ms, struct fl_err *err)
{
	int ret;

	if (l->leased && l->lease.until - now > ttl_ms * FL_NS_PER_MS / 2)
		return 0;
	ret = fl_lease_take(p->c.sets, FL_LIST, l->name, ttl_ms, &l->lease, err);
	if (ret == 0 && !l->leased)
		l->head_known = false; /* another may have written meanwhile */
	l->leased = ret == 0;
	return ret;
}

/* Are the versions that the heads and the newest manifest name in the store? A store that was put back or lost keys has some of them and not the others. */
static int look_for_versions(struct fl_publisher *p, struct fl_pub_list *l, struct fl_arena *arena, struct fl_err *err)
{
	size_t n = 2 * l->n_sources;
	const char **names = fl_arena_array(arena, n + 1, sizeof(*names));
	struct fl_version_id *ids = fl_arena_array(arena, n + 1, sizeof(*ids));
	bool *there = fl_arena_array(arena, n + 1, sizeof(*there));
	int ret = names && ids && there ? 0 : FL_ENOMEM;

	for (size_t i = 0; ret == 0 && i < l->n_sources; i++) {
		const struct fl_pub_source *s = &l->sources[i];
		const struct fl_list_input *in = fl_list_input_find(l->current.inputs, l->current.n_inputs, s->cfg.source);

		names[2 * i] = names[2 * i + 1] = s->cfg.source;
		ids[2 * i] = s->head.id;
		ids[2 * i + 1] = in ? in->id : (struct fl_version_id){ 0 };
	}
	if (ret == 0)
		ret = fl_set_versions_there(p->c.sets, FL_SOURCE, names, ids, n, there, err);
	for (size_t i = 0; ret == 0 && i < l->n_sources; i++) {
		l->sources[i].head_lost = !there[2 * i];
		l->sources[i].input_lost = !there[2 * i + 1];
	}
	return ret;
}

int fl__pub_read_sources(struct fl_publisher *p, struct fl_pub_list *l, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	const char **names = fl_arena_array(&arena, l->n_sources + 1, sizeof(*names));
	struct fl_head *heads = fl_arena_array(&arena, l->n_sources + 1, sizeof(*heads));
	int ret = names && heads ? 0 : FL_ENOMEM;

	for (size_t i = 0; ret == 0 && i < l->n_sources; i++)
		names[i] = l->sources[i].cfg.source;
	if (ret == 0 && l->n_sources)
		ret = fl_set_heads(p->c.sets, FL_SOURCE, names, l->n_sources, heads, err);
	for (size_t i = 0; ret == 0 && i < l->n_sources; i++)
		l->sources[i].head = heads[i];
	if (ret == 0)
		ret = look_for_versions(p, l, &arena, err);
	fl_arena_done(&arena);
	return ret;
}

int fl__pub_reread(struct fl_publisher *p, struct fl_pub_list *l, struct fl_err *err)
{
	int ret = fl_set_head(p->c.sets, FL_LIST, l->name, &l->head, err);

	if (ret < 0 && ret != FL_ENOTFOUND)
		return ret;
	fl_arena_done(&l->arena);
	memset(&l->current, 0, sizeof(l->current));
	if (l->head.id.number) {
		ret = fl_list_version_get(p->c.sets, l->name, l->head.id.number, &l->arena, &l->current, err);
		if (ret < 0)
			return ret;
		fl__relay_know(l, &l->head.id);
	}
	l->head_known = true;
	l->outbox_due = true;
	l->decided = (struct fl_version_id){ 0 };
	return 0;
}

/* Deep copy into the list's own arena: the caller's is of one step. */
static int keep_version(struct fl_pub_list *l, const struct fl_list_version *v)
{
	struct fl_arena arena = { 0 };
	struct fl_list_input *in = fl_arena_array(&arena, v->n_inputs ? v->n_inputs : 1, sizeof(*in));

	if (!in)
		return FL_ENOMEM;
	if (v->n_inputs)
		memcpy(in, v->inputs, v->n_inputs * sizeof(*in));
	fl_arena_done(&l->arena);
	l->arena = arena;
	l->current = *v;
	l->current.inputs = in;
	return 0;
}

void fl__pub_committed(struct fl_publisher *p, struct fl_pub_list *l, const struct fl_list_version *v)
{
	(void)p;
	l->head.id = v->id;
	l->head.entries = v->names;
	l->head.published_at = v->at;
	l->published++;
	l->outbox_due = true;
	l->problem[0] = '\0';
	fl__relay_know(l, &v->id);
	if (keep_version(l, v) < 0)
		l->head_known = false;
}

/* What the store lost of the sources, in the list's line of `status`. */
static void note_lost(struct fl_pub_list *l, const struct fl_list_input *in, uint32_t n)
{
	l->problem[0] = '\0';
	for (uint32_t i = 0; i < n && !l->problem[0]; i++)
		if (in[i].gone)
			snprintf(l->problem, sizeof(l->problem), "source '%.90s': version %llu is gone from the store; readers keep it", in[i].source,
				 (unsigned long long)in[i].id.number);
	for (size_t i = 0; i < l->n_sources && !l->problem[0]; i++)
		if (l->sources[i].head_lost)
			snprintf(l->problem, sizeof(l->problem), "source '%.90s': its newest version %llu is not in the store; the list stays at what it has of it",
				 l->sources[i].cfg.source, (unsigned long long)l->sources[i].head.id.number);
}

/* A list without a head whose number is known from elsewhere: a person decides (`recover`). */
static bool head_lost(struct fl_pub_list *l)
{
	if (l->head.id.number || !l->seen.highest.number)
		return false;
	snprintf(l->problem, sizeof(l->problem), "the head is gone, version %llu was published: fireline recover %s",
		 (unsigned long long)l->seen.highest.number, l->name);
	return true;
}

/* A list of feeds or configured entries is not known until one of them is: an empty version would be a lie, and enforcers would fail open on it. A list that only people and findings
 * write is known to be empty. */
static bool waits_for_content(const struct fl_pub_list *l)
{
	for (size_t i = 0; i < l->n_sources; i++)
		if (l->sources[i].cfg.kind == FL_SRC_FEED || l->sources[i].cfg.kind == FL_SRC_CONFIG)
			return true;
	return false;
}

static bool unborn(const struct fl_pub_list *l)
{
	return l->head.id.number == 0 && l->current.n_inputs == 0 && !waits_for_content(l);
}

static int commit_next(struct fl_publisher *p, struct fl_pub_list *l, struct fl_err *err)
{
	static const struct fl_guard_counts guard = { .max_removed_ratio = 0.30, .min_side = 1000 };
	struct fl_arena arena = { 0 };
	struct fl_list_version v;
	struct fl_list_commit c = { .name = l->name, .lease = &l->lease, .parent = &l->head, .cause = FL_CAUSE_SOURCES, .actor = "publisher", .reason = "" };
	struct fl_list_input *in = fl_arena_array(&arena, FL_INPUTS_MAX, sizeof(*in));
	int ret = in ? 0 : FL_ENOMEM;

	if (ret == 0 && !fl__next_inputs(&l->current, l->sources, l->n_sources, &guard, in, &c.n_inputs, &c.source_at) && !unborn(l)) {
		l->unchanged++;
		if (!head_lost(l))
			note_lost(l, l->current.inputs, l->current.n_inputs);
		goto out;
	}
	if (ret == 0 && head_lost(l))
		goto out;
	if (ret == 0 && c.n_inputs == 0 && l->head.id.number == 0 && waits_for_content(l)) {
		note_lost(l, in, 0);
		goto out; /* nothing to publish yet: such a list is born with its first source version */
	}
	c.inputs = in;
	if (ret == 0)
		ret = fl_list_commit(p->c.sets, &c, &arena, &v, err);
	if (ret == 0) {
		fl__pub_committed(p, l, &v);
		note_lost(l, v.inputs, v.n_inputs);
	}
out:
	fl_arena_done(&arena);
	return ret;
}

static int step_list(struct fl_publisher *p, struct fl_pub_list *l, fl_mono_ns now, struct fl_err *err)
{
	struct fl_retention_report gone;
	int ret = fl__pub_lease(p, l, now, FL_LEASE_MS, err);

	if (ret == FL_EFENCED) { /* another publisher writes it; look again at the next tick */
		l->dirty = false;
		return 0;
	}
	if (ret == 0 && !l->head_known)
		ret = fl__pub_reread(p, l, err);
	if (ret == 0)
		ret = fl__pub_read_sources(p, l, err);
	if (ret == 0)
		ret = fl__audit_mend(p, l, err);
	if (ret == 0)
		ret = commit_next(p, l, err);
	if (ret == FL_ESTALE || ret == FL_EFENCED || ret == FL_EUNKNOWN) {
		l->head_known = false;
		l->leased = l->leased && ret != FL_EFENCED;
		if (++l->stale < FL_STALE_TRIES)
			return 0; /* still dirty: reread at once */
		l->stale = 0;
		return ret; /* what moves all the time is no race but damage: say it, and wait */
	}
	if (ret < 0)
		return ret;
	l->stale = 0;
	l->dirty = false;
	if (now >= l->retain_at) {
		l->retain_at = now + FL_RETAIN_MS * FL_NS_PER_MS;
		ret = fl_list_retain(p->c.sets, &l->lease, &gone, err);
		if (ret == FL_EFENCED)
			ret = 0;
	}
	return ret;
}

static bool in_flight(const struct fl_pub_list *l)
{
	for (size_t i = 0; i < FL_RELAY_BATCH; i++)
		if (l->flight[i].used)
			return true;
	return false;
}

/* Nothing is committed for it any more: what its outbox still holds is sent, then it leaves. */
static void step_orphan(struct fl_publisher *p, struct fl_pub_list *l, fl_mono_ns now)
{
	struct fl_err err = { 0 };

	if (!l->dirty && !l->outbox_due)
		return;
	l->dirty = false;
	if (fl__pub_lease(p, l, now, FL_LEASE_MS, &err) < 0)
		return; /* again at the next tick */
	fl__relay_list(p, l, now);
	if (!l->outbox_due && l->outbox_length == 0 && !in_flight(l))
		fl__pub_let_go(p, l);
}

static void take_wakes(struct fl_publisher *p)
{
	char name[2 * FL_SET_NAME];

	for (int i = 0; i < 1024 && p->c.sets->store->ops->wake_next(p->c.sets->store, name, sizeof(name)) == 1; i++) {
		const char *source = strncmp(name, "source/", 7) == 0 ? name + 7 : NULL;

		for (size_t k = 0; source && k < p->n_lists; k++)
			for (size_t s = 0; s < p->lists[k].n_sources; s++)
				if (strcmp(p->lists[k].sources[s].cfg.source, source) == 0)
					p->lists[k].dirty = true;
	}
}

int fl_publisher_step(struct fl_publisher *p, fl_mono_ns now, fl_mono_ns *wake)
{
	struct fl_err err = { 0 };
	bool again = false;
	int ret = 0;

	if (now >= p->tick_at) {
		p->tick_at = now + FL_TICK_MS * FL_NS_PER_MS;
		for (size_t i = 0; i < p->n_lists; i++)
			p->lists[i].dirty = p->lists[i].outbox_due = true;
	}
	take_wakes(p);
	fl__relay_reports(p);
	fl__audit_step(p, now);
	fl__audit_deletions(p, now);
	fl__relay_read_events(p, now);
	for (size_t i = p->n_lists; i-- > 0 && p->lists[i].orphan;)
		step_orphan(p, &p->lists[i], now);
	for (size_t i = 0; i < p->n_lists; i++) {
		struct fl_pub_list *l = &p->lists[i];

		if (l->orphan)
			break;
		if (l->dirty && now >= l->retry_at) {
			ret = step_list(p, l, now, &err);
			p->store_up = ret == 0;
			if (ret < 0) {
				l->failed++;
				l->head_known = false;
				l->retry_at = now + 500 * FL_NS_PER_MS;
				fl__pub_problem(l, &err);
				if (ret == FL_EUNAVAIL || ret == FL_EUNKNOWN)
					break; /* the store is away for every list */
			}
		}
		if (l->leased && l->head_known)
			fl__relay_list(p, l, now);
		again = again || (l->dirty && now >= l->retry_at);
	}
	*wake = again ? now : p->tick_at;
	return 0;
}
