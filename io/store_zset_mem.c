/* The twin's sorted sets: a map of member to score, and beside it `order`, its items by score, then member. Invariant:
 * order holds exactly the map's live items. */
#include "io/store_mem.h"

#include <math.h>

static int item_cmp(double score, struct fl_span member, const struct fl__mem_item *it)
{
	if (score != it->score)
		return score < it->score ? -1 : 1;
	return fl__mem_span_cmp(member, fl__mem_item_key(it));
}

/* Where (score, member) stands, or would stand, among the first n of order. */
static size_t place(const struct fl__mem_obj *o, size_t n, double score, struct fl_span member)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (item_cmp(score, member, o->order[mid]) > 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void order_insert(struct fl__mem_obj *o, size_t n, struct fl__mem_item *it)
{
	size_t at = place(o, n, it->score, fl__mem_item_key(it));

	if (n == o->order_cap) {
		o->order_cap = n ? n * 2 : 8;
		o->order = fl__mem_grow(o->order, o->order_cap, sizeof(*o->order));
	}
	memmove(o->order + at + 1, o->order + at, (n - at) * sizeof(*o->order));
	o->order[at] = it;
}

static void order_remove(struct fl__mem_obj *o, size_t n, const struct fl__mem_item *it)
{
	size_t at = place(o, n, it->score, fl__mem_item_key(it));

	memmove(o->order + at, o->order + at + 1, (n - at - 1) * sizeof(*o->order));
}

/* ---- ZADD ---- */

struct zadd {
	bool nx, xx, gt, lt, ch, incr;
	size_t first; /* index of the first score */
	int64_t added, changed;
};

static bool zadd_opts(struct fl__mem_call *c, struct zadd *z)
{
	static const char *const words[] = { "nx", "xx", "gt", "lt", "ch", "incr" };
	bool *const flags[] = { &z->nx, &z->xx, &z->gt, &z->lt, &z->ch, &z->incr };
	size_t i = 2, k;

	*z = (struct zadd){ 0 };
	for (; i < c->argc; i++) {
		for (k = 0; k < 6 && !fl__mem_is(c->argv[i], words[k]); k++)
			;
		if (k == 6)
			break;
		*flags[k] = true;
	}
	z->first = i;
	if (c->argc == i || (c->argc - i) % 2)
		fl__mem_syntax(c);
	else if (z->nx && z->xx)
		fl__mem_error(c, "ERR XX and NX options at the same time are not compatible");
	else if ((z->gt && z->nx) || (z->lt && z->nx) || (z->gt && z->lt))
		fl__mem_error(c, "ERR GT, LT, and/or NX options at the same time are not compatible");
	else if (z->incr && c->argc - i > 2)
		fl__mem_error(c, "ERR INCR option supports a single increment-element pair");
	else
		return true;
	return false;
}

static void set_score(struct fl__mem_obj *o, struct fl__mem_item *it, double score)
{
	order_remove(o, o->map.live, it);
	it->score = score;
	order_insert(o, o->map.live - 1, it);
}

/* One pair; NULL when the options refuse it (no error), or when the sum is no number (error written). */
static const struct fl__mem_item *zadd_one(struct fl__mem_call *c, struct zadd *z, struct fl__mem_obj *o, double score,
					   struct fl_span member)
{
	struct fl__mem_item *it = fl__mem_map_get(&o->map, member);
	bool added;

	if (!it) {
		if (z->xx)
			return NULL;
		it = fl__mem_map_put(&o->map, member, &added);
		it->score = score;
		order_insert(o, o->map.live - 1, it);
		z->added++;
		return it;
	}
	if (z->nx)
		return NULL;
	if (z->incr)
		score += it->score;
	if (isnan(score)) {
		fl__mem_error(c, "ERR resulting score is not a number (NaN)");
		return NULL;
	}
	if ((z->gt && score <= it->score) || (z->lt && score >= it->score))
		return NULL;
	if (score != it->score) {
		set_score(o, it, score);
		z->changed++;
	}
	return it;
}

static void cmd_zadd(struct fl__mem_call *c)
{
	const struct fl__mem_item *it = NULL;
	struct fl__mem_obj *o;
	struct zadd z;
	double score = 0;

	if (!zadd_opts(c, &z))
		return;
	for (size_t i = z.first; i < c->argc; i += 2) {
		if (!fl__mem_double(c->argv[i], &score)) {
			fl__mem_error(c, "ERR value is not a valid float");
			return;
		}
	}
	if (!fl__mem_want(c, 1, FL__MEM_ZSET, &o))
		return;
	if (!o && !z.xx)
		o = fl__mem_db_new(c->w, c->argv[1], FL__MEM_ZSET);
	for (size_t i = z.first; o && i < c->argc; i += 2) {
		fl__mem_double(c->argv[i], &score);
		it = zadd_one(c, &z, o, score, c->argv[i + 1]);
		if (c->out->type == FL_REPLY_ERROR)
			return;
	}
	if (!z.incr)
		fl__mem_int(c, z.ch ? z.added + z.changed : z.added);
	else if (it)
		fl__mem_put_double(c, c->out, it->score);
}

static void cmd_zrem(struct fl__mem_call *c)
{
	struct fl__mem_obj *o;
	int64_t n = 0;

	if (!fl__mem_want(c, 1, FL__MEM_ZSET, &o))
		return;
	for (size_t i = 2; o && i < c->argc; i++) {
		struct fl__mem_item *it = fl__mem_map_get(&o->map, c->argv[i]);

		if (!it)
			continue;
		order_remove(o, o->map.live, it);
		fl__mem_map_del(&o->map, it);
		n++;
	}
	if (o)
		fl__mem_drop_empty(c, 1, o);
	fl__mem_int(c, n);
}

/* ---- ranges ---- */

struct bound {
	double score;
	bool open;
};

struct range {
	bool by_score, rev, scores;
	int64_t offset, limit; /* limit < 0: none */
	bool limited;
	int64_t start, stop; /* by index */
	struct bound min, max;
};

static bool bound_arg(struct fl_span s, struct bound *b)
{
	*b = (struct bound){ .open = s.n && s.p[0] == '(' };
	if (b->open)
		s = fl_span(s.p + 1, s.n - 1);
	return fl__mem_double(s, &b->score);
}

static bool above(const struct bound *min, double score)
{
	return min->open ? score > min->score : score >= min->score;
}

static bool below(const struct bound *max, double score)
{
	return max->open ? score < max->score : score <= max->score;
}

static bool range_opts(struct fl__mem_call *c, struct range *r, bool zrange)
{
	for (size_t i = 4; i < c->argc; i++) {
		if (fl__mem_is(c->argv[i], "withscores")) {
			r->scores = true;
		} else if (zrange && fl__mem_is(c->argv[i], "byscore")) {
			r->by_score = true;
		} else if (zrange && fl__mem_is(c->argv[i], "rev")) {
			r->rev = true;
		} else if (fl__mem_is(c->argv[i], "limit") && i + 2 < c->argc) {
			if (!fl__mem_ll_arg(c, i + 1, &r->offset) || !fl__mem_ll_arg(c, i + 2, &r->limit))
				return false;
			r->limited = true;
			i += 2;
		} else {
			fl__mem_syntax(c);
			return false;
		}
	}
	if (!r->limited || r->by_score)
		return true;
	fl__mem_error(c, "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
	return false;
}

static bool range_ends(struct fl__mem_call *c, struct range *r)
{
	size_t lo = r->rev ? 3 : 2, hi = r->rev ? 2 : 3;

	if (!r->by_score)
		return fl__mem_ll_arg(c, 2, &r->start) && fl__mem_ll_arg(c, 3, &r->stop);
	if (bound_arg(c->argv[lo], &r->min) && bound_arg(c->argv[hi], &r->max))
		return true;
	fl__mem_error(c, "ERR min or max is not a float");
	return false;
}

/* [*from, *to) of order, before LIMIT. */
static void range_span(const struct fl__mem_obj *o, const struct range *r, size_t *from, size_t *to)
{
	int64_t n = (int64_t)o->map.live, start = r->start, stop = r->stop;

	*from = *to = 0;
	if (r->by_score) {
		while (*from < (size_t)n && !above(&r->min, o->order[*from]->score))
			++*from;
		*to = *from;
		while (*to < (size_t)n && below(&r->max, o->order[*to]->score))
			++*to;
		return;
	}
	start = start < 0 ? (start < -n ? 0 : start + n) : start;
	stop = stop < 0 ? stop + n : stop;
	stop = stop >= n ? n - 1 : stop;
	if (start > stop || start >= n)
		return;
	*from = (size_t)(r->rev ? n - 1 - stop : start);
	*to = (size_t)(r->rev ? n - start : stop + 1);
}

static void range_reply(struct fl__mem_call *c, const struct fl__mem_obj *o, const struct range *r)
{
	size_t from = 0, to = 0, n, skip = 0, each = r->scores ? 2 : 1;
	struct fl_reply *v;

	if (o)
		range_span(o, r, &from, &to);
	n = to - from;
	if (r->limited) {
		skip = r->offset < 0 || (uint64_t)r->offset > n ? n : (size_t)r->offset;
		n -= skip;
		if (r->limit >= 0 && (uint64_t)r->limit < n)
			n = (size_t)r->limit;
	}
	v = fl__mem_array(c, n * each);
	for (size_t i = 0; i < n; i++) {
		const struct fl__mem_item *it = o->order[r->rev ? to - 1 - skip - i : from + skip + i];

		fl__mem_put_bulk(c, &v[i * each], fl__mem_item_key(it));
		if (r->scores)
			fl__mem_put_double(c, &v[i * each + 1], it->score);
	}
}

static void range_cmd(struct fl__mem_call *c, struct range *r, bool zrange)
{
	struct fl__mem_obj *o;

	r->limit = -1;
	if (range_opts(c, r, zrange) && range_ends(c, r) && fl__mem_want(c, 1, FL__MEM_ZSET, &o))
		range_reply(c, o, r);
}

static void cmd_zrange(struct fl__mem_call *c)
{
	struct range r = { 0 };

	range_cmd(c, &r, true);
}

static void cmd_zrangebyscore(struct fl__mem_call *c)
{
	struct range r = { .by_score = true };

	range_cmd(c, &r, false);
}

static void cmd_zrevrangebyscore(struct fl__mem_call *c)
{
	struct range r = { .by_score = true, .rev = true };

	range_cmd(c, &r, false);
}

static void cmd_zremrangebyscore(struct fl__mem_call *c)
{
	struct range r = { .by_score = true };
	struct fl__mem_obj *o;
	size_t from = 0, to = 0;

	if (!range_ends(c, &r) || !fl__mem_want(c, 1, FL__MEM_ZSET, &o))
		return;
	if (o)
		range_span(o, &r, &from, &to);
	for (size_t i = from; i < to; i++) {
		struct fl__mem_item *it = o->order[from];

		order_remove(o, o->map.live, it);
		fl__mem_map_del(&o->map, it);
	}
	if (o)
		fl__mem_drop_empty(c, 1, o);
	fl__mem_int(c, (int64_t)(to - from));
}

static void cmd_zcount(struct fl__mem_call *c)
{
	struct range r = { .by_score = true };
	struct fl__mem_obj *o;
	size_t from = 0, to = 0;

	if (!range_ends(c, &r) || !fl__mem_want(c, 1, FL__MEM_ZSET, &o))
		return;
	if (o)
		range_span(o, &r, &from, &to);
	fl__mem_int(c, (int64_t)(to - from));
}

static void cmd_zcard(struct fl__mem_call *c)
{
	struct fl__mem_obj *o;

	if (fl__mem_want(c, 1, FL__MEM_ZSET, &o))
		fl__mem_int(c, o ? (int64_t)o->map.live : 0);
}

static void cmd_zscore(struct fl__mem_call *c)
{
	const struct fl__mem_item *it;
	struct fl__mem_obj *o;

	if (!fl__mem_want(c, 1, FL__MEM_ZSET, &o))
		return;
	it = o ? fl__mem_map_get(&o->map, c->argv[2]) : NULL;
	if (it)
		fl__mem_put_double(c, c->out, it->score);
}

const struct fl__mem_cmd fl__mem_zset_cmds[] = {
	{ "zadd", -4, cmd_zadd, 0 },
	{ "zrem", -3, cmd_zrem, 0 },
	{ "zrange", -4, cmd_zrange, 0 },
	{ "zrangebyscore", -4, cmd_zrangebyscore, 0 },
	{ "zrevrangebyscore", -4, cmd_zrevrangebyscore, 0 },
	{ "zremrangebyscore", 4, cmd_zremrangebyscore, 0 },
	{ "zcount", 4, cmd_zcount, 0 },
	{ "zcard", 2, cmd_zcard, 0 },
	{ "zscore", 3, cmd_zscore, 0 },
	{ NULL, 0, NULL, 0 },
};
