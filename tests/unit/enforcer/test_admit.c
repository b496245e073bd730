/* The door: strangers, floods, and what clients are told. */
#include "tests/unit/enforcer/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"
#include "enforcer/server_int.h"

static struct fl_server *server;
static uint8_t buf[1232];
static const uint8_t secret[16] = "a secret of 16..";

struct said {
	enum fl__admitted what;
	unsigned rcode;
	bool tc;
	size_t asked, n;
	struct fl_question q;
};

/* cookie: 8 octets of a client's, 24 of ours, or NULL. */
static struct said knock(const struct fl__settings *st, const char *client, bool tcp, fl_mono_ns now, const uint8_t *cookie, unsigned cookie_len)
{
	struct fl_buf b = wquery(7, "www.example", 1, cookie ? 0 : 1232, false);
	struct fl_job job = { .tcp = tcp, .received = now };
	struct fl__ask a = { .job = &job };
	struct fl__out o = { buf, 0, sizeof(buf) };
	struct said s = { 0 };

	if (cookie) {
		b.p[11] = 1;
		fl_buf_u8(&b, 0);
		w16(&b, 41), w16(&b, 1232), w32(&b, 0), w16(&b, 4 + cookie_len), w16(&b, 10), w16(&b, cookie_len);
		fl_buf_add(&b, cookie, cookie_len);
	}
	if (inet_pton(AF_INET, client, &job.peer.in.sin_addr) == 1)
		job.peer.in.sin_family = AF_INET;
	else {
		job.peer.in6.sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, client, &job.peer.in6.sin6_addr), 1);
	}
	a.parsed = (enum fl__parsed)fl__question_parse(fl_buf_span(&b), &job.q);
	assert_int_equal(a.parsed, FL__PARSED_OK);
	s.what = fl__admit(&server->threads[0], st, &a, &job, now, 1700000000 * FL_US_PER_S, &o);
	s.asked = b.n;
	s.n = o.n;
	s.q = job.q;
	if (s.what == FL__ADMIT_SAID) {
		s.rcode = (buf[3] & 15u) | (cookie && memcmp(buf + 12, "\3www", 4) == 0 && o.n > 35 ? buf[12 + 13 + 4 + 5] * 16u : 0);
		s.tc = buf[2] & 2;
	}
	fl_buf_done(&b);
	return s;
}

static struct fl_config config(void)
{
	return (struct fl_config){ .rate = { .ipv4_prefix = 32, .ipv6_prefix = 64 }, .cookies = true };
}

static void test_who_is_let_in(void **state)
{
	static const struct {
		const char *client;
		bool in;
	} rows[] = { { "127.0.0.1", true }, { "10.255.0.1", true }, { "172.31.0.1", true }, { "172.32.0.1", false }, { "192.168.0.9", true }, { "169.254.7.7", true }, { "100.64.0.1", true },
		     { "100.128.0.1", false }, { "192.0.2.7", false }, { "8.8.8.8", false }, { "::1", true }, { "fd12::1", true }, { "fe80::1", true }, { "2001:db8::1", false },
		     { "::ffff:10.0.0.1", true }, { "::ffff:192.0.2.7", false }, { "::", false } };
	struct fl_config cfg = config();
	struct fl__settings *st = fl__settings_new(&cfg, secret, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct said s = knock(st, rows[i].client, false, FL_NS_PER_S, NULL, 0);

		if ((s.what == FL__ADMIT_ASK) != rows[i].in)
			fail_msg("%s: %s", rows[i].client, rows[i].in ? "kept out" : "let in");
		if (!rows[i].in) {
			assert_int_equal(s.rcode, 5);
			assert_true(s.n <= s.asked + 40); /* amplifies nothing */
			assert_non_null(memmem(buf, s.n, "not a client", 12));
		}
	}
	st->drop_others = true;
	assert_int_equal(knock(st, "192.0.2.7", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_DROP);
	assert_int_equal(fl__peek(&server->threads[0].counters.lost[FL__LOST_STRANGER]), 1);
	fl__settings_free(st);
}

static void test_named_networks(void **state)
{
	static const struct fl_cfg_network nets[] = { { .addr = { 192, 0, 2 }, .prefix = 24 } };
	struct fl_config cfg = config();
	struct fl__settings *st;

	(void)state;
	cfg.allowed_clients = nets;
	cfg.n_allowed_clients = 1;
	st = fl__settings_new(&cfg, secret, NULL);
	assert_int_equal(knock(st, "192.0.2.7", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK);
	assert_int_equal(knock(st, "127.0.0.1", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_SAID); /* in place of the default */
	fl__settings_free(st);
}

/* Over the rate: one that could be forged hears TC every second time; one with our cookie, and TCP, have accounts of their own and are told. */
static void test_over_the_rate(void **state)
{
	struct fl_config cfg = config();
	struct fl__settings *st;
	struct said s;
	uint8_t cookie[24];
	unsigned asked = 0, cut = 0, dropped = 0;
	size_t in = 0, out = 0;

	(void)state;
	cfg.rate.per_client = 10;
	st = fl__settings_new(&cfg, secret, NULL);
	for (int i = 0; i < 220; i++) {
		s = knock(st, "10.0.0.7", false, FL_NS_PER_S, NULL, 0);
		asked += s.what == FL__ADMIT_ASK;
		cut += s.what == FL__ADMIT_SAID && s.tc;
		dropped += s.what == FL__ADMIT_DROP;
		in += s.asked;
		out += s.n;
	}
	assert_int_equal(asked, 20); /* burst: twice the rate */
	assert_int_equal(cut, 100);
	assert_int_equal(dropped, 100);
	assert_true(out < in);
	assert_int_equal(fl__peek(&server->threads[0].counters.lost[FL__LOST_LIMIT]), dropped);
	assert_int_equal(knock(st, "10.0.0.8", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK);
	assert_int_equal(knock(st, "10.0.0.7", true, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK);
	do /* every second one is dropped */
		s = knock(st, "10.0.0.7", false, FL_NS_PER_S, (const uint8_t *)"clientck", 8);
	while (s.what == FL__ADMIT_DROP);
	assert_int_equal(s.rcode, FL__BADCOOKIE);
	memcpy(cookie, s.q.cookie, sizeof(cookie));
	s = knock(st, "10.0.0.7", false, FL_NS_PER_S, cookie, 24);
	assert_int_equal(s.what, FL__ADMIT_ASK);
	while (s.what == FL__ADMIT_ASK)
		s = knock(st, "10.0.0.7", false, FL_NS_PER_S, cookie, 24);
	assert_int_equal(s.what, FL__ADMIT_SAID);
	assert_int_equal(s.rcode, 5);
	assert_int_equal(knock(st, "10.0.0.7", false, 3 * FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK); /* later */
	fl__settings_free(st);
}

static void test_networks_are_one_client(void **state)
{
	static const struct fl_cfg_network exempt[] = { { .addr = { 10, 1 }, .prefix = 16 } };
	struct fl_config cfg = config();
	struct fl__settings *st;

	(void)state;
	cfg.rate = (struct fl_cfg_rate){ .per_client = 1, .burst = 1, .ipv4_prefix = 24, .ipv6_prefix = 56, .exempt = exempt, .n_exempt = 1 };
	st = fl__settings_new(&cfg, secret, NULL);
	assert_int_equal(knock(st, "10.0.3.1", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK);
	assert_int_not_equal(knock(st, "10.0.3.2", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK);
	assert_int_equal(knock(st, "10.0.4.2", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK);
	assert_int_equal(knock(st, "fd00:0:0:1::1", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK);
	assert_int_not_equal(knock(st, "fd00:0:0:2::1", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK);
	assert_int_equal(knock(st, "fd00:0:0:100::1", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK);
	for (int i = 0; i < 100; i++)
		assert_int_equal(knock(st, "10.1.0.1", false, FL_NS_PER_S, NULL, 0).what, FL__ADMIT_ASK);
	fl__settings_free(st);
}

static void test_cookies_can_be_off(void **state)
{
	struct fl_config cfg = config();
	struct fl__settings *st;

	(void)state;
	cfg.cookies = false;
	st = fl__settings_new(&cfg, secret, NULL);
	assert_false(knock(st, "10.0.0.7", false, FL_NS_PER_S, (const uint8_t *)"clientck", 8).q.cookie_out);
	fl__settings_free(st);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void test_secret_file(void **state)
{
	static const struct {
		const char *text;
		bool good, two;
	} rows[] = {
		{ "e5e973e5a6b2a43f48e7dc849e37bfcf\n", true, false },
		{ "e5e973e5a6b2a43f48e7dc849e37bfcf", true, false },
		{ " E5E973E5A6B2A43F48E7DC849E37BFCF \r\n00112233445566778899aabbccddeeff\n\n", true, true },
		{ "", false, false },
		{ "\n", false, false },
		{ "e5e973e5a6b2a43f48e7dc849e37bf\n", false, false },
		{ "e5e973e5a6b2a43f48e7dc849e37bfcf\n0011\n", false, false },
		{ "zze973e5a6b2a43f48e7dc849e37bfcf\n", false, false },
	};
	char path[] = "/tmp/fl-cookie-XXXXXX";
	struct fl_config cfg = config();
	struct fl_err err;

	(void)state;
	close(mkstemp(path));
	cfg.cookie_secret_file = path;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl__settings *st;

		write_file(path, rows[i].text);
		st = fl__settings_new(&cfg, secret, &err);
		if ((st != NULL) != rows[i].good)
			fail_msg("row %zu: %s", i, st ? "taken" : err.text);
		if (!st) {
			assert_int_equal(err.code, FL_ECONFIG);
			continue;
		}
		assert_int_equal(st->cookie_key.secret[0], 0xe5);
		assert_int_equal(st->cookie_key.before[0], rows[i].two ? 0 : 0xe5);
		fl__settings_free(st);
	}
	unlink(path);
	assert_null(fl__settings_new(&cfg, secret, &err));
	assert_non_null(strstr(err.text, "No such file"));
}

static int up(void **state)
{
	(void)state;
	server = aligned_alloc(64, (sizeof(*server) + 63) & ~(size_t)63);
	memset(server, 0, sizeof(*server));
	server->threads[0].server = server;
	server->rate = fl__rate_new();
	server->client_key = 12345;
	return server->rate ? 0 : -1;
}
static int down(void **state)
{
	(void)state;
	fl__rate_free(server->rate);
	free(server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_let_in), cmocka_unit_test(test_named_networks), cmocka_unit_test(test_over_the_rate), cmocka_unit_test(test_networks_are_one_client),
		cmocka_unit_test(test_cookies_can_be_off), cmocka_unit_test(test_secret_file),
	};

	return cmocka_run_group_tests(tests, up, down);
}
