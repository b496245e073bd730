/* Bootstrap resolution over loopback: an answer is taken from the server that was asked, for the question that was
 * asked, and one that is cut off, lies about its counts or answers something else makes neither an address nor a crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/http_resolve.h"

static struct world {
	int fd;
	char address[FL_UPSTREAM_ADDRESS];
	struct fl__resolver *r;
	struct sockaddr_in peer[2];
	uint8_t query[2][512];
	size_t n[2]; /* of each query, A first */
} w;

static fl_mono_ns now(void)
{
	return fl_now_mono(fl_clock_sys());
}

static int setup(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	const char *servers[] = { w.address };

	(void)state;
	w.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(w.fd, (struct sockaddr *)&a, len) < 0 || getsockname(w.fd, (struct sockaddr *)&a, &len) < 0)
		return -1;
	snprintf(w.address, sizeof(w.address), "127.0.0.1:%u", ntohs(a.sin_port));
	return fl__resolver_open(servers, 1, &w.r, NULL);
}

static int teardown(void **state)
{
	(void)state;
	fl__resolver_close(w.r);
	close(w.fd);
	return 0;
}

/* Both queries of one name, as the server sees them. */
static void receive(void)
{
	for (int i = 0; i < 2; i++) {
		uint8_t p[512];
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		struct pollfd f = { w.fd, POLLIN, 0 };
		ssize_t n;
		int k;

		assert_int_equal(poll(&f, 1, 10000), 1);
		n = recvfrom(w.fd, p, sizeof(p), 0, (struct sockaddr *)&from, &len);
		assert_true(n > 16);
		k = p[n - 3] == 28;
		memcpy(w.query[k], p, (size_t)n);
		w.n[k] = (size_t)n;
		w.peer[k] = from;
	}
}

/* The reply to a query: its header and question, `an` answers said to be there, and what follows. */
static size_t reply_make(int k, unsigned rcode, unsigned an, const void *rest, size_t rest_n, uint8_t out[600])
{
	memcpy(out, w.query[k], w.n[k]);
	out[2] = 0x81;
	out[3] = (uint8_t)(0x80 | rcode);
	out[7] = (uint8_t)an;
	if (rest_n)
		memcpy(out + w.n[k], rest, rest_n);
	return w.n[k] + rest_n;
}

static void reply_send(int k, const uint8_t *p, size_t n)
{
	assert_int_equal(sendto(w.fd, p, n, 0, (struct sockaddr *)&w.peer[k], sizeof(w.peer[k])), n);
}

static bool outcome(struct fl__resolved *out, int patience_ms)
{
	struct pollfd f = { fl__resolver_fd(w.r), POLLIN, 0 };

	for (int waited = 0; waited <= patience_ms; waited += 10) {
		if (fl__resolver_poll(w.r, now(), out) == 1)
			return true;
		poll(&f, 1, 10);
	}
	return false;
}

static void ask(uint64_t id, const char *host)
{
	assert_int_equal(fl__resolver_ask(w.r, id, host, now(), now() + 20 * FL_NS_PER_S), 0);
	receive();
}

/* An alias and its address, as servers write it: compressed. */
static const uint8_t alias_a[] = { 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, 'x', 0xc0, 12,
				   0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 8, 8,   4,    4 };
static const uint8_t one_aaaa[] = { 0xc0, 12,   0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0x20, 1,
				    0x48, 0x60, 0, 0,  0, 0, 0, 0, 0, 0,  0, 0,  0,    1 };

static void test_both_families(void **state)
{
	struct fl__resolved got;
	uint8_t p[600];

	(void)state;
	ask(7, "Feeds.example");
	reply_send(0, p, reply_make(0, 0, 2, alias_a, sizeof(alias_a), p));
	assert_false(outcome(&got, 50));
	reply_send(1, p, reply_make(1, 0, 1, one_aaaa, sizeof(one_aaaa), p));
	assert_true(outcome(&got, 10000));
	assert_int_equal(got.id, 7);
	assert_int_equal(got.n, 2);
	assert_string_equal(got.text[0], "8.8.4.4");
	assert_string_equal(got.text[1], "2001:4860::1");
	assert_true(fl__resolver_idle(w.r));
}

static void test_what_does_not_answer_is_passed_over(void **state)
{
	struct fl__resolved got;
	uint8_t p[600];
	size_t n;

	(void)state;
	ask(1, "feeds.example");
	n = reply_make(0, 0, 2, alias_a, sizeof(alias_a), p);
	p[0] ^= 1; /* another id */
	reply_send(0, p, n);
	p[0] ^= 1;
	p[13] ^= 1; /* another question */
	reply_send(0, p, n);
	p[13] ^= 1;
	p[2] &= 0x7f; /* a question */
	reply_send(0, p, n);
	reply_send(0, p, 5);
	reply_send(1, p, reply_make(1, 3, 0, NULL, 0, p));
	assert_false(outcome(&got, 100));
	reply_send(0, p, reply_make(0, 3, 0, NULL, 0, p));
	assert_true(outcome(&got, 10000));
	assert_int_equal(got.n, 0);
	assert_true(got.absent);
}

/* Every truncation, and counts that lie. */
static void test_broken_answers(void **state)
{
	static const uint8_t noise[] = { 63, 1, 2, 3 },
			     endless[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0xff, 0xff, 1, 2, 3, 4 };
	struct fl__resolved got;
	uint8_t p[600];

	(void)state;
	for (size_t cut = 0; cut <= sizeof(alias_a) + 2; cut++) {
		const uint8_t *rest = cut < sizeof(alias_a) ? alias_a : cut == sizeof(alias_a) ? noise : endless;
		size_t n = cut < sizeof(alias_a) ? cut : cut == sizeof(alias_a) ? sizeof(noise) : sizeof(endless);

		ask(100 + cut, "feeds.example");
		reply_send(0, p, reply_make(0, 0, 255, rest, n, p));
		reply_send(1, p, reply_make(1, 0, 0, NULL, 0, p));
		assert_true(outcome(&got, 10000));
		assert_int_equal(got.n, 0);
	}
}

static void test_no_name(void **state)
{
	(void)state;
	assert_int_equal(fl__resolver_ask(w.r, 1, "", now(), now()), FL_EFORMAT);
	assert_int_equal(fl__resolver_ask(w.r, 1, "a..b", now(), now()), FL_EFORMAT);
	ask(2, "feeds.example");
	fl__resolver_cancel(w.r, 2);
	fl__resolver_cancel(w.r, 2);
	assert_true(fl__resolver_idle(w.r));
	ask(3, "left.example"); /* and closed with it under way */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_families, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_does_not_answer_is_passed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
