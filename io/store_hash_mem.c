/* The twin's hash and set commands: both are a map, a hash with a value beside each key. */
#include "io/store_mem.h"

/* 1 when the field is new. */
static int hash_put(struct fl__mem_obj *o, struct fl_span field, struct fl_span value)
{
	struct fl__mem_str *str = fl__mem_str(value);
	bool added;
	struct fl__mem_item *it = fl__mem_map_put(&o->map, field, &added);

	if (!added)
		free(it->str);
	it->str = str;
	return added;
}

static const struct fl__mem_item *field_of(const struct fl__mem_obj *o, struct fl_span field)
{
	return o ? fl__mem_map_get(&o->map, field) : NULL;
}

static void cmd_hset(struct fl__mem_call *c)
{
	struct fl__mem_obj *o;
	int64_t n = 0;

	if (c->argc % 2) {
		fl__mem_arity(c);
		return;
	}
	if (!fl__mem_make(c, 1, FL__MEM_HASH, &o))
		return;
	for (size_t i = 2; i < c->argc; i += 2)
		n += hash_put(o, c->argv[i], c->argv[i + 1]);
	fl__mem_int(c, n);
}

static void cmd_hsetnx(struct fl__mem_call *c)
{
	struct fl__mem_obj *o;

	if (!fl__mem_make(c, 1, FL__MEM_HASH, &o))
		return;
	if (field_of(o, c->argv[2]))
		fl__mem_int(c, 0);
	else
		fl__mem_int(c, hash_put(o, c->argv[2], c->argv[3]));
}

static void cmd_hget(struct fl__mem_call *c)
{
	const struct fl__mem_item *it;
	struct fl__mem_obj *o;

	if (!fl__mem_want(c, 1, FL__MEM_HASH, &o))
		return;
	it = field_of(o, c->argv[2]);
	if (it)
		fl__mem_bulk(c, fl__mem_str_span(it->str));
	else
		fl__mem_nil(c);
}

static void cmd_hmget(struct fl__mem_call *c)
{
	struct fl__mem_obj *o;
	struct fl_reply *v;

	if (!fl__mem_want(c, 1, FL__MEM_HASH, &o))
		return;
	v = fl__mem_array(c, c->argc - 2);
	for (size_t i = 2; i < c->argc; i++) {
		const struct fl__mem_item *it = field_of(o, c->argv[i]);

		if (it)
			fl__mem_put_bulk(c, &v[i - 2], fl__mem_str_span(it->str));
	}
}

/* Keys, values, or both, in the order of insertion. */
static void list_map(struct fl__mem_call *c, enum fl__mem_type type, bool keys, bool values)
{
	struct fl__mem_obj *o;
	struct fl_reply *v;
	size_t n = 0;

	if (!fl__mem_want(c, 1, type, &o))
		return;
	v = fl__mem_array(c, (o ? o->map.live : 0) * (keys && values ? 2 : 1));
	for (size_t i = 0; o && i < o->map.n; i++) {
		if (!o->map.v[i])
			continue;
		if (keys)
			fl__mem_put_bulk(c, &v[n++], fl__mem_item_key(o->map.v[i]));
		if (values)
			fl__mem_put_bulk(c, &v[n++], fl__mem_str_span(o->map.v[i]->str));
	}
}

static void cmd_hgetall(struct fl__mem_call *c)
{
	list_map(c, FL__MEM_HASH, true, true);
}

static void cmd_hkeys(struct fl__mem_call *c)
{
	list_map(c, FL__MEM_HASH, true, false);
}

static void cmd_hvals(struct fl__mem_call *c)
{
	list_map(c, FL__MEM_HASH, false, true);
}

static void cmd_smembers(struct fl__mem_call *c)
{
	list_map(c, FL__MEM_SET, true, false);
}

static void remove_each(struct fl__mem_call *c, enum fl__mem_type type)
{
	struct fl__mem_obj *o;
	int64_t n = 0;

	if (!fl__mem_want(c, 1, type, &o))
		return;
	for (size_t i = 2; o && i < c->argc; i++) {
		struct fl__mem_item *it = fl__mem_map_get(&o->map, c->argv[i]);

		if (!it)
			continue;
		if (type == FL__MEM_HASH)
			free(it->str);
		fl__mem_map_del(&o->map, it);
		n++;
	}
	if (o)
		fl__mem_drop_empty(c, 1, o);
	fl__mem_int(c, n);
}

static void cmd_hdel(struct fl__mem_call *c)
{
	remove_each(c, FL__MEM_HASH);
}

static void cmd_srem(struct fl__mem_call *c)
{
	remove_each(c, FL__MEM_SET);
}

static void has(struct fl__mem_call *c, enum fl__mem_type type)
{
	struct fl__mem_obj *o;

	if (fl__mem_want(c, 1, type, &o))
		fl__mem_int(c, field_of(o, c->argv[2]) != NULL);
}

static void cmd_hexists(struct fl__mem_call *c)
{
	has(c, FL__MEM_HASH);
}

static void cmd_sismember(struct fl__mem_call *c)
{
	has(c, FL__MEM_SET);
}

static void count(struct fl__mem_call *c, enum fl__mem_type type)
{
	struct fl__mem_obj *o;

	if (fl__mem_want(c, 1, type, &o))
		fl__mem_int(c, o ? (int64_t)o->map.live : 0);
}

static void cmd_hlen(struct fl__mem_call *c)
{
	count(c, FL__MEM_HASH);
}

static void cmd_scard(struct fl__mem_call *c)
{
	count(c, FL__MEM_SET);
}

static void cmd_hincrby(struct fl__mem_call *c)
{
	const struct fl__mem_item *it;
	struct fl__mem_obj *o;
	int64_t by, v = 0;
	char text[24];

	if (!fl__mem_ll_arg(c, 3, &by) || !fl__mem_want(c, 1, FL__MEM_HASH, &o))
		return;
	it = field_of(o, c->argv[2]);
	if (it && !fl__mem_ll(fl__mem_str_span(it->str), &v)) {
		fl__mem_error(c, "ERR hash value is not an integer");
		return;
	}
	if (__builtin_add_overflow(v, by, &v)) {
		fl__mem_error(c, "ERR increment or decrement would overflow");
		return;
	}
	if (!o)
		o = fl__mem_db_new(c->w, c->argv[1], FL__MEM_HASH);
	snprintf(text, sizeof(text), "%lld", (long long)v);
	hash_put(o, c->argv[2], fl_span_str(text));
	fl__mem_int(c, v);
}

static void cmd_sadd(struct fl__mem_call *c)
{
	struct fl__mem_obj *o;
	int64_t n = 0;
	bool added;

	if (!fl__mem_make(c, 1, FL__MEM_SET, &o))
		return;
	for (size_t i = 2; i < c->argc; i++) {
		fl__mem_map_put(&o->map, c->argv[i], &added);
		n += added;
	}
	fl__mem_int(c, n);
}

const struct fl__mem_cmd fl__mem_hash_cmds[] = {
	{ "hset", -4, cmd_hset, 0 },
	{ "hsetnx", 4, cmd_hsetnx, 0 },
	{ "hget", 3, cmd_hget, 0 },
	{ "hmget", -3, cmd_hmget, 0 },
	{ "hgetall", 2, cmd_hgetall, 0 },
	{ "hdel", -3, cmd_hdel, 0 },
	{ "hexists", 3, cmd_hexists, 0 },
	{ "hlen", 2, cmd_hlen, 0 },
	{ "hincrby", 4, cmd_hincrby, 0 },
	{ "hkeys", 2, cmd_hkeys, 0 },
	{ "hvals", 2, cmd_hvals, 0 },
	{ NULL, 0, NULL, 0 },
};

const struct fl__mem_cmd fl__mem_set_cmds[] = {
	{ "sadd", -3, cmd_sadd, 0 },          { "srem", -3, cmd_srem, 0 },  { "smembers", 2, cmd_smembers, 0 },
	{ "sismember", 3, cmd_sismember, 0 }, { "scard", 2, cmd_scard, 0 }, { NULL, 0, NULL, 0 },
};
