/* From a manifest to the next image. For each input that differs from what is held: its deltas from the event, or from the store, or its whole content from the
 * store. The image verifies every moved input's digest before anything is handed out; what it refuses is fetched whole, once. Then journal, then swap. */
#include "enforcer/follow_int.h"

/* Where changes may come from. */
enum from { FROM_EVENT_ONLY, FROM_DELTAS, FROM_CONTENT };

struct plan {
	struct fl_arena arena;
	struct fl_image_input_update *up; /* parallel to v->inputs */
	struct fl_event journal;	  /* what a replay needs: manifest, and deltas from what is held */
	bool whole;			  /* some input came as content: a journal record cannot carry it */
	struct fl_list_version v;	  /* the manifest, without inputs that cannot be had (gone) */
};

static const struct fl_image_input *held_input(struct fl_image *img, const char *list, const char *source)
{
	const struct fl_image_input *v;
	int i = fl_image_input_index(img, list, source);

	if (i < 0)
		return NULL;
	fl_image_inputs(img, &v);
	return &v[i];
}

static void drop_streams(struct plan *pl)
{
	for (uint32_t i = 0; pl->up && i < pl->v.n_inputs; i++) {
		for (size_t k = 0; k < pl->up[i].n_changes; k++)
			fl_changes_close(pl->up[i].take_changes[k]);
		pl->up[i].n_changes = 0;
		fl_entries_close(pl->up[i].take_entries);
		pl->up[i].take_entries = NULL;
	}
}

/* The deltas lead from `from` to `to` without a hole. */
static bool deltas_fit(const struct fl_event_delta *d, uint32_t n, const struct fl_version_id *from, const struct fl_version_id *to)
{
	if (n == 0 || (from->number && !fl_epoch_eq(&to->epoch, &from->epoch)))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t parent = i ? d[i - 1].number : from->number;
		const uint8_t *chain = i ? d[i - 1].chain : from->chain;

		if (d[i].parent != parent || memcmp(d[i].parent_chain, chain, 32) != 0)
			return false;
	}
	return d[n - 1].number == to->number && memcmp(d[n - 1].chain, to->chain, 32) == 0;
}

static int open_deltas(struct plan *pl, uint32_t i, struct fl_event_delta *d, uint32_t n, struct fl_err *err)
{
	struct fl_image_input_update *u = &pl->up[i];

	u->take_changes = fl_arena_array(&pl->arena, n, sizeof(*u->take_changes));
	if (!u->take_changes)
		return FL_ENOMEM;
	for (uint32_t k = 0; k < n; k++) {
		int ret = fl_delta_open(d[k].bytes, &u->take_changes[k], err);

		if (ret < 0)
			return ret;
		u->n_changes++;
	}
	pl->journal.inputs[i].deltas = d;
	pl->journal.inputs[i].n_deltas = n;
	return 0;
}

static int open_content(struct fl_follow *f, struct plan *pl, uint32_t i, struct fl_err *err)
{
	const struct fl_list_input *in = &pl->v.inputs[i];
	struct fl_version_id id;
	int ret;

	if (in->id.number == 0) { /* rolled back to before it was an input: it holds nothing */
		pl->up[i].take_entries = fl_entries_empty();
		pl->whole = true;
		return pl->up[i].take_entries ? 0 : FL_ENOMEM;
	}
	ret = fl_source_open(f->c.sets, in->source, in->id.number, &pl->up[i].take_entries, &id, err);

	if (ret == 0 && !fl_version_id_eq(&id, &in->id)) {
		fl_entries_close(pl->up[i].take_entries);
		pl->up[i].take_entries = NULL;
		ret = fl_err_set(err, FL_ENOTFOUND, "source '%s': version %llu in the store is not the one that list '%s' names", in->source,
				 (unsigned long long)in->id.number, pl->v.list);
	}
	pl->whole = true;
	return ret;
}

static int plan_input(struct fl_follow *f, struct plan *pl, uint32_t i, const struct fl_event_input *ev, enum from from_where, struct fl_err *err)
{
	static const struct fl_version_id nothing;
	const struct fl_list_input *in = &pl->v.inputs[i];
	const struct fl_image_input *held = held_input(f->image, pl->v.list, in->source);
	const struct fl_version_id *from = held ? &held->id : &nothing;
	struct fl_event_input *j = &pl->journal.inputs[i];
	struct fl_event_delta *d = NULL;
	uint32_t n = 0;
	int ret;

	pl->up[i].to = in;
	if ((held && (fl_version_id_eq(from, &in->id) || (fl_u128_eq(held->digests.scope, in->digest) && held->digests.entries == in->entries))) ||
	    (!held && in->entries == 0 && in->id.number == 0)) {
		pl->up[i].same = true;
		return 0;
	}
	j->moved = true;
	j->from = *from;
	if (from_where == FROM_CONTENT)
		return open_content(f, pl, i, err);
	if (ev && deltas_fit(ev->deltas, ev->n_deltas, from, &in->id))
		return open_deltas(pl, i, ev->deltas, ev->n_deltas, err);
	if (from_where == FROM_EVENT_ONLY)
		return fl_err_set(err, FL_EGAP, "list '%s': the journal lacks the changes of source '%s'", pl->v.list, in->source);
	ret = fl_source_deltas(f->c.sets, in->source, from, &in->id, &pl->arena, &d, &n, err);
	if (ret == 0 && deltas_fit(d, n, from, &in->id))
		return open_deltas(pl, i, d, n, err);
	if (ret == FL_EUNAVAIL || ret == FL_EUNKNOWN || ret == FL_ENOMEM)
		return ret;
	return open_content(f, pl, i, err);
}

/* An input that is gone from the store: readers keep what they hold of it, and what was never held nobody can give. False: leave it out. */
static bool settle_gone(struct fl_follow *f, struct plan *pl, struct fl_list_input *in)
{
	const struct fl_image_input *held = held_input(f->image, pl->v.list, in->source);

	if (!in->gone || (held && fl_version_id_eq(&held->id, &in->id)))
		return true;
	pl->whole = true; /* the manifest as kept is no longer the one its chain speaks of: an image can hold it, a journal record cannot */
	if (!held) {
		snprintf(f->s.problem, sizeof(f->s.problem), "list '%.60s': source '%.60s' is gone from the store and was never held here", pl->v.list,
			 in->source);
		return false;
	}
	in->id = held->id;
	in->digest = held->digests.scope;
	in->entries = held->digests.entries;
	return true;
}

static int plan_all(struct fl_follow *f, struct plan *pl, const struct fl_list_version *v, const struct fl_event *ev, enum from from_where,
		    struct fl_err *err)
{
	pl->v = *v;
	pl->v.inputs = fl_arena_array(&pl->arena, v->n_inputs + 1, sizeof(*pl->v.inputs));
	pl->up = fl_arena_array(&pl->arena, v->n_inputs + 1, sizeof(*pl->up));
	pl->journal.inputs = fl_arena_array(&pl->arena, v->n_inputs + 1, sizeof(*pl->journal.inputs));
	pl->v.n_inputs = 0;
	if (!pl->v.inputs || !pl->up || !pl->journal.inputs)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < v->n_inputs; i++) {
		uint32_t k = pl->v.n_inputs;
		int ret;

		pl->v.inputs[k] = v->inputs[i];
		if (from_where != FROM_EVENT_ONLY && !settle_gone(f, pl, &pl->v.inputs[k]))
			continue;
		pl->v.n_inputs++;
		ret = plan_input(f, pl, k, ev ? &ev->inputs[i] : NULL, from_where, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int build(struct fl_follow *f, struct plan *pl, struct fl_image **next, uint32_t *bad, struct fl_err *err)
{
	struct fl_image_update u = { .version = &pl->v, .inputs = pl->up, .applied_at = fl_now_unix(f->c.clock) };
	int ret = fl_image_apply(f->image, &u, next, bad, err);

	for (uint32_t i = 0; i < pl->v.n_inputs; i++) { /* the image closed them */
		pl->up[i].n_changes = 0;
		pl->up[i].take_entries = NULL;
	}
	return ret;
}

static void measure(struct fl_follow *f, const struct fl_list_version *v)
{
	fl_unix_us now = fl_now_unix(f->c.clock);

	if (v->at && now > v->at)
		fl_histogram_add(&f->propagation, (double)(now - v->at) / 1e6);
}

/* Do all deltas fit into one event value? (fl_event_encode would leave some out.) */
static bool fits_a_record(const struct plan *pl)
{
	size_t bytes = 4096;

	for (uint32_t i = 0; i < pl->v.n_inputs; i++) {
		bytes += 1024;
		for (uint32_t k = 0; k < pl->journal.inputs[i].n_deltas; k++)
			bytes += 512 + pl->journal.inputs[i].deltas[k].bytes.n / 3 * 4;
	}
	return bytes < FL_EVENT_INLINE_MAX;
}

static int journal(struct fl_follow *f, struct plan *pl, const struct fl_version_id *from, struct fl_err *err)
{
	struct fl_buf json = { 0 };
	int ret;

	pl->journal.version = pl->v;
	ret = fl_event_encode(&pl->journal, &json, err);
	if (ret == 0)
		ret = fl__journal_append(f, from, fl_buf_span(&json), err);
	fl_buf_done(&json);
	return ret;
}

/* Before the swap: a record in the journal, or a new generation when a record cannot carry it. What the disk refuses is served from memory, and said. */
static void make_durable(struct fl_follow *f, struct plan *pl, const struct fl_version_id *from, struct fl_image *next)
{
	bool broken = f->journal_broken, record = !pl->whole && !broken && f->journal && f->journal_bytes < FL_JOURNAL_MAX && fits_a_record(pl);
	struct fl_err err = { 0 };
	int ret = FL_EIO;

	if (record)
		ret = journal(f, pl, from, &err);
	if (ret < 0)
		ret = fl__generation_write(f, next, &err);
	if (ret == 0 && broken)
		f->s.problem[0] = '\0'; /* the disk takes it again */
	f->journal_broken = ret < 0;
	if (ret < 0)
		snprintf(f->s.problem, sizeof(f->s.problem), "%.190s", err.text);
}

static int plan_and_build(struct fl_follow *f, struct plan *pl, const struct fl_list_version *v, const struct fl_event *ev, enum from from_where,
			  struct fl_image **next, struct fl_err *err)
{
	uint32_t bad = 0;
	int ret = plan_all(f, pl, v, ev, from_where, err);

	if (ret == 0)
		ret = build(f, pl, next, &bad, err);
	drop_streams(pl);
	return ret;
}

int fl__follow_apply(struct fl_follow *f, const struct fl_list_version *v, const struct fl_event *ev, struct fl_err *err)
{
	const struct fl_image_list *held = fl__follow_held(f, v->list);
	struct fl_version_id from = { 0 };
	struct fl_image *next = NULL;
	struct plan pl = { 0 };
	int ret;

	if (held)
		from = held->id;
	ret = plan_and_build(f, &pl, v, ev, FROM_DELTAS, &next, err);
	if (ret == FL_ECORRUPT || ret == FL_EFORMAT) { /* a wrong digest, or a delta that does not fit: every moved input whole, once */
		f->s.events_corrupt++;
		f->s.resyncs++;
		fl_arena_done(&pl.arena);
		pl = (struct plan){ 0 };
		ret = plan_and_build(f, &pl, v, NULL, FROM_CONTENT, &next, err);
	}
	if (ret == 0) {
		make_durable(f, &pl, &from, next);
		fl__follow_swap(f, next);
		measure(f, v);
	} else
		f->s.swaps_failed++;
	fl_arena_done(&pl.arena);
	return ret;
}

int fl__follow_replay(struct fl_follow *f, const struct fl_event *ev, struct fl_err *err)
{
	struct fl_image *next = NULL;
	struct plan pl = { 0 };
	int ret = plan_and_build(f, &pl, &ev->version, ev, FROM_EVENT_ONLY, &next, err);

	if (ret == 0) {
		fl_image_release(f->image);
		f->image = next;
	}
	fl_arena_done(&pl.arena);
	return ret;
}
