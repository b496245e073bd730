/* The parent of `run`, `run --embedded` and `demo`: holds no data. It opens the DNS sockets and hands them to enforce, so that datagrams wait in the socket while enforce is
 * started again, starts the roles as children, forked and executed before any thread, and starts again what ends, with back-off. SIGTERM drains all; SIGHUP checks the
 * configuration, then tells the roles. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/context.h"
#include "cli/listen.h"

enum { CHILDREN_MAX = 8, BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 5000, DRAIN_MS = 8000, READY_MS = 30000, CALM_MS = 10000, CANNOT_RUN = 69 };

struct child {
	const char *role; /* "redis": the private store */
	pid_t pid;
	fl_mono_ns started, start_at;
	int64_t backoff_ms;
	int exit; /* of its last run, -1 when a signal ended it */
};

struct parent {
	struct fl_run_args args;
	struct fl_config *cfg;	/* what all was opened by */
	struct fl_config *last; /* of the last reload; NULL: there was none */
	struct fl_sockets sockets;
	struct child v[CHILDREN_MAX];
	size_t n;
	int signal_fd;
	bool stopping, told_to; /* told_to: by a signal, while it was still coming up */
};

static fl_mono_ns now_mono(void)
{
	return fl_now_mono(fl_clock_sys());
}

/* --- starting --- */

static bool executable(const char *dir, size_t n, const char *name, char *out, size_t cap)
{
	return (size_t)snprintf(out, cap, "%.*s/%s", (int)n, dir, name) < cap && access(out, X_OK) == 0;
}

static bool on_path(const char *name, char *out, size_t cap)
{
	const char *path = getenv("PATH");

	for (path = path ? path : "/usr/bin:/bin"; *path;) {
		size_t n = strcspn(path, ":");

		if (n && executable(path, n, name, out, cap))
			return true;
		path += n + (path[n] == ':');
	}
	return false;
}

/* redis.binary, redis-server, valkey-server, then Debian's multi-call redis-check-rdb, which is a server when called redis-server. */
static bool redis_binary(const struct fl_config *cfg, char *out, size_t cap)
{
	static const char *const names[] = { "redis-server", "valkey-server", "redis-check-rdb" };

	if (cfg->redis_binary[0])
		return (size_t)snprintf(out, cap, "%s", cfg->redis_binary) < cap && access(out, X_OK) == 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (on_path(names[i], out, cap))
			return true;
	return false;
}

static void exec_redis(const struct parent *p)
{
	char binary[512], dir[512], sock[512], log[600];

	snprintf(dir, sizeof(dir), "%s/redis", p->cfg->state);
	snprintf(sock, sizeof(sock), "%s/redis.sock", p->cfg->runtime);
	snprintf(log, sizeof(log), "%s/redis.log", dir);
	mkdir(dir, 0750);
	if (!redis_binary(p->cfg, binary, sizeof(binary))) {
		fprintf(stderr, "fireline: no redis-server, valkey-server or redis-check-rdb on PATH: apt-get install redis-tools, or set redis.binary\n");
		_exit(69);
	}
	execl(binary, "redis-server", "--port", "0", "--unixsocket", sock, "--unixsocketperm", "700", "--dir", dir, "--logfile", log, "--save", "", "--appendonly",
	      "yes", "--appendfsync", p->cfg->durability_always ? "always" : "everysec", "--maxmemory-policy", "noeviction", "--daemonize", "no", (char *)NULL);
	_exit(69);
}

static void exec_role(const struct parent *p, const char *role)
{
	const char *argv[12];
	size_t n = 0;

	argv[n++] = "fireline";
	argv[n++] = "run";
	argv[n++] = "--role";
	argv[n++] = role;
	if (p->args.mode == FL_MODE_EMBEDDED)
		argv[n++] = "--embedded";
	if (p->args.mode == FL_MODE_DEMO) {
		argv[n++] = "--demo-folder";
		argv[n++] = p->args.demo_folder;
	} else {
		argv[n++] = "-c";
		argv[n++] = p->cfg->file;
	}
	argv[n] = NULL;
	setenv("FIRELINE_CHILD", "1", 1);
	if (strcmp(role, "enforce") == 0)
		fl_sockets_export(&p->sockets);
	execv("/proc/self/exe", (char *const *)argv);
	fprintf(stderr, "fireline: cannot execute itself: %s\n", strerror(errno));
	_exit(69);
}

static void start(struct parent *p, struct child *c)
{
	pid_t parent = getpid(), pid = fork();
	sigset_t none;

	if (pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		setpgid(0, 0); /* Ctrl-C goes to the parent, which drains in order */
		if (getppid() != parent)
			_exit(0);
		if (strcmp(c->role, "redis") == 0)
			exec_redis(p);
		exec_role(p, c->role);
	}
	c->pid = pid > 0 ? pid : 0;
	c->started = now_mono();
	c->start_at = pid > 0 ? 0 : c->started + BACKOFF_MAX_MS * FL_NS_PER_MS;
}

static bool redis_answers(const struct parent *p)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char reply[8] = "";
	bool ok;

	if (fd < 0)
		return false;
	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s/redis.sock", p->cfg->runtime);
	ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && write(fd, "PING\r\n", 6) == 6;
	if (ok) {
		struct pollfd pf = { .fd = fd, .events = POLLIN };

		ok = poll(&pf, 1, 500) == 1 && read(fd, reply, sizeof(reply)) >= 5 && memcmp(reply, "+PONG", 5) == 0;
	}
	close(fd);
	return ok;
}

static bool bus_listens(const struct parent *p)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/bus.addr", p->cfg->runtime);
	return access(path, R_OK) == 0;
}

static struct child *child_of(struct parent *p, const char *role)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].role, role) == 0)
			return &p->v[i];
	return NULL;
}

static void forget_bus(const struct parent *p)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/bus.addr", p->cfg->runtime);
	unlink(path);
}

static void reap(struct parent *p);

/* Wait until a prerequisite answers. It is started again when it ends, unless it says that it cannot run here at all. */
static bool wait_for(struct parent *p, struct child *c, bool (*ready)(const struct parent *p), const char *what)
{
	fl_mono_ns until = now_mono() + READY_MS * FL_NS_PER_MS;

	start(p, c);

	while (!ready(p)) {
		struct signalfd_siginfo s;
		struct pollfd pf = { .fd = p->signal_fd, .events = POLLIN };

		if (now_mono() > until || (!c->pid && c->exit == CANNOT_RUN)) {
			FL_LOG(FL_LOG_ERROR, "does not come up", FL_F_STR("what", what));
			return false;
		}
		if (!c->pid && now_mono() >= c->start_at)
			start(p, c);
		poll(&pf, 1, 10);
		while (read(p->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s))
			if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT) {
				p->told_to = true;
				return false;
			}
		reap(p);
	}
	return true;
}

/* --- ending --- */

static void ended(struct parent *p, struct child *c, int status)
{
	bool calm = now_mono() - c->started > CALM_MS * FL_NS_PER_MS;

	c->pid = 0;
	c->exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (p->stopping)
		return;
	c->backoff_ms = calm || !c->backoff_ms ? BACKOFF_MIN_MS : c->backoff_ms * 2 < BACKOFF_MAX_MS ? c->backoff_ms * 2 : BACKOFF_MAX_MS;
	c->start_at = now_mono() + c->backoff_ms * FL_NS_PER_MS;
	FL_LOG(FL_LOG_WARN, "a role ended and is started again", FL_F_STR("role", c->role),
	       FL_F_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0), FL_F_INT("exit", WIFEXITED(status) ? WEXITSTATUS(status) : 0),
	       FL_F_INT("after_ms", c->backoff_ms));
	if (strcmp(c->role, "bus") == 0) { /* the next one listens elsewhere: those who speak to it must ask anew */
		forget_bus(p);
		for (size_t i = 0; i < p->n; i++)
			if (p->v[i].pid && strcmp(p->v[i].role, "redis") != 0 && strcmp(p->v[i].role, "api") != 0)
				kill(p->v[i].pid, SIGTERM);
	}
}

static void reap(struct parent *p)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < p->n; i++)
			if (p->v[i].pid == pid)
				ended(p, &p->v[i], status);
}

static bool is_store(const struct child *c)
{
	return strcmp(c->role, "redis") == 0 || strcmp(c->role, "bus") == 0;
}

static bool may_start(struct parent *p, const struct child *c)
{
	bool private = p->args.mode != FL_MODE_RUN;

	if (is_store(c))
		return true;
	return !private || bus_listens(p); /* Redis may be away, its place does not move; the bus' address does */
}

static void start_due(struct parent *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->v[i].pid && now_mono() >= p->v[i].start_at && may_start(p, &p->v[i]))
			start(p, &p->v[i]);
}

static bool any_alive(const struct parent *p, bool stores)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].pid && is_store(&p->v[i]) == stores)
			return true;
	return false;
}

static void end_some(struct parent *p, bool stores)
{
	fl_mono_ns until = now_mono() + DRAIN_MS * FL_NS_PER_MS;

	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].pid && is_store(&p->v[i]) == stores)
			kill(p->v[i].pid, SIGTERM);
	while (any_alive(p, stores)) {
		if (now_mono() > until)
			for (size_t i = 0; i < p->n; i++)
				if (p->v[i].pid && is_store(&p->v[i]) == stores)
					kill(p->v[i].pid, SIGKILL);
		usleep(10000);
		reap(p);
	}
}

/* Roles first, so that they can say their last to store and bus. */
static void end_all(struct parent *p)
{
	p->stopping = true;
	end_some(p, false);
	end_some(p, true);
}

static void hup(struct parent *p)
{
	struct fl_config *next = NULL;
	struct fl_err err = { 0 };

	if (p->args.mode == FL_MODE_DEMO)
		return;
	if (fl_context_next(&p->args, p->last ? p->last : p->cfg, &next, &err) < 0) {
		FL_LOG(FL_LOG_ERROR, "reload refused, the old configuration stays in every role", FL_F_STR("why", err.text));
		fl_context_reload_said(p->cfg, err.text);
		return;
	}
	fl_config_free(p->last);
	p->last = next;
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].pid && strcmp(p->v[i].role, "redis") != 0 && strcmp(p->v[i].role, "bus") != 0)
			kill(p->v[i].pid, SIGHUP);
}

static bool take_signals(struct parent *p)
{
	struct signalfd_siginfo s;
	bool go_on = true;

	while (read(p->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT)
			go_on = false;
		else if (s.ssi_signo == SIGHUP)
			hup(p);
	}
	return go_on;
}

static bool role_answers(const struct parent *p, const char *role)
{
	struct fl_admin_answer a = { 0 };
	char path[512];
	int ret = fl_admin_call(fl_role_socket(p->cfg, role, path, sizeof(path)), "GET", "/v1/status", fl_span(NULL, 0), 2000, NULL, NULL, &a, NULL);

	fl_buf_done(&a.body);
	return ret == 0 && a.status == 200;
}

static bool roles_answer(const struct parent *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const char *role = p->v[i].role;

		if (strcmp(role, "redis") != 0 && strcmp(role, "bus") != 0 && strcmp(role, "api") != 0 && !role_answers(p, role))
			return false;
	}
	return true;
}

static int open_signals(struct parent *p)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	p->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return p->signal_fd < 0 ? FL_ELIMIT : 0;
}

static bool bring_up(struct parent *p)
{
	struct child *redis = child_of(p, "redis"), *bus = child_of(p, "bus");

	if (redis && !wait_for(p, redis, redis_answers, "the private Redis"))
		return false;
	if (bus) {
		forget_bus(p);
		if (!wait_for(p, bus, bus_listens, "the bus"))
			return false;
	}
	start_due(p);
	return true;
}

int fl_supervise(const struct fl_run_args *args, struct fl_config *cfg, const char *const *roles, size_t n, bool (*on_ready)(void *ctx), void *ctx)
{
	struct parent p = { .args = *args, .cfg = cfg, .signal_fd = -1 };
	struct fl_err err = { 0 };
	bool enforces = false, told = false, up, go_on;
	int ret;

	for (size_t i = 0; i < n && i < CHILDREN_MAX; i++) {
		p.v[p.n++].role = roles[i];
		enforces = enforces || strcmp(roles[i], "enforce") == 0;
	}
	mkdir(cfg->runtime, 0755);
	mkdir(cfg->state, 0750);
	ret = open_signals(&p);
	if (ret == 0 && enforces)
		ret = fl_sockets_open(cfg, &p.sockets, &err);
	if (ret < 0) {
		fprintf(stderr, "fireline: error FL1102: %s\n", err.text);
		return 69;
	}
	go_on = up = bring_up(&p);
	while (go_on) {
		struct pollfd pf = { .fd = p.signal_fd, .events = POLLIN };

		poll(&pf, 1, told ? 200 : 20);
		go_on = take_signals(&p);
		reap(&p);
		if (go_on)
			start_due(&p);
		if (go_on && !told && roles_answer(&p)) {
			told = true;
			if (on_ready)
				go_on = on_ready(ctx);
		}
	}
	end_all(&p);
	fl_config_free(p.last);
	fl_sockets_close(&p.sockets);
	close(p.signal_fd);
	return up || p.told_to ? 0 : CANNOT_RUN;
}
