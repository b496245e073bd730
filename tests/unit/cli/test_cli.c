/* What the command line promises: usage errors, exit codes, status in one sentence, and calls into a loop. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/command.h"
#include "cli/dnsask.h"
#include "cli/listen.h"
#include "cli/loop.h"
#include "cli/verdict.h"
#include "io/clock.h"

/* Run a command line with stdout and stderr kept. */
static int run(const char *line, char *text, size_t cap)
{
	char copy[512], *argv[32], *save = NULL;
	int argc = 0, ret, out = dup(1), err = dup(2);
	FILE *f = tmpfile();
	size_t n;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok_r(copy, " ", &save); w && argc < 31; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	fflush(stdout);
	dup2(fileno(f), 1);
	dup2(fileno(f), 2);
	ret = fl_cli_main(argc, argv);
	fflush(stdout);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	rewind(f);
	n = fread(text, 1, cap - 1, f);
	text[n] = '\0';
	fclose(f);
	return ret;
}

#define TRY "fireline -s /nonexistent/admin.sock feed test " FL_SOURCE_DIR "/feeds/sample/tweetfeed-domains.txt --scope exact"

static void command_lines(void **state)
{
	static const struct {
		const char *line;
		int exit;
		const char *says;
	} rows[] = {
		{ "fireline", 64, "Usage: fireline" },
		{ "fireline help", 0, "explain NAME|REF" },
		{ "fireline --help", 0, "Usage: fireline" },
		{ "fireline help diff", 0, "--stat" },
		{ "fireline diff --help", 0, "fireline diff malware 1836..1839" },
		{ "fireline version", 0, "fireline " },
		{ "fireline version --json", 0, "\"kind\": \"Version\"" },
		{ "fireline version -o ndjson", 0, "{\"version\":" },
		{ "fireline version -o yaml", 64, "human, json or ndjson" },
		{ "fireline explian x.example", 64, "did you mean 'explain'" },
		{ "fireline feed l", 64, "did you mean 'feed ls'" },
		{ "fireline explain", 64, "usage: fireline explain NAME|REF" },
		{ "fireline explain a b", 64, "usage: fireline explain" },
		{ "fireline explain a --nonsense", 64, "unknown option '--nonsense' of explain" },
		{ "fireline log malware --limit", 64, "needs a value" },
		{ "fireline status --quiet=1", 64, "takes no value" },
		{ "fireline status --timeout soon", 64, "is no duration" },
		{ "fireline export", 64, "usage: fireline export LIST[@V]" },
		{ "fireline export malware", 64, "--format must be given: domains, hosts, adblock, dnsmasq, unbound or rpz" },
		{ "fireline export malware --format rpz --file /nonexistent/f", 73, "'/nonexistent/f' cannot be written" },
		{ "fireline -s /nonexistent/admin.sock export malware --format rpz", 69, "no answer at /nonexistent/admin.sock" },
		{ "fireline block x.example", 64, "an end must be given" },
		{ "fireline block x.example --for ever", 64, "is no duration" },
		{ "fireline -s /nonexistent/admin.sock status", 69, "no answer at /nonexistent/admin.sock" },
		{ "fireline -s /nonexistent/admin.sock list purge old", 64, "needs --yes" },
		{ "fireline finding inject /nonexistent.json", 66, "/nonexistent.json" },
		{ "fireline feed test /nonexistent.txt", 66, "/nonexistent.txt" },
		{ "fireline feed test " FL_SOURCE_DIR "/feeds/sample", 66, "/feeds/sample is a folder" },
		{ "fireline feed add x --url http://a.example/l --into malware --format hosts", 0, "    format: hosts" },
		{ "fireline feed add Bad.Name --url http://a.example/l --into malware", 64, "is no feed name" },
		{ "fireline feed add x --into malware", 64, "one of --url and --path" },
		{ "fireline feed add x --preset durablenapkin-scam", 0, "feeds:\n  - name: x\n    preset: durablenapkin-scam\n    into: malware\n" },
		{ "fireline feed add x --preset durablenapkin-scam", 0, "# licence: MIT; terms: any use" },
		{ "fireline feed add x --preset stevenblack --every 2d", 0, "    into: tracking\n    every: 2d\n" },
		{ "fireline feed add x --preset stevenblack --into ads --scope subtree", 0, "    scope: subtree\n    into: ads\n" },
		{ "fireline feed add x --preset stevenblak", 64, "did you mean 'stevenblack'?" },
		{ "fireline feed add x --preset phishtank --format domains --scope exact", 0, "    # your key for KEY:\n    url: \"https://data.phishtank.com/data/KEY/" },
		{ "fireline feed add x --url http://a.example/l --into malware --scope deep", 64, "unknown scope 'deep'" },
		{ "fireline feed add x --url http://a.example/l --into malware --scope exact --every often", 64, "is no duration" },
		{ "fireline feed add x --url http://a.example/l --into malware", 64, "--scope must be given with format auto" },
		{ "fireline feed add x --url http://a.example/l --into malware --format domains", 64, "--scope must be given with format domains" },
		{ "fireline feed add x --preset urlhaus-filter --format domains", 0, "    format: domains\n" },
		{ "fireline feed add x --preset amnesty-nso --format domains", 64, "--scope must be given with format domains" },
		{ "fireline feed add x --path l.txt --format hosts --into malware", 64, "a relative path" },
		{ "fireline feed add x --path /l --format csv --value host --type kind --delimiter tab --urls host --into malware", 0,
		  "    columns: {value: \"host\", type: \"kind\"}\n    delimiter: \"tab\"\n    urls: host\n    into: malware\n" },
		{ "fireline feed add x --path /l --format json --value /h --items /r --into malware", 0, "    pointers: {items: \"/r\", value: \"/h\"}\n" },
		{ "fireline feed add x --path /l --format json --value h --into malware", 64, "--value 'h' is no JSON pointer" },
		{ "fireline feed add x --path /l --format hosts --value h --into malware", 64, "are for --format csv" },
		{ "fireline feed add x --path /l --format hosts --delimiter ; --into malware", 64, "--delimiter is for --format csv" },
		{ "fireline feed presets", 0, "PRESET" },
		{ "fireline feed presets --json", 0, "\"kind\": \"FeedPresets\"" },
		{ "fireline feed presets -o ndjson", 0, "{\"preset\":\"adfilt-antimalware\"" },
		{ TRY, 0, "guard    taken as a first load" },
		{ TRY, 0, "overlap  not known: no answer at /nonexistent/admin.sock" },
		{ TRY " --json", 0, "\"verdict\": \"take\"" },
		{ TRY, 0, "feed add NAME --path /" },
		{ TRY " --format csv --value 1 --delimiter ;", 0, "--format csv --scope exact --value 1 --delimiter ';' --into LIST" },
		{ TRY " --scope as_written", 1, "no_scope       a bare name, and the scope is as_written" },
		{ TRY " --entries", 0, "exact\tgm2.drr.ac\n" },
		{ TRY " --entries --json", 0, "{\"scope\":\"exact\",\"name\":\"gm2.drr.ac\"}\n" },
		{ TRY " --rejects", 0, "too_long\t" },
		{ TRY " --format hosts", 1, "refused as a first load: not a list in format hosts" },
		{ TRY " --format hostz", 64, "unknown --format 'hostz'" },
		{ TRY " --scope deep", 64, "unknown --scope 'deep'" },
		{ "fireline -c /nonexistent.yaml feed test x --feed a", 78, "/nonexistent.yaml" },
		{ "fireline -c /nonexistent.yaml status", 69, "the configuration cannot be read: /nonexistent.yaml: " },
		{ "fireline -c " FL_SOURCE_DIR "/CMakeLists.txt feed ls", 69, "looked for the daemon at /" },
		{ "fireline canon WWW.Example.COM. https://u:p@b.example:8/x 1.2.3.4 com", 0, "www.example.com\nb.example\n!address\n!single_label\n" },
		{ "fireline canon --registrable a.b.example.co.uk", 0, "example.co.uk\n" },
		{ "fireline config check /nonexistent.yaml", 78, "/nonexistent.yaml" },
		{ "fireline run --role cook", 64, "no role 'cook'" },
	};
	char text[16384];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int ret = run(rows[i].line, text, sizeof(text));

		if (ret != rows[i].exit || !strstr(text, rows[i].says))
			fail_msg("'%s' exits %d, wanted %d saying '%s', printed: %s", rows[i].line, ret, rows[i].exit, rows[i].says, text);
	}
}

/* A sparse file: it is refused before it is read. */
static void a_file_that_is_too_big_is_refused(void **state)
{
	char path[] = "/tmp/fireline-big-XXXXXX", line[128], text[1024];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, ((off_t)1 << 30) + 1), 0);
	close(fd);
	snprintf(line, sizeof(line), "fireline feed test %s", path);
	assert_int_equal(run(line, text, sizeof(text)), 66);
	unlink(path);
	assert_non_null(strstr(text, "over 1 GiB"));
}

static void every_command_has_help(void **state)
{
	char line[128], text[16384];

	(void)state;
	for (size_t i = 0; fl_command_at(i); i++) {
		snprintf(line, sizeof(line), "fireline %s --help", fl_command_at(i)->words);
		assert_int_equal(run(line, text, sizeof(text)), 0);
		assert_non_null(strstr(text, fl_command_at(i)->help));
		for (const struct fl_command_opt *o = fl_command_at(i)->opts; o && o->name; o++)
			assert_non_null(strstr(text, o->name));
	}
}

static void what_is_wrong_stands_in_the_status(void **state)
{
	json_t *roles = json_pack("{s:{s:[{s:s,s:s,s:s}]}, s:n, s:{s:b, s:b, s:s, s:[{s:s,s:s,s:s}]}}", "ingest", "feeds", "feed", "urlhaus", "state", "degraded", "reason",
				  "server answered 403", "publish", "enforce", "store_up", 0, "bus_up", 1, "problem", "", "lists", "list", "malware", "state", "DEGRADED",
				  "reason", "the store has no head");
	json_t *o = fl_verdict_join(roles, json_pack("{s:[s], s:[]}", "lists", "old", "sources"));
	char *text = json_dumps(json_object_get(o, "problems"), 0);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(o, "state")), "DEGRADED");
	assert_int_equal(json_array_size(json_object_get(o, "problems")), 5);
	assert_non_null(strstr(text, "urlhaus degraded: server answered 403"));
	assert_non_null(strstr(text, "role publish does not answer"));
	assert_non_null(strstr(text, "cannot reach Redis"));
	assert_non_null(strstr(text, "malware DEGRADED: the store has no head"));
	assert_non_null(strstr(text, "list old is in the store"));
	free(text);
	json_decref(o);
}

/* What cannot be followed and what is not in force is said too; a list that merely has not heard yet is no trouble. */
static void what_is_not_in_force_stands_in_the_status(void **state)
{
	json_t *roles = json_pack("{s:{s:s}, s:{}, s:{s:b, s:b, s:[{s:s,s:s,s:s},{s:s,s:s,s:s}]}}", "ingest", "entries_problem", "list 'mine': the store is away", "publish",
				  "enforce", "store_up", 1, "bus_up", 1, "lists", "list", "malware", "state", "behind", "reason", "version 7: source 'fa' is gone", "list",
				  "ads", "state", "behind", "reason", "");
	json_t *o = fl_verdict_join(roles, json_pack("{s:[], s:[]}", "lists", "sources"));
	char *text = json_dumps(json_object_get(o, "problems"), 0);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(o, "state")), "DEGRADED");
	assert_int_equal(json_array_size(json_object_get(o, "problems")), 2);
	assert_non_null(strstr(text, "is not in force: list 'mine': the store is away"));
	assert_non_null(strstr(text, "malware behind: version 7: source 'fa' is gone; what it holds stays in force"));
	free(text);
	json_decref(o);
}

static void all_well_is_ok(void **state)
{
	json_t *roles = json_pack("{s:{}, s:{}, s:{s:b, s:b}}", "ingest", "publish", "enforce", "store_up", 1, "bus_up", 1);
	json_t *o = fl_verdict_join(roles, json_pack("{s:[], s:[]}", "lists", "sources"));

	(void)state;
	assert_string_equal(json_string_value(json_object_get(o, "state")), "OK");
	json_decref(o);
}

struct counter {
	struct fl_loop loop;
	int calls;
	pthread_t thread;
};

static void add_one(void *arg)
{
	struct counter *c = arg;

	assert_true(pthread_equal(pthread_self(), c->thread)); /* it runs in the loop's thread */
	c->calls++;
}

static void *loop_main(void *arg)
{
	struct counter *c = arg;

	while (fl_loop_wait(&c->loop, FL_MONO_NEVER))
		;
	return NULL;
}

static void a_call_runs_in_the_loop_and_a_dead_loop_is_not_waited_for(void **state)
{
	struct counter c = { 0 };

	(void)state;
	assert_int_equal(fl_loop_init(&c.loop, false), 0);
	assert_int_equal(fl_loop_call(&c.loop, add_one, &c, 20), FL_EUNAVAIL); /* nobody runs it, and nobody will */
	assert_int_equal(c.calls, 0);
	assert_int_equal(pthread_create(&c.thread, NULL, loop_main, &c), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(fl_loop_call(&c.loop, add_one, &c, 5000), 0);
	fl_loop_stop(&c.loop);
	pthread_join(c.thread, NULL);
	assert_int_equal(c.calls, 100);
	fl_loop_done(&c.loop);
}

struct asker {
	struct counter *c;
	int ret;
};

static void *ask_main(void *arg)
{
	struct asker *a = arg;

	a->ret = fl_loop_call(&a->c->loop, add_one, a->c, 600000);
	return NULL;
}

static bool has_posts(struct fl_loop *l)
{
	bool there;

	pthread_mutex_lock(&l->lock);
	there = l->posts;
	pthread_mutex_unlock(&l->lock);
	return there;
}

/* What was asked before the end is done; who asks after it learns at once that nobody will, and does not wait ten minutes for it. */
static void a_loop_that_ends(void **state)
{
	struct counter c = { .thread = pthread_self() };
	struct asker a = { &c, -1 };
	pthread_t before;

	(void)state;
	assert_int_equal(fl_loop_init(&c.loop, false), 0);
	assert_int_equal(pthread_create(&before, NULL, ask_main, &a), 0);
	while (!has_posts(&c.loop))
		usleep(1000);
	fl_loop_stop(&c.loop);
	assert_false(fl_loop_wait(&c.loop, FL_MONO_NEVER));
	pthread_join(before, NULL);
	assert_int_equal(a.ret, 0);
	assert_int_equal(c.calls, 1);
	ask_main(&a);
	assert_int_equal(a.ret, FL_EUNAVAIL);
	assert_int_equal(c.calls, 1);
	fl_loop_done(&c.loop);
}

static void addresses(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = { { "127.0.0.1:53", true }, { "[::1]:53", true },	 { "0.0.0.0:65535", true }, { "127.0.0.1", false },
		     { "127.0.0.1:65536", false }, { "localhost:53", false }, { ":53", false },	      { "[::1:53", false } };
	uint64_t storage[32];
	unsigned len;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (fl_address_parse(rows[i].text, storage, &len) != rows[i].ok)
			fail_msg("%s", rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines),
		cmocka_unit_test(a_file_that_is_too_big_is_refused),
		cmocka_unit_test(every_command_has_help),
		cmocka_unit_test(what_is_wrong_stands_in_the_status),
		cmocka_unit_test(what_is_not_in_force_stands_in_the_status),
		cmocka_unit_test(all_well_is_ok),
		cmocka_unit_test(a_call_runs_in_the_loop_and_a_dead_loop_is_not_waited_for),
		cmocka_unit_test(a_loop_that_ends),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
