/* fireline-scenario [--wire] FILE.scn ...: each file is a run of its own. A claim that fails is printed with its place; the exit code is 1 when one did. */
#include <string.h>

#include "base/rcu.h"
#include "scenario.h"

static bool run_file(const char *file, struct fl_names *names, bool over_wire)
{
	static struct scn s;
	static struct scn_line l;
	FILE *f = fopen(file, "re");
	const char *base = strrchr(file, '/');
	char text[SCN_LINE];
	bool on = f != NULL;

	if (!f) {
		perror(file);
		return false;
	}
	scn_open(&s, file, names, over_wire);
	l.file = file;
	for (l.number = 1; on && fgets(text, sizeof(text), f); l.number++) {
		const char *why;

		text[strcspn(text, "\n")] = '\0';
		why = scn_line_parse(&l, text);
		if (why)
			scn_differs(&s, &l, "", why);
		on = !why && scn_run_line(&s, &l);
	}
	if (on && s.checks == 0) {
		printf("%s: it claims nothing\n", file);
		s.failures++;
	}
	fclose(f);
	scn_close(&s);
	printf("%s: %u checks, %u failed\n", base ? base + 1 : file, s.checks, s.failures);
	return s.failures == 0;
}

int main(int argc, char **argv)
{
	struct fl_names *names = NULL;
	struct fl_err err = { 0 };
	bool ok = true, over_wire = argc > 1 && strcmp(argv[1], "--wire") == 0;

	if (argc < 2 + over_wire) {
		fprintf(stderr, "usage: fireline-scenario [--wire] FILE.scn ...\n");
		return 64;
	}
	if (fl_names_open(NULL, &names, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 77;
	}
	fl_rcu_thread_init();
	for (int i = 1 + over_wire; i < argc; i++)
		ok = run_file(argv[i], names, over_wire) && ok;
	fl_rcu_thread_done();
	fl_names_close(names);
	return ok ? 0 : 1;
}
