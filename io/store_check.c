/* What a person must know before trusting a Redis server: whether it evicts, and what a crash of it loses. By CONFIG
 * GET, or by INFO where an ACL forbids that. */
#include "io/store.h"

#include <stdio.h>

enum { POLICY, APPENDONLY, APPENDFSYNC, SETTINGS };

static const char *const names[SETTINGS] = { "maxmemory-policy", "appendonly", "appendfsync" };

/* Spans stay empty where the server does not tell. */
static int ask_config(struct fl_store *s, struct fl_arena *arena, struct fl_span v[SETTINGS], struct fl_err *err)
{
	struct fl_span argv[SETTINGS][3];
	struct fl_cmd cmds[SETTINGS];
	struct fl_reply *r;
	int ret;

	for (size_t i = 0; i < SETTINGS; i++) {
		argv[i][0] = fl_span_str("CONFIG");
		argv[i][1] = fl_span_str("GET");
		argv[i][2] = fl_span_str(names[i]);
		cmds[i] = (struct fl_cmd){ argv[i], 3 };
	}
	ret = fl_store_call(s, cmds, SETTINGS, arena, &r, err);
	for (size_t i = 0; ret == 0 && i < SETTINGS; i++)
		if (r[i].type == FL_REPLY_ARRAY && r[i].n == 2)
			v[i] = r[i].v[1].s;
	return ret;
}

/* The value of "field:value\r\n", with the field given as "field:". */
static struct fl_span info_field(struct fl_span info, const char *field)
{
	const char *at = info.n ? memmem(info.p, info.n, field, strlen(field)) : NULL;
	const char *end = (const char *)info.p + info.n, *stop;

	if (!at || (at != (const char *)info.p && at[-1] != '\n'))
		return fl_span(NULL, 0);
	at += strlen(field);
	stop = memchr(at, '\r', (size_t)(end - at));
	return fl_span(at, stop ? (size_t)(stop - at) : (size_t)(end - at));
}

static int ask_info(struct fl_store *s, struct fl_arena *arena, struct fl_span v[SETTINGS], struct fl_err *err)
{
	struct fl_span word = fl_span_str("INFO"), aof;
	struct fl_cmd cmd = { &word, 1 };
	struct fl_reply *r;
	int ret = fl_store_call(s, &cmd, 1, arena, &r, err);

	if (ret < 0 || r->type != FL_REPLY_STRING)
		return ret;
	if (v[POLICY].n == 0)
		v[POLICY] = info_field(r->s, "maxmemory_policy:");
	aof = info_field(r->s, "aof_enabled:");
	if (v[APPENDONLY].n == 0 && aof.n)
		v[APPENDONLY] = fl_span_str(fl_span_eqs(aof, "1") ? "yes" : "no");
	return 0;
}

static const char *warning_of(const struct fl_span v[SETTINGS])
{
	if (v[POLICY].n == 0)
		return "this Redis user may read neither CONFIG nor INFO: whether the server evicts keys, and keeps "
		       "them over a restart, is not known";
	if (fl_span_eqs(v[APPENDONLY], "no"))
		return "Redis keeps no append-only file (appendonly no): a restart loses acknowledged versions; set "
		       "appendonly yes";
	if (v[APPENDONLY].n == 0)
		return "whether Redis keeps an append-only file is not known: this user may read neither CONFIG nor "
		       "INFO";
	if (v[APPENDFSYNC].n == 0)
		return "appendfsync is not known, since this Redis user may not read CONFIG: it should be always";
	if (fl_span_eqs(v[APPENDFSYNC], "everysec"))
		return "appendfsync everysec: a power cut can take the last second of acknowledged versions; always "
		       "keeps them";
	if (!fl_span_eqs(v[APPENDFSYNC], "always"))
		return "appendfsync no: a power cut can take many seconds of acknowledged versions; always keeps them";
	return "";
}

int fl_store_redis_check(struct fl_store *s, char *warning, size_t cap, struct fl_err *err)
{
	struct fl_span v[SETTINGS] = { 0 };
	struct fl_arena arena = { 0 };
	int ret = ask_config(s, &arena, v, err);

	if (ret == 0 && (v[POLICY].n == 0 || v[APPENDONLY].n == 0))
		ret = ask_info(s, &arena, v, err);
	if (ret < 0)
		goto out;
	if (v[POLICY].n && !fl_span_eqs(v[POLICY], "noeviction")) {
		ret = fl_err_set(
			err, FL_EREFUSED,
			"redis evicts keys (maxmemory-policy %.*s), which would eat versions: set it to noeviction",
			v[POLICY].n > 40 ? 40 : (int)v[POLICY].n, (const char *)v[POLICY].p);
		goto out;
	}
	if (cap)
		snprintf(warning, cap, "%s", warning_of(v));
out:
	fl_arena_done(&arena);
	return ret;
}
