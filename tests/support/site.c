#include "tests/support/site.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/httpd.h"

enum { PAGES_MAX = 32, DRIP_MS = 60, LONG_MS = 60000 };

struct page {
	char path[128], etag[64];
	uint8_t *octets;
	size_t n;
};

struct fl_test_site {
	struct fl_test_httpd *httpd;
	pthread_mutex_t lock; /* over what follows */
	char last_head[4096], origin[64];
	struct page pages[PAGES_MAX];
	size_t n;
};

/* --- paths without an end: they end when the other side has had enough --- */

static void endless(int fd, const char *head, const char *again)
{
	bool more = fl_test_httpd_text(fd, head);

	while (more)
		more = fl_test_httpd_text(fd, again);
}

static bool serve_endless(int fd, const char *path)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\n", kilobyte[1024] = { [0 ... 1021] = 'x', '\n', '\0' };
	bool more = true;

	if (strcmp(path, "/endless") == 0)
		endless(fd, "HTTP/1.1 200 OK\r\n\r\n", kilobyte);
	else if (strcmp(path, "/endless-redirect") == 0)
		endless(fd, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", kilobyte);
	else if (strcmp(path, "/many-headers") == 0)
		endless(fd, ok, "X-More: and more\r\n");
	else if (strcmp(path, "/long-header") == 0)
		endless(fd, "HTTP/1.1 200 OK\r\nX-Long: ", "and longer ");
	else if (strcmp(path, "/silent") == 0)
		fl_test_httpd_linger(fd, LONG_MS);
	else if (strcmp(path, "/drip") == 0) {
		fl_test_httpd_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
		while (more)
			more = fl_test_httpd_text(fd, "x") && fl_test_httpd_linger(fd, DRIP_MS);
	} else
		return false;
	return true;
}

/* --- pages --- */

static struct page *page_of(struct fl_test_site *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->pages[i].path, path) == 0)
			return &s->pages[i];
	return NULL;
}

static bool names_etag(const char *head, const char *etag)
{
	char line[128];

	snprintf(line, sizeof(line), "If-None-Match: %s\r\n", etag);
	return etag[0] && strstr(head, line);
}

static void serve(void *ctx, int fd, const char *path, const char *head)
{
	struct fl_test_site *s = ctx;
	char unchanged[256];
	struct page *p;

	pthread_mutex_lock(&s->lock);
	snprintf(s->last_head, sizeof(s->last_head), "%s", head);
	p = page_of(s, path);
	if (p && names_etag(head, p->etag)) {
		snprintf(unchanged, sizeof(unchanged), "HTTP/1.1 304 Not Modified\r\nETag: %s\r\nConnection: close\r\n\r\n", p->etag);
		fl_test_httpd_text(fd, unchanged);
	} else if (p)
		fl_test_httpd_send(fd, p->octets, p->n);
	pthread_mutex_unlock(&s->lock);
	if (!p && !serve_endless(fd, path))
		fl_test_httpd_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

static void put(struct fl_test_site *s, const char *path, const void *octets, size_t n, const char *etag)
{
	struct page *p;

	pthread_mutex_lock(&s->lock);
	p = page_of(s, path);
	if (!p && s->n == PAGES_MAX)
		abort();
	if (!p)
		p = &s->pages[s->n++];
	free(p->octets);
	p->octets = malloc(n + 1);
	if (!p->octets)
		abort();
	memcpy(p->octets, octets, n);
	p->n = n;
	snprintf(p->path, sizeof(p->path), "%s", path);
	snprintf(p->etag, sizeof(p->etag), "%s", etag);
	pthread_mutex_unlock(&s->lock);
}

void fl_test_site_raw(struct fl_test_site *s, const char *path, const void *octets, size_t n)
{
	put(s, path, octets, n, "");
}

void fl_test_site_page(struct fl_test_site *s, const char *path, int status, const char *body, const char *etag)
{
	char *text = NULL;
	int n = asprintf(&text, "HTTP/1.1 %d x\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s%s%sConnection: close\r\n\r\n%s",
			 status, strlen(body), etag[0] ? "ETag: " : "", etag, etag[0] ? "\r\n" : "", body);

	if (n < 0)
		abort();
	put(s, path, text, (size_t)n, etag);
	free(text);
}

bool fl_test_site_saw(struct fl_test_site *s, const char *text)
{
	bool found;

	pthread_mutex_lock(&s->lock);
	found = strstr(s->last_head, text) != NULL;
	pthread_mutex_unlock(&s->lock);
	return found;
}

const char *fl_test_site_origin(const struct fl_test_site *s)
{
	return s->origin;
}

unsigned fl_test_site_port(const struct fl_test_site *s)
{
	return fl_test_httpd_port(s->httpd);
}

struct fl_test_site *fl_test_site_new(void)
{
	struct fl_test_site *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	pthread_mutex_init(&s->lock, NULL);
	s->httpd = fl_test_httpd_start(serve, s);
	snprintf(s->origin, sizeof(s->origin), "http://127.0.0.1:%u", fl_test_httpd_port(s->httpd));
	return s;
}

void fl_test_site_free(struct fl_test_site *s)
{
	if (!s)
		return;
	fl_test_httpd_stop(s->httpd);
	for (size_t i = 0; i < s->n; i++)
		free(s->pages[i].octets);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
