/* Packing: small old deltas of a source, of one stretch of its path, become one value that is sorted by name. What is packed is decided here and by the script that
 * writes the pack, on the same state: the versions are those that were read. The head says up to where this was done.
 *
 *   versions  1K 2  3  4  5K 6  7  B 9  10 head     K: has a keyframe   B: no delta, or a big one
 *   packs     [1      4] [5      7]   [9  ...        256 at most; the last waits until it is full, or something ends it
 *
 * A version with a keyframe begins a pack, so that retention, which cuts at keyframes, takes whole packs. */
#include "sets/sets_int.h"

enum { PACK_AGE_MS = 3600000, PACK_SUPERSEDED_MS = 600000, PACK_ROUNDS = 8, PACK_RAW = 1 << 20 /* of encoded deltas */ };

struct run {
	size_t first, n; /* among the rows read */
	bool whole;	 /* nothing can be added to it any more */
};

static bool packable(const struct fl_sets *s, const struct fl_kept *k, const struct fl_aged *v)
{
	return v->has_delta && !v->pack_last && v->delta_bytes <= fl__small(s) && v->number < k->head.id.number && k->now - v->at > PACK_AGE_MS * INT64_C(1000);
}

/* The first stretch that can be packed, after those that cannot. */
static struct run find_run(const struct fl_sets *s, const struct fl_kept *k, const struct fl_aged *v, size_t n)
{
	uint32_t max = s->pack_max && s->pack_max < FL_PACK_VERSIONS ? s->pack_max : FL_PACK_VERSIONS;
	uint64_t bytes = 0;
	struct run r = { 0 };
	size_t end;

	while (r.first < n && !packable(s, k, &v[r.first]) && v[r.first].number < k->head.id.number && k->now - v[r.first].at > PACK_AGE_MS * INT64_C(1000))
		r.first++;
	for (end = r.first; end < n && packable(s, k, &v[end]) && (end == r.first || !v[end].keyframe) && r.n < max && bytes < PACK_RAW; end++) {
		bytes += v[end].delta_bytes;
		r.n++;
	}
	/* what stopped it: its size, or a version of another kind; not the end of what there is, or youth */
	r.whole = r.n == max || bytes >= PACK_RAW || (end < n && v[end].number < k->head.id.number && k->now - v[end].at > PACK_AGE_MS * INT64_C(1000));
	return r;
}

/* A pack that can be taken apart again into the deltas of these versions. */
static int build(struct fl_sets *s, const char *name, const struct fl_walked *w, size_t n, struct fl_arena *a, struct fl_buf *out, struct fl_err *err)
{
	struct fl_span *bytes = fl_arena_array(a, n, sizeof(*bytes));
	struct fl_pack_delta *d = fl_arena_array(a, n, sizeof(*d));
	struct fl_pack_range range = { w[n - 1].number, w[0].number, (uint32_t)n };
	int ret = bytes && d ? fl__deltas_get(s, name, w, n, a, bytes, err) : FL_ENOMEM;

	for (size_t i = 0; ret == 0 && i < n; i++)
		d[i] = (struct fl_pack_delta){ .number = w[n - 1 - i].number, .bytes = bytes[n - 1 - i] };
	if (ret == 0)
		ret = fl_pack_write(d, n, out, err);
	if (ret == 0)
		ret = fl_pack_split(fl_buf_span(out), range, a, d, err);
	for (size_t i = 0; ret == 0 && i < n; i++)
		if (memcmp(d[i].meta.sha256, w[n - 1 - i].delta_sha256, 32) != 0)
			ret = fl_err_set(err, FL_ECORRUPT, "source '%s': the delta to version %llu is another than its version says", name,
					 (unsigned long long)d[i].number);
	return ret;
}

/* w NULL: nothing is packed, only looked at. */
static int run_script(struct fl_sets *s, const struct fl_lease *lease, const struct fl_kept *k, uint64_t upto, const struct fl_walked *w, size_t n, const struct fl_buf *pack,
		      struct fl_arena *a, struct fl_err *err)
{
	struct fl_args keys = { .arena = a }, args = { .arena = a };
	const char *name = w ? fl_arena_printf(a, "%llu-%llu", (unsigned long long)w[n - 1].number, (unsigned long long)w[0].number) : "";

	fl__args_add(&keys, fl__key(s, a, FL_SOURCE, lease->name, ":head"));
	fl__args_add(&keys, fl__key(s, a, FL_SOURCE, lease->name, ":p:%s", name));
	fl__args_add(&args, fl__hexspan(a, k->head.id.epoch.b, 16));
	fl__args_str(&args, lease->fence);
	fl__args_num(&args, (int64_t)k->packed);
	fl__args_num(&args, (int64_t)upto);
	fl__args_str(&args, name);
	fl__args_add(&args, w ? fl_buf_span(pack) : fl_span_str(""));
	fl__args_num(&args, PACK_SUPERSEDED_MS);
	for (size_t i = 0; w && i < n; i++) {
		fl__args_add(&keys, fl__key(s, a, FL_SOURCE, lease->name, ":v:%llu", (unsigned long long)w[i].number));
		fl__args_add(&keys, fl__key(s, a, FL_SOURCE, lease->name, ":d:%llu", (unsigned long long)w[i].number));
		fl__args_add(&args, fl__hexspan(a, w[i].id.chain, 32));
	}
	return fl__commit_eval(s, &fl__script_pack, &keys, &args, err);
}

/* *n: how many deltas went into a pack. A stretch that cannot be packed, or is of one, stays as it is and is not looked at again. */
static int pack_run(struct fl_sets *s, const struct fl_lease *lease, const struct fl_kept *k, const struct fl_aged *v, struct run r, struct fl_arena *a, uint64_t *n,
		    struct fl_err *err)
{
	uint64_t upto = v[r.first + r.n - 1].number;
	struct fl_walked *w = NULL;
	struct fl_buf pack = { 0 };
	bool missing = false;
	size_t found = 0;
	int ret = 0;

	*n = 0;
	if (r.n > 1)
		ret = fl__walk(s, lease->name, upto, v[r.first].number, false, r.n, a, &w, &found, &missing, err);
	if (ret == 0 && found == r.n && !missing)
		ret = build(s, lease->name, w, found, a, &pack, err);
	if (ret == FL_ECORRUPT || ret == FL_ENOTFOUND || ret == FL_ELIMIT || (ret == 0 && (found != r.n || missing))) {
		w = NULL;
		ret = 0;
	}
	if (ret == 0)
		ret = run_script(s, lease, k, upto, w, found, &pack, a, err);
	if (ret == 0 && w)
		*n = found;
	fl_buf_done(&pack);
	return ret;
}

/* *again: something was done, and more may be. */
static int pack_round(struct fl_sets *s, const struct fl_lease *lease, uint64_t *packed, bool *again, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_aged *v = NULL;
	size_t n = 0, skip;
	struct run r = { 0 };
	uint64_t some = 0, from;
	struct fl_kept k;
	int ret = fl__kept_read(s, FL_SOURCE, lease->name, &k, err);

	*again = false;
	from = k.packed > k.oldest ? k.packed : k.oldest;
	if (ret == 0) /* mostly there is nothing old enough */
		ret = fl__aged_read(s, FL_SOURCE, lease->name, from, 2, &a, &v, &n, err);
	skip = from == k.packed && n;
	if (ret == 0 && n > skip && k.now - v[skip].at > PACK_AGE_MS * INT64_C(1000))
		ret = fl__aged_read(s, FL_SOURCE, lease->name, from, FL_PACK_VERSIONS + 2, &a, &v, &n, err);
	else
		n = skip;
	if (ret == 0 && n > skip)
		r = find_run(s, &k, v + skip, n - skip);
	if (ret == 0 && r.n && r.whole) {
		ret = pack_run(s, lease, &k, v + skip, r, &a, &some, err);
		*again = true;
	} else if (ret == 0 && r.first) { /* those before it cannot be packed, ever */
		ret = run_script(s, lease, &k, v[skip + r.first - 1].number, NULL, 0, NULL, &a, err);
		*again = r.n == 0;
	}
	*packed += some;
	fl_arena_done(&a);
	return ret;
}

int fl__source_pack(struct fl_sets *s, const struct fl_lease *lease, uint64_t *packed, struct fl_err *err)
{
	bool again = true;
	int ret = 0;

	for (int i = 0; ret == 0 && again && i < PACK_ROUNDS; i++)
		ret = pack_round(s, lease, packed, &again, err);
	return ret == FL_ESTALE ? 0 : ret; /* its reply was lost: the next time reads again */
}
