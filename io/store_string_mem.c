/* The twin's string commands. */
#include "io/store_mem.h"

static void store_value(struct fl__mem_call *c, struct fl_span key, struct fl_span value, int64_t expire_ms)
{
	struct fl__mem_str *str = fl__mem_str(value);
	struct fl__mem_obj *o = fl__mem_db_new(c->w, key, FL__MEM_STRING);

	o->str = str;
	fl__mem_db_expire(c->w, o, expire_ms);
}

static void cmd_get(struct fl__mem_call *c)
{
	struct fl__mem_obj *o;

	if (!fl__mem_want(c, 1, FL__MEM_STRING, &o))
		return;
	if (o)
		fl__mem_bulk(c, fl__mem_str_span(o->str));
	else
		fl__mem_nil(c);
}

static void cmd_strlen(struct fl__mem_call *c)
{
	struct fl__mem_obj *o;

	if (fl__mem_want(c, 1, FL__MEM_STRING, &o))
		fl__mem_int(c, o ? (int64_t)o->str->n : 0);
}

struct set_opts {
	bool nx, xx, get, keep_ttl, timed;
	int64_t expire_ms;
};

/* EX, PX, EXAT, PXAT: as a time of the wall clock. */
static bool expire_arg(struct fl__mem_call *c, size_t i, int64_t unit_ms, bool relative, int64_t *out)
{
	int64_t n, when;

	if (!fl__mem_ll_arg(c, i, &n))
		return false;
	if (n <= 0 || __builtin_mul_overflow(n, unit_ms, &when) ||
	    (relative && __builtin_add_overflow(when, c->w->now_ms, &when))) {
		fl__mem_error(c, "ERR invalid expire time in '%s' command", c->name);
		return false;
	}
	*out = when;
	return true;
}

static bool set_opts_arg(struct fl__mem_call *c, size_t *i, struct set_opts *o, bool *fine)
{
	static const struct {
		const char *word;
		int64_t unit_ms;
		bool relative;
	} times[] = { { "ex", 1000, true }, { "px", 1, true }, { "exat", 1000, false }, { "pxat", 1, false } };

	for (size_t k = 0; k < sizeof(times) / sizeof(times[0]); k++) {
		if (!fl__mem_is(c->argv[*i], times[k].word))
			continue;
		if (o->timed || o->keep_ttl || *i + 1 >= c->argc)
			return false;
		o->timed = true;
		*fine = expire_arg(c, ++*i, times[k].unit_ms, times[k].relative, &o->expire_ms);
		return true;
	}
	return false;
}

/* False, and the error written, when they do not fit together. */
static bool set_opts(struct fl__mem_call *c, struct set_opts *o)
{
	bool fine = true, time_fine = true;

	*o = (struct set_opts){ .expire_ms = -1 };
	for (size_t i = 3; i < c->argc && fine; i++) {
		if (fl__mem_is(c->argv[i], "nx"))
			o->nx = true;
		else if (fl__mem_is(c->argv[i], "xx"))
			o->xx = true;
		else if (fl__mem_is(c->argv[i], "get"))
			o->get = true;
		else if (fl__mem_is(c->argv[i], "keepttl") && !o->timed)
			o->keep_ttl = true;
		else
			fine = set_opts_arg(c, &i, o, &time_fine);
	}
	if (!fine || (o->nx && o->xx)) {
		fl__mem_syntax(c);
		return false;
	}
	return time_fine;
}

static void cmd_set(struct fl__mem_call *c)
{
	struct fl__mem_obj *old;
	struct set_opts o;
	bool refused;

	if (!set_opts(c, &o))
		return;
	if (o.get) {
		cmd_get(c);
		if (c->out->type == FL_REPLY_ERROR)
			return;
	}
	old = fl__mem_db_get(c->w, c->argv[1]);
	refused = (o.nx && old) || (o.xx && !old);
	if (!refused)
		store_value(c, c->argv[1], c->argv[2], o.keep_ttl && old ? old->expire_ms : o.expire_ms);
	if (o.get)
		return;
	if (refused)
		fl__mem_nil(c);
	else
		fl__mem_ok(c);
}

static void cmd_setex(struct fl__mem_call *c)
{
	int64_t when;

	if (!expire_arg(c, 2, 1000, true, &when))
		return;
	store_value(c, c->argv[1], c->argv[3], when);
	fl__mem_ok(c);
}

static void incr_by(struct fl__mem_call *c, int64_t by)
{
	struct fl__mem_obj *o;
	int64_t v = 0;
	char text[24];

	if (!fl__mem_want(c, 1, FL__MEM_STRING, &o))
		return;
	if (o && !fl__mem_ll(fl__mem_str_span(o->str), &v)) {
		fl__mem_not_int(c);
		return;
	}
	if (__builtin_add_overflow(v, by, &v)) {
		fl__mem_error(c, "ERR increment or decrement would overflow");
		return;
	}
	snprintf(text, sizeof(text), "%lld", (long long)v);
	store_value(c, c->argv[1], fl_span_str(text), o ? o->expire_ms : -1);
	fl__mem_int(c, v);
}

static void cmd_incr(struct fl__mem_call *c)
{
	incr_by(c, 1);
}

static void cmd_incrby(struct fl__mem_call *c)
{
	int64_t by;

	if (fl__mem_ll_arg(c, 2, &by))
		incr_by(c, by);
}

const struct fl__mem_cmd fl__mem_string_cmds[] = {
	{ "get", 2, cmd_get, 0 },       { "set", -3, cmd_set, 0 },  { "setex", 4, cmd_setex, 0 },
	{ "strlen", 2, cmd_strlen, 0 }, { "incr", 2, cmd_incr, 0 }, { "incrby", 3, cmd_incrby, 0 },
	{ NULL, 0, NULL, 0 },
};
