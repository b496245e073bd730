/* The store of an enforcer that has none: a plain forwarder, or one that lives by its image. Every call says that there is none; nothing is carried out. */
#include "io/store.h"

static int none(struct fl_err *err)
{
	return fl_err_set(err, FL_EUNAVAIL, "no store is configured (redis.url)");
}

static int call(struct fl_store *s, const struct fl_cmd *cmds, size_t n, struct fl_arena *arena, struct fl_reply **out, struct fl_err *err)
{
	(void)s, (void)cmds, (void)n, (void)arena, (void)out;
	return none(err);
}

static int eval(struct fl_store *s, const struct fl_script *script, const struct fl_span *keys, size_t n_keys, const struct fl_span *args, size_t n_args,
		struct fl_arena *arena, struct fl_reply *out, struct fl_err *err)
{
	(void)s, (void)script, (void)keys, (void)n_keys, (void)args, (void)n_args, (void)arena, (void)out;
	return none(err);
}

static int wake_next(struct fl_store *s, char *name, size_t cap)
{
	(void)s, (void)name, (void)cap;
	return 0;
}

static int wake_fd(struct fl_store *s)
{
	(void)s;
	return -1;
}

static void close_none(struct fl_store *s)
{
	(void)s; /* static: nothing to give back */
}

static const struct fl_store_ops ops = { call, eval, wake_next, wake_fd, close_none };

struct fl_store *fl_store_none(void)
{
	static struct fl_store store = { &ops, "" };

	return &store;
}
