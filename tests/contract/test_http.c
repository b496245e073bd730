/* What the HTTP door promises, kept by libcurl and by the twin; then what only a server that misbehaves can show. Each bad
 * answer is a row: how it is asked for, how it ends, and a word that people are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "io/http.h"
#include "tests/support/httpd.h"

enum { PATIENCE_MS = 30000 };

/* One request, and how to answer it. */
struct asked {
	int fd;
	unsigned port;
	const char *path, *head;
};

static bool say(struct asked *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool say(struct asked *r, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return n >= 0 && (size_t)n < sizeof(text) && fl_test_httpd_send(r->fd, text, (size_t)n);
}

static uint8_t bomb[64 * 1024], packed[4096];
static size_t bomb_n, packed_n;

/* gzip of n octets c. */
static size_t pack(char c, size_t n, uint8_t *out, size_t cap)
{
	z_stream z = { 0 };
	uint8_t *in = malloc(n + 1);

	memset(in, c, n);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = in;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	free(in);
	return cap - z.avail_out;
}

static void answer_with(struct asked *r, const char *headers, const void *body, size_t n)
{
	say(r, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n", n, headers);
	fl_test_httpd_send(r->fd, body, n);
}

static void endless(struct asked *r, const char *head)
{
	static const char block[8192] = { 'x' };

	say(r, "%s\r\n\r\n", head);
	while (fl_test_httpd_send(r->fd, block, sizeof(block)))
		;
}

/* Empty members of gzip: they unpack to nothing, as many as there are. */
static void endless_members(struct asked *r)
{
	uint8_t block[8000];
	size_t n = pack('x', 0, block, 100);

	for (size_t i = n; i + n <= sizeof(block); i += n)
		memcpy(block + i, block, n);
	say(r, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
	while (fl_test_httpd_send(r->fd, block, sizeof(block) / n * n))
		;
}

static void drip(struct asked *r)
{
	say(r, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
	while (fl_test_httpd_send(r->fd, "x", 1) && fl_test_httpd_linger(r->fd, 200))
		;
}

static void huge_headers(struct asked *r, bool one)
{
	say(r, "HTTP/1.1 200 OK\r\nX-Long: ");
	for (int i = 0; i < 20000; i++)
		if (!say(r, one ? "xxxxxxxxxxxxxxxxxxxx" : "xxxxx\r\nX-Y%d: ", i))
			return;
	say(r, "\r\n\r\n");
}

static const struct {
	const char *path;
	const char *raw; /* sent as it stands, %P: the port */
} pages[] = {
	{ "/plain", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: \"v1\"\r\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n"
		    "Content-Type: text/plain; charset=utf-8\r\n\r\nbody" },
	{ "/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n" },
	{ "/http10", "HTTP/1.0 200 OK\r\n\r\nbody" },
	{ "/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
	{ "/404", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone" },
	{ "/429", "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n" },
	{ "/503", "HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 2038 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n" },
	{ "/503past", "HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n" },
	{ "/503odd", "HTTP/1.1 503 Busy\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-plain", "HTTP/1.1 302 Found\r\nETag: \"not-this\"\r\nLocation: /plain\r\nContent-Length: 3\r\n\r\nxxx" },
	{ "/to-relative", "HTTP/1.1 301 Moved\r\nLocation: plain?secret=1\r\nContent-Length: 0\r\n\r\n" },
	{ "/loop", "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-gopher", "HTTP/1.1 302 Found\r\nLocation: gopher://127.0.0.1:%P/x\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-other", "HTTP/1.1 307 Go\r\nLocation: http://localhost:%P/show\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-show", "HTTP/1.1 308 Go\r\nLocation: http://127.0.0.1:%P/show\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-second", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:%P/plain\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-decimal", "HTTP/1.1 302 Found\r\nLocation: http://2130706434:%P/plain\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-octal", "HTTP/1.1 302 Found\r\nLocation: http://0177.0.0.2:%P/plain\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-mapped", "HTTP/1.1 302 Found\r\nLocation: http://[::ffff:127.0.0.2]:%P/plain\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-any", "HTTP/1.1 302 Found\r\nLocation: http://0.0.0.0:%P/plain\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-v6", "HTTP/1.1 302 Found\r\nLocation: http://[::1]:%P/plain\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-private", "HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/plain\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-metadata", "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n" },
	{ "/to-nowhere", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n" },
	{ "/short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbody" },
	{ "/shortchunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n" },
	{ "/badchunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nbody\r\n" },
	{ "/notgzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody" },
	{ "/brotli", "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nbody" },
	{ "/http09", "no header, just text\n" },
	{ "/nothing", "" },
	{ "/interim", "HTTP/1.1 103 Early Hints\r\nETag: \"early\"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody" },
	{ "/longtag", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"\r\n\r\nbody" },
};

static void send_raw(struct asked *r, const char *raw)
{
	const char *p = strstr(raw, "%P");

	if (!p) {
		fl_test_httpd_send(r->fd, raw, strlen(raw));
		return;
	}
	fl_test_httpd_send(r->fd, raw, (size_t)(p - raw));
	say(r, "%u%s", r->port, p + 2);
}

static void answer(struct asked *r)
{
	size_t n = strcspn(r->path, "?");

	if (strcmp(r->path, "/plain") == 0 && strstr(r->head, "\r\nIf-None-Match: \"v1\"\r\n")) {
		say(r, "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n");
		return;
	}
	if (strcmp(r->path, "/show") == 0) {
		answer_with(r, "", r->head, strlen(r->head));
		return;
	}
	if (strcmp(r->path, "/gzip") == 0)
		answer_with(r, "Content-Encoding: gzip\r\n", packed, packed_n);
	else if (strcmp(r->path, "/gzipcut") == 0)
		answer_with(r, "Content-Encoding: gzip\r\n", packed, packed_n - 4);
	else if (strcmp(r->path, "/gzipbad") == 0) {
		uint8_t bad[sizeof(packed)];

		memcpy(bad, packed, packed_n);
		bad[packed_n - 6] ^= 1; /* its checksum */
		answer_with(r, "Content-Encoding: gzip\r\n", bad, packed_n);
	} else if (strcmp(r->path, "/bomb") == 0)
		answer_with(r, "Content-Encoding: gzip\r\n", bomb, bomb_n);
	else if (strcmp(r->path, "/endless") == 0)
		endless(r, "HTTP/1.1 200 OK");
	else if (strcmp(r->path, "/endless-redirect") == 0)
		endless(r, "HTTP/1.1 302 Found\r\nLocation: /plain");
	else if (strcmp(r->path, "/gzip-of-nothing") == 0)
		endless_members(r);
	else if (strcmp(r->path, "/drip") == 0)
		drip(r);
	else if (strcmp(r->path, "/hang") == 0)
		fl_test_httpd_linger(r->fd, PATIENCE_MS);
	else if (strcmp(r->path, "/headers") == 0)
		huge_headers(r, false);
	else if (strcmp(r->path, "/header") == 0)
		huge_headers(r, true);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strlen(pages[i].path) == n && memcmp(pages[i].path, r->path, n) == 0)
			send_raw(r, pages[i].raw);
}

/* --- worlds --- */

struct world {
	struct fl_http_mem *mem;
	struct fl_http *h;
	struct fl_test_httpd *server;
	unsigned port;
	char base[64];
};

static void handler(void *ctx, int fd, const char *path, const char *head)
{
	struct asked r = { fd, __atomic_load_n(&((struct world *)ctx)->port, __ATOMIC_RELAXED), path, head };

	answer(&r);
}

static int up_mem(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->mem = fl_http_mem_new();
	w->h = fl_http_mem_open(w->mem);
	snprintf(w->base, sizeof(w->base), "http://127.0.0.1:80");
	fl_http_mem_set(w->mem, "http://127.0.0.1:80/plain", 200, fl_span_str("body"), "\"v1\"");
	fl_http_mem_set(w->mem, "http://127.0.0.1:80/404", 404, fl_span_str("none"), "");
	*state = w;
	return 0;
}

static int up_curl(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	if (!packed_n) {
		packed_n = pack('g', 5000, packed, sizeof(packed));
		bomb_n = pack('b', 16 << 20, bomb, sizeof(bomb));
	}
	w->server = fl_test_httpd_start(handler, w);
	__atomic_store_n(&w->port, fl_test_httpd_port(w->server), __ATOMIC_RELAXED);
	snprintf(w->base, sizeof(w->base), "http://127.0.0.1:%u", w->port);
	return fl_http_curl_open("fireline-test/1", &w->h, NULL);
}

static int down(void **state)
{
	struct world *w = *state;

	w->h->ops->close(w->h);
	if (w->mem)
		fl_http_mem_free(w->mem);
	else
		fl_test_httpd_stop(w->server);
	free(w);
	return 0;
}

static struct fl_http_request request(char url[256], struct world *w, const char *path)
{
	snprintf(url, 256, "%s%s", w->base, path);
	return (struct fl_http_request){ .url = url, .max_bytes = 1 << 20, .connect_timeout_ms = 5000, .timeout_ms = 20000, .low_speed_s = 10,
					 .max_redirects = 3, .allow_private = true };
}

static struct fl_http_response finish(struct world *w, uint64_t id)
{
	struct fl_http_response r = { 0 };

	for (int waited = 0; waited < PATIENCE_MS; waited += 100)
		if (w->h->ops->poll(w->h, 100, &r) == 1) {
			assert_int_equal(r.id, id);
			return r;
		}
	fail_msg("no answer");
	return r;
}

static struct fl_http_response fetch(struct world *w, const struct fl_http_request *req)
{
	struct fl_err err = { 0 };
	uint64_t id = 0;

	if (w->h->ops->start(w->h, req, &id, &err) < 0)
		fail_msg("%s", err.text);
	return finish(w, id);
}

static struct fl_http_response get(struct world *w, const char *path)
{
	char url[256];
	struct fl_http_request req = request(url, w, path);

	return fetch(w, &req);
}

/* --- promises of both --- */

static void a_page_comes_whole(void **state)
{
	struct world *w = *state;
	struct fl_http_response r = get(w, "/plain");

	assert_int_equal(r.code, 0);
	assert_int_equal(r.status, 200);
	assert_true(fl_span_eqs(fl_buf_span(&r.body), "body"));
	assert_string_equal(r.etag, "\"v1\"");
	assert_string_equal(r.effective_host, "127.0.0.1");
	assert_int_equal(strncmp(r.content_type, "text/plain", 10), 0);
	assert_int_equal(r.retry_after_s, -1);
	assert_int_equal(r.received_bytes, 4);
	assert_int_equal(w->h->ops->running(w->h), 0);
	fl_http_response_done(&r);
}

static void an_unchanged_page_is_304(void **state)
{
	struct world *w = *state;
	char url[256];
	struct fl_http_request req = request(url, w, "/plain");
	struct fl_http_response r;

	req.etag = "\"v1\"";
	r = fetch(w, &req);
	assert_int_equal(r.code, 0);
	assert_int_equal(r.status, 304);
	assert_int_equal(r.body.n, 0);
	fl_http_response_done(&r);
	req.etag = "\"v0\"";
	r = fetch(w, &req);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body.n, 4);
	fl_http_response_done(&r);
}

static void a_missing_page_is_a_whole_answer(void **state)
{
	struct fl_http_response r = get(*state, "/404");

	assert_int_equal(r.code, 0);
	assert_int_equal(r.status, 404);
	fl_http_response_done(&r);
}

static void a_page_over_its_limit_is_refused(void **state)
{
	struct world *w = *state;
	char url[256];
	struct fl_http_request req = request(url, w, "/plain");
	struct fl_http_response r;

	req.max_bytes = 3;
	r = fetch(w, &req);
	assert_int_equal(r.code, FL_ELIMIT);
	assert_int_equal(r.body.n, 0);
	fl_http_response_done(&r);
	req.max_bytes = 4;
	r = fetch(w, &req);
	assert_int_equal(r.code, 0);
	fl_http_response_done(&r);
}

static void transfers_run_side_by_side_and_can_be_cancelled(void **state)
{
	struct world *w = *state;
	struct fl_http_response r;
	char url[256];
	struct fl_http_request req = request(url, w, "/plain");
	uint64_t id[3], sum = 0;

	for (int i = 0; i < 3; i++)
		assert_int_equal(w->h->ops->start(w->h, &req, &id[i], NULL), 0);
	memset(url, 'x', 10); /* the request was copied */
	assert_int_equal(w->h->ops->running(w->h), 3);
	w->h->ops->cancel(w->h, id[1]);
	w->h->ops->cancel(w->h, 12345);
	assert_int_equal(w->h->ops->running(w->h), 2);
	for (int i = 0, waited = 0; i < 2 && waited < PATIENCE_MS; waited += 100)
		if (w->h->ops->poll(w->h, 100, &r) == 1) {
			assert_int_equal(r.code, 0);
			sum += r.id;
			fl_http_response_done(&r);
			i++;
		}
	assert_int_equal(sum, id[0] + id[2]);
	assert_int_equal(w->h->ops->poll(w->h, 0, &r), 0);
}

static void other_schemes_are_refused(void **state)
{
	static const char *const bad[] = { "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "", "not a url", "javascript:x" };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fl_http_request req = { .url = bad[i], .max_bytes = 10, .allow_private = true };
		uint64_t id;

		assert_int_equal(w->h->ops->start(w->h, &req, &id, NULL), FL_EREFUSED);
	}
	assert_int_equal(w->h->ops->running(w->h), 0);
}

/* --- libcurl alone --- */

static const struct row {
	const char *path;
	int code;
	long status;
	const char *body, *word; /* in the reason */
	int64_t retry_after_s;
} rows[] = {
	{ "/chunked", 0, 200, "body", "", -1 },
	{ "/http10", 0, 200, "body", "", -1 },
	{ "/empty", 0, 200, "", "", -1 },
	{ "/to-plain", 0, 200, "body", "", -1 },
	{ "/to-relative?secret=2", 0, 200, "body", "", -1 },
	{ "/interim", 0, 200, "body", "", -1 },
	{ "/429", 0, 429, "", "", 120 },
	{ "/503", 0, 503, "", "", 31 * 86400 },
	{ "/503past", 0, 503, "", "", 0 },
	{ "/503odd", 0, 503, "", "", -1 },
	{ "/to-nowhere", 0, 302, "", "redirect", -1 },
	{ "/loop", FL_ELIMIT, 302, NULL, "redirects", -1 },
	{ "/to-file", FL_EREFUSED, 302, NULL, "http", -1 },
	{ "/to-gopher", FL_EREFUSED, 302, NULL, "gopher", -1 },
	{ "/to-second", FL_EREFUSED, 0, NULL, "127.0.0.2, which is not a public address, nor the feed's own server", -1 },
	{ "/to-decimal", FL_EREFUSED, 0, NULL, "nor the feed's own server", -1 },
	{ "/to-octal", FL_EREFUSED, 0, NULL, "nor the feed's own server", -1 },
	{ "/to-mapped", FL_EREFUSED, 0, NULL, "nor the feed's own server", -1 },
	{ "/to-any", FL_EREFUSED, 0, NULL, "nor the feed's own server", -1 },
	{ "/to-v6", FL_EREFUSED, 0, NULL, "nor the feed's own server", -1 },
	{ "/to-private", FL_EREFUSED, 0, NULL, "nor the feed's own server", -1 },
	{ "/to-metadata", FL_EREFUSED, 0, NULL, "nor the feed's own server", -1 },
	{ "/short", FL_EFORMAT, 200, NULL, "", -1 },
	{ "/shortchunk", FL_EFORMAT, 200, NULL, "", -1 },
	{ "/badchunk", FL_EFORMAT, 200, NULL, "", -1 },
	{ "/gzipcut", FL_EFORMAT, 200, NULL, "cut off", -1 },
	{ "/gzipbad", FL_EFORMAT, 200, NULL, "gzip", -1 },
	{ "/notgzip", FL_EFORMAT, 200, NULL, "gzip", -1 },
	{ "/brotli", FL_EFORMAT, 200, NULL, "packs", -1 },
	{ "/http09", FL_EFORMAT, 0, NULL, "", -1 },
	{ "/nothing", FL_EUNAVAIL, 0, NULL, "", -1 },
	{ "/bomb", FL_ELIMIT, 200, NULL, "times its size", -1 },
	{ "/endless", FL_ELIMIT, 200, NULL, "over 1048576 octets", -1 },
	{ "/endless-redirect", FL_ELIMIT, 302, NULL, "", -1 },
	{ "/gzip-of-nothing", FL_ELIMIT, 200, NULL, "over 1048576 octets", -1 },
	{ "/headers", FL_ELIMIT, 200, NULL, "headers", -1 },
	{ "/header", FL_ELIMIT, 200, NULL, "", -1 },
};

static void good_and_bad_answers(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_http_response r;
		char url[256];
		struct fl_http_request req = request(url, *state, rows[i].path);

		if (strcmp(rows[i].path, "/bomb") == 0)
			req.max_bytes = 1 << 30;
		r = fetch(*state, &req);
		if (r.code != rows[i].code || r.status != rows[i].status || r.retry_after_s != rows[i].retry_after_s ||
		    !strstr(r.reason, rows[i].word) || (rows[i].body && !fl_span_eqs(fl_buf_span(&r.body), rows[i].body)))
			fail_msg("%s: %s, status %ld, retry after %lld, %zu octets, '%s'", rows[i].path, r.code ? fl_code_name(r.code) : "0",
				 r.status, (long long)r.retry_after_s, r.body.n, r.reason);
		if (r.code < 0) {
			assert_int_not_equal(r.reason[0], 0);
			assert_int_equal(r.body.n, 0);
		}
		assert_null(strstr(r.reason, "secret"));
		assert_null(strstr(r.reason, rows[i].path));
		fl_http_response_done(&r);
	}
}

static void gzip_is_unpacked(void **state)
{
	struct fl_http_response r = get(*state, "/gzip");

	assert_int_equal(r.code, 0);
	assert_int_equal(r.body.n, 5000);
	assert_int_equal(r.received_bytes, packed_n);
	for (size_t i = 0; i < r.body.n; i++)
		assert_int_equal(r.body.p[i], 'g');
	fl_http_response_done(&r);
}

static void validators_are_the_last_answers(void **state)
{
	struct fl_http_response r = get(*state, "/to-plain");

	assert_string_equal(r.etag, "\"v1\"");
	assert_string_equal(r.last_modified, "Wed, 21 Oct 2015 07:28:00 GMT");
	assert_string_equal(r.content_type, "text/plain; charset=utf-8");
	fl_http_response_done(&r);
	r = get(*state, "/interim");
	assert_string_equal(r.etag, "");
	fl_http_response_done(&r);
	r = get(*state, "/longtag");
	assert_string_equal(r.etag, ""); /* half of one would never match */
	fl_http_response_done(&r);
}

static char *shown(struct world *w, const char *path, struct fl_http_response *r)
{
	static const char *const headers[] = { "Authorization: Bearer s3cret", "X-Key: s3cret", "X-Evil: a\r\nInjected: 1", NULL };
	char url[256];
	struct fl_http_request req = request(url, w, path);

	req.headers = headers;
	req.etag = "\"e\"";
	req.last_modified = "Wed, 21 Oct 2015 07:28:00 GMT";
	*r = fetch(w, &req);
	assert_int_equal(r->status, 200);
	return fl_buf_cstr(&r->body);
}

static void headers_go_to_their_origin_only(void **state)
{
	struct fl_http_response r;
	char *head = shown(*state, "/show", &r);

	assert_non_null(strstr(head, "User-Agent: fireline-test/1\r\n"));
	assert_non_null(strstr(head, "Accept-Encoding: gzip, zstd\r\n"));
	assert_non_null(strstr(head, "If-None-Match: \"e\"\r\n"));
	assert_non_null(strstr(head, "If-Modified-Since: Wed, 21 Oct 2015 07:28:00 GMT\r\n"));
	assert_non_null(strstr(head, "Authorization: Bearer s3cret\r\n"));
	assert_non_null(strstr(head, "X-Key: s3cret\r\n"));
	assert_null(strstr(head, "Injected"));
	fl_http_response_done(&r);
	head = shown(*state, "/to-show", &r);
	assert_non_null(strstr(head, "X-Key: s3cret\r\n"));
	fl_http_response_done(&r);
	head = shown(*state, "/to-other", &r); /* localhost is another than 127.0.0.1 */
	assert_null(strstr(head, "s3cret"));
	assert_string_equal(r.effective_host, "localhost");
	fl_http_response_done(&r);
}

static void private_addresses_are_refused(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "0x7f.1", "2130706433",
					     "10.0.0.1", "169.254.169.254", "[fd00::1]", "[fe80::1]" };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct fl_http_response r;
		char url[256];
		struct fl_http_request req = request(url, w, "/plain");

		snprintf(url, sizeof(url), "http://%s:%u/plain?key=secret", hosts[i], w->port);
		req.allow_private = false;
		r = fetch(w, &req);
		if (r.code != FL_EREFUSED || !strstr(r.reason, "not a public address"))
			fail_msg("%s: %s '%s'", hosts[i], fl_code_name(r.code), r.reason);
		assert_null(strstr(r.reason, "secret"));
		fl_http_response_done(&r);
	}
}

/* A connection that one request was allowed to make is not there for another that is not. */
static void permission_is_not_inherited(void **state)
{
	struct world *w = *state;
	char url[256];
	struct fl_http_request req = request(url, w, "/plain");
	struct fl_http_response r = fetch(w, &req);

	assert_int_equal(r.code, 0);
	fl_http_response_done(&r);
	req.allow_private = false;
	r = fetch(w, &req);
	assert_int_equal(r.code, FL_EREFUSED);
	fl_http_response_done(&r);
}

/* Link-local and metadata addresses are asked by nobody, whatever the permission. */
static void some_are_never_asked(void **state)
{
	static const char *const hosts[] = { "169.254.169.254", "0.0.0.0", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "[::ffff:169.254.169.254]", "224.0.0.1" };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		char url[256];
		struct fl_http_request req = request(url, w, "/plain");
		struct fl_http_response r;

		snprintf(url, sizeof(url), "http://%s:%u/plain", hosts[i], w->port);
		r = fetch(w, &req);
		if (r.code != FL_EREFUSED || !strstr(r.reason, "not a public address"))
			fail_msg("%s: %s '%s'", hosts[i], fl_code_name(r.code), r.reason);
		fl_http_response_done(&r);
	}
}

/* Only the end of the connection ends it: whoever reads it has to know. */
static void an_answer_without_a_length_says_so(void **state)
{
	static const struct {
		const char *path;
		bool unframed;
	} asked[] = { { "/http10", true }, { "/plain", false }, { "/chunked", false }, { "/empty", false }, { "/gzip", false }, { "/to-plain", false } };

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct fl_http_response r = get(*state, asked[i].path);

		if (r.code != 0 || r.unframed != asked[i].unframed)
			fail_msg("%s: %d %d", asked[i].path, r.code, r.unframed);
		fl_http_response_done(&r);
	}
}

static void slow_servers_end(void **state)
{
	static const struct {
		const char *path;
		int timeout_ms, low_speed_s, code;
	} slow[] = {
		{ "/drip", 20000, 1, FL_ELIMIT },
		{ "/drip", 700, 0, FL_ELIMIT },
		{ "/hang", 500, 0, FL_EUNAVAIL },
	};

	for (size_t i = 0; i < 3; i++) {
		char url[256];
		struct fl_http_request req = request(url, *state, slow[i].path);
		struct fl_http_response r;

		req.timeout_ms = slow[i].timeout_ms;
		req.low_speed_s = slow[i].low_speed_s;
		r = fetch(*state, &req);
		assert_int_equal(r.code, slow[i].code);
		assert_int_not_equal(r.reason[0], 0);
		fl_http_response_done(&r);
	}
}

static void an_absent_server_is_unavailable(void **state)
{
	struct world *w = *state;
	struct fl_http_request req = { .url = "http://127.0.0.1:1/x?key=secret", .max_bytes = 10, .timeout_ms = 5000, .allow_private = true };
	struct fl_http_response r = fetch(w, &req);

	assert_int_equal(r.code, FL_EUNAVAIL);
	assert_int_equal(r.status, 0);
	assert_null(strstr(r.reason, "secret"));
	fl_http_response_done(&r);
}

static void closing_ends_what_runs(void **state)
{
	struct world *w = *state;
	char url[256];
	struct fl_http_request req = request(url, w, "/endless");
	struct fl_http_response r;
	uint64_t id;

	req.max_bytes = 1 << 30;
	for (int i = 0; i < 3; i++)
		assert_int_equal(w->h->ops->start(w->h, &req, &id, NULL), 0);
	assert_int_equal(w->h->ops->poll(w->h, 20, &r), 0);
}

/* --- the twin alone --- */

static int fail_all(void *ctx, const char *url)
{
	(void)url;
	return *(int *)ctx;
}

static void faults_end_a_transfer(void **state)
{
	struct world *w = *state;
	int code = FL_EFORMAT;
	struct fl_http_response r;

	fl_http_mem_faults(w->mem, fail_all, &code);
	r = get(w, "/plain");
	assert_int_equal(r.code, FL_EFORMAT);
	assert_int_not_equal(r.reason[0], 0);
	code = 0;
	r = get(w, "/plain");
	assert_int_equal(r.code, 0);
	fl_http_response_done(&r);
	r = get(w, "/no-such-page");
	assert_int_equal(r.code, FL_EUNAVAIL);
	fl_http_mem_set(w->mem, "http://127.0.0.1:80/plain", 200, fl_span_str("new"), "");
	r = get(w, "/plain");
	assert_true(fl_span_eqs(fl_buf_span(&r.body), "new"));
	fl_http_response_done(&r);
}

#define OF_BOTH(up)                                                                                           \
	cmocka_unit_test_setup_teardown(a_page_comes_whole, up, down),                                        \
		cmocka_unit_test_setup_teardown(an_unchanged_page_is_304, up, down),                          \
		cmocka_unit_test_setup_teardown(a_missing_page_is_a_whole_answer, up, down),                  \
		cmocka_unit_test_setup_teardown(a_page_over_its_limit_is_refused, up, down),                  \
		cmocka_unit_test_setup_teardown(transfers_run_side_by_side_and_can_be_cancelled, up, down),   \
		cmocka_unit_test_setup_teardown(other_schemes_are_refused, up, down)

int main(void)
{
	const struct CMUnitTest mem[] = { OF_BOTH(up_mem), cmocka_unit_test_setup_teardown(faults_end_a_transfer, up_mem, down) };
	const struct CMUnitTest curl[] = {
		OF_BOTH(up_curl),
		cmocka_unit_test_setup_teardown(good_and_bad_answers, up_curl, down),
		cmocka_unit_test_setup_teardown(gzip_is_unpacked, up_curl, down),
		cmocka_unit_test_setup_teardown(validators_are_the_last_answers, up_curl, down),
		cmocka_unit_test_setup_teardown(headers_go_to_their_origin_only, up_curl, down),
		cmocka_unit_test_setup_teardown(private_addresses_are_refused, up_curl, down),
		cmocka_unit_test_setup_teardown(permission_is_not_inherited, up_curl, down),
		cmocka_unit_test_setup_teardown(some_are_never_asked, up_curl, down),
		cmocka_unit_test_setup_teardown(an_answer_without_a_length_says_so, up_curl, down),
		cmocka_unit_test_setup_teardown(slow_servers_end, up_curl, down),
		cmocka_unit_test_setup_teardown(an_absent_server_is_unavailable, up_curl, down),
		cmocka_unit_test_setup_teardown(closing_ends_what_runs, up_curl, down),
	};

	return cmocka_run_group_tests_name("twin", mem, NULL, NULL) + cmocka_run_group_tests_name("libcurl", curl, NULL, NULL);
}
