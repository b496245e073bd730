/* Packed bodies, as a server sends them (Content-Encoding) and as files (.gz, .zst: fl_http_unpack): whole or not at all,
 * and bounded. The same rows through both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "io/http.h"
#include "io/http_unpack.h"
#include "tests/support/httpd.h"

enum { BIG = 8 << 20, MAX_BYTES = 16 << 20, POLL_MS = 20000 };

static const char hello[] = "bad.example\nworse.example\n", twice[] = "bad.example\nworse.example\nbad.example\nworse.example\n";

/* --- packers --- */

static void gzip(struct fl_buf *out, const void *p, size_t n)
{
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_true(fl_buf_reserve(out, deflateBound(&z, (uLong)n)));
	z.next_in = (Bytef *)p;
	z.avail_in = (uInt)n;
	z.next_out = out->p + out->n;
	z.avail_out = (uInt)(out->cap - out->n);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n += z.total_out;
	deflateEnd(&z);
}

static void zstd(struct fl_buf *out, const void *p, size_t n)
{
	size_t k;

	assert_true(fl_buf_reserve(out, ZSTD_compressBound(n)));
	k = ZSTD_compress(out->p + out->n, out->cap - out->n, p, n, 3);
	assert_false(ZSTD_isError(k));
	out->n += k;
}

/* --- rows --- */

enum what { WHOLE, TWO, HALF, NO_LAST, NO_TRAILER, BAD_SUM, TAIL_OF_RUBBISH, BOMB, HONEST };

struct row {
	const char *name;
	bool is_zstd;
	enum what what;
	int code;
};

static const struct row rows[] = {
	{ "gzip", false, WHOLE, 0 },
	{ "gzip, two members", false, TWO, 0 },
	{ "gzip, half", false, HALF, FL_EFORMAT },
	{ "gzip, one octet short", false, NO_LAST, FL_EFORMAT },
	{ "gzip, no trailer", false, NO_TRAILER, FL_EFORMAT },
	{ "gzip, wrong sum", false, BAD_SUM, FL_EFORMAT },
	{ "gzip, rubbish behind", false, TAIL_OF_RUBBISH, FL_EFORMAT },
	{ "gzip, bomb", false, BOMB, FL_ELIMIT },
	{ "gzip, large", false, HONEST, 0 },
	{ "zstd", true, WHOLE, 0 },
	{ "zstd, two frames", true, TWO, 0 },
	{ "zstd, half", true, HALF, FL_EFORMAT },
	{ "zstd, one octet short", true, NO_LAST, FL_EFORMAT },
	{ "zstd, rubbish behind", true, TAIL_OF_RUBBISH, FL_EFORMAT },
	{ "zstd, bomb", true, BOMB, FL_ELIMIT },
	{ "zstd, large", true, HONEST, 0 },
};

/* BIG octets: zeros, or something that packs like text. */
static uint8_t *big_body(bool zeros)
{
	uint8_t *p = calloc(1, BIG);
	uint32_t x = 1;

	assert_non_null(p);
	for (size_t i = 0; !zeros && i < BIG; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (uint8_t)('a' + (x >> 28));
	}
	return p;
}

static struct fl_buf packed(const struct row *r)
{
	void (*pack)(struct fl_buf *, const void *, size_t) = r->is_zstd ? zstd : gzip;
	struct fl_buf b = { 0 };

	if (r->what == BOMB || r->what == HONEST) {
		uint8_t *p = big_body(r->what == BOMB);

		pack(&b, p, BIG);
		free(p);
		return b;
	}
	pack(&b, hello, strlen(hello));
	if (r->what == TWO)
		pack(&b, hello, strlen(hello));
	else if (r->what == HALF)
		b.n /= 2;
	else if (r->what == NO_LAST)
		b.n--;
	else if (r->what == NO_TRAILER)
		b.n -= 8;
	else if (r->what == BAD_SUM)
		b.p[b.n - 8] ^= 1;
	else if (r->what == TAIL_OF_RUBBISH)
		fl_buf_str(&b, "rubbish");
	assert_false(b.failed);
	return b;
}

static void assert_unpacked(const struct row *r, int code, const struct fl_buf *body, const char *why)
{
	const char *text = r->what == TWO ? twice : hello;

	if (code != r->code)
		fail_msg("%s: %d (%s), not %d", r->name, code, why, r->code);
	if (code < 0)
		return;
	if (r->what == HONEST) {
		uint8_t *p = big_body(false);

		assert_int_equal(body->n, BIG);
		assert_memory_equal(body->p, p, BIG);
		free(p);
		return;
	}
	assert_int_equal(body->n, strlen(text));
	assert_memory_equal(body->p, text, body->n);
}

/* --- files --- */

static void unpack_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_buf b = packed(&rows[i]);
		struct fl_err err = { 0 };
		size_t before = b.n;
		int ret = fl_http_unpack(&b, MAX_BYTES, 0, &err);

		assert_unpacked(&rows[i], ret, &b, err.text);
		if (ret < 0) /* the body is as it was */
			assert_int_equal(b.n, before);
		fl_buf_done(&b);
	}
}

/* How it is cut into pieces on its way makes no difference. */
static void unpack_octet_by_octet(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_buf b = { 0 }, out = { 0 };
		struct fl__unpack *u;
		struct fl_err err = { 0 };
		int ret = 0;

		if (rows[i].what == BOMB || rows[i].what == HONEST)
			continue;
		b = packed(&rows[i]);
		u = fl__unpack_new(rows[i].is_zstd ? FL__PACKING_ZSTD : FL__PACKING_GZIP, MAX_BYTES, 0);
		for (size_t k = 0; ret == 0 && k < b.n; k++)
			ret = fl__unpack_feed(u, fl_span(b.p + k, 1), &out, &err);
		if (ret == 0)
			ret = fl__unpack_end(u, &err);
		assert_unpacked(&rows[i], ret, &out, err.text);
		fl__unpack_free(u);
		fl_buf_done(&b);
		fl_buf_done(&out);
	}
}

static void unpack_leaves_plain_text_alone(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	fl_buf_str(&b, hello);
	assert_int_equal(fl_http_unpack(&b, b.n, 0, NULL), 0);
	assert_int_equal(b.n, strlen(hello));
	assert_int_equal(fl_http_unpack(&b, b.n - 1, 0, NULL), FL_ELIMIT);
	fl_buf_reset(&b);
	assert_int_equal(fl_http_unpack(&b, 0, 0, NULL), 0);
	fl_buf_done(&b);
}

static void unpack_is_bounded_by_size(void **state)
{
	static const struct {
		uint64_t max_bytes;
		uint32_t max_ratio;
		int code;
	} limits[] = {
		{ BIG, UINT32_MAX, 0 },
		{ BIG - 1, UINT32_MAX, FL_ELIMIT },
		{ BIG, 100, FL_ELIMIT },
		{ 0, UINT32_MAX, FL_ELIMIT },
	};
	static const struct row bombs[] = { { "gzip", false, BOMB, 0 }, { "zstd", true, BOMB, 0 } };

	(void)state;
	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
			struct fl_buf b = packed(&bombs[k]);
			int ret = fl_http_unpack(&b, limits[i].max_bytes, limits[i].max_ratio, NULL);

			if (ret != limits[i].code)
				fail_msg("%s, limit %zu: %d", bombs[k].name, i, ret);
			fl_buf_done(&b);
		}
}

/* --- from a server: it sends raw, whatever it is asked; raw changes between requests only --- */

struct world {
	struct fl_test_httpd *server;
	struct fl_http *http;
	struct fl_buf raw;
};

static void answer(void *ctx, int fd, const char *path, const char *head)
{
	const struct world *w = ctx;

	(void)path;
	if (strstr(head, "\r\nAccept-Encoding: gzip, zstd\r\n"))
		fl_test_httpd_send(fd, w->raw.p, w->raw.n);
}

static int up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->server = fl_test_httpd_start(answer, w);
	*state = w;
	return fl_http_curl_open("fireline-test/1", &w->http, NULL);
}

static int down(void **state)
{
	struct world *w = *state;

	w->http->ops->close(w->http);
	fl_test_httpd_stop(w->server);
	fl_buf_done(&w->raw);
	free(w);
	return 0;
}

static struct fl_http_response fetch(struct world *w, const char *encoding, const struct fl_buf *body, bool with_length)
{
	struct fl_http_response r = { 0 };
	struct fl_err err = { 0 };
	char url[128];
	struct fl_http_request req = { .url = url, .max_bytes = MAX_BYTES, .timeout_ms = POLL_MS, .allow_private = true };
	uint64_t id;

	fl_buf_reset(&w->raw);
	fl_buf_printf(&w->raw, "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n", encoding);
	if (with_length)
		fl_buf_printf(&w->raw, "Content-Length: %zu\r\n", body->n);
	fl_buf_str(&w->raw, "Connection: close\r\n\r\n");
	fl_buf_add(&w->raw, body->p, body->n);
	assert_false(w->raw.failed);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/list", fl_test_httpd_port(w->server));
	if (w->http->ops->start(w->http, &req, &id, &err) < 0)
		fail_msg("start: %s", err.text);
	assert_int_equal(w->http->ops->poll(w->http, POLL_MS, &r), 1);
	return r;
}

/* Without a length only the packing itself tells that something is missing. */
static void from_a_server(void **state)
{
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i / 2];
		struct fl_buf b = packed(row);
		struct fl_http_response r = fetch(*state, row->is_zstd ? "zstd" : "GZip", &b, i % 2);

		assert_unpacked(row, r.code, &r.body, r.reason);
		if (r.code == 0)
			assert_int_equal(r.received_bytes, b.n);
		else
			assert_int_equal(r.body.n, 0);
		fl_http_response_done(&r);
		fl_buf_done(&b);
	}
}

/* No octet at all is not a gzip of nothing: a feed whose body was lost must not look like an empty one. */
static void nothing_is_no_gzip(void **state)
{
	struct fl_buf nothing = { 0 };
	struct fl_http_response r = fetch(*state, "gzip", &nothing, false);

	assert_int_equal(r.code, FL_EFORMAT);
	fl_http_response_done(&r);
	r = fetch(*state, "gzip", &nothing, true); /* but this one says so */
	assert_int_equal(r.code, 0);
	assert_int_equal(r.body.n, 0);
	fl_http_response_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpack_files),
		cmocka_unit_test(unpack_octet_by_octet),
		cmocka_unit_test(unpack_leaves_plain_text_alone),
		cmocka_unit_test(unpack_is_bounded_by_size),
		cmocka_unit_test_setup_teardown(from_a_server, up, down),
		cmocka_unit_test_setup_teardown(nothing_is_no_gzip, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
