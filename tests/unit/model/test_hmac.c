/* HMAC-SHA256 against the vectors of RFC 4231, whole and in parts. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"
#include "model/hmac.h"

static void vectors(void **state)
{
	static uint8_t key_aa[131], key_0b[20], data_dd[50];
	const struct {
		struct fl_span key, data;
		const char *want;
	} rows[] = {
		{ fl_span(key_0b, 20), fl_span_str("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ fl_span_str("Jefe"), fl_span_str("what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ fl_span(key_aa, 20), fl_span(data_dd, 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
		{ fl_span(key_aa, 131), fl_span_str("Test Using Larger Than Block-Size Key - Hash Key First"),
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
		{ fl_span(NULL, 0), fl_span(NULL, 0), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
	};
	uint8_t mac[FL_HMAC_OCTETS];
	char hex[65];

	(void)state;
	memset(key_aa, 0xaa, sizeof(key_aa));
	memset(key_0b, 0x0b, sizeof(key_0b));
	memset(data_dd, 0xdd, sizeof(data_dd));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t half = rows[i].data.n / 2;
		struct fl_span parts[] = { fl_span(rows[i].data.p, half), fl_span(NULL, 0), fl_span(rows[i].data.p ? rows[i].data.p + half : NULL, rows[i].data.n - half) };

		assert_true(fl_hmac_sha256(rows[i].key, &rows[i].data, 1, mac));
		assert_string_equal(fl_hex(mac, sizeof(mac), hex), rows[i].want);
		assert_true(fl_hmac_sha256(rows[i].key, parts, 3, mac));
		assert_string_equal(fl_hex(mac, sizeof(mac), hex), rows[i].want);
	}
}

static void secrets_are_compared_whole(void **state)
{
	(void)state;
	assert_true(fl_secret_eq("abcd", "abcd", 4));
	assert_false(fl_secret_eq("abcd", "abce", 4));
	assert_false(fl_secret_eq("xbcd", "abcd", 4));
	assert_true(fl_secret_eq("abcd", "abce", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(vectors), cmocka_unit_test(secrets_are_compared_whole) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
