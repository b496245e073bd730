/* The content at a version: the nearest keyframe at or below it on the parent path, and the deltas since. The digest of a completely read stream is checked. */
#include <stdlib.h>

#include "sets/sets_int.h"

enum { READ_AHEAD = 16 };

/* A stream that owns all it reads from. */
struct content {
	struct fl_entry_iter it;
	struct fl_sets *s;
	char name[FL_SET_NAME];
	struct fl_walked key; /* the version whose keyframe it is */
	struct fl_entry_iter *inner;
	struct fl_digests sum, want;
	bool partial; /* a range: nothing to check */
	/* read-ahead */
	struct fl_arena ahead;
	struct fl_reply *blocks;
	uint32_t first, n_blocks;
};

static int fetch_ahead(struct content *c, uint32_t index, struct fl_err *err)
{
	uint32_t n = c->partial ? 1 : READ_AHEAD;
	struct fl_span(*argv)[2];
	struct fl_cmd *cmds;

	fl_arena_done(&c->ahead);
	c->n_blocks = 0;
	if (index == c->key.blocks - 1 || n > c->key.blocks - index)
		n = index == c->key.blocks - 1 ? 1 : c->key.blocks - index;
	argv = fl_arena_array(&c->ahead, n, sizeof(*argv));
	cmds = fl_arena_array(&c->ahead, n, sizeof(*cmds));
	if (!argv || !cmds)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < n; i++) {
		argv[i][0] = fl_span_str("GET");
		argv[i][1] = fl__key(c->s, &c->ahead, FL_SOURCE, c->name, ":k:%llu:%s:%u", (unsigned long long)c->key.number, c->key.attempt, index + i);
		cmds[i] = (struct fl_cmd){ argv[i], 2 };
	}
	int ret = fl_store_call(c->s->store, cmds, n, &c->ahead, &c->blocks, err);

	if (ret == 0) {
		c->first = index;
		c->n_blocks = n;
	}
	return ret;
}

static int block_source(void *ctx, uint32_t index, struct fl_buf *out, struct fl_err *err)
{
	struct content *c = ctx;
	const struct fl_reply *r;
	int ret = 0;

	if (index < c->first || index >= c->first + c->n_blocks)
		ret = fetch_ahead(c, index, err);
	if (ret < 0)
		return ret;
	r = &c->blocks[index - c->first];
	if (r->type != FL_REPLY_STRING)
		return fl_err_set(err, FL_ENOTFOUND, "source '%s': block %u of keyframe %llu is gone", c->name, index, (unsigned long long)c->key.number);
	fl_buf_reset(out);
	fl_buf_add(out, r->s.p, r->s.n);
	return out->failed ? FL_ENOMEM : 0;
}

static int content_next(struct fl_entry_iter *it, struct fl_entry *out, struct fl_err *err)
{
	struct content *c = (struct content *)it;
	int ret = c->inner->next(c->inner, out, err);

	if (c->partial)
		return ret;
	if (ret == 1)
		fl_digests_add(&c->sum, out->key, &out->t);
	else if (ret == 0 && (!fl_u128_eq(c->sum.scope, c->want.scope) || !fl_u128_eq(c->sum.attrs, c->want.attrs) || c->sum.entries != c->want.entries))
		return fl_err_set(err, FL_ECORRUPT, "source '%s': the content read does not have the digest of its version", c->name);
	return ret;
}

static void content_close(struct fl_entry_iter *it)
{
	struct content *c = (struct content *)it;

	fl_entries_close(c->inner);
	fl_arena_done(&c->ahead);
	free(c);
}

/* The path from `number` down to a keyframe or to the first version of the epoch. */
static int path_to_base(struct fl_sets *s, const char *name, uint64_t number, struct fl_arena *a, struct fl_walked **w, size_t *n, struct fl_err *err)
{
	bool missing = false;
	int ret = fl__walk(s, name, number, 0, true, FL_WALK_MAX, a, w, n, &missing, err);

	if (ret == 0 && (*n == 0 || missing))
		return fl_err_set(err, FL_ENOTFOUND, "source '%s': version %llu, or what it is built on, is gone from the store", name, (unsigned long long)number);
	if (ret == 0 && !(*w)[*n - 1].attempt[0] && (*w)[*n - 1].parent != 0)
		return fl_err_set(err, FL_ECORRUPT, "source '%s': over %d deltas without a keyframe", name, FL_WALK_MAX);
	return ret;
}

static int open_base(struct content *c, const struct fl_walked *base, const struct fl_span *top, struct fl_entry_iter **out, struct fl_err *err)
{
	if (!base->attempt[0]) {
		*out = fl_entries_empty();
		return *out ? 0 : FL_ENOMEM;
	}
	c->key = *base;
	if (top)
		return fl_keyframe_open_range(block_source, c, base->blocks, *top, out, err);
	return fl_keyframe_open(block_source, c, base->blocks, out, err);
}

/* With w[0] the version asked for and w[n-1] the base. */
static int build(struct content *c, const struct fl_walked *w, size_t n, const struct fl_span *top, struct fl_err *err)
{
	size_t deltas = w[n - 1].attempt[0] ? n - 1 : n;
	struct fl_arena a = { 0 };
	struct fl_span *bytes = fl_arena_array(&a, n + 1, sizeof(*bytes));
	struct fl_change_iter *changes = NULL;
	struct fl_entry_iter *base = NULL;
	int ret = bytes ? fl__deltas_get(c->s, c->name, w, deltas, &a, bytes, err) : FL_ENOMEM;

	if (ret == 0)
		ret = fl__deltas_compose(w, bytes, deltas, top, false, &changes, err);
	if (ret == 0)
		ret = open_base(c, &w[n - 1], top, &base, err);
	if (ret == 0) {
		c->inner = deltas ? fl_patch_iter(base, changes) : base;
		if (!deltas)
			fl_changes_close(changes);
		ret = c->inner ? 0 : FL_ENOMEM;
	} else {
		fl_changes_close(changes);
		fl_entries_close(base);
	}
	fl_arena_done(&a);
	return ret;
}

static int content_open(struct fl_sets *s, const char *name, uint64_t number, const struct fl_span *top, struct fl_entry_iter **out, struct fl_version_id *id,
			struct fl_err *err)
{
	struct content *c = calloc(1, sizeof(*c));
	struct fl_arena a = { 0 };
	struct fl_walked *w = NULL;
	size_t n = 0;
	int ret = c ? 0 : FL_ENOMEM;

	if (ret == 0) {
		c->it = (struct fl_entry_iter){ content_next, content_close };
		c->s = s;
		c->partial = top != NULL;
		memcpy(c->name, name, strnlen(name, sizeof(c->name) - 1));
		ret = path_to_base(s, name, number, &a, &w, &n, err);
	}
	if (ret == 0) {
		c->want = w[0].digests;
		ret = build(c, w, n, top, err);
	}
	if (ret == 0) {
		if (id)
			*id = w[0].id;
		*out = &c->it;
	} else if (c)
		content_close(&c->it);
	fl_arena_done(&a);
	return ret;
}

int fl_source_open(struct fl_sets *s, const char *name, uint64_t number, struct fl_entry_iter **out, struct fl_version_id *id, struct fl_err *err)
{
	return content_open(s, name, number, NULL, out, id, err);
}

int fl_source_lookup(struct fl_sets *s, const char *name, const struct fl_head *at, const struct fl_span *keys, size_t n, struct fl_tuple *tuples,
		     struct fl_err *err)
{
	memset(tuples, 0, n * sizeof(*tuples));
	if (at->id.number == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		struct fl_entry_iter *it = NULL;
		struct fl_entry e;
		int ret = content_open(s, name, at->id.number, &keys[i], &it, NULL, err);

		if (ret < 0)
			return ret;
		ret = it->next(it, &e, err);
		if (ret == 1 && fl_rkey_cmp(e.key, keys[i]) == 0)
			tuples[i] = e.t;
		fl_entries_close(it);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* --- between two versions --- */

/* The path from `to` back to `from`, exclusive; FL_ESTALE when from is no ancestor; FL_ENOTFOUND when a delta on it is missing. */
static int path_between(struct fl_sets *s, const char *name, const struct fl_version_id *from, uint64_t to, size_t max, struct fl_arena *a,
			struct fl_walked **w, size_t *n, struct fl_span **bytes, struct fl_err *err)
{
	bool missing;
	int ret = fl__walk(s, name, to, from->number, false, max + 1, a, w, n, &missing, err);

	if (ret < 0)
		return ret;
	if (*n == 0)
		return fl_err_set(err, FL_ENOTFOUND, "source '%s' has no version %llu", name, (unsigned long long)to);
	if (from->number == 0) {
		if ((*w)[*n - 1].parent != 0 || missing)
			return fl_err_set(err, FL_ENOTFOUND, "source '%s': the path to its first version is not whole", name);
	} else {
		const struct fl_walked *last = &(*w)[*n - 1];

		if (missing || last->number > from->number)
			return fl_err_set(err, FL_ENOTFOUND, "source '%s': the path from %llu to %llu is not whole", name, (unsigned long long)from->number,
					  (unsigned long long)to);
		if (last->number != from->number || memcmp(last->id.chain, from->chain, 32) != 0 || !fl_epoch_eq(&last->id.epoch, &from->epoch))
			return fl_err_set(err, FL_ESTALE, "source '%s': version %llu is no ancestor of %llu", name, (unsigned long long)from->number,
					  (unsigned long long)to);
		(*n)--; /* exclusive */
	}
	if (*n > max)
		return fl_err_set(err, FL_ENOTFOUND, "source '%s': over %zu deltas on the path", name, max);
	*bytes = fl_arena_array(a, *n + 1, sizeof(**bytes));
	if (!*bytes)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	return fl__deltas_get(s, name, *w, *n, a, *bytes, err);
}

int fl_source_deltas(struct fl_sets *s, const char *name, const struct fl_version_id *from, const struct fl_version_id *to, struct fl_arena *arena,
		     struct fl_event_delta **out, uint32_t *n, struct fl_err *err)
{
	struct fl_walked *w;
	struct fl_span *bytes;
	struct fl_event_delta *v;
	size_t k = 0;
	int ret = path_between(s, name, from, to->number, FL_EVENT_DELTAS_MAX, arena, &w, &k, &bytes, err);

	if (ret < 0)
		return ret;
	if (k && !fl_version_id_eq(&w[0].id, to))
		return fl_err_set(err, FL_ESTALE, "source '%s': version %llu is another than the one asked for", name, (unsigned long long)to->number);
	ret = fl__deltas_apart(w, bytes, k, arena, err);
	if (ret < 0)
		return ret;
	v = fl_arena_array(arena, k + 1, sizeof(*v));
	if (!v)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < k; i++) {
		const struct fl_walked *x = &w[k - 1 - i];

		v[i] = (struct fl_event_delta){ .number = x->number, .parent = x->parent, .digest = x->digests.scope, .bytes = bytes[k - 1 - i] };
		memcpy(v[i].chain, x->id.chain, 32);
		memcpy(v[i].parent_chain, x->parent_chain, 32);
	}
	*out = v;
	*n = (uint32_t)k;
	return 0;
}

/* Deltas own nothing of the arena: fl_delta_open decompresses. */
static int diff_by_deltas(struct fl_sets *s, const char *name, uint64_t from, uint64_t to, struct fl_change_iter **out, struct fl_err *err)
{
	bool back = from > to;
	uint64_t low = back ? to : from, high = back ? from : to;
	struct fl_version_id base = { 0 };
	struct fl_source_version v;
	struct fl_arena a = { 0 };
	struct fl_walked *w;
	struct fl_span *bytes;
	size_t n = 0;
	int ret = 0;

	if (low) {
		ret = fl_source_version_get(s, name, low, &v, err);
		base = v.id;
	}
	if (ret == 0)
		ret = path_between(s, name, &base, high, FL_WALK_MAX, &a, &w, &n, &bytes, err);
	if (ret == 0)
		ret = fl__deltas_compose(w, bytes, n, NULL, back, out, err);
	fl_arena_done(&a);
	return ret;
}

static int open_or_empty(struct fl_sets *s, const char *name, uint64_t number, struct fl_entry_iter **out, struct fl_err *err)
{
	if (number)
		return fl_source_open(s, name, number, out, NULL, err);
	*out = fl_entries_empty();
	return *out ? 0 : FL_ENOMEM;
}

int fl_source_diff(struct fl_sets *s, const char *name, uint64_t from, uint64_t to, struct fl_change_iter **out, struct fl_err *err)
{
	struct fl_entry_iter *a = NULL, *b = NULL;
	int ret = diff_by_deltas(s, name, from, to, out, err);

	if (ret != FL_ENOTFOUND && ret != FL_ESTALE)
		return ret;
	ret = open_or_empty(s, name, from, &a, err);
	if (ret == 0)
		ret = open_or_empty(s, name, to, &b, err);
	if (ret < 0) {
		fl_entries_close(a);
		return ret;
	}
	*out = fl_diff_iter(a, b);
	return *out ? 0 : FL_ENOMEM;
}
