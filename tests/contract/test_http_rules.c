/* The HTTP door's rules that no loopback server can show: which addresses are public, and no step from https to http. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "io/clock.h"
#include "io/http_address.h"
#include "io/http_curl.h"

struct row {
	const char *address;
	bool yes;
};

static const struct row rows[] = {
	{ "8.8.8.8", true },
	{ "1.1.1.1", true },
	{ "11.0.0.1", true },
	{ "100.63.255.255", true },
	{ "100.128.0.1", true },
	{ "126.1.1.1", true },
	{ "172.15.0.1", true },
	{ "172.32.0.1", true },
	{ "223.255.255.1", true },
	{ "2606:4700::1111", true },
	{ "2001:4860::8888", true },
	{ "::ffff:8.8.8.8", true },
	{ "64:ff9b::808:808", true },
	{ "2002:808:808::1", true },
	{ "0.0.0.0", false },
	{ "0.1.2.3", false },
	{ "10.0.0.1", false },
	{ "100.64.0.1", false },
	{ "100.100.100.200", false },
	{ "127.0.0.1", false },
	{ "127.255.255.254", false },
	{ "168.63.129.16", false },
	{ "169.254.169.254", false },
	{ "172.16.0.1", false },
	{ "172.31.255.1", false },
	{ "192.0.0.192", false },
	{ "192.168.1.1", false },
	{ "198.18.0.1", false },
	{ "198.19.255.1", false },
	{ "224.0.0.1", false },
	{ "255.255.255.255", false },
	{ "::", false },
	{ "::1", false },
	{ "::127.0.0.1", false },
	{ "::ffff:127.0.0.1", false },
	{ "::ffff:10.0.0.1", false },
	{ "64:ff9b::a00:1", false },
	{ "64:ff9b:1::a00:1", false },
	{ "2001::1", false },
	{ "2001:db8::1", false },
	{ "2002:a00:1::1", false },
	{ "fc00::1", false },
	{ "fd00:ec2::254", false },
	{ "fe80::1", false },
	{ "ff02::1", false },
};

static void public_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		bool is4 = inet_pton(AF_INET, rows[i].address, &v4.sin_addr) == 1;

		assert_true(is4 || inet_pton(AF_INET6, rows[i].address, &v6.sin6_addr) == 1);
		if (fl__address_public(is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6) != rows[i].yes)
			fail_msg("%s", rows[i].address);
	}
	assert_false(fl__address_public(&(struct sockaddr){ .sa_family = AF_UNIX }));
}

static void never_asked(void **state)
{
	static const struct row never[] = {
		{ "10.0.0.1", false }, { "127.0.0.1", false }, { "192.168.1.1", false }, { "100.64.0.1", false }, { "::1", false }, { "fd00::1", false },
		{ "::ffff:127.0.0.1", false }, { "8.8.8.8", false }, { "0.0.0.0", true }, { "169.254.169.254", true }, { "100.100.100.200", true },
		{ "168.63.129.16", true }, { "192.0.0.192", true }, { "224.0.0.1", true }, { "255.255.255.255", true }, { "::", true }, { "fe80::1", true },
		{ "febf::1", true }, { "ff02::1", true }, { "fd00:ec2::254", true }, { "fd20:ce::254", true }, { "::ffff:169.254.169.254", true }, { "64:ff9b::a9fe:a9fe", true },
		{ "2002:a9fe:a9fe::1", true }, { "::127.0.0.1", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		bool is4 = inet_pton(AF_INET, never[i].address, &v4.sin_addr) == 1;

		assert_true(is4 || inet_pton(AF_INET6, never[i].address, &v6.sin6_addr) == 1);
		if (fl__address_never(is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6) != never[i].yes)
			fail_msg("%s", never[i].address);
	}
	assert_true(fl__address_never(&(struct sockaddr){ .sa_family = AF_UNIX }));
}

/* What a request that may ask for credentials reaches beside public addresses. */
static void metadata_addresses(void **state)
{
	static const struct row rows_of[] = {
		{ "169.254.169.254", true }, { "169.254.170.2", true }, { "169.254.170.23", true }, { "fd00:ec2::254", true }, { "fd00:ec2::23", true },
		{ "169.254.169.253", false }, { "169.254.0.1", false }, { "127.0.0.1", false }, { "fe80::1", false }, { "::ffff:169.254.169.254", false }, { "fd20:ce::254", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows_of) / sizeof(rows_of[0]); i++) {
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		bool is4 = inet_pton(AF_INET, rows_of[i].address, &v4.sin_addr) == 1;

		assert_true(is4 || inet_pton(AF_INET6, rows_of[i].address, &v6.sin6_addr) == 1);
		if (fl__address_metadata(is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6) != rows_of[i].yes)
			fail_msg("%s", rows_of[i].address);
	}
	assert_false(fl__address_metadata(&(struct sockaddr){ .sa_family = AF_UNIX }));
}

/* Each hop by hand, as a redirect would make it: none is connected to. */
static void never_from_https_to_http(void **state)
{
	static const struct {
		char url[32];
		int code;
	} hops[] = {
		{ "http://a.example/", 0 },
		{ "http://b.example/", 0 },
		{ "https://a.example/", 0 },
		{ "https://b.example/", 0 },
		{ "http://b.example/", FL_EREFUSED },
		{ "HTTP://b.example/", FL_EREFUSED },
		{ "ftp://b.example/", FL_EREFUSED },
	};
	struct fl_http_request req = { .url = hops[0].url, .max_bytes = 1, .timeout_ms = 1000 };
	struct fl_err err = { 0 };
	fl_mono_ns now = fl_now_mono(fl_clock_sys());
	struct fl__transfer *t = fl__transfer_new(&req, "test", now, &err);

	(void)state;
	assert_non_null(t);
	for (size_t i = 1; i < sizeof(hops) / sizeof(hops[0]); i++) {
		char url[32];

		memcpy(url, hops[i].url, sizeof(url));
		t->url = url;
		assert_int_equal(fl__transfer_prepare(t, now, &err), hops[i].code);
	}
	fl__transfer_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_addresses),
		cmocka_unit_test(never_asked), cmocka_unit_test(metadata_addresses),
		cmocka_unit_test(never_from_https_to_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
