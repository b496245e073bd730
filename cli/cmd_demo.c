/* demo: offline, unprivileged, no configuration: a private Redis, the mock bus, a bundled small real list, built-in upstream. With --once it proves, against the running
 * whole, one blocked answer, one allowed answer, and one finding turned into a block, and reads their query-log records back from the broker. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/cmd.h"
#include "cli/config.h"
#include "cli/context.h"
#include "cli/demo_list.h"
#include "cli/dnsask.h"
#include "cli/listen.h"

#define DEMO_ALLOWED "www.example.com"
#define DEMO_FINDING "c2.demo-finding.example"

enum { STEP_MS = 20000, READ_BACK_MS = 15000 };

struct demo {
	struct fl_cli *c;
	struct fl_config *cfg;
	const char *folder, *address;
	char blocked[256];
	bool once;
	const char *log_file;
	fl_mono_ns started;
	int failed;
	bool proven; /* the proof ran to its end */
};

static double seconds_since(fl_mono_ns t)
{
	return (double)(fl_now_mono(fl_clock_sys()) - t) / 1e9;
}

static void say(struct demo *d, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void say(struct demo *d, const char *what, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("  ok %-9s %-70s %6.2f s\n", what, text, seconds_since(d->started));
	fflush(stdout);
}

static bool fail(struct demo *d, const char *what, const char *why)
{
	printf("  FAILED %-9s %s\n", what, why);
	d->failed++;
	return false;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static int remove_below(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return f->level ? remove_one(path, st, type, f) : 0;
}

static void remove_folder(const char *path)
{
	nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

static json_t *ask_role(struct demo *d, const char *role, const char *method, const char *target, struct fl_span body)
{
	struct fl_admin_answer a = { 0 };
	char path[512];
	json_t *o = NULL;

	if (fl_admin_call(fl_role_socket(d->cfg, role, path, sizeof(path)), method, target, body, 5000, NULL, NULL, &a, NULL) == 0 && a.status == 200)
		o = json_loadb((const char *)a.body.p, a.body.n, 0, NULL);
	fl_buf_done(&a.body);
	return o;
}

/* Every feed's list is in force on the enforcer. */
static bool lists_in_force(struct demo *d, uint64_t *names)
{
	json_t *o = ask_role(d, "enforce", "GET", "/v1/status", fl_span(NULL, 0)), *row;
	bool all = o != NULL;
	size_t i;

	*names = 0;
	for (size_t k = 0; o && k < d->cfg->n_feeds; k++) {
		bool held = false;

		json_array_foreach (json_object_get(o, "lists"), i, row)
			if (strcmp(fl_str(row, "list"), d->cfg->feeds[k].into) == 0 && fl_int(row, "names") > 0) {
				held = true;
				*names = (uint64_t)fl_int(row, "names");
			}
		all = all && held;
	}
	json_decref(o);
	return all;
}

/* A name of the bundled list, as a user would pick one: the first that is enforced. */
static bool pick_blocked(struct demo *d)
{
	const char *path = d->cfg->n_feeds ? d->cfg->feeds[0].path : "";
	char line[512];
	FILE *f = fopen(path, "re");

	while (f && !d->blocked[0] && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n \t#")] = '\0';
		if (line[0] && strchr(line, '.') && strlen(line) < sizeof(d->blocked))
			memcpy(d->blocked, line, strlen(line) + 1);
	}
	if (f)
		fclose(f);
	return d->blocked[0] != '\0';
}

static bool wait_lists(struct demo *d)
{
	fl_mono_ns until = fl_now_mono(fl_clock_sys()) + STEP_MS * FL_NS_PER_MS;
	char n[40];
	uint64_t names = 0;

	while (!lists_in_force(d, &names)) {
		if (fl_now_mono(fl_clock_sys()) > until)
			return fail(d, "lists", "no list came into force; see the log above");
		usleep(20000);
	}
	say(d, "lists", "%s names fetched, versioned, published and in force", fl_human_count(names, n));
	return true;
}

static bool prove_blocked(struct demo *d)
{
	struct fl_dns_answer a;

	if (!fl_dns_ask(d->address, d->blocked, 1, 2000, &a) || a.rcode != 3 || a.ede != 15)
		return fail(d, "blocked", "the listed name was not answered NXDOMAIN with EDE 15");
	say(d, "blocked", "%s -> NXDOMAIN, EDE 15 (%.90s)", d->blocked, a.ede_text);
	return true;
}

static bool prove_allowed(struct demo *d)
{
	struct fl_dns_answer a;

	if (!fl_dns_ask(d->address, DEMO_ALLOWED, 1, 2000, &a) || a.rcode != 0 || a.answers == 0)
		return fail(d, "allowed", DEMO_ALLOWED " was not answered");
	say(d, "allowed", "%s -> NOERROR, %u record", DEMO_ALLOWED, a.answers);
	return true;
}

static bool prove_finding(struct demo *d)
{
	static const char finding[] =
		"{\"schemaVersion\":\"2.0\",\"accountId\":\"000000000000\",\"region\":\"demo\",\"id\":\"%016llx\",\"type\":\"Backdoor:EC2/C&CActivity.B!DNS\","
		"\"severity\":8,\"createdAt\":\"%s\",\"updatedAt\":\"%s\",\"service\":{\"serviceName\":\"guardduty\",\"archived\":false,\"count\":1,"
		"\"action\":{\"actionType\":\"DNS_REQUEST\",\"dnsRequestAction\":{\"domain\":\"" DEMO_FINDING "\"}}}}";
	char body[1024], when[FL_TIME_TEXT];
	struct fl_dns_answer a;
	fl_mono_ns t0, until;
	json_t *o;

	fl_time_format(fl_now_unix(fl_clock_sys()), when);
	snprintf(body, sizeof(body), finding, (unsigned long long)fl_random_u64(fl_random_sys()), when, when);
	if (!fl_dns_ask(d->address, DEMO_FINDING, 1, 2000, &a) || a.rcode != 0)
		return fail(d, "finding", DEMO_FINDING " was not allowed before the finding");
	t0 = fl_now_mono(fl_clock_sys());
	until = t0 + STEP_MS * FL_NS_PER_MS;
	o = ask_role(d, "ingest", "POST", "/v1/findings", fl_span_str(body));
	if (!o || fl_int(o, "accepted") != 1) {
		json_decref(o);
		return fail(d, "finding", "the finding was not accepted");
	}
	json_decref(o);
	do {
		if (!fl_dns_ask(d->address, DEMO_FINDING, 1, 1000, &a) || fl_now_mono(fl_clock_sys()) > until)
			return fail(d, "finding", "the finding's name was not blocked in time");
		if (a.rcode != 3)
			usleep(500);
	} while (a.rcode != 3);
	say(d, "finding", "Backdoor:EC2/C&CActivity.B!DNS -> " DEMO_FINDING " blocked after %.1f ms", (double)(fl_now_mono(fl_clock_sys()) - t0) / 1e6);
	return true;
}

/* --- the query log, read back from the broker --- */

struct wanted {
	const char *name, *action;
	bool seen;
};

static void match_record(struct wanted *w, size_t n, struct fl_span value, FILE *log)
{
	json_t *o = json_loadb((const char *)value.p, value.n, 0, NULL);
	const char *name = fl_str(o, "query_name");
	size_t len = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (len && !w[i].seen && strlen(w[i].name) == len - 1 && strncmp(w[i].name, name, len - 1) == 0 &&
		    strcmp(fl_str(json_object_get(o, "fireline"), "action"), w[i].action) == 0) {
			w[i].seen = true;
			if (log) {
				fwrite(value.p, 1, value.n, log);
				fputc('\n', log);
			}
			break;
		}
	json_decref(o);
}

static bool prove_log(struct demo *d)
{
	struct wanted w[] = { { d->blocked, "BLOCK", false }, { DEMO_ALLOWED, "NONE", false }, { DEMO_FINDING, "BLOCK", false } };
	fl_mono_ns until = fl_now_mono(fl_clock_sys()) + READ_BACK_MS * FL_NS_PER_MS;
	struct fl_bus_consumer *in = NULL;
	struct fl_bus *bus = NULL;
	struct fl_err err = { 0 };
	struct fl_bus_msg m;
	FILE *log = d->log_file ? fopen(d->log_file, "we") : NULL;
	size_t seen = 0;

	fl_mode_apply(d->cfg, FL_MODE_DEMO); /* the bus listens now */
	if (d->log_file && !log)
		return fail(d, "log", "the --query-log file cannot be written");
	if (fl_context_bus(d->cfg, "fireline-demo", &bus, &err) == 0 && bus)
		while (seen < 3 && fl_now_mono(fl_clock_sys()) < until) {
			if (!in && fl_bus_consumer_open(bus, FL_TOPIC_QUERY_LOG, NULL, &in, &err) < 0) {
				usleep(100000);
				continue;
			}
			if (fl_bus_fetch(bus, in, 200, &m, &err) == 1 && m.value.p)
				match_record(w, 3, m.value, log);
			seen = (size_t)w[0].seen + w[1].seen + w[2].seen;
		}
	if (in)
		fl_bus_consumer_close(bus, in);
	if (bus)
		fl_bus_close(bus);
	if (log && fclose(log) != 0)
		return fail(d, "log", "the --query-log file cannot be written");
	if (seen < 3)
		return fail(d, "log", "not all records came back from the broker");
	say(d, "log", "3 records read back from topic %s%s", d->cfg->topic_prefix, FL_TOPIC_QUERY_LOG);
	return true;
}

static void prove_all(struct demo *d)
{
	if (wait_lists(d) && prove_blocked(d) && prove_allowed(d) && prove_finding(d))
		prove_log(d);
}

/* Threads of the bus client must not live in the parent, which forks: the proof runs in a child of its own. */
static bool on_ready(void *ctx)
{
	struct demo *d = ctx;
	int status = 0;
	pid_t pid;

	say(d, "roles", "ingest, publish, enforce answer; DNS on udp+tcp %s", d->address);
	if (d->once) {
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			prove_all(d);
			fflush(stdout);
			_exit(d->failed ? 1 : 0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
			d->failed++;
		d->proven = !d->failed;
		return false;
	}
	printf("try:   dig @127.0.0.1 -p %s %s      fireline explain %s\n", strrchr(d->address, ':') + 1, d->blocked, d->blocked);
	printf("       fireline status      fireline tail      Ctrl-C ends it and removes %s\n", d->folder);
	fflush(stdout);
	return true;
}

/* The folder by that name, ours alone and locked as long as this process lives: of two demos at once the second must not clear the first one's away. What a killed demo left is
 * removed. */
static int take_folder(const char *path)
{
	struct stat here, there;
	int fd;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return FL_EIO;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return FL_EIO;
	if (fstat(fd, &here) < 0 || here.st_uid != geteuid()) {
		close(fd);
		errno = EPERM;
		return FL_EIO;
	}
	/* locked, and still what the name leads to: the one before removes it, then lets go */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || lstat(path, &there) < 0 || there.st_ino != here.st_ino) {
		close(fd);
		return FL_EREFUSED;
	}
	if (fchmod(fd, 0700) < 0 || nftw(path, remove_below, 32, FTW_DEPTH | FTW_PHYS) != 0) {
		close(fd);
		return FL_EIO;
	}
	return fd;
}

/* One folder a user, so that the other commands find it. Returns the descriptor that holds it. */
static int make_folder(struct demo *d, char *buf, size_t cap)
{
	struct fl_admin_answer a = { 0 };
	char sock[256];

	if (d->once) {
		snprintf(buf, cap, "/tmp/fireline-once-XXXXXX");
		return mkdtemp(buf) ? open(buf, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : FL_EIO;
	}
	snprintf(buf, cap, "/tmp/fireline-demo-%u", (unsigned)geteuid());
	snprintf(sock, sizeof(sock), "%s/run/enforce.sock", buf);
	if (fl_admin_call(sock, "GET", "/v1/status", fl_span(NULL, 0), 500, NULL, NULL, &a, NULL) == 0) { /* roles of a killed demo, on their way out */
		fl_buf_done(&a.body);
		return FL_EREFUSED;
	}
	return take_folder(buf);
}

/* A port that is free now, for UDP and TCP. */
static unsigned free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	unsigned port = 0;

	for (int i = 0; i < 50 && !port; i++) {
		int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		a.sin_port = 0;
		if (udp >= 0 && tcp >= 0 && bind(udp, (struct sockaddr *)&a, sizeof(a)) == 0 && getsockname(udp, (struct sockaddr *)&a, &len) == 0 &&
		    bind(tcp, (struct sockaddr *)&a, sizeof(a)) == 0)
			port = ntohs(a.sin_port);
		if (udp >= 0)
			close(udp);
		if (tcp >= 0)
			close(tcp);
	}
	return port;
}

static bool write_file(const char *folder, const char *name, struct fl_span text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	return f && fwrite(text.p, 1, text.n, f) == text.n && fclose(f) == 0;
}

static bool fill_folder(const char *folder, const char *port, bool once)
{
	char feeds[256], listen[64];

	snprintf(feeds, sizeof(feeds), "%s/feeds", folder);
	if (port)
		snprintf(listen, sizeof(listen), "127.0.0.1:%.8s\n", port);
	else
		snprintf(listen, sizeof(listen), "127.0.0.1:%u\n", once ? free_port() : 5353);
	return mkdir(feeds, 0700) == 0 && write_file(folder, "feeds/demo-threats.txt", fl_demo_list()) && write_file(folder, "listen", fl_span_str(listen));
}

int fl_cmd_demo(struct fl_cli *c)
{
	static const char *const roles[] = { "redis", "bus", "ingest", "publish", "enforce", "api" };
	struct demo d = { .c = c, .once = fl_cli_opt(c, "once") != NULL, .log_file = fl_cli_opt(c, "query-log"), .started = fl_now_mono(fl_clock_sys()) };
	struct fl_run_args args = { .mode = FL_MODE_DEMO };
	char folder[128];
	int ret, lock = make_folder(&d, folder, sizeof(folder));

	if (lock == FL_EREFUSED)
		return fl_cli_fail(FL_EXIT_CANNOT_CREATE, "FL1101", "end it first", "a demo is running already in %s", folder);
	if (lock < 0)
		return fl_cli_fail(FL_EXIT_CANNOT_CREATE, "FL1103", NULL, "the folder %s cannot be made: %s", folder, strerror(errno));
	if (!fill_folder(folder, fl_cli_opt(c, "port"), d.once)) {
		ret = fl_cli_fail(FL_EXIT_CANNOT_CREATE, "FL1103", NULL, "the folder %s cannot be filled: %s", folder, strerror(errno));
		goto out;
	}
	args.demo_folder = d.folder = folder;
	if (fl_context_config(&args, &d.cfg) < 0) {
		ret = fl_cli_fail(FL_EXIT_CONFIG, "FL1104", NULL, "the demo's own configuration does not load");
		goto out;
	}
	d.address = d.cfg->listens[0].address;
	pick_blocked(&d);
	fl_log_setup("parent", FL_LOG_WARN, FL_LOG_TEXT, 2);
	printf("fireline %s demo · everything in one process tree, gone on Ctrl-C · state in %s\n", FL_VERSION, folder);
	fflush(stdout);
	ret = fl_supervise(&args, d.cfg, roles, sizeof(roles) / sizeof(roles[0]), on_ready, &d);
	if (d.once)
		printf("%s after %.2f s\n", d.proven ? "all proven" : "not all was proven", seconds_since(d.started));
	if (ret == 0 && d.once && !d.proven)
		ret = FL_EXIT_FAILED;
	fl_config_free(d.cfg);
out:
	remove_folder(folder);
	close(lock);
	return ret;
}
