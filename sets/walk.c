/* Walks along parent links, and the deltas on the way. Paths are found by parents, never by counting: a lost tail leaves holes. */
#include <stdlib.h>

#include "sets/sets_int.h"

enum { ROW = 14 };

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

int fl__deltas_get(struct fl_sets *s, const char *name, const struct fl_walked *w, size_t n, struct fl_arena *a, struct fl_span *out, struct fl_err *err)
{
	size_t from = 0;

	while (from < n) {
		size_t k = n - from < 128 ? n - from : 128, live = 0;
		struct fl_span(*argv)[2] = fl_arena_array(a, k, sizeof(*argv));
		struct fl_cmd *cmds = fl_arena_array(a, k, sizeof(*cmds));
		struct fl_reply *r = NULL;
		int ret;

		if (!argv || !cmds)
			return fl_err_set(err, FL_ENOMEM, "out of memory");
		for (size_t i = 0; i < k; i++) {
			if (!w[from + i].has_delta)
				continue;
			argv[live][0] = fl_span_str("GET");
			argv[live][1] = fl__key(s, a, FL_SOURCE, name, ":d:%llu", (unsigned long long)w[from + i].number);
			cmds[live] = (struct fl_cmd){ argv[live], 2 };
			live++;
		}
		ret = live ? fl_store_call(s->store, cmds, live, a, &r, err) : 0;
		if (ret < 0)
			return ret;
		live = 0;
		for (size_t i = 0; i < k; i++) {
			out[from + i] = fl_span(NULL, 0);
			if (w[from + i].has_delta && r[live++].type == FL_REPLY_STRING)
				out[from + i] = r[live - 1].s;
		}
		from += k;
	}
	return 0;
}

/* Composed as a balanced tree: a record passes log2(n) levels, not n. */
int fl__deltas_compose(const struct fl_span *v, size_t n, bool reversed, struct fl_change_iter **out, struct fl_err *err)
{
	struct fl_change_iter *a = NULL, *b = NULL;
	size_t half = n / 2;
	int ret;

	if (n == 0) {
		*out = fl_changes_empty();
		return *out ? 0 : FL_ENOMEM;
	}
	if (n == 1)
		return reversed ? fl_delta_open_reversed(v[0], out, err) : fl_delta_open(v[0], out, err);
	/* v[0] is the newest; in time order the second half comes first */
	ret = fl__deltas_compose(reversed ? v : v + half, reversed ? half : n - half, reversed, &a, err);
	if (ret == 0)
		ret = fl__deltas_compose(reversed ? v + half : v, reversed ? n - half : half, reversed, &b, err);
	if (ret < 0) {
		fl_changes_close(a);
		return ret;
	}
	*out = fl_compose_iter(a, b);
	return *out ? 0 : FL_ENOMEM;
}
