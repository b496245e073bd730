/* Walks along parent links, and the deltas on the way. Paths are found by parents, never by counting: a lost tail leaves holes. */
#include <stdlib.h>

#include "sets/sets_int.h"

enum { ROW = 16, FETCH = 128 };

bool fl__pack_name_parse(struct fl_span s, uint64_t *first, uint64_t *last)
{
	const uint8_t *dash = s.n ? memchr(s.p, '-', s.n) : NULL;
	size_t n = dash ? (size_t)(dash - s.p) : 0;

	return dash && fl_u64_parse(fl_span(s.p, n), first) && fl_u64_parse(fl_span(dash + 1, s.n - n - 1), last) && *first && *first <= *last;
}

static bool row_read(const struct fl_reply *r, struct fl_walked *w)
{
	uint64_t at = 0, blocks = 0;

	memset(w, 0, sizeof(*w));
	for (int i = 0; i < ROW; i++)
		if (!fl__is_string(&r[i]))
			return false;
	if (!fl_u64_parse(r[0].s, &w->number) || !fl_u64_parse(r[1].s, &w->parent) || !fl_unhex(r[2].s, w->id.epoch.b, 16) ||
	    !fl_unhex(r[3].s, w->id.chain, 32) || !fl_unhex(r[4].s, w->parent_chain, 32) || !fl_u128_parse(r[5].s, &w->digests.scope) ||
	    !fl_u128_parse(r[6].s, &w->digests.attrs) || !fl_u64_parse(r[7].s, &w->digests.entries) || !fl_u64_parse(r[8].s, &w->delta_bytes) ||
	    !fl_u64_parse(r[10].s, &blocks) || !fl_u64_parse(r[11].s, &at) || !fl_u64_parse(r[13].s, &w->keyframe_bytes))
		return false;
	if (!fl_unhex(r[14].s, w->delta_sha256, 32) || (r[15].s.n && !fl__pack_name_parse(r[15].s, &w->pack_first, &w->pack_last)))
		return false;
	if ((r[9].s.n != 0 && r[9].s.n != 32) || blocks > FL_KEYFRAME_BLOCKS_MAX)
		return false;
	if (r[9].s.n)
		memcpy(w->attempt, r[9].s.p, r[9].s.n);
	w->id.number = w->number;
	w->blocks = (uint32_t)blocks;
	w->at = (fl_unix_us)at;
	w->has_delta = fl_span_eqs(r[12].s, "1");
	return true;
}

int fl__walk(struct fl_sets *s, const char *name, uint64_t number, uint64_t stop, bool to_keyframe, size_t max, struct fl_arena *a, struct fl_walked **out,
	     size_t *n, bool *missing, struct fl_err *err)
{
	struct fl_span args[5];
	struct fl_reply r;
	struct fl_walked *v;
	int ret;

	*missing = false;
	*n = 0;
	args[0] = fl__key(s, a, FL_SOURCE, name, "%s", "");
	args[1] = fl__num(a, (int64_t)number);
	args[2] = fl__num(a, (int64_t)stop);
	args[3] = fl_span_str(to_keyframe ? "1" : "0");
	args[4] = fl__num(a, (int64_t)max);
	ret = fl_store_eval(s->store, &fl__script_walk, NULL, 0, args, 5, a, &r, err);
	if (ret < 0)
		return ret;
	if (r.type != FL_REPLY_ARRAY)
		return fl_err_set(err, FL_ECORRUPT, "source '%s': no walk", name);
	v = fl_arena_array(a, r.n / ROW + 1, sizeof(*v));
	if (!v)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i + ROW <= r.n; i += ROW) {
		if (!row_read(&r.v[i], &v[*n]))
			return fl_err_set(err, FL_ECORRUPT, "source '%s': a version on the path from %llu is malformed", name, (unsigned long long)number);
		if (*n && (v[*n].number != v[*n - 1].parent || memcmp(v[*n].id.chain, v[*n - 1].parent_chain, 32) != 0))
			return fl_err_set(err, FL_ECORRUPT, "source '%s': version %llu is not the parent that %llu names", name,
					  (unsigned long long)v[*n].number, (unsigned long long)v[*n - 1].number);
		(*n)++;
	}
	*missing = r.n % ROW != 0;
	*out = v;
	return 0;
}

static bool same_pack(const struct fl_walked *a, const struct fl_walked *b)
{
	return a->pack_last && a->pack_first == b->pack_first && a->pack_last == b->pack_last;
}

/* How many of w are of the pack of the first; 1 when it is in none. */
static size_t stretch(const struct fl_walked *w, size_t n)
{
	size_t k = 1;

	while (k < n && same_pack(&w[0], &w[k]))
		k++;
	return k;
}

/* One GET a stretch, at most FETCH in one trip; *upto: those of w that were asked for. */
static int get_some(struct fl_sets *s, const char *name, const struct fl_walked *w, size_t n, struct fl_arena *a, struct fl_span *out, size_t *upto, struct fl_err *err)
{
	struct fl_span(*argv)[2] = fl_arena_array(a, FETCH, sizeof(*argv));
	struct fl_cmd *cmds = fl_arena_array(a, FETCH, sizeof(*cmds));
	struct fl_reply *r = NULL;
	size_t trips = 0, i = 0;
	int ret;

	if (!argv || !cmds)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (; i < n && trips < FETCH; i += stretch(&w[i], n - i)) {
		argv[trips][0] = fl_span_str("GET");
		if (w[i].pack_last)
			argv[trips][1] = fl__key(s, a, FL_SOURCE, name, ":p:%llu-%llu", (unsigned long long)w[i].pack_first, (unsigned long long)w[i].pack_last);
		else
			argv[trips][1] = fl__key(s, a, FL_SOURCE, name, ":d:%llu", (unsigned long long)w[i].number);
		cmds[trips] = (struct fl_cmd){ argv[trips], 2 };
		trips++;
	}
	*upto = i;
	ret = fl_store_call(s->store, cmds, trips, a, &r, err);
	for (size_t at = 0, k = 0; ret == 0 && at < *upto; k++) {
		if (r[k].type != FL_REPLY_STRING)
			return fl_err_set(err, FL_ENOTFOUND, "source '%s': the delta to version %llu is gone", name, (unsigned long long)w[at].number);
		for (size_t left = stretch(&w[at], *upto - at); left; left--)
			out[at++] = r[k].s;
	}
	return ret;
}

int fl__deltas_get(struct fl_sets *s, const char *name, const struct fl_walked *w, size_t n, struct fl_arena *a, struct fl_span *out, struct fl_err *err)
{
	size_t from = 0, some = 0;
	int ret = 0;

	for (size_t i = 0; i < n; i++)
		if (!w[i].has_delta)
			return fl_err_set(err, FL_ENOTFOUND, "source '%s': version %llu has a keyframe and no delta", name, (unsigned long long)w[i].number);
	for (; ret == 0 && from < n; from += some)
		ret = get_some(s, name, w + from, n - from, a, out + from, &some, err);
	return ret;
}

/* A change stream cut to the keys at or below top. */
struct below {
	struct fl_change_iter it;
	struct fl_change_iter *inner;
	struct fl_rkey top;
};

static int below_next(struct fl_change_iter *it, struct fl_change *out, struct fl_err *err)
{
	struct below *b = (struct below *)it;
	int ret;

	while ((ret = b->inner->next(b->inner, out, err)) == 1)
		if (fl_rkey_below_or_at(out->key, fl_rkey_span(&b->top)))
			break;
	return ret;
}

static void below_close(struct fl_change_iter *it)
{
	struct below *b = (struct below *)it;

	fl_changes_close(b->inner);
	free(b);
}

static struct fl_change_iter *cut_below(struct fl_change_iter *take, const struct fl_span *top)
{
	struct below *b = calloc(1, sizeof(*b));

	if (!b) {
		fl_changes_close(take);
		return NULL;
	}
	b->it = (struct fl_change_iter){ below_next, below_close };
	b->inner = take;
	fl_rkey_set(&b->top, *top);
	return &b->it;
}

/* Composed as a balanced tree: a record passes log2(n) levels, not n. A stretch within one pack is one stream by itself. */
int fl__deltas_compose(const struct fl_walked *w, const struct fl_span *v, size_t n, const struct fl_span *below, bool reversed, struct fl_change_iter **out,
		       struct fl_err *err)
{
	struct fl_change_iter *a = NULL, *b = NULL;
	size_t half, older, newer;
	int ret;

	if (n == 0) {
		*out = fl_changes_empty();
		return *out ? 0 : FL_ENOMEM;
	}
	half = stretch(w, n);
	if (half == n && w[0].pack_last)
		return fl_pack_open(v[0], (struct fl_pack_range){ w[n - 1].number, w[0].number, (uint32_t)n }, below, reversed, out, err);
	if (n == 1) {
		ret = reversed ? fl_delta_open_reversed(v[0], out, err) : fl_delta_open(v[0], out, err);
		if (ret == 0 && below) /* as a pack does: a name that one piece hides and others show does not compose */
			*out = cut_below(*out, below);
		return ret == 0 && !*out ? FL_ENOMEM : ret;
	}
	while (half < n / 2) { /* not within a pack */
		size_t next = half + stretch(w + half, n - half);

		if (next >= n)
			break;
		half = next;
	}
	/* w[0] is the newest; in time order the second half comes first */
	older = reversed ? 0 : half;
	newer = reversed ? half : 0;
	ret = fl__deltas_compose(w + older, v + older, reversed ? half : n - half, below, reversed, &a, err);
	if (ret == 0)
		ret = fl__deltas_compose(w + newer, v + newer, reversed ? n - half : half, below, reversed, &b, err);
	if (ret < 0) {
		fl_changes_close(a);
		return ret;
	}
	*out = fl_compose_iter(a, b);
	return *out ? 0 : FL_ENOMEM;
}

int fl__deltas_apart(const struct fl_walked *w, struct fl_span *v, size_t n, struct fl_arena *a, struct fl_err *err)
{
	size_t k;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < n; i += k) {
		struct fl_pack_delta *d;

		k = stretch(w + i, n - i);
		if (!w[i].pack_last)
			continue;
		d = fl_arena_array(a, k, sizeof(*d));
		ret = d ? fl_pack_split(v[i], (struct fl_pack_range){ w[i + k - 1].number, w[i].number, (uint32_t)k }, a, d, err)
			: fl_err_set(err, FL_ENOMEM, "out of memory");
		for (size_t j = 0; ret == 0 && j < k; j++) { /* w has the newest first */
			const struct fl_walked *x = &w[i + k - 1 - j];

			if (d[j].number != x->number || memcmp(d[j].meta.sha256, x->delta_sha256, 32) != 0)
				return fl_err_set(err, FL_ECORRUPT, "pack %llu-%llu: version %llu in it is another", (unsigned long long)w[i].pack_first,
						  (unsigned long long)w[i].pack_last, (unsigned long long)x->number);
			v[i + k - 1 - j] = d[j].bytes;
		}
	}
	return ret;
}
