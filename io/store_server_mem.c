/* The twin's commands about the server: PING, TIME, PUBLISH, FLUSHALL, CONFIG GET, INFO, WAIT. */
#include "io/store_mem.h"

static void cmd_ping(struct fl__mem_call *c)
{
	if (c->argc > 2)
		fl__mem_arity(c);
	else if (c->argc == 2)
		fl__mem_bulk(c, c->argv[1]);
	else
		*c->out = (struct fl_reply){ .type = FL_REPLY_STATUS, .s = fl_span_str("PONG") };
}

static void cmd_time(struct fl__mem_call *c)
{
	fl_unix_us now = fl_now_unix(c->w->clock);
	struct fl_reply *v = fl__mem_array(c, 2);
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)(now / FL_US_PER_S));
	fl__mem_put_bulk(c, &v[0], fl_span_str(text));
	snprintf(text, sizeof(text), "%lld", (long long)(now % FL_US_PER_S));
	fl__mem_put_bulk(c, &v[1], fl_span_str(text));
}

static void cmd_publish(struct fl__mem_call *c)
{
	fl__mem_int(c, (int64_t)fl__mem_publish(c->w, c->argv[1], c->argv[2]));
}

static void cmd_flushall(struct fl__mem_call *c)
{
	if (c->argc > 2 || (c->argc == 2 && !fl__mem_is(c->argv[1], "async") && !fl__mem_is(c->argv[1], "sync"))) {
		fl__mem_syntax(c);
		return;
	}
	fl__mem_db_clear(&c->w->keys);
	fl__mem_ok(c);
}

static void cmd_config(struct fl__mem_call *c)
{
	static const char *const settings[][2] = { { "maxmemory-policy", "noeviction" },
						   { "appendonly", "yes" },
						   { "appendfsync", "always" } };
	enum { N = sizeof(settings) / sizeof(settings[0]) };
	struct fl_reply *v;
	size_t n = 0;

	if (!fl__mem_is(c->argv[1], "get")) {
		fl__mem_error(c, "ERR unknown subcommand '%.*s'. Try CONFIG HELP.", fl__mem_shown(c->argv[1]),
			      (const char *)c->argv[1].p);
		return;
	}
	v = fl__mem_array(c, 2 * (size_t)N);
	for (size_t i = 0; i < N; i++) {
		bool wanted = false;

		for (size_t k = 2; k < c->argc; k++)
			wanted |= fl__mem_match(c->argv[k], fl_span_str(settings[i][0]));
		if (!wanted)
			continue;
		fl__mem_put_bulk(c, &v[n++], fl_span_str(settings[i][0]));
		fl__mem_put_bulk(c, &v[n++], fl_span_str(settings[i][1]));
	}
	c->out->n = n;
}

static void cmd_info(struct fl__mem_call *c)
{
	fl__mem_bulk(
		c, fl_span_str("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\r\n# "
			       "Memory\r\nused_memory:0\r\nmaxmemory:0\r\n"
			       "maxmemory_policy:noeviction\r\n\r\n# Persistence\r\nloading:0\r\naof_enabled:1\r\n\r\n"
			       "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"));
}

/* No replicas, so none has acknowledged, and none will however long one waits. */
static void cmd_wait(struct fl__mem_call *c)
{
	int64_t n;

	if (fl__mem_ll_arg(c, 1, &n) && fl__mem_ll_arg(c, 2, &n))
		fl__mem_int(c, 0);
}

const struct fl__mem_cmd fl__mem_server_cmds[] = {
	{ "ping", -1, cmd_ping, 0 },
	{ "time", 1, cmd_time, 0 },
	{ "publish", 3, cmd_publish, 0 },
	{ "flushall", -1, cmd_flushall, 0 },
	{ "config", -3, cmd_config, FL__MEM_NOSCRIPT },
	{ "info", -1, cmd_info, 0 },
	{ "wait", 3, cmd_wait, FL__MEM_NOSCRIPT },
	{ NULL, 0, NULL, 0 },
};
