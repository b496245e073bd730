/* The listener of webhooks over sockets on loopback: what is refused and how it is said, and that nobody hears 202 before the handler says so. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/webhook.h"
#include "tests/support/webhook_client.h"

#define SECRET "sixteen octets or more"
#define PATH "/v1/findings/soar"
enum { MAX_BYTES = 4096, HANDED_MAX = 64 };

struct world {
	struct fl_webhook *hook;
	pthread_mutex_t lock;
	struct fl_webhook_request *handed[HANDED_MAX]; /* not answered */
	int n;
	bool at_once; /* answered in handle() */
	_Atomic int refused[FL_WEBHOOK_REFUSAL_COUNT], refused_nowhere;
};

static void say(struct fl_webhook_request *req, int status, const char *text)
{
	struct fl_webhook_reply reply = { .status = status };

	fl_buf_str(&reply.body, text);
	fl_webhook_answer(req, &reply);
}

static void handle(void *ctx, struct fl_webhook_request *req)
{
	struct world *w = ctx;

	assert_string_equal(req->row->ctx, "row");
	if (w->at_once) {
		say(req, 202, "at once");
		return;
	}
	pthread_mutex_lock(&w->lock);
	assert_true(w->n < HANDED_MAX);
	w->handed[w->n++] = req;
	pthread_mutex_unlock(&w->lock);
}

static void refused(void *ctx, const struct fl_webhook_row *row, enum fl_webhook_refusal why)
{
	struct world *w = ctx;

	atomic_fetch_add(&w->refused[why], 1);
	if (!row)
		atomic_fetch_add(&w->refused_nowhere, 1);
}

static void set_rows(struct world *w, const char *path, const char *secret)
{
	struct fl_arena arena = { 0 };
	struct fl_webhook_row *row = fl_arena_alloc(&arena, sizeof(*row));

	row->path = fl_arena_str(&arena, path);
	row->secrets[0] = fl_span_str(fl_arena_str(&arena, secret));
	row->n_secrets = secret != NULL;
	row->ctx = fl_arena_str(&arena, "row");
	assert_int_equal(fl_webhook_rows(w->hook, arena, row, 1), 0);
}

static struct world *up(struct fl_webhook_config c)
{
	struct world *w = calloc(1, sizeof(*w));
	struct fl_err err = { 0 };

	pthread_mutex_init(&w->lock, NULL);
	c.address = "127.0.0.1:0";
	c.max_bytes = MAX_BYTES;
	c.rate = c.rate ? c.rate : 1000000;
	c.handle = handle;
	c.refused = refused;
	c.ctx = w;
	if (fl_webhook_open(&c, &w->hook, &err) < 0)
		fail_msg("%s", err.text);
	set_rows(w, PATH, SECRET);
	return w;
}

static void down(struct world *w)
{
	fl_webhook_close(w->hook);
	for (int i = 0; i < w->n; i++) /* the handler may be later than all */
		say(w->handed[i], 202, "nobody hears it");
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static int handed(struct world *w, int want)
{
	int n = 0;

	for (int i = 0; i < 4000 && n < want; i++) {
		pthread_mutex_lock(&w->lock);
		n = w->n;
		pthread_mutex_unlock(&w->lock);
		if (n < want)
			usleep(5000);
	}
	return n;
}

static struct fl_webhook_request *pop(struct world *w)
{
	struct fl_webhook_request *r;

	assert_true(handed(w, 1) >= 1);
	pthread_mutex_lock(&w->lock);
	r = w->handed[0];
	w->n--;
	memmove(w->handed, w->handed + 1, (size_t)w->n * sizeof(w->handed[0]));
	pthread_mutex_unlock(&w->lock);
	return r;
}

/* --- what is said --- */

static void no_answer_before_the_handlers(void **state)
{
	struct world *w = up((struct fl_webhook_config){ 0 });
	struct fl_webhook_request *r;
	struct timeval soon = { 0, 300000 }, patience = { 20, 0 };
	char text[4096];
	int fd = dial(fl_webhook_port(w->hook));

	(void)state;
	for (int i = 0; i < 3; i++) { /* on one connection */
		post(fd, PATH, SECRET, "", fl_span_str("{\"a\":1}"));
		r = pop(w);
		assert_true(fl_span_eqs(r->body, "{\"a\":1}"));
		assert_string_equal(r->client, "127.0.0.1");
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
		assert_int_equal(hear(fd, text, sizeof(text)), 0);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		say(r, 202, "{\"accepted\":1}");
		assert_int_equal(hear(fd, text, sizeof(text)), 202);
		assert_non_null(strstr(text, "{\"accepted\":1}"));
	}
	close(fd);
	down(w);
}

static void an_answer_may_come_at_once(void **state)
{
	struct world *w = up((struct fl_webhook_config){ 0 });
	char text[4096];
	int fd = dial(fl_webhook_port(w->hook));

	(void)state;
	w->at_once = true;
	for (int i = 0; i < 200; i++) {
		post(fd, PATH, SECRET, "", fl_span_str("{}"));
		assert_int_equal(hear(fd, text, sizeof(text)), 202);
	}
	close(fd);
	down(w);
}

static void many_wait_together(void **state)
{
	struct world *w = up((struct fl_webhook_config){ 0 });
	char text[4096];
	int fds[40];

	(void)state;
	for (int i = 0; i < 40; i++) {
		fds[i] = dial(fl_webhook_port(w->hook));
		post(fds[i], PATH, SECRET, "", fl_span_str("{}"));
	}
	assert_int_equal(handed(w, 40), 40);
	while (w->n)
		say(pop(w), 202, "{}");
	for (int i = 0; i < 40; i++) {
		assert_int_equal(hear(fds[i], text, sizeof(text)), 202);
		close(fds[i]);
	}
	down(w);
}

static void the_spellings_of_a_signature(void **state)
{
	struct world *w = up((struct fl_webhook_config){ 0 });
	char text[4096], sig[128], head[512], timed[64];
	int fd = dial(fl_webhook_port(w->hook));

	(void)state;
	w->at_once = true;
	snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\nContent-Length: 2\r\n\r\n{}", PATH, sign(SECRET, fl_span_str("{}"), sig));
	put_text(fd, head);
	assert_int_equal(hear(fd, text, sizeof(text)), 202);
	for (int64_t apart = 0; apart <= 1000; apart += 1000) {
		snprintf(timed, sizeof(timed), "%lld.{}", (long long)(time(NULL) - apart));
		sign(SECRET, fl_span_str(timed), sig);
		snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: x\r\nX-Fireline-Timestamp: %.*s\r\nX-Fireline-Signature: %s\r\nContent-Length: 2\r\n\r\n{}", PATH,
			 (int)(strlen(timed) - 3), timed, sig);
		put_text(fd, head);
		assert_int_equal(hear(fd, text, sizeof(text)), apart ? 401 : 202);
	}
	close(fd);
	down(w);
}

static void what_is_refused_and_how(void **state)
{
	static char large[MAX_BYTES + 1], larger[300000];
	static const struct {
		const char *method, *path, *secret, *headers;
		struct fl_span body;
		int status;
		enum fl_webhook_refusal why;
		const char *says;
	} rows[] = {
		{ "POST", PATH, "another secret altogether", "", { (const uint8_t *)"{}", 2 }, 401, FL_WEBHOOK_UNSIGNED, "WWW-Authenticate" },
		{ "POST", PATH, NULL, "", { (const uint8_t *)"{}", 2 }, 401, FL_WEBHOOK_UNSIGNED, "problem+json" },
		{ "GET", PATH, SECRET, "", { 0 }, 405, FL_WEBHOOK_METHOD, "Allow: POST" },
		{ "PUT", PATH, SECRET, "", { (const uint8_t *)"{}", 2 }, 405, FL_WEBHOOK_METHOD, "Allow: POST" },
		{ "DELETE", PATH, SECRET, "", { 0 }, 405, FL_WEBHOOK_METHOD, "Allow: POST" },
		{ "POST", "/", SECRET, "", { (const uint8_t *)"{}", 2 }, 404, FL_WEBHOOK_UNKNOWN, "no such path" },
		{ "POST", "/v1/findings/", SECRET, "", { (const uint8_t *)"{}", 2 }, 404, FL_WEBHOOK_UNKNOWN, "no such path" },
		{ "POST", PATH "/", SECRET, "", { (const uint8_t *)"{}", 2 }, 404, FL_WEBHOOK_UNKNOWN, "no such path" },
		{ "POST", PATH "%00", SECRET, "", { (const uint8_t *)"{}", 2 }, 404, FL_WEBHOOK_UNKNOWN, "no such path" },
		{ "POST", "/v1/findings/x/../soar", SECRET, "", { (const uint8_t *)"{}", 2 }, 404, FL_WEBHOOK_UNKNOWN, "no such path" },
		{ "POST", "/../../etc/passwd", SECRET, "", { (const uint8_t *)"{}", 2 }, 404, FL_WEBHOOK_UNKNOWN, "no such path" },
		{ "POST", "/v1/findings/%73oar", SECRET, "", { (const uint8_t *)"{}", 2 }, 404, FL_WEBHOOK_UNKNOWN, "no such path" },
		{ "POST", PATH, SECRET, "Content-Encoding: gzip\r\n", { (const uint8_t *)"{}", 2 }, 415, FL_WEBHOOK_ENCODING, "Accept-Encoding: identity" },
		{ "POST", PATH, SECRET, "", { (const uint8_t *)large, sizeof(large) }, 413, FL_WEBHOOK_TOO_LARGE, "max_bytes" },
		{ "POST", PATH, SECRET, "", { (const uint8_t *)larger, sizeof(larger) }, 413, FL_WEBHOOK_TOO_LARGE, "max_bytes" },
	};
	struct world *w = up((struct fl_webhook_config){ 0 });
	char text[4096], head[1024], sig[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = dial(fl_webhook_port(w->hook)), before = w->refused[rows[i].why], status;

		snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: x\r\n%s%s%sContent-Length: %zu\r\n%s\r\n", rows[i].method, rows[i].path,
			 rows[i].secret ? "X-Fireline-Signature: " : "", rows[i].secret ? sign(rows[i].secret, rows[i].body, sig) : "", rows[i].secret ? "\r\n" : "",
			 rows[i].body.n, rows[i].headers);
		put_text(fd, head);
		put(fd, rows[i].body.p, rows[i].body.n);
		status = hear(fd, text, sizeof(text));
		if (status != rows[i].status || !strcasestr(text, rows[i].says) || w->refused[rows[i].why] != before + 1)
			fail_msg("row %zu: %d, %d times: %s", i, status, w->refused[rows[i].why] - before, text);
		close(fd);
	}
	assert_int_equal(w->refused_nowhere, w->refused[FL_WEBHOOK_UNKNOWN]);
	assert_int_equal(w->n, 0); /* the handler saw none of it */
	down(w);
}

/* Before the body is sent, when the sender asks first; and without it, when it is far too large. */
static void too_large_is_said_before_the_body_comes(void **state)
{
	static const char *const rows[] = { "Content-Length: 5000\r\nExpect: 100-continue\r\n", "Content-Length: 1000000000000\r\n", "Content-Length: 18446744073709551615\r\n" };
	struct world *w = up((struct fl_webhook_config){ 0 });
	char text[4096], head[1024], sig[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = dial(fl_webhook_port(w->hook));

		snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: x\r\nX-Fireline-Signature: %s\r\n%s\r\n", PATH, sign(SECRET, fl_span_str(""), sig), rows[i]);
		put_text(fd, head);
		assert_int_equal(hear(fd, text, sizeof(text)), 413);
		close(fd);
	}
	down(w);
}

static void chunked_bodies(void **state)
{
	struct world *w = up((struct fl_webhook_config){ 0 });
	struct fl_webhook_request *r;
	static char piece[2048 + 16], text[4096];
	char head[512], sig[128];
	int fd = dial(fl_webhook_port(w->hook));

	(void)state;
	snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: x\r\nX-Fireline-Signature: %s\r\nTransfer-Encoding: chunked\r\n\r\n", PATH,
		 sign(SECRET, fl_span_str("{\"a\":1}"), sig));
	put_text(fd, head);
	put_text(fd, "3\r\n{\"a\r\n");
	put_text(fd, "4\r\n\":1}\r\n0\r\n\r\n");
	r = pop(w);
	assert_true(fl_span_eqs(r->body, "{\"a\":1}"));
	say(r, 202, "{}");
	assert_int_equal(hear(fd, text, sizeof(text)), 202);
	/* too much, and it ends: 413; too much without end: cut off */
	put_text(fd, head);
	memset(piece, 'x', sizeof(piece));
	memcpy(piece, "800\r\n", 5);
	memcpy(piece + 5 + 2048, "\r\n", 2);
	for (int i = 0; i < 4; i++)
		put(fd, piece, 5 + 2048 + 2);
	put_text(fd, "0\r\n\r\n");
	assert_int_equal(hear(fd, text, sizeof(text)), 413);
	close(fd);
	fd = dial(fl_webhook_port(w->hook));
	put_text(fd, head);
	for (int i = 0; i < 2000; i++)
		put(fd, piece, 5 + 2048 + 2);
	assert_int_not_equal(hear(fd, text, sizeof(text)), 202);
	close(fd);
	assert_int_equal(w->n, 0);
	down(w);
}

static void who_is_slow_is_cut_off(void **state)
{
	struct world *w = up((struct fl_webhook_config){ .request_ms = 300, .idle_ms = 1000 });
	char text[4096], head[512], sig[128];
	int fd = dial(fl_webhook_port(w->hook)), still = 0;

	(void)state;
	/* octet by octet: each is soon enough, all of them are not */
	snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: x\r\nX-Fireline-Signature: %s\r\nContent-Length: 2000\r\n\r\n", PATH, sign(SECRET, fl_span_str(""), sig));
	put_text(fd, head);
	for (still = 0; still < 2000 && send(fd, "x", 1, MSG_NOSIGNAL) == 1; still++)
		usleep(20000);
	assert_true(still < 2000);
	assert_int_not_equal(hear(fd, text, sizeof(text)), 202);
	close(fd);
	/* and one that says nothing at all */
	fd = dial(fl_webhook_port(w->hook));
	assert_int_equal(recv(fd, text, sizeof(text), 0), 0);
	close(fd);
	/* what waits for the handler is not slow */
	fd = dial(fl_webhook_port(w->hook));
	post(fd, PATH, SECRET, "", fl_span_str("{}"));
	assert_int_equal(handed(w, 1), 1);
	usleep(700000);
	say(pop(w), 202, "{}");
	assert_int_equal(hear(fd, text, sizeof(text)), 202);
	close(fd);
	down(w);
}

static void late_is_not_durable(void **state)
{
	struct world *w = up((struct fl_webhook_config){ .durable_ms = 200 });
	char text[4096];
	int fd = dial(fl_webhook_port(w->hook));

	(void)state;
	post(fd, PATH, SECRET, "", fl_span_str("{}"));
	assert_int_equal(hear(fd, text, sizeof(text)), 503);
	assert_non_null(strcasestr(text, "Retry-After: 5"));
	assert_int_equal(w->refused[FL_WEBHOOK_LATE], 1);
	say(pop(w), 202, "too late"); /* nobody hears it, nothing breaks */
	post(fd, PATH, SECRET, "", fl_span_str("{}"));
	say(pop(w), 202, "in time");
	assert_int_equal(hear(fd, text, sizeof(text)), 202);
	assert_non_null(strstr(text, "in time"));
	close(fd);
	down(w);
}

static void a_sender_that_goes_away(void **state)
{
	struct world *w = up((struct fl_webhook_config){ 0 });
	char text[4096];
	int fd;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct linger now = { 1, 0 };

		fd = dial(fl_webhook_port(w->hook));
		post(fd, PATH, SECRET, "", fl_span_str("{}"));
		assert_int_equal(handed(w, i + 1), i + 1);
		if (i % 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* a reset */
		close(fd);
	}
	while (w->n)
		say(pop(w), 202, "{}");
	fd = dial(fl_webhook_port(w->hook)); /* in the middle of its body */
	put_text(fd, "POST " PATH " HTTP/1.1\r\nHost: x\r\nX-Fireline-Signature: x\r\nContent-Length: 100\r\n\r\n{");
	close(fd);
	fd = dial(fl_webhook_port(w->hook));
	post(fd, PATH, SECRET, "", fl_span_str("{}"));
	say(pop(w), 202, "{}");
	assert_int_equal(hear(fd, text, sizeof(text)), 202);
	close(fd);
	down(w);
}

static void the_rate_of_an_address(void **state)
{
	struct world *w = up((struct fl_webhook_config){ .rate = 2 });
	char text[4096];
	int fd = dial(fl_webhook_port(w->hook)), status = 202, n;

	(void)state;
	w->at_once = true;
	for (n = 0; n < 100 && status == 202; n++) {
		post(fd, PATH, SECRET, "", fl_span_str("{}"));
		status = hear(fd, text, sizeof(text));
	}
	assert_int_equal(status, 429);
	assert_true(n >= 3);
	assert_non_null(strcasestr(text, "Retry-After: 1"));
	for (n = 0; n < 100 && status == 429; n++) { /* and it ends */
		usleep(100000);
		post(fd, PATH, SECRET, "", fl_span_str("{}"));
		status = hear(fd, text, sizeof(text));
	}
	assert_int_equal(status, 202);
	close(fd);
	down(w);
}

static void paths_and_secrets_change(void **state)
{
	struct world *w = up((struct fl_webhook_config){ 0 });
	struct fl_webhook_request *r;
	char text[4096];
	int old = dial(fl_webhook_port(w->hook)), fd = dial(fl_webhook_port(w->hook));

	(void)state;
	post(old, PATH, SECRET, "", fl_span_str("{}"));
	r = pop(w);
	set_rows(w, "/new", "a new secret, long enough");
	assert_string_equal(r->row->path, PATH); /* what came under the old rows keeps them */
	post(fd, PATH, SECRET, "", fl_span_str("{}"));
	assert_int_equal(hear(fd, text, sizeof(text)), 404);
	post(fd, "/new", SECRET, "", fl_span_str("{}"));
	assert_int_equal(hear(fd, text, sizeof(text)), 401);
	post(fd, "/new", "a new secret, long enough", "", fl_span_str("{}"));
	say(pop(w), 202, "{}");
	assert_int_equal(hear(fd, text, sizeof(text)), 202);
	say(r, 202, "{}");
	assert_int_equal(hear(old, text, sizeof(text)), 202);
	set_rows(w, "/new", NULL); /* its file is gone: nobody can sign, and nothing is thrown away */
	post(fd, "/new", "", "", fl_span_str("{}"));
	assert_int_equal(hear(fd, text, sizeof(text)), 503);
	assert_non_null(strcasestr(text, "Retry-After: 60"));
	close(old);
	close(fd);
	down(w);
}

static void it_ends_with_requests_under_way(void **state)
{
	struct world *w = up((struct fl_webhook_config){ 0 });
	char text[4096];
	int fds[8];

	(void)state;
	for (int i = 0; i < 8; i++) {
		fds[i] = dial(fl_webhook_port(w->hook));
		if (i < 5)
			post(fds[i], PATH, SECRET, "", fl_span_str("{}"));
		else
			put_text(fds[i], "POST " PATH " HTTP/1.1\r\nHost: x\r\nX-Fireline-Signature: x\r\nContent-Length: 100\r\n\r\n{");
	}
	assert_int_equal(handed(w, 5), 5);
	down(w); /* the handler's word comes after the end */
	for (int i = 0; i < 8; i++) {
		int status = hear(fds[i], text, sizeof(text));

		assert_true(status == 0 || status == 503);
		close(fds[i]);
	}
}

static void what_cannot_be_opened(void **state)
{
	static const char *const addresses[] = { "", "x", "127.0.0.1", "127.0.0.1:70000", "[::1]", "host:80" };
	struct fl_webhook_config c = { .max_bytes = 10, .rate = 1, .handle = handle, .refused = refused };
	struct fl_webhook *hook = NULL;
	struct fl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		c.address = addresses[i];
		assert_int_equal(fl_webhook_open(&c, &hook, &err), FL_ECONFIG);
	}
	c.address = "127.0.0.1:0";
	c.cert_pem = c.key_pem = "no certificate";
	assert_int_equal(fl_webhook_open(&c, &hook, &err), FL_ECONFIG);
	assert_non_null(strstr(err.text, "certificate"));
	assert_null(hook);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_answer_before_the_handlers),
		cmocka_unit_test(an_answer_may_come_at_once),
		cmocka_unit_test(many_wait_together),
		cmocka_unit_test(the_spellings_of_a_signature),
		cmocka_unit_test(what_is_refused_and_how),
		cmocka_unit_test(too_large_is_said_before_the_body_comes),
		cmocka_unit_test(chunked_bodies),
		cmocka_unit_test(who_is_slow_is_cut_off),
		cmocka_unit_test(late_is_not_durable),
		cmocka_unit_test(a_sender_that_goes_away),
		cmocka_unit_test(the_rate_of_an_address),
		cmocka_unit_test(paths_and_secrets_change),
		cmocka_unit_test(it_ends_with_requests_under_way),
		cmocka_unit_test(what_cannot_be_opened),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
