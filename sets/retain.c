/* Retention: what may go is decided here, and again by the script that deletes, on the same state. The head knows the oldest version that is kept, how many there are and what they
 * weigh; `next` leads from one version to the one after it. So a call costs what it removes, however long the history.
 *
 *   versions  1  2  3K 4  5  6K 7  8K 9  head      K: has a keyframe
 *   needed by a kept list version: 7   ->  7 stands on 6: all below 6 may go, 6 and above stay
 *
 * By age and by bytes, count is only a floor; never what a kept version of any set, an input of a kept list version, a pin, the outbox, or the last hour needs. Deletion goes from
 * keyframe to keyframe, so that what is left can be read at every instant. */
#include "sets/sets_int.h"

enum { AGED_ROW = 9, HOUR_MS = 3600000, AGED_MAX = 1200, RETAIN_KEYS = 4000, RETAIN_ROUNDS = 16, LINEAGE_DAYS = 400, LINEAGE_BATCH = 64 };

int fl__kept_read(struct fl_sets *s, enum fl_set_kind kind, const char *name, struct fl_kept *out, struct fl_err *err)
{
	static const char *const fields[] = { "oldest", "count", "bytes", "lineage_oldest", "packed" };
	uint64_t *to[] = { &out->oldest, &out->count, &out->bytes, &out->lineage_oldest, &out->packed };
	struct fl_arena a = { 0 };
	struct fl_kv *kv = NULL;
	fl_unix_us there = 0;
	size_t n = 0;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = fl__hash_get(s, fl__key(s, &a, kind, name, ":head"), &a, &kv, &n, err);
	if (ret == 0)
		ret = fl__head_from(kv, n, &out->head, err);
	if (ret == FL_ENOTFOUND || (ret == 0 && out->head.id.number == 0))
		ret = fl__no_head(kind, name, err);
	if (ret == 0)
		ret = fl_store_time(s->store, &there, err);
	for (size_t i = 0; ret == 0 && i < 5; i++)
		if (!fl_u64_parse(fl__value_of(kv, n, fields[i]), to[i]) && to[i] != &out->packed) /* a list packs nothing */
			ret = fl_err_set(err, FL_ECORRUPT, "%s '%s': the head does not say what is kept", fl__kind_word(kind), name);
	out->now = fl_now_unix(s->clock);
	if (there < out->now)
		out->now = there;
	fl_arena_done(&a);
	return ret;
}

static bool aged_row(const struct fl_reply *r, struct fl_aged *v)
{
	uint64_t at, blocks = 0;

	memset(v, 0, sizeof(*v));
	for (int i = 0; i < AGED_ROW; i++)
		if (!fl__is_string(&r[i]))
			return false;
	if (!fl_u64_parse(r[0].s, &v->number) || !fl_u64_parse(r[2].s, &at) || !fl_u64_parse(r[8].s, &v->bytes) ||
	    (r[1].s.n && !fl_u64_parse(r[1].s, &v->next)) || (r[4].s.n && !fl_u64_parse(r[4].s, &blocks)))
		return false;
	if ((r[6].s.n && !fl_u64_parse(r[6].s, &v->delta_bytes)) || (r[7].s.n && !fl__pack_name_parse(r[7].s, &v->pack_first, &v->pack_last)))
		return false;
	if ((r[3].s.n && r[3].s.n != 32) || blocks > FL_KEYFRAME_BLOCKS_MAX || (v->next && v->next <= v->number))
		return false;
	if (r[3].s.n)
		memcpy(v->attempt, r[3].s.p, 32);
	v->at = (fl_unix_us)at;
	v->keyframe = r[3].s.n != 0;
	v->blocks = (uint32_t)blocks;
	v->has_delta = fl_span_eqs(r[5].s, "1");
	v->bytes += FL_VERSION_BYTES;
	return true;
}

int fl__aged_read(struct fl_sets *s, enum fl_set_kind kind, const char *name, uint64_t from, size_t max, struct fl_arena *a, struct fl_aged **out, size_t *n,
		  struct fl_err *err)
{
	struct fl_span args[3] = { fl__key(s, a, kind, name, "%s", ""), fl__num(a, (int64_t)from), fl__num(a, (int64_t)max) };
	struct fl_aged *v;
	struct fl_reply r;
	int ret = fl_store_eval(s->store, &fl__script_walk_up, NULL, 0, args, 3, a, &r, err);

	*n = 0;
	if (ret < 0)
		return ret;
	if (r.type != FL_REPLY_ARRAY || r.n % AGED_ROW)
		return fl_err_set(err, FL_ECORRUPT, "%s '%s': no walk", fl__kind_word(kind), name);
	v = fl_arena_array(a, r.n / AGED_ROW + 1, sizeof(*v));
	if (!v)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < r.n; i += AGED_ROW) {
		if (!aged_row(&r.v[i], &v[*n]))
			return fl_err_set(err, FL_ECORRUPT, "%s '%s': a version above %llu is malformed", fl__kind_word(kind), name, (unsigned long long)from);
		(*n)++;
	}
	*out = v;
	return 0;
}

/* How many of the oldest may go by age, bytes and floor, never `limit` or one above it. */
static size_t aged_leave(const struct fl_sets *s, const struct fl_kept *k, const struct fl_aged *v, size_t n, uint64_t limit)
{
	uint64_t bytes = k->bytes, count = k->count, floor = s->keep_floor ? s->keep_floor : 1;
	size_t i;

	for (i = 0; i + 1 < n; i++) {
		int64_t age = k->now - v[i + 1].at; /* a version was in force until the one after it came */
		bool aged = s->keep_age_ms && age > s->keep_age_ms * 1000, heavy = s->keep_bytes && bytes > s->keep_bytes;

		if (v[i].number >= limit || v[i].number >= k->head.id.number || count <= floor || age < HOUR_MS * INT64_C(1000) || !(aged || heavy))
			break;
		count--;
		bytes -= v[i].bytes < bytes ? v[i].bytes : bytes;
	}
	return i;
}

int fl__aged_due(struct fl_sets *s, enum fl_set_kind kind, const char *name, const struct fl_kept *k, uint64_t limit, size_t max, struct fl_arena *a,
		 struct fl_aged **out, size_t *due, struct fl_err *err)
{
	size_t n = 0;
	int ret = fl__aged_read(s, kind, name, k->oldest, 2, a, out, &n, err); /* mostly nothing is due */

	*due = ret == 0 ? aged_leave(s, k, *out, n, limit) : 0;
	if (*due == 0)
		return ret;
	ret = fl__aged_read(s, kind, name, k->oldest, max, a, out, &n, err);
	*due = ret == 0 ? aged_leave(s, k, *out, n, limit) : 0;
	return ret;
}

int fl__retain_run(struct fl_sets *s, const struct fl_lease *lease, const struct fl_kept *k, const struct fl_aged *oldest, size_t n_versions, uint64_t bytes,
		   const struct fl_args *victims, struct fl_arena *a, bool *done, struct fl_err *err)
{
	struct fl_args keys = { .arena = a }, args = { .arena = a };
	int ret;

	fl__args_add(&keys, fl__key(s, a, lease->kind, lease->name, ":head"));
	fl__args_add(&keys, fl__key(s, a, lease->kind, lease->name, ":needed"));
	fl__args_add(&keys, fl__key(s, a, lease->kind, lease->name, ":outbox"));
	for (size_t i = 0; i < victims->n; i++)
		fl__args_add(&keys, victims->v[i]);
	fl__args_add(&args, fl__hexspan(a, k->head.id.epoch.b, 16));
	fl__args_str(&args, lease->fence);
	fl__args_num(&args, (int64_t)k->oldest);
	fl__args_num(&args, (int64_t)oldest->number);
	fl__args_num(&args, (int64_t)n_versions);
	fl__args_num(&args, (int64_t)bytes);
	fl__args_str(&args, FL_MUTANT(FL_MUTANT_RETAIN_NEEDED) ? "0" : "1");
	ret = victims->failed ? FL_ENOMEM : fl__commit_eval(s, &fl__script_retain, &keys, &args, err);
	*done = ret == 0;
	return ret == FL_EREFUSED || ret == FL_ESTALE ? 0 : ret; /* needed meanwhile, or its reply was lost: the next round reads again */
}

/* --- sources --- */

/* The lowest version that any list needs, or UINT64_MAX. */
static int needed_min(struct fl_sets *s, const char *name, struct fl_arena *a, uint64_t *out, struct fl_err *err)
{
	struct fl_span argv[] = { fl_span_str("HVALS"), fl__key(s, a, FL_SOURCE, name, ":needed") };
	struct fl_reply *r = NULL;
	int ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 2 }, 1, a, &r, err);

	*out = UINT64_MAX;
	if (ret < 0 || FL_MUTANT(FL_MUTANT_RETAIN_NEEDED))
		return ret;
	if (r->type != FL_REPLY_ARRAY)
		return fl_err_set(err, FL_ECORRUPT, "source '%s': what lists need of it cannot be read", name);
	for (size_t i = 0; i < r->n; i++) {
		uint64_t v;

		if (!fl_u64_parse(r->v[i].s, &v))
			return fl_err_set(err, FL_ECORRUPT, "source '%s': what a list needs of it is no number", name);
		if (v < *out)
			*out = v;
	}
	return 0;
}

/* The last keyframe at or below v[leave] that one script can reach: at least one whole stretch, then as many as its keys allow. 0: none. */
static size_t cut_at(const struct fl_aged *v, size_t leave)
{
	size_t keys = 0, cut = 0;

	if (FL_MUTANT(FL_MUTANT_RETAIN_NEEDED))
		return leave;
	for (size_t i = 1; i <= leave; i++) {
		keys += 3 + v[i - 1].blocks;
		if (cut && keys > RETAIN_KEYS)
			break;
		if (v[i].keyframe)
			cut = i;
	}
	return cut;
}

static uint64_t source_victims(struct fl_sets *s, const char *name, const struct fl_aged *v, size_t n, struct fl_args *out)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned long long number = v[i].number;

		fl__args_add(out, fl__key(s, out->arena, FL_SOURCE, name, ":v:%llu", number));
		if (v[i].has_delta)
			fl__args_add(out, fl__key(s, out->arena, FL_SOURCE, name, ":d:%llu", number));
		if (v[i].pack_last == v[i].number) /* a pack ends before the next keyframe, and so at no cut */
			fl__args_add(out, fl__key(s, out->arena, FL_SOURCE, name, ":p:%llu-%llu", (unsigned long long)v[i].pack_first, number));
		for (uint32_t k = 0; k < v[i].blocks; k++)
			fl__args_add(out, fl__key(s, out->arena, FL_SOURCE, name, ":k:%llu:%s:%u", number, v[i].attempt, k));
		bytes += v[i].bytes;
	}
	return bytes;
}

/* *again: something went, and more may. */
static int source_round(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *rep, bool *again, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_args victims = { .arena = &a };
	struct fl_aged *v = NULL;
	uint64_t needed = 0, bytes;
	struct fl_kept k;
	size_t due = 0, cut;
	int ret = fl__kept_read(s, FL_SOURCE, lease->name, &k, err);

	*again = false;
	if (ret == 0)
		ret = needed_min(s, lease->name, &a, &needed, err);
	if (ret == 0)
		ret = fl__aged_due(s, FL_SOURCE, lease->name, &k, needed, AGED_MAX, &a, &v, &due, err);
	cut = ret == 0 ? cut_at(v, due) : 0;
	if (cut) {
		bytes = source_victims(s, lease->name, v, cut, &victims);
		ret = fl__retain_run(s, lease, &k, &v[cut], cut, bytes, &victims, &a, again, err);
		if (*again) {
			rep->versions_removed += cut;
			rep->keys_removed += victims.n;
			rep->bytes_removed += bytes;
		}
	} else if (ret == 0)
		ret = fl__lineage_trim(s, lease, &k, err);
	fl_arena_done(&a);
	return ret;
}

int fl_source_retain(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *out, struct fl_err *err)
{
	bool again = true;
	int packed, ret = 0;

	memset(out, 0, sizeof(*out));
	packed = fl__source_pack(s, lease, &out->deltas_packed, err);
	/* a store that is full refuses a pack, and needs the room that this makes */
	for (int i = 0; ret == 0 && again && i < RETAIN_ROUNDS; i++)
		ret = source_round(s, lease, out, &again, ret == 0 && packed == 0 ? err : NULL);
	ret = packed < 0 ? packed : ret;
	return ret == FL_ENOTFOUND ? 0 : ret; /* no head: nothing is kept */
}

/* --- lineage --- */

int fl__lineage_trim(struct fl_sets *s, const struct fl_lease *lease, const struct fl_kept *k, struct fl_err *err)
{
	fl_unix_us until = k->now - LINEAGE_DAYS * INT64_C(86400) * FL_US_PER_S;
	struct fl_arena a = { 0 };
	struct fl_span *argv = fl_arena_array(&a, LINEAGE_BATCH + 2, sizeof(*argv));
	struct fl_args keys = { .arena = &a }, args = { .arena = &a };
	struct fl_reply *r = NULL;
	uint64_t low = k->lineage_oldest, top = k->oldest < low + LINEAGE_BATCH ? k->oldest : low + LINEAGE_BATCH;
	size_t n = 0;
	int ret = argv ? 0 : FL_ENOMEM;

	if (ret < 0 || top <= low) /* what is kept has its lineage */
		goto out;
	argv[0] = fl_span_str("HMGET");
	argv[1] = fl__key(s, &a, lease->kind, lease->name, ":lineage");
	for (n = 0; low + n < top; n++)
		argv[2 + n] = fl__num(&a, (int64_t)(low + n));
	ret = fl_store_call(s->store, &(struct fl_cmd){ argv, n + 2 }, 1, &a, &r, err);
	if (ret < 0 || r->type != FL_REPLY_ARRAY || r->n != n)
		goto out;
	fl__args_add(&keys, fl__key(s, &a, lease->kind, lease->name, ":head"));
	fl__args_add(&keys, argv[1]);
	fl__args_str(&args, lease->fence);
	fl__args_add(&args, fl_span(NULL, 0));
	for (n = 0; n < r->n; n++) {
		uint64_t at = 0;

		if (r->v[n].type != FL_REPLY_STRING)
			continue; /* a hole in the numbers */
		if (r->v[n].s.n > 65 && fl_u64_parse(fl_span(r->v[n].s.p + 65, r->v[n].s.n - 65), &at) && (fl_unix_us)at >= until)
			break;
		fl__args_add(&args, argv[2 + n]);
	}
	/* over a hole that no batch crosses, the kept versions are the next firm ground */
	if (args.n > 2 || n == r->n) {
		low = args.n == 2 && n == LINEAGE_BATCH ? k->oldest : low + n;
		args.v[1] = fl__num(&a, (int64_t)low);
		ret = fl__commit_eval(s, &fl__script_lineage, &keys, &args, err);
	}
out:
	fl_arena_done(&a);
	return ret;
}
