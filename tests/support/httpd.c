#include "tests/support/httpd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, HEAD_MAX = 32 * 1024, STEP_MS = 20, READ_MS = 5000 };

struct connection {
	struct fl_test_httpd *server;
	pthread_t thread;
	int fd;
};

struct fl_test_httpd {
	fl_test_httpd_answer *answer;
	void *ctx;
	int listening;
	unsigned port;
	pthread_t thread;
	size_t n; /* touched by the accepting thread alone, then by stop */
	struct connection connections[CONNECTIONS_MAX];
};

bool fl_test_httpd_send(int fd, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n) {
		ssize_t k = send(fd, at, n, MSG_NOSIGNAL);

		if (k <= 0)
			return false;
		at += k;
		n -= (size_t)k;
	}
	return true;
}

bool fl_test_httpd_text(int fd, const char *text)
{
	return fl_test_httpd_send(fd, text, strlen(text));
}

bool fl_test_httpd_linger(int fd, int ms)
{
	char c;

	for (; ms > 0; ms -= STEP_MS) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (poll(&p, 1, STEP_MS) > 0 && recv(fd, &c, 1, MSG_PEEK) <= 0)
			return false;
	}
	return true;
}

/* Up to the empty line; false when the other side hangs up or dawdles before. */
static bool read_head(int fd, char head[HEAD_MAX])
{
	size_t n = 0;

	while (n + 1 < HEAD_MAX) {
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t k = poll(&p, 1, READ_MS) > 0 ? recv(fd, head + n, HEAD_MAX - 1 - n, 0) : 0;

		if (k <= 0)
			return false;
		n += (size_t)k;
		head[n] = '\0';
		if (strstr(head, "\r\n\r\n"))
			return true;
	}
	return false;
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	char *head = malloc(HEAD_MAX), path[2048];
	const char *from, *to;

	if (head && read_head(c->fd, head)) {
		from = strchr(head, ' ');
		to = from ? strchr(from + 1, ' ') : NULL;
		if (to && (size_t)(to - from) <= sizeof(path)) {
			memcpy(path, from + 1, (size_t)(to - from - 1));
			path[to - from - 1] = '\0';
			c->server->answer(c->server->ctx, c->fd, path, head);
		}
	}
	shutdown(c->fd, SHUT_RDWR); /* closed by stop: until then the number is not used again */
	free(head);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct fl_test_httpd *h = arg;

	while (h->n < CONNECTIONS_MAX) {
		struct connection *c = &h->connections[h->n];

		c->server = h;
		c->fd = accept4(h->listening, NULL, NULL, SOCK_CLOEXEC);
		if (c->fd < 0) /* stopped */
			break;
		if (pthread_create(&c->thread, NULL, serve, c) != 0)
			abort();
		h->n++;
	}
	return NULL;
}

struct fl_test_httpd *fl_test_httpd_start(fl_test_httpd_answer *answer, void *ctx)
{
	struct fl_test_httpd *h = calloc(1, sizeof(*h));
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	if (!h)
		abort();
	h->answer = answer;
	h->ctx = ctx;
	h->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (h->listening < 0 || bind(h->listening, (struct sockaddr *)&a, n) < 0 || listen(h->listening, 64) < 0 ||
	    getsockname(h->listening, (struct sockaddr *)&a, &n) < 0 || pthread_create(&h->thread, NULL, accept_all, h) != 0)
		abort();
	h->port = ntohs(a.sin_port);
	return h;
}

unsigned fl_test_httpd_port(const struct fl_test_httpd *h)
{
	return h->port;
}

void fl_test_httpd_stop(struct fl_test_httpd *h)
{
	shutdown(h->listening, SHUT_RDWR); /* wakes accept */
	pthread_join(h->thread, NULL);
	for (size_t i = 0; i < h->n; i++) {
		shutdown(h->connections[i].fd, SHUT_RDWR);
		pthread_join(h->connections[i].thread, NULL);
		close(h->connections[i].fd);
	}
	close(h->listening);
	free(h);
}
