/* The store door's common calls: what is the same over Redis and over its twin. The doors are store_redis.c and
 * store_mem.c. */
#include "io/store.h"
#include "io/store_error.h"

#include <stdarg.h>

#include "base/text.h"

enum { CMD_ARGS_MAX = 64 };

int fl_store_call(struct fl_store *s, const struct fl_cmd *cmds, size_t n, struct fl_arena *arena,
		  struct fl_reply **out, struct fl_err *err)
{
	return s->ops->call(s, cmds, n, arena, out, err);
}

int fl_store_eval(struct fl_store *s, const struct fl_script *script, const struct fl_span *keys, size_t n_keys,
		  const struct fl_span *args, size_t n_args, struct fl_arena *arena, struct fl_reply *out,
		  struct fl_err *err)
{
	return s->ops->eval(s, script, keys, n_keys, args, n_args, arena, out, err);
}

int fl_store_cmd(struct fl_store *s, struct fl_arena *arena, struct fl_reply *out, struct fl_err *err,
		 const char *first, ...)
{
	struct fl_span argv[CMD_ARGS_MAX];
	struct fl_cmd cmd = { argv, 0 };
	struct fl_reply *reply = NULL;
	const char *arg = first;
	va_list ap;
	int ret;

	va_start(ap, first);
	for (; arg && cmd.argc < CMD_ARGS_MAX; arg = va_arg(ap, const char *))
		argv[cmd.argc++] = fl_span_str(arg);
	va_end(ap);
	if (arg)
		return fl_err_set(err, FL_EUSAGE, "%s: more than %d arguments", first, CMD_ARGS_MAX);
	ret = s->ops->call(s, &cmd, 1, arena, &reply, err);
	if (ret < 0)
		return ret;
	if (reply->type == FL_REPLY_ERROR)
		return fl__store_error(first, reply->s, err);
	*out = *reply;
	return 0;
}

int fl_store_time(struct fl_store *s, fl_unix_us *out, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_reply r;
	uint64_t sec, us;
	int ret = fl_store_cmd(s, &arena, &r, err, "TIME", (char *)NULL);

	if (ret < 0)
		goto out;
	if (r.type != FL_REPLY_ARRAY || r.n != 2 || !fl_u64_parse(r.v[0].s, &sec) || !fl_u64_parse(r.v[1].s, &us) ||
	    sec > INT64_MAX / 2 / FL_US_PER_S || us >= (uint64_t)FL_US_PER_S) {
		ret = fl_err_set(err, FL_ECORRUPT, "TIME: an answer that is no time");
		goto out;
	}
	*out = (fl_unix_us)sec * FL_US_PER_S + (fl_unix_us)us;
out:
	fl_arena_done(&arena);
	return ret;
}

void fl_store_close(struct fl_store *s)
{
	if (s)
		s->ops->close(s);
}
