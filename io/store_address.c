/* Where the Redis server is: redis://host:port/db, unix:///path?db=N, and sockets that connect without blocking.
 * Secrets have settings of their own and are refused inside a URL, which ends up in logs. */
#include "io/store_redis.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

enum { DB_MAX = 1 << 20 };

/* ---- URL ---- */

static bool db_parse(const char *s, unsigned *db)
{
	uint64_t v;

	if (!fl_u64_parse(fl_span_str(s), &v) || v > DB_MAX)
		return false;
	*db = (unsigned)v;
	return true;
}

/* "/path" or "/path?db=N" */
static int unix_parse(struct fl__redis_target *t, const char *rest, struct fl_err *err)
{
	const char *query = strchr(rest, '?');
	size_t n = query ? (size_t)(query - rest) : strlen(rest);

	if (rest[0] != '/' || n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return fl_err_set(err, FL_ECONFIG, "redis url: unix:// needs an absolute path of at most 107 octets");
	if (query && (strncmp(query, "?db=", 4) != 0 || !db_parse(query + 4, &t->db)))
		return fl_err_set(err, FL_ECONFIG, "redis url: behind the path only ?db=NUMBER may stand");
	t->path = strndup(rest, n);
	return t->path ? 0 : fl_err_set(err, FL_ENOMEM, "redis url: out of memory");
}

static bool port_fits(const char *s)
{
	uint64_t v;

	return fl_u64_parse(fl_span_str(s), &v) && v > 0 && v <= UINT16_MAX;
}

/* "host", "host:port", "[v6]:port", and "/db" behind */
static int tcp_parse(struct fl__redis_target *t, const char *rest, struct fl_err *err)
{
	const char *slash = strchr(rest, '/'), *end = slash ? slash : rest + strlen(rest), *host = rest, *host_end,
		   *port;

	if (memchr(rest, '@', (size_t)(end - rest)))
		return fl_err_set(err, FL_ECONFIG,
				  "redis url: user and password do not belong in it; they have settings of their own");
	if (*host == '[') {
		host++;
		host_end = memchr(host, ']', (size_t)(end - host));
		port = host_end ? host_end + 1 : NULL;
	} else {
		host_end = memchr(host, ':', (size_t)(end - host));
		host_end = host_end ? host_end : end;
		port = host_end;
	}
	if (!host_end || host_end == host || host_end - host > 253 || (port != end && *port != ':'))
		return fl_err_set(err, FL_ECONFIG,
				  "redis url: no host, or something odd behind it (redis://host:port/db)");
	t->host = strndup(host, (size_t)(host_end - host));
	t->port = port == end ? strdup("6379") : strndup(port + 1, (size_t)(end - port - 1));
	if (!t->host || !t->port)
		return fl_err_set(err, FL_ENOMEM, "redis url: out of memory");
	if (!port_fits(t->port))
		return fl_err_set(err, FL_ECONFIG, "redis url: '%.20s' is not a port", t->port);
	if (slash && slash[1] && !db_parse(slash + 1, &t->db))
		return fl_err_set(err, FL_ECONFIG, "redis url: behind the slash stands the database's number");
	return 0;
}

static int url_parse(struct fl__redis_target *t, const char *url, struct fl_err *err)
{
	if (strncmp(url, "redis://", 8) == 0)
		return tcp_parse(t, url + 8, err);
	if (strncmp(url, "unix://", 7) == 0)
		return unix_parse(t, url + 7, err);
	if (strncmp(url, "rediss://", 9) == 0)
		return fl_err_set(err, FL_ECONFIG,
				  "redis url: rediss:// (TLS) is not in this build: use a Unix socket, or a TLS proxy "
				  "on this host and redis://");
	return fl_err_set(err, FL_ECONFIG, "redis url: it begins with redis:// or unix://");
}

static bool dup_secret(char **out, const char *s)
{
	*out = s && *s ? strdup(s) : NULL;
	return *out || !s || !*s;
}

int fl__redis_target_init(struct fl__redis_target *t, const struct fl_store_redis_config *cfg, struct fl_err *err)
{
	int ret;

	*t = (struct fl__redis_target){ .connect_timeout_ms =
						cfg->connect_timeout_ms > 0 ? cfg->connect_timeout_ms : 2000,
					.timeout_ms = cfg->timeout_ms > 0 ? cfg->timeout_ms : 5000 };
	ret = url_parse(t, cfg->url ? cfg->url : "", err);
	if (ret == 0 && cfg->username && *cfg->username && (!cfg->password || !*cfg->password))
		ret = fl_err_set(err, FL_ECONFIG, "redis: a user name without a password");
	if (ret == 0 && (!dup_secret(&t->username, cfg->username) || !dup_secret(&t->password, cfg->password)))
		ret = fl_err_set(err, FL_ENOMEM, "redis: out of memory");
	if (ret < 0) {
		fl__redis_target_done(t);
		return ret;
	}
	if (t->path)
		snprintf(t->shown, sizeof(t->shown), "%s", t->path);
	else
		snprintf(t->shown, sizeof(t->shown), "%s:%s", t->host, t->port);
	return 0;
}

void fl__redis_target_done(struct fl__redis_target *t)
{
	free(t->host);
	free(t->port);
	free(t->path);
	free(t->username);
	if (t->password)
		explicit_bzero(t->password, strlen(t->password));
	free(t->password);
	*t = (struct fl__redis_target){ 0 };
}

/* ---- sockets ---- */

bool fl__redis_wait(int fd, short events, fl_mono_ns deadline)
{
	struct pollfd p = { fd, events, 0 };

	for (;;) {
		fl_mono_ns left = deadline - fl__redis_now();
		int n;

		if (left <= 0)
			return false;
		n = poll(&p, 1, left > INT64_C(60000) * FL_NS_PER_MS ? 60000 : (int)(left / FL_NS_PER_MS) + 1);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return true; /* the next call on fd says what is wrong */
	}
}

/* A dead peer is noticed within half a minute, also by the subscription, which never sends. */
static void set_options(int fd)
{
	const int on = 1, idle = 15, every = 5, times = 3;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
}

/* A socket that is connected or on its way; -1 and errno. */
static int dial(const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), saved;

	if (fd < 0)
		return -1;
	if (sa->sa_family != AF_UNIX)
		set_options(fd);
	if (connect(fd, sa, len) == 0 || errno == EINPROGRESS)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* dial, and wait until it is there. */
static int dial_wait(const struct sockaddr *sa, socklen_t len, fl_mono_ns deadline)
{
	int fd = dial(sa, len), why = 0;
	socklen_t n = sizeof(why);

	if (fd < 0)
		return -1;
	if (!fl__redis_wait(fd, POLLOUT, deadline))
		why = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) < 0)
		why = errno;
	if (why == 0)
		return fd;
	close(fd);
	errno = why;
	return -1;
}

static socklen_t unix_address(const char *path, struct sockaddr_storage *out)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memcpy(un.sun_path, path, strlen(path) + 1); /* unix_parse has measured it */
	memset(out, 0, sizeof(*out));
	memcpy(out, &un, sizeof(un));
	return sizeof(un);
}

static int resolve(const struct fl__redis_target *t, int flags, struct addrinfo **out)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = flags | AI_NUMERICSERV };

	return getaddrinfo(t->host, t->port, &hints, out);
}

int fl__redis_connect(struct fl__redis_target *t, int *fd, struct fl_err *err)
{
	fl_mono_ns deadline = fl__redis_now() + t->connect_timeout_ms * FL_NS_PER_MS;
	struct addrinfo *all = NULL;
	int got = -1, why;

	if (t->path) {
		t->peer_len = unix_address(t->path, &t->peer);
		got = dial_wait((struct sockaddr *)&t->peer, t->peer_len, deadline);
		if (got < 0)
			return fl_err_set(err, FL_EUNAVAIL, "redis: %s: %s", t->shown, strerror(errno));
		*fd = got;
		return 0;
	}
	why = resolve(t, 0, &all);
	if (why != 0)
		return fl_err_set(err, FL_EUNAVAIL, "redis: %s: %s", t->shown, gai_strerror(why));
	for (const struct addrinfo *a = all; a && got < 0; a = a->ai_next) {
		got = dial_wait(a->ai_addr, a->ai_addrlen, deadline);
		if (got >= 0 && a->ai_addrlen <= sizeof(t->peer)) {
			memcpy(&t->peer, a->ai_addr, a->ai_addrlen);
			t->peer_len = a->ai_addrlen;
		}
	}
	why = errno;
	freeaddrinfo(all);
	if (got < 0)
		return fl_err_set(err, FL_EUNAVAIL, "redis: %s: %s", t->shown, strerror(why));
	*fd = got;
	return 0;
}

int fl__redis_dial(const struct fl__redis_target *t)
{
	struct sockaddr_storage un;
	struct addrinfo *all = NULL;
	int fd = -1;

	if (t->path)
		return dial((struct sockaddr *)&un, unix_address(t->path, &un));
	if (t->peer_len)
		return dial((const struct sockaddr *)&t->peer, t->peer_len);
	if (resolve(t, AI_NUMERICHOST, &all) != 0)
		return FL__REDIS_NO_ADDRESS; /* a name: the first call resolves it */
	for (const struct addrinfo *a = all; a && fd < 0; a = a->ai_next)
		fd = dial(a->ai_addr, a->ai_addrlen);
	freeaddrinfo(all);
	return fd;
}
