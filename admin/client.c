/* A small HTTP/1.1 client over AF_UNIX, for our own server only: one request a connection, bounded in time and size. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/text.h"

enum { HEAD_MAX = 64 << 10, HEAD_LINES = 200, BODY_MAX = 256 << 20 };

struct call {
	int fd;
	int64_t until_ms; /* monotonic; 0: no end */
	struct fl_buf in; /* read, not yet used */
	size_t used;
	bool eof;
	struct fl_err *err;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int wait_fd(struct call *c, short events)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int64_t left = c->until_ms ? c->until_ms - now_ms() : 3600000;
	int n;

	if (left <= 0)
		return fl_err_set(c->err, FL_EUNAVAIL, "no answer in time");
	do
		n = poll(&p, 1, left > 3600000 ? 3600000 : (int)left);
	while (n < 0 && errno == EINTR);
	if (n == 0 && c->until_ms)
		return fl_err_set(c->err, FL_EUNAVAIL, "no answer in time");
	return 0;
}

static int open_socket(struct call *c, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int ret;

	if (strlen(path) >= sizeof(a.sun_path))
		return fl_err_set(c->err, FL_EUNAVAIL, "socket path '%s' is too long", path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return fl_err_set(c->err, FL_ELIMIT, "socket: %s", strerror(errno));
	while ((ret = connect(c->fd, (struct sockaddr *)&a, sizeof(a))) < 0 && errno == EAGAIN && now_ms() < c->until_ms)
		usleep(1000); /* a full backlog of an AF_UNIX socket */
	return ret < 0 ? fl_err_set(c->err, FL_EUNAVAIL, "%s: %s", path, strerror(errno)) : 0;
}

static int send_all(struct call *c, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);

		if (k > 0) {
			p += k;
			n -= (size_t)k;
		} else if (errno == EAGAIN || errno == EINTR) {
			int ret = wait_fd(c, POLLOUT);

			if (ret < 0)
				return ret;
		} else if (errno == EPIPE) {
			return 0; /* it has heard enough; its answer says why, or is missing */
		} else
			return fl_err_set(c->err, FL_EUNAVAIL, "the daemon went away: %s", strerror(errno));
	}
	return 0;
}

/* More bytes into c->in; sets eof at the end. */
static int fill(struct call *c)
{
	if (c->used) {
		memmove(c->in.p, c->in.p + c->used, c->in.n - c->used);
		c->in.n -= c->used;
		c->used = 0;
	}
	for (;;) {
		ssize_t n;

		if (!fl_buf_reserve(&c->in, 65536))
			return fl_err_set(c->err, FL_ENOMEM, "out of memory");
		n = recv(c->fd, c->in.p + c->in.n, 65536, 0);
		if (n > 0) {
			c->in.n += (size_t)n;
			return 0;
		}
		if (n == 0) {
			c->eof = true;
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR)
			return fl_err_set(c->err, FL_EUNAVAIL, "the daemon went away: %s", strerror(errno));
		int ret = wait_fd(c, POLLIN);

		if (ret < 0)
			return ret;
	}
}

/* The next line, without CRLF, borrowed until the next fill. */
static int line(struct call *c, struct fl_span *out)
{
	for (;;) {
		uint8_t *from = c->in.p + c->used, *nl = c->in.n > c->used ? memchr(from, '\n', c->in.n - c->used) : NULL;
		int ret;

		if (nl) {
			*out = fl_span(from, (size_t)(nl - from));
			if (out->n && out->p[out->n - 1] == '\r')
				out->n--;
			c->used += (size_t)(nl - from) + 1;
			return 0;
		}
		if (c->eof || c->in.n - c->used > HEAD_MAX)
			return fl_err_set(c->err, FL_EUNAVAIL, "the daemon's answer broke off");
		ret = fill(c);
		if (ret < 0)
			return ret;
	}
}

struct head {
	int status;
	bool chunked;
	uint64_t length; /* UINT64_MAX: until the end */
};

static bool starts(struct fl_span l, const char *word, struct fl_span *rest)
{
	size_t n = strlen(word);

	if (l.n < n || strncasecmp((const char *)l.p, word, n) != 0)
		return false;
	*rest = fl_span_trim(fl_span(l.p + n, l.n - n));
	return true;
}

static int read_head(struct call *c, struct head *h)
{
	struct fl_span l, v;
	int ret = line(c, &l);
	uint64_t status = 0;

	*h = (struct head){ .length = UINT64_MAX };
	if (ret < 0)
		return ret;
	if (l.n < 12 || memcmp(l.p, "HTTP/1.", 7) != 0 || !fl_u64_parse(fl_span(l.p + 9, 3), &status))
		return fl_err_set(c->err, FL_EFORMAT, "no HTTP answer");
	h->status = (int)status;
	for (int i = 0; i < HEAD_LINES; i++) {
		ret = line(c, &l);
		if (ret < 0)
			return ret;
		if (l.n == 0)
			return 0;
		if (starts(l, "Content-Length:", &v))
			fl_u64_parse(v, &h->length);
		else if (starts(l, "Transfer-Encoding:", &v))
			h->chunked = fl_span_eqs(v, "chunked");
	}
	return fl_err_set(c->err, FL_EFORMAT, "the daemon's answer is malformed");
}

struct sink {
	int (*on_data)(void *ctx, struct fl_span data);
	void *ctx;
	struct fl_buf *body;
};

static int give(struct call *c, struct sink *s, struct fl_span d)
{
	if (s->on_data)
		return s->on_data(s->ctx, d);
	if (s->body->n + d.n > BODY_MAX)
		return fl_err_set(c->err, FL_ELIMIT, "the daemon's answer is too long");
	fl_buf_add(s->body, d.p, d.n);
	return s->body->failed ? fl_err_set(c->err, FL_ENOMEM, "out of memory") : 0;
}

/* n octets of body; UINT64_MAX: until the end. */
static int body_part(struct call *c, struct sink *s, uint64_t n)
{
	while (n) {
		size_t have = c->in.n - c->used, k = have < n ? have : (size_t)n;
		int ret;

		if (k) {
			ret = give(c, s, fl_span(c->in.p + c->used, k));
			c->used += k;
			if (n != UINT64_MAX)
				n -= k;
			if (ret < 0)
				return ret;
			continue;
		}
		if (c->eof)
			return n == UINT64_MAX ? 0 : fl_err_set(c->err, FL_EUNAVAIL, "the daemon's answer broke off");
		ret = fill(c);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int read_body(struct call *c, const struct head *h, struct sink *s)
{
	if (!h->chunked)
		return body_part(c, s, h->length);
	for (;;) {
		struct fl_span l;
		char hex[20] = "", *end;
		int ret = line(c, &l);
		unsigned long long n;

		if (ret < 0)
			return ret;
		memcpy(hex, l.p, l.n < sizeof(hex) - 1 ? l.n : sizeof(hex) - 1);
		n = strtoull(hex, &end, 16);
		if (end == hex)
			return fl_err_set(c->err, FL_EFORMAT, "the daemon's answer is malformed");
		if (n == 0)
			return 0;
		ret = body_part(c, s, n);
		if (ret == 0)
			ret = line(c, &l);
		if (ret < 0)
			return ret;
	}
}

int fl_admin_call(const char *unix_path, const char *method, const char *path_and_query, struct fl_span body, int timeout_ms,
		  int (*on_data)(void *ctx, struct fl_span data), void *ctx, struct fl_admin_answer *out, struct fl_err *err)
{
	struct call c = { .fd = -1, .until_ms = timeout_ms ? now_ms() + timeout_ms : 0, .err = err };
	struct sink sink = { on_data, ctx, &out->body };
	struct fl_buf req = { 0 };
	struct head h = { 0 };
	int ret = open_socket(&c, unix_path);

	if (ret == 0) {
		fl_buf_printf(&req, "%s %s HTTP/1.1\r\nHost: fireline\r\nConnection: close\r\n", method, path_and_query);
		if (body.n || strcmp(method, "GET") != 0)
			fl_buf_printf(&req, "Content-Length: %zu\r\n", body.n);
		fl_buf_str(&req, "\r\n");
		fl_buf_add(&req, body.p, body.n);
		ret = req.failed ? FL_ENOMEM : send_all(&c, req.p, req.n);
	}
	if (ret == 0)
		ret = read_head(&c, &h);
	if (ret == 0) {
		if (h.status != 200) /* a problem is a document, not a stream */
			sink.on_data = NULL;
		ret = read_body(&c, &h, &sink);
	}
	out->status = h.status;
	if (c.fd >= 0)
		close(c.fd);
	fl_buf_done(&c.in);
	fl_buf_done(&req);
	return ret;
}
