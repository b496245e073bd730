/* Which addresses a feed may come from: each special range by its first and last address, and the public ones beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cmocka.h>

#include "io/http_address.h"

static const struct {
	const char *text;
	bool public;
} rows[] = {
	{ "0.0.0.0", false },		{ "0.255.255.255", false },   { "1.0.0.0", true },	   { "9.255.255.255", true },
	{ "10.0.0.0", false },		{ "10.255.255.255", false },  { "11.0.0.0", true },	   { "100.63.255.255", true },
	{ "100.64.0.0", false },	{ "100.100.100.200", false }, { "100.127.255.255", false }, { "100.128.0.0", true },
	{ "126.255.255.255", true },	{ "127.0.0.1", false },	      { "127.255.255.255", false }, { "128.0.0.0", true },
	{ "169.253.255.255", true },	{ "169.254.169.254", false }, { "169.254.170.2", false },  { "169.255.0.0", true },
	{ "172.15.255.255", true },	{ "172.16.0.0", false },      { "172.31.255.255", false }, { "172.32.0.0", true },
	{ "168.63.129.16", false },	{ "168.63.129.17", true },    { "192.0.0.192", false },	   { "192.0.1.0", true },
	{ "192.0.2.1", false },		{ "192.167.255.255", true },  { "192.168.0.0", false },	   { "192.168.255.255", false },
	{ "192.169.0.0", true },	{ "198.17.255.255", true },   { "198.18.0.0", false },	   { "198.19.255.255", false },
	{ "198.20.0.0", true },		{ "198.51.100.7", false },    { "203.0.113.7", false },	   { "223.255.255.255", true },
	{ "224.0.0.1", false },		{ "239.255.255.255", false }, { "240.0.0.0", false },	   { "255.255.255.255", false },
	{ "::", false },		{ "::1", false },	      { "::7f00:1", false },	   { "::ffff:127.0.0.1", false },
	{ "::ffff:10.1.2.3", false },	{ "::ffff:8.8.8.8", true },   { "64:ff9b::7f00:1", false }, { "64:ff9b::808:808", true },
	{ "64:ff9b:1::808:808", false }, { "100::1", false },	      { "2001::1", false },	   { "2001:db8::1", false },
	{ "2001:200::1", true },	{ "2002:7f00:1::1", false },  { "2002:a00:1::1", false },  { "2002:808:808::1", true },
	{ "2606:4700::1111", true },	{ "2a00:1450::5", true },     { "3fff:ffff::1", true },	   { "4000::1", false },
	{ "fc00::1", false },		{ "fd00:ec2::254", false },   { "fe80::1", false },	   { "fec0::1", false },
	{ "ff02::1", false },
};

static void special_addresses_are_not_public(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		bool six = inet_pton(AF_INET6, rows[i].text, &v6.sin6_addr) == 1;

		if (!six)
			assert_int_equal(inet_pton(AF_INET, rows[i].text, &v4.sin_addr), 1);
		if (fl__address_public(six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4) != rows[i].public)
			fail_msg("%s", rows[i].text);
	}
}

static void other_families_are_not_public(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	(void)state;
	assert_false(fl__address_public((struct sockaddr *)&un));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(special_addresses_are_not_public),
		cmocka_unit_test(other_families_are_not_public),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
