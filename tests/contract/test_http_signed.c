/* What is sent in a request that is signed: the vector of AWS Signature Version 4, by libcurl, through the door and onto a socket. libcurl takes the time itself, so this program has a
 * time() of its own, which libcurl is linked to as everything else here. And what else requests say: methods, bodies, the server's clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/http.h"
#include "tests/support/httpd.h"

enum { PATIENCE_MS = 30000, HEAD = 8192 };
static const time_t vector_time = 1795435200; /* 2026-11-23T12:00:00Z */
static bool frozen;

time_t time(time_t *out)
{
	struct timespec now;
	time_t t;

	clock_gettime(CLOCK_REALTIME, &now);
	t = frozen ? vector_time : now.tv_sec;
	if (out)
		*out = t;
	return t;
}

/* The last request, head and body. */
static struct {
	char head[HEAD];
	char body[HEAD];
} seen;

static void keep(void *ctx, int fd, const char *path, const char *request)
{
	const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");
	size_t want = length && length < end ? strtoul(length + 15, NULL, 10) : 0, n;

	(void)ctx;
	snprintf(seen.head, sizeof(seen.head), "%.*s", (int)(end + 4 - request), request);
	n = strlen(end + 4);
	assert_true(want < sizeof(seen.body));
	memcpy(seen.body, end + 4, n);
	while (n < want) {
		ssize_t k = read(fd, seen.body + n, want - n);

		if (k <= 0)
			break;
		n += (size_t)k;
	}
	seen.body[n] = '\0';
	if (strcmp(path, "/away") == 0)
		fl_test_httpd_text(fd, "HTTP/1.1 307 Go\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n");
	else
		fl_test_httpd_text(fd, "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 12:07:00 GMT\r\nContent-Length: 2\r\n\r\n{}");
}

static void ask(struct fl_http *h, const struct fl_http_request *req, struct fl_http_response *r)
{
	struct fl_err err = { 0 };
	uint64_t id;

	assert_int_equal(h->ops->start(h, req, &id, &err), 0);
	assert_int_equal(h->ops->poll(h, PATIENCE_MS, r), 1);
	assert_int_equal(r->id, id);
}

static const char *header(const char *name)
{
	static char value[2048];
	const char *at = strcasestr(seen.head, name);

	value[0] = '\0';
	if (at)
		sscanf(at + strlen(name), " %2047[^\r]", value);
	return value;
}

static size_t count(const char *what)
{
	size_t n = 0;

	for (const char *p = seen.head; (p = strcasestr(p, what)); p += strlen(what))
		n++;
	return n;
}

static const char vector_body[] =
	"{\"MaxNumberOfMessages\":10,\"QueueUrl\":\"https://sqs.eu-west-1.amazonaws.com/111122223333/findings\",\"WaitTimeSeconds\":20}";

static void the_vector(void **state)
{
	struct fl_test_httpd *server = fl_test_httpd_start(keep, NULL);
	const struct fl_http_sigv4 sign = { "eu-west-1", "sqs", "AKIDFIRELINETEST", "fireline-test-secret-0001", "" };
	const char *const headers[] = { "Host: sqs.eu-west-1.amazonaws.com", "Content-Type: application/x-amz-json-1.0", "X-Amz-Target: AmazonSQS.ReceiveMessage", NULL };
	struct fl_http_request req = { .headers = headers, .body = fl_span_str(vector_body), .sigv4 = &sign, .max_bytes = 1000, .allow_private = true };
	struct fl_http_response r;
	struct fl_http *h;
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fl_test_httpd_port(server));
	req.url = url;
	assert_int_equal(fl_http_curl_open("fireline-test", &h, NULL), 0);
	frozen = true;
	ask(h, &req, &r);
	frozen = false;
	assert_int_equal(r.status, 200);
	assert_int_equal(r.date, (fl_unix_us)(vector_time + 420) * FL_US_PER_S);
	fl_http_response_done(&r);
	assert_string_equal(seen.body, vector_body);
	assert_true(strncmp(seen.head, "POST / HTTP/1.1\r\n", 17) == 0);
	assert_string_equal(header("x-amz-date:"), "20261123T120000Z");
	assert_int_equal(count("x-amz-date:"), 1);
	assert_string_equal(header("authorization:"),
			    "AWS4-HMAC-SHA256 Credential=AKIDFIRELINETEST/20261123/eu-west-1/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
			    "Signature=b04e46729ae23f9db0ac07e0745311dc82da8bc19cab933d5f7abecc5a4e187a");
	assert_null(strstr(seen.head, "fireline-test-secret"));
	h->ops->close(h);
	fl_test_httpd_stop(server);
}

/* A token is longer than other headers, is signed, and goes nowhere else. */
static void temporary_credentials(void **state)
{
	struct fl_test_httpd *server = fl_test_httpd_start(keep, NULL);
	struct fl_http_sigv4 sign = { "eu-west-1", "sqs", "AKIDFIRELINETEST", "fireline-test-secret-0001", NULL };
	struct fl_http_request req = { .body = fl_span_str("{}"), .sigv4 = &sign, .max_bytes = 1000, .allow_private = true, .max_redirects = 1 };
	char url[64], token[1501];
	struct fl_http_response r;
	struct fl_http *h;

	(void)state;
	memset(token, 'T', 1500);
	token[1500] = '\0';
	sign.token = token;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", fl_test_httpd_port(server));
	req.url = url;
	assert_int_equal(fl_http_curl_open("fireline-test", &h, NULL), 0);
	ask(h, &req, &r);
	fl_http_response_done(&r);
	assert_string_equal(header("x-amz-security-token:"), token);
	assert_non_null(strstr(header("authorization:"), "host;x-amz-date;x-amz-security-token"));
	h->ops->close(h);
	fl_test_httpd_stop(server);
}

static void methods_and_redirects(void **state)
{
	struct fl_test_httpd *server = fl_test_httpd_start(keep, NULL);
	struct fl_http_request req = { .method = "PUT", .body = fl_span_str(""), .max_bytes = 1000, .allow_private = true, .keep = true, .max_redirects = 1 };
	struct fl_http_response r;
	struct fl_http *h;
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/latest", fl_test_httpd_port(server));
	req.url = url;
	assert_int_equal(fl_http_curl_open("fireline-test", &h, NULL), 0);
	ask(h, &req, &r);
	fl_http_response_done(&r);
	assert_true(strncmp(seen.head, "PUT /latest ", 12) == 0);
	/* no body goes to where a redirect leads */
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/away", fl_test_httpd_port(server));
	req.method = NULL;
	req.body = fl_span_str("{\"secret\":1}");
	ask(h, &req, &r);
	assert_int_equal(r.status, 200);
	fl_http_response_done(&r);
	assert_true(strncmp(seen.head, "GET /there ", 11) == 0);
	assert_string_equal(seen.body, "");
	h->ops->close(h);
	fl_test_httpd_stop(server);
}

/* The machine's own service is asked by who says so, and reached by nobody else; loopback not even then. */
static void metadata_needs_a_word(void **state)
{
	struct fl_test_httpd *server = fl_test_httpd_start(keep, NULL);
	struct fl_http_request req = { .url = "http://169.254.169.254/", .max_bytes = 100000, .timeout_ms = 500, .connect_timeout_ms = 200, .allow_private = true };
	struct fl_http_response r;
	struct fl_http *h;
	char url[64];

	(void)state;
	assert_int_equal(fl_http_curl_open("fireline-test", &h, NULL), 0);
	ask(h, &req, &r);
	assert_int_equal(r.code, FL_EREFUSED);
	fl_http_response_done(&r);
	req.allow_private = false;
	req.allow_metadata = true;
	ask(h, &req, &r);
	assert_int_not_equal(r.code, FL_EREFUSED); /* whatever is there, or is not */
	fl_http_response_done(&r);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fl_test_httpd_port(server));
	req.url = url;
	ask(h, &req, &r);
	assert_int_equal(r.code, FL_EREFUSED);
	fl_http_response_done(&r);
	h->ops->close(h);
	fl_test_httpd_stop(server);
}

/* The wait ends when the descriptor is readable, with no transfer at all. */
static void waits_for_a_descriptor(void **state)
{
	struct fl_http *h;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(fl_http_curl_open("fireline-test", &h, NULL), 0);
	h->ops->wait(h, 3600 * 1000, p[0]);
	h->ops->close(h);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_vector), cmocka_unit_test(temporary_credentials), cmocka_unit_test(methods_and_redirects), cmocka_unit_test(metadata_needs_a_word),
					    cmocka_unit_test(waits_for_a_descriptor) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
