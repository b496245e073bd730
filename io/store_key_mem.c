/* The twin's commands on keys of any type: DEL, EXISTS, expiry, KEYS, SCAN, TYPE. */
#include "io/store_mem.h"

static void cmd_del(struct fl__mem_call *c)
{
	int64_t n = 0;

	for (size_t i = 1; i < c->argc; i++)
		n += fl__mem_db_del(c->w, c->argv[i]);
	fl__mem_int(c, n);
}

static void cmd_exists(struct fl__mem_call *c)
{
	int64_t n = 0;

	for (size_t i = 1; i < c->argc; i++)
		n += fl__mem_db_get(c->w, c->argv[i]) != NULL;
	fl__mem_int(c, n);
}

static void cmd_type(struct fl__mem_call *c)
{
	static const char *const names[] = { "string", "hash", "set", "zset", "stream" };
	const struct fl__mem_obj *o = fl__mem_db_get(c->w, c->argv[1]);

	*c->out = (struct fl_reply){ .type = FL_REPLY_STATUS, .s = fl_span_str(o ? names[o->type] : "none") };
}

enum { COND_NX = 1, COND_XX = 2, COND_GT = 4, COND_LT = 8 };

/* NX, XX, GT, LT behind the time; false, and the error written, when they do not go together. */
static bool expire_conditions(struct fl__mem_call *c, int *out)
{
	int f = 0;

	for (size_t i = 3; i < c->argc; i++) {
		if (fl__mem_is(c->argv[i], "nx")) {
			f |= COND_NX;
		} else if (fl__mem_is(c->argv[i], "xx")) {
			f |= COND_XX;
		} else if (fl__mem_is(c->argv[i], "gt")) {
			f |= COND_GT;
		} else if (fl__mem_is(c->argv[i], "lt")) {
			f |= COND_LT;
		} else {
			fl__mem_error(c, "ERR Unsupported option %.*s", fl__mem_shown(c->argv[i]),
				      (const char *)c->argv[i].p);
			return false;
		}
	}
	if ((f & COND_NX) && (f & ~COND_NX)) {
		fl__mem_error(c, "ERR NX and XX, GT or LT options at the same time are not compatible");
		return false;
	}
	if ((f & COND_GT) && (f & COND_LT)) {
		fl__mem_error(c, "ERR GT and LT options at the same time are not compatible");
		return false;
	}
	*out = f;
	return true;
}

static bool expire_allowed(const struct fl__mem_obj *o, int cond, int64_t when)
{
	if ((cond & COND_NX) && o->expire_ms >= 0)
		return false;
	if ((cond & COND_XX) && o->expire_ms < 0)
		return false;
	if ((cond & COND_GT) && (o->expire_ms < 0 || when <= o->expire_ms))
		return false;
	return !(cond & COND_LT) || o->expire_ms < 0 || when < o->expire_ms;
}

static void expire_in(struct fl__mem_call *c, int64_t unit_ms)
{
	struct fl__mem_obj *o;
	int64_t n, when;
	int cond;

	if (!expire_conditions(c, &cond) || !fl__mem_ll_arg(c, 2, &n))
		return;
	if (__builtin_mul_overflow(n, unit_ms, &when) || __builtin_add_overflow(when, c->w->now_ms, &when)) {
		fl__mem_error(c, "ERR invalid expire time in '%s' command", c->name);
		return;
	}
	o = fl__mem_db_get(c->w, c->argv[1]);
	if (!o || !expire_allowed(o, cond, when)) {
		fl__mem_int(c, 0);
		return;
	}
	if (when <= c->w->now_ms)
		fl__mem_db_del(c->w, c->argv[1]);
	else
		fl__mem_db_expire(c->w, o, when);
	fl__mem_int(c, 1);
}

static void cmd_expire(struct fl__mem_call *c)
{
	expire_in(c, 1000);
}

static void cmd_pexpire(struct fl__mem_call *c)
{
	expire_in(c, 1);
}

static void cmd_persist(struct fl__mem_call *c)
{
	struct fl__mem_obj *o = fl__mem_db_get(c->w, c->argv[1]);
	bool had = o && o->expire_ms >= 0;

	if (had)
		fl__mem_db_expire(c->w, o, -1);
	fl__mem_int(c, had);
}

/* -2: no key; -1: no expiry. */
static int64_t left_ms(struct fl__mem_call *c)
{
	const struct fl__mem_obj *o = fl__mem_db_get(c->w, c->argv[1]);

	if (!o)
		return -2;
	return o->expire_ms < 0 ? -1 : o->expire_ms - c->w->now_ms;
}

static void cmd_pttl(struct fl__mem_call *c)
{
	fl__mem_int(c, left_ms(c));
}

static void cmd_ttl(struct fl__mem_call *c)
{
	int64_t ms = left_ms(c);

	fl__mem_int(c, ms < 0 ? ms : (ms + 500) / 1000);
}

static void cmd_keys(struct fl__mem_call *c)
{
	const struct fl__mem_map *m = &c->w->keys;
	struct fl_reply *v = fl__mem_array(c, m->live);
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		if (m->v[i] && fl__mem_match(c->argv[1], fl__mem_item_key(m->v[i])))
			fl__mem_put_bulk(c, &v[n++], fl__mem_item_key(m->v[i]));
	c->out->n = n;
}

struct scan {
	int64_t cursor, count;
	struct fl_span match;
};

static bool scan_args(struct fl__mem_call *c, struct scan *s)
{
	*s = (struct scan){ .count = 10 };
	if (!fl__mem_ll(c->argv[1], &s->cursor) || s->cursor < 0) {
		fl__mem_error(c, "ERR invalid cursor");
		return false;
	}
	for (size_t i = 2; i < c->argc; i += 2) {
		bool more = i + 1 < c->argc;

		if (more && fl__mem_is(c->argv[i], "match")) {
			s->match = c->argv[i + 1];
		} else if (more && fl__mem_is(c->argv[i], "count")) {
			if (!fl__mem_ll_arg(c, i + 1, &s->count))
				return false;
			if (s->count < 1)
				more = false;
		} else {
			more = false;
		}
		if (!more) {
			fl__mem_syntax(c);
			return false;
		}
	}
	return true;
}

/* The cursor is the seq of the next item, so that a key that stays through the whole scan is met, whatever else comes
 * and goes. */
static void cmd_scan(struct fl__mem_call *c)
{
	const struct fl__mem_map *m = &c->w->keys;
	struct fl_reply *r, *v;
	size_t i = 0, n = 0, seen = 0;
	struct scan s;
	char next[24];

	if (!scan_args(c, &s))
		return;
	r = fl__mem_array(c, 2);
	v = fl__mem_array_in(c, &r[1], m->live < (uint64_t)s.count ? m->live : (size_t)s.count);
	while (i < m->n && (!m->v[i] || m->v[i]->seq < (uint64_t)s.cursor))
		i++;
	for (; i < m->n && seen < (size_t)s.count; i++) {
		if (!m->v[i])
			continue;
		seen++;
		if (!s.match.p || fl__mem_match(s.match, fl__mem_item_key(m->v[i])))
			fl__mem_put_bulk(c, &v[n++], fl__mem_item_key(m->v[i]));
	}
	r[1].n = n;
	while (i < m->n && !m->v[i])
		i++;
	snprintf(next, sizeof(next), "%llu", i < m->n ? (unsigned long long)m->v[i]->seq : 0ULL);
	fl__mem_put_bulk(c, &r[0], fl_span_str(next));
}

const struct fl__mem_cmd fl__mem_key_cmds[] = {
	{ "del", -2, cmd_del, 0 },       { "unlink", -2, cmd_del, 0 },      { "exists", -2, cmd_exists, 0 },
	{ "expire", -3, cmd_expire, 0 }, { "pexpire", -3, cmd_pexpire, 0 }, { "persist", 2, cmd_persist, 0 },
	{ "pttl", 2, cmd_pttl, 0 },      { "ttl", 2, cmd_ttl, 0 },          { "type", 2, cmd_type, 0 },
	{ "keys", 2, cmd_keys, 0 },      { "scan", -2, cmd_scan, 0 },       { NULL, 0, NULL, 0 },
};
