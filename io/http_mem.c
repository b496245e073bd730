/* The HTTP door's twin: a table of URL -> answer. A transfer takes its answer when it is polled, so that a test may change
 * the table, or fail it, while one is under way. Redirects, addresses and packing do not exist here. Out of memory ends
 * the process. Start at finish(). */
#include "io/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct page {
	struct page *next;
	char *url;
	long status;
	struct fl_buf body;
	char etag[256];
};

struct fl_http_mem {
	struct page *pages;
	fl_http_fault_plan *plan;
	void *plan_ctx;
	fl_http_mem_serve *serve;
	void *serve_ctx;
};

struct transfer {
	struct transfer *next;
	uint64_t id, max_bytes;
	char *url;
	char etag[256];
	struct fl_http_request req; /* a copy, its strings in arena */
	struct fl_http_sigv4 sigv4;
	struct fl_arena arena;
};

struct door {
	struct fl_http http;
	struct fl_http_mem *w;
	struct transfer *first; /* in order of start */
	uint64_t last_id;
};

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct page *page_of(const struct fl_http_mem *w, const char *url)
{
	struct page *p = w->pages;

	while (p && strcmp(p->url, url) != 0)
		p = p->next;
	return p;
}

static const char *kept(struct transfer *t, const char *s)
{
	return s ? need(fl_arena_str(&t->arena, s)) : NULL;
}

/* What a server may want to see. */
static void keep_request(struct transfer *t, const struct fl_http_request *req)
{
	const char **headers;
	size_t n = 0;

	while (req->headers && req->headers[n])
		n++;
	headers = need(fl_arena_array(&t->arena, n + 1, sizeof(*headers)));
	for (size_t i = 0; i < n; i++)
		headers[i] = kept(t, req->headers[i]);
	t->req = *req;
	t->req.url = t->url;
	t->req.etag = t->etag;
	t->req.last_modified = kept(t, req->last_modified);
	t->req.method = kept(t, req->method);
	t->req.headers = headers;
	t->req.body = fl_span(req->body.p ? need(fl_arena_dup(&t->arena, req->body.p, req->body.n)) : NULL, req->body.n);
	if (req->sigv4)
		t->sigv4 = (struct fl_http_sigv4){ kept(t, req->sigv4->region), kept(t, req->sigv4->service), kept(t, req->sigv4->access_key),
						   kept(t, req->sigv4->secret_key), kept(t, req->sigv4->token) };
	t->req.sigv4 = req->sigv4 ? &t->sigv4 : NULL;
}

static void transfer_free(struct transfer *t)
{
	fl_arena_done(&t->arena);
	free(t->url);
	free(t);
}

static int mem_start(struct fl_http *h, const struct fl_http_request *req, uint64_t *id, struct fl_err *err)
{
	struct door *d = (struct door *)h;
	struct transfer *t, **end = &d->first;

	if (strncmp(req->url, "http://", 7) != 0 && strncmp(req->url, "https://", 8) != 0)
		return fl_err_set(err, FL_EREFUSED, "only http and https are fetched");
	t = need(calloc(1, sizeof(*t)));
	t->id = ++d->last_id;
	t->max_bytes = req->max_bytes;
	t->url = need(strdup(req->url));
	snprintf(t->etag, sizeof(t->etag), "%s", req->etag ? req->etag : "");
	keep_request(t, req);
	while (*end)
		end = &(*end)->next;
	*end = t;
	*id = t->id;
	return 0;
}

static void host_of(const char *url, char *out, size_t cap)
{
	const char *host = strstr(url, "://");

	host = host ? host + 3 : url;
	snprintf(out, cap, "%.*s", (int)strcspn(host, "/:?#"), host);
}

static void finish(struct door *d, const struct transfer *t, struct fl_http_response *out)
{
	const struct page *p = page_of(d->w, t->url);
	int code = d->w->plan ? d->w->plan(d->w->plan_ctx, t->url) : 0;

	*out = (struct fl_http_response){ .id = t->id, .code = code, .retry_after_s = -1 };
	host_of(t->url, out->effective_host, sizeof(out->effective_host));
	if (code == 0 && !p)
		out->code = FL_EUNAVAIL;
	if (out->code < 0) {
		snprintf(out->reason, sizeof(out->reason), "%.200s: %s", out->effective_host, fl_code_text(out->code));
		return;
	}
	out->status = p->status;
	snprintf(out->etag, sizeof(out->etag), "%s", p->etag);
	if (p->etag[0] && strcmp(p->etag, t->etag) == 0 && p->status == 200) {
		out->status = 304;
		return;
	}
	if (p->body.n > t->max_bytes) {
		out->code = FL_ELIMIT;
		snprintf(out->reason, sizeof(out->reason), "the body is over %llu octets", (unsigned long long)t->max_bytes);
		return;
	}
	snprintf(out->content_type, sizeof(out->content_type), "text/plain");
	out->received_bytes = p->body.n;
	fl_buf_add(&out->body, p->body.p, p->body.n);
	if (out->body.failed)
		abort();
}

/* 1: served; 0: it stays under way; -1: the table answers. */
static int served(const struct door *d, const struct transfer *t, struct fl_http_response *out)
{
	*out = (struct fl_http_response){ .retry_after_s = -1 };
	if (!d->w->serve)
		return -1;
	if (d->w->serve(d->w->serve_ctx, &t->req, out)) {
		out->id = t->id;
		if (!out->effective_host[0])
			host_of(t->url, out->effective_host, sizeof(out->effective_host));
		return 1;
	}
	return out->id ? 0 : -1;
}

static int mem_poll(struct fl_http *h, int timeout_ms, struct fl_http_response *out)
{
	struct door *d = (struct door *)h;

	(void)timeout_ms;
	for (struct transfer **at = &d->first, *t; (t = *at); at = &t->next) {
		int ret = served(d, t, out);

		if (ret == 0)
			continue;
		*at = t->next;
		if (ret < 0)
			finish(d, t, out);
		transfer_free(t);
		return 1;
	}
	return 0;
}

static void mem_wait(struct fl_http *h, int timeout_ms, int fd)
{
	(void)h, (void)timeout_ms, (void)fd;
}

static void mem_cancel(struct fl_http *h, uint64_t id)
{
	struct door *d = (struct door *)h;
	struct transfer **t = &d->first, *gone;

	while (*t && (*t)->id != id)
		t = &(*t)->next;
	gone = *t;
	if (!gone)
		return;
	*t = gone->next;
	transfer_free(gone);
}

static size_t mem_running(struct fl_http *h)
{
	size_t n = 0;

	for (struct transfer *t = ((struct door *)h)->first; t; t = t->next)
		n++;
	return n;
}

static void mem_close(struct fl_http *h)
{
	struct door *d = (struct door *)h;

	while (d->first)
		mem_cancel(h, d->first->id);
	free(d);
}

static const struct fl_http_ops mem_ops = { mem_start, mem_poll, mem_cancel, mem_running, mem_wait, mem_close };

struct fl_http_mem *fl_http_mem_new(void)
{
	return need(calloc(1, sizeof(struct fl_http_mem)));
}

void fl_http_mem_free(struct fl_http_mem *w)
{
	struct page *p = w ? w->pages : NULL;

	while (p) {
		struct page *next = p->next;

		fl_buf_done(&p->body);
		free(p->url);
		free(p);
		p = next;
	}
	free(w);
}

struct fl_http *fl_http_mem_open(struct fl_http_mem *w)
{
	struct door *d = need(calloc(1, sizeof(*d)));

	d->http.ops = &mem_ops;
	d->w = w;
	return &d->http;
}

void fl_http_mem_set(struct fl_http_mem *w, const char *url, long status, struct fl_span body, const char *etag)
{
	struct page *p = page_of(w, url);

	if (!p) {
		p = need(calloc(1, sizeof(*p)));
		p->url = need(strdup(url));
		p->next = w->pages;
		w->pages = p;
	}
	p->status = status;
	snprintf(p->etag, sizeof(p->etag), "%s", etag ? etag : "");
	fl_buf_reset(&p->body);
	fl_buf_add(&p->body, body.p, body.n);
	if (p->body.failed)
		abort();
}

void fl_http_mem_faults(struct fl_http_mem *w, fl_http_fault_plan *plan, void *ctx)
{
	w->plan = plan;
	w->plan_ctx = ctx;
}

void fl_http_mem_server(struct fl_http_mem *w, fl_http_mem_serve *serve, void *ctx)
{
	w->serve = serve;
	w->serve_ctx = ctx;
}
