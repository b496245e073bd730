#include "cli/cmd.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/time.h"

static const struct fl_command_opt globals[] = {
	{ "config", "FILE", "configuration (-c); default $FIRELINE_CONFIG, then /etc/fireline/fireline.yaml" },
	{ "socket", "PATH", "admin socket (-s); default $FIRELINE_SOCKET, then the configuration's" },
	{ "json", NULL, "print JSON" },
	{ "output", "FORM", "human, json or ndjson (-o)" },
	{ "quiet", NULL, "print only what was asked for (-q)" },
	{ "yes", NULL, "do not ask" },
	{ "timeout", "DUR", "give up after this (default 30s)" },
	{ "help", NULL, "print help" },
	{ 0 },
};

int fl_cli_fail(enum fl_exit code, const char *fl, const char *hint, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "fireline: error %s: ", fl);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (hint && hint[0])
		fprintf(stderr, "  try: %s\n", hint);
	return (int)code;
}

const char *fl_cli_opt(const struct fl_cli *c, const char *name)
{
	for (int i = c->n_opts - 1; i >= 0; i--)
		if (strcmp(c->opts[i].name, name) == 0)
			return c->opts[i].value;
	return NULL;
}

/* How many of argv's words name this command; 0: none. */
static int words_match(const struct fl_command *cmd, int argc, char **argv)
{
	const char *w = cmd->words;
	int n = 0;

	while (*w) {
		size_t len = strcspn(w, " ");

		if (n >= argc || strlen(argv[n]) != len || strncmp(argv[n], w, len) != 0)
			return 0;
		n++;
		w += len + (w[len] == ' ');
	}
	return n;
}

static void print_opts(FILE *out, const struct fl_command_opt *o)
{
	for (; o && o->name; o++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		fprintf(out, "  %-24s %s\n", left, o->help);
	}
}

static int help_command(const struct fl_command *cmd, FILE *out)
{
	fprintf(out, "%s\n\nUsage: fireline %s%s%s [options]\n", cmd->help, cmd->words, cmd->args[0] ? " " : "", cmd->args);
	if (cmd->opts) {
		fprintf(out, "\nOptions:\n");
		print_opts(out, cmd->opts);
	}
	fprintf(out, "\nEverywhere:\n");
	print_opts(out, globals);
	if (cmd->examples)
		fprintf(out, "\nExamples:\n%s", cmd->examples);
	return FL_EXIT_OK;
}

static int help_all(FILE *out)
{
	fprintf(out, "fireline %s: DNS blocklists that keep themselves fresh, and say why.\n\nUsage: fireline [-c FILE | -s SOCKET] [--json] COMMAND\n\n", FL_VERSION);
	for (size_t i = 0; fl_command_at(i); i++) {
		const struct fl_command *cmd = fl_command_at(i);
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s", cmd->words, cmd->args[0] ? " " : "", cmd->args);
		fprintf(out, "  %-36s %s\n", left, cmd->help);
	}
	fprintf(out, "\nfireline COMMAND --help tells more. Exit codes: ");
#define FL_X(name, code, text) fprintf(out, "%d %s; ", code, text);
	FL_EXITS(FL_X)
#undef FL_X
	fputc('\n', out);
	return FL_EXIT_OK;
}

static const struct fl_command *find(int argc, char **argv, int *used)
{
	const struct fl_command *best = NULL;

	*used = 0;
	for (size_t i = 0; fl_command_at(i); i++) {
		int n = words_match(fl_command_at(i), argc, argv);

		if (n > *used) {
			*used = n;
			best = fl_command_at(i);
		}
	}
	return best;
}

static int unknown_command(int argc, char **argv)
{
	const char *names[128];
	char given[128] = "";
	size_t n = 0;

	for (int i = 0; i < argc && i < 2; i++)
		snprintf(given + strlen(given), sizeof(given) - strlen(given), "%s%s", i ? " " : "", argv[i]);
	for (size_t i = 0; fl_command_at(i) && n < 128; i++)
		names[n++] = fl_command_at(i)->words;
	const char *near = fl_did_you_mean(given, names, n);

	if (!near)
		near = fl_did_you_mean(argv[0], names, n);
	return fl_cli_fail(FL_EXIT_USAGE, "FL2001", "fireline help", near ? "no command '%s'; did you mean '%s'?" : "no command '%s'", given, near);
}

static const struct fl_command_opt *opt_named(const struct fl_command_opt *o, const char *name, size_t n)
{
	for (; o && o->name; o++)
		if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
			return o;
	return NULL;
}

static const char *short_name(char c)
{
	static const struct {
		char c;
		const char *name;
	} rows[] = { { 'c', "config" }, { 's', "socket" }, { 'o', "output" }, { 'q', "quiet" }, { 'h', "help" }, { 'n', "limit" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].c == c)
			return rows[i].name;
	return NULL;
}

/* One option at argv[*i]; *i moves over its value. cmd may be NULL (before the command's words). */
static int take_option(struct fl_cli *c, const struct fl_command *cmd, int argc, char **argv, int *i)
{
	const char *a = argv[*i], *name, *eq, *value = "";
	const struct fl_command_opt *o;
	size_t n;

	if (a[1] == '-')
		name = a + 2;
	else {
		name = a[2] == '\0' ? short_name(a[1]) : NULL;
		if (!name)
			return fl_cli_fail(FL_EXIT_USAGE, "FL2001", "fireline help", "unknown option '%s'", a);
	}
	eq = strchr(name, '=');
	n = eq ? (size_t)(eq - name) : strlen(name);
	o = cmd ? opt_named(cmd->opts, name, n) : NULL;
	if (!o)
		o = opt_named(globals, name, n);
	if (!o)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", cmd ? "--help lists the options" : "fireline help", "unknown option '%s'%s%s", a, cmd ? " of " : "",
				   cmd ? cmd->words : "");
	if (o->arg) {
		value = eq ? eq + 1 : *i + 1 < argc ? argv[++*i] : NULL;
		if (!value)
			return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "option --%s needs a value: %s", o->name, o->arg);
	} else if (eq)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "option --%s takes no value", o->name);
	if (c->n_opts == (int)(sizeof(c->opts) / sizeof(c->opts[0])))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "too many options");
	c->opts[c->n_opts].name = o->name;
	c->opts[c->n_opts++].value = value;
	return 0;
}

static int settle(struct fl_cli *c)
{
	const char *out = fl_cli_opt(c, "output"), *timeout = fl_cli_opt(c, "timeout");
	int64_t ms = 30000;

	c->config_path = fl_cli_opt(c, "config");
	c->socket = fl_cli_opt(c, "socket");
	c->quiet = fl_cli_opt(c, "quiet") != NULL;
	c->yes = fl_cli_opt(c, "yes") != NULL;
	c->out = fl_cli_opt(c, "json") ? FL_OUT_JSON : FL_OUT_HUMAN;
	if (out) {
		if (strcmp(out, "json") == 0)
			c->out = FL_OUT_JSON;
		else if (strcmp(out, "ndjson") == 0)
			c->out = FL_OUT_NDJSON;
		else if (strcmp(out, "human") != 0)
			return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "-o takes human, json or ndjson, not '%s'", out);
	}
	if (timeout && (!fl_duration_parse(timeout, &ms) || ms <= 0 || ms > 86400000))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--timeout '%s' is no duration (30s, 5m)", timeout);
	c->timeout_ms = (int)ms;
	return 0;
}

static int parse(struct fl_cli *c, int argc, char **argv)
{
	int i = 1, used, ret;
	bool only_args = false;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		ret = take_option(c, NULL, argc, argv, &i);
		if (ret)
			return ret;
	}
	if (i >= argc)
		return 0;
	c->cmd = find(argc - i, argv + i, &used);
	if (!c->cmd)
		return unknown_command(argc - i, argv + i);
	for (i += used; i < argc; i++) {
		if (!only_args && strcmp(argv[i], "--") == 0) {
			only_args = true;
			continue;
		}
		if (!only_args && argv[i][0] == '-' && argv[i][1] && !(argv[i][1] >= '0' && argv[i][1] <= '9')) {
			ret = take_option(c, c->cmd, argc, argv, &i);
			if (ret)
				return ret;
			continue;
		}
		if (c->n_args == FL_ARGS_MAX)
			return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "over %d arguments", FL_ARGS_MAX);
		c->args[c->n_args++] = argv[i];
	}
	return 0;
}

int fl_cli_help(FILE *out, int argc, const char *const *argv)
{
	const struct fl_command *cmd;
	char *words[2] = { NULL, NULL };
	int used;

	for (int i = 0; i < argc && i < 2; i++)
		words[i] = (char *)argv[i];
	if (argc == 0)
		return help_all(out);
	cmd = find(argc, words, &used);
	return cmd ? help_command(cmd, out) : unknown_command(argc, words);
}

int fl_cli_main(int argc, char **argv)
{
	struct fl_cli c = { 0 };
	int ret = parse(&c, argc, argv);

	if (ret == 0)
		ret = settle(&c);
	if (ret)
		return ret;
	if (!c.cmd)
		return fl_cli_opt(&c, "help") ? help_all(stdout) : (help_all(stderr), FL_EXIT_USAGE);
	if (fl_cli_opt(&c, "help"))
		return help_command(c.cmd, stdout);
	if (c.n_args < c.cmd->min_args || (c.cmd->max_args >= 0 && c.n_args > c.cmd->max_args))
		ret = fl_cli_fail(FL_EXIT_USAGE, "FL2001", "--help tells more", "usage: fireline %s %s", c.cmd->words, c.cmd->args);
	else
		ret = c.cmd->run(&c);
	fl_arena_done(&c.arena);
	if (fflush(stdout) != 0 && ret == 0)
		ret = FL_EXIT_FAILED;
	return ret;
}
