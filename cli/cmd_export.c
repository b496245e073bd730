/* export: the text goes to stdout or a file; its foot is the report, which is said on stderr, or is the answer under --json. */
#include "cli/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "publisher/export.h"

struct sink {
	struct fl_cli *c;
	FILE *out;	  /* NULL: only the report is wanted */
	const char *path; /* NULL: stdout */
	char *temp;	  /* beside path until it is whole; NULL: written in place */
	json_t *report, *losses;
	int failed;
};

static int cannot_create(const struct sink *s)
{
	return fl_cli_fail(FL_EXIT_CANNOT_CREATE, "FL2106", NULL, "'%s' cannot be written: %s", s->path ? s->path : "stdout", strerror(errno));
}

/* A file appears whole or not at all; what is no plain file (a pipe, /dev/null) is written in place. */
static int sink_open(struct sink *s)
{
	mode_t mask = umask(0);
	struct stat st;
	int fd;

	umask(mask);
	s->path = fl_cli_opt(s->c, "file");
	if (!s->path) {
		s->out = s->c->out == FL_OUT_HUMAN ? stdout : NULL;
		return 0;
	}
	if (stat(s->path, &st) == 0 && !S_ISREG(st.st_mode)) {
		s->out = fopen(s->path, "we");
		return s->out ? 0 : cannot_create(s);
	}
	s->temp = fl_arena_printf(&s->c->arena, "%s.XXXXXX", s->path);
	fd = s->temp ? mkostemp(s->temp, O_CLOEXEC) : -1;
	if (fd < 0) {
		s->temp = NULL;
		return cannot_create(s);
	}
	s->out = fchmod(fd, 0666 & ~mask) == 0 ? fdopen(fd, "w") : NULL;
	return s->out ? 0 : cannot_create(s);
}

/* 0 or the exit code; good: what was written is the whole text. */
static int sink_close(struct sink *s, bool good)
{
	int ret = 0;

	if (s->out) {
		bool ok = !ferror(s->out) && fflush(s->out) == 0;

		if (ok && s->temp && good)
			ok = fsync(fileno(s->out)) == 0;
		if (s->path && fclose(s->out) != 0)
			ok = false;
		if (ok && s->temp && good)
			ok = rename(s->temp, s->path) == 0;
		if (!ok && good)
			ret = cannot_create(s);
	}
	if (s->temp && (!good || ret))
		unlink(s->temp);
	return ret;
}

/* "; loss {...}": the object, when the line is a comment with this word. */
static json_t *said(struct fl_span line, const char *word)
{
	size_t n = strlen(word);

	if (line.n < n + 4 || !strchr("#;!", line.p[0]) || line.p[1] != ' ' || memcmp(line.p + 2, word, n) != 0 || line.p[n + 2] != ' ')
		return NULL;
	return json_loadb((const char *)line.p + n + 3, line.n - n - 3, 0, NULL);
}

static int on_text(void *ctx, struct fl_span line)
{
	struct sink *s = ctx;
	json_t *error = said(line, "error"), *loss = said(line, "loss"), *end = said(line, "end");

	if (error)
		s->failed = fl_cli_fail(FL_EXIT_FAILED, "FL3103", "try again", "the list ends here: %s", fl_str(error, "why"));
	else if (s->out && (fwrite(line.p, 1, line.n, s->out) != line.n || fputc('\n', s->out) == EOF))
		s->failed = cannot_create(s);
	if (loss)
		json_array_append(s->losses, loss);
	if (end && !s->report)
		s->report = json_incref(end);
	json_decref(error);
	json_decref(loss);
	json_decref(end);
	return s->failed ? FL_EIO : 0;
}

static const char *reason_text(const char *word)
{
	for (int w = 0; w < FL_LOST_COUNT; w++)
		if (strcmp(fl_export_reason_word((enum fl_export_reason)w), word) == 0)
			return fl_export_reason_text((enum fl_export_reason)w);
	return word;
}

static void print_report(const json_t *report)
{
	char n[40], said_n[40], covered[40], lost[40], rules[40];
	const json_t *loss, *example;
	size_t i, k;

	fprintf(stderr, "%s@%lld as %s: %s names, %s said in %s rules, %s covered by a name above, %s lost\n", fl_str(report, "list"),
		(long long)fl_int(report, "version"), fl_str(report, "format"), fl_human_count((uint64_t)fl_int(report, "names"), n),
		fl_human_count((uint64_t)fl_int(report, "said"), said_n), fl_human_count((uint64_t)fl_int(report, "rules"), rules),
		fl_human_count((uint64_t)fl_int(report, "covered"), covered), fl_human_count((uint64_t)fl_int(report, "lost"), lost));
	json_array_foreach (json_object_get(report, "losses"), i, loss) {
		fprintf(stderr, "  %-8s %8s  %s:", fl_str(loss, "effect"), fl_human_count((uint64_t)fl_int(loss, "count"), n), reason_text(fl_str(loss, "reason")));
		json_array_foreach (json_object_get(loss, "examples"), k, example)
			fprintf(stderr, " %s", json_string_value(example));
		fprintf(stderr, "%s\n", (size_t)fl_int(loss, "count") > k ? " ..." : "");
	}
}

static int finish(struct sink *s, int ret)
{
	int closed;

	if (ret == 0 && !s->report)
		ret = fl_cli_fail(FL_EXIT_FAILED, "FL3103", "try again", "the text ends before its end");
	closed = sink_close(s, ret == 0);
	if (ret == 0)
		ret = closed;
	if (ret)
		return ret;
	json_object_set(s->report, "losses", s->losses);
	if (!fl_client_print(s->c, "Export", s->report) && !s->c->quiet)
		print_report(s->report);
	return fl_int(s->report, "lost") && fl_cli_opt(s->c, "exit-code") ? FL_EXIT_DIFFERS : 0;
}

int fl_cmd_export(struct fl_cli *c)
{
	const char *version, *list = fl_cli_split_version(c, c->args[0], &version), *format = fl_cli_opt(c, "format");
	struct sink s = { .c = c };
	int ret;

	if (!format)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", "fireline export --help", "--format must be given: domains, hosts, adblock, dnsmasq, unbound or rpz");
	ret = sink_open(&s);
	if (ret)
		return ret;
	s.losses = json_array();
	ret = fl_client_stream(c, "api", fl_client_target(c, fl_arena_printf(&c->arena, "/v1/domain-lists/%s/export", list), "format", format, "at", version, "zone",
							  fl_cli_opt(c, "zone"), NULL), false, on_text, &s);
	ret = finish(&s, s.failed ? s.failed : ret);
	json_decref(s.report);
	json_decref(s.losses);
	return ret;
}
