/* run, config check, config explain. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cmd.h"
#include "cli/config.h"
#include "cli/context.h"

static const struct {
	const char *name;
	int (*run)(const struct fl_run_args *args);
} roles[] = {
	{ "ingest", fl_role_ingest }, { "publish", fl_role_publish }, { "enforce", fl_role_enforce }, { "api", fl_role_api }, { "bus", fl_role_bus },
};

static int run_role(const struct fl_run_args *args)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, args->role) == 0)
			return roles[i].run(args);
	return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "no role '%s': ingest, publish, enforce or api", args->role);
}

/* "ingest,publish" under one parent. */
static size_t split_roles(struct fl_cli *c, const char *text, const char **out, size_t cap)
{
	size_t n = 0;

	while (*text && n < cap) {
		size_t len = strcspn(text, ",");

		if (len)
			out[n++] = fl_arena_strn(&c->arena, text, len);
		text += len + (text[len] == ',');
	}
	return n;
}

int fl_cmd_run(struct fl_cli *c)
{
	struct fl_run_args args = { .config_path = c->config_path, .mode = FL_MODE_RUN, .role = fl_cli_opt(c, "role"),
				    .demo_folder = fl_cli_opt(c, "demo-folder") };
	const char *names[8];
	struct fl_config *cfg = NULL;
	size_t n = 0;
	int ret;

	if (args.demo_folder)
		args.mode = FL_MODE_DEMO;
	else if (fl_cli_opt(c, "embedded"))
		args.mode = FL_MODE_EMBEDDED;
	if (args.role && !strchr(args.role, ','))
		return run_role(&args);
	if (fl_context_config(&args, &cfg) < 0)
		return FL_EXIT_CONFIG;
	fl_log_setup("parent", (enum fl_log_level)cfg->log_level, (enum fl_log_format)cfg->log_format, 2);
	if (args.mode != FL_MODE_RUN) {
		names[n++] = "redis";
		names[n++] = "bus";
	}
	n += split_roles(c, args.role ? args.role : "ingest,publish,enforce,api", names + n, 8 - n);
	args.role = NULL;
	ret = fl_supervise(&args, cfg, names, n, NULL, NULL);
	fl_config_free(cfg);
	return ret;
}

int fl_cmd_config_check(struct fl_cli *c)
{
	struct fl_config *cfg = NULL;
	struct fl_diag diag = { 0 };
	int ret = fl_config_check(c->n_args ? c->args[0] : c->config_path, &cfg, &diag);

	fl_diag_print(&diag, stderr);
	fl_diag_done(&diag);
	if (ret < 0)
		return FL_EXIT_CONFIG;
	if (!c->quiet)
		printf("%s: ok (%zu lists, %zu feeds, %zu associations)\n", cfg->file, cfg->n_lists, cfg->n_feeds, cfg->n_associations);
	fl_config_free(cfg);
	return 0;
}

int fl_cmd_config_explain(struct fl_cli *c)
{
	struct fl_buf b = { 0 };
	int ret = fl_config_explain(c->n_args ? c->args[0] : NULL, &b);

	if (ret == 0) {
		fwrite(b.p, 1, b.n, stdout);
		if (b.n && b.p[b.n - 1] != '\n')
			putchar('\n');
	} else if (b.n)
		ret = fl_cli_fail(FL_EXIT_USAGE, "FL2001", "fireline config explain lists all keys", "no key '%s'; did you mean '%.*s'?", c->args[0], (int)b.n,
				  (const char *)b.p);
	else
		ret = fl_cli_fail(FL_EXIT_USAGE, "FL2001", "fireline config explain lists all keys", "no key '%s'", c->args[0]);
	fl_buf_done(&b);
	return ret;
}
