/* SipHash against its reference vector and libcrypto; cookies against the examples of RFC 9018, appendix A. */
#include "tests/unit/enforcer/wire.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/text.h"
#include "enforcer/cookie.h"
#include "enforcer/siphash.h"

static void test_siphash_reference(void **state)
{
	uint8_t key[16], text[15];

	(void)state;
	for (int i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (int i = 0; i < 15; i++)
		text[i] = (uint8_t)i;
	assert_true(fl__siphash(key, text, sizeof(text)) == UINT64_C(0xa129ca6149be45e5)); /* the paper's appendix A */
}

static void test_siphash_is_libcryptos(void **state)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	uint8_t key[16], text[64], out[8];
	size_t size = 8, n;
	OSSL_PARAM params[2] = { OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end() };

	(void)state;
	assert_non_null(mac);
	for (size_t len = 0; len <= sizeof(text); len++) {
		EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);

		for (size_t i = 0; i < 16; i++)
			key[i] = (uint8_t)(i * 37 + len);
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (uint8_t)(i * 101 + 7 * len);
		assert_int_equal(EVP_MAC_init(ctx, key, sizeof(key), params), 1);
		assert_int_equal(EVP_MAC_update(ctx, text, len), 1);
		assert_int_equal(EVP_MAC_final(ctx, out, &n, sizeof(out)), 1);
		assert_int_equal(n, 8);
		assert_true(fl__siphash(key, text, len) == fl__sip_word(out, 8));
		EVP_MAC_CTX_free(ctx);
	}
	EVP_MAC_free(mac);
}

static void unhex(const char *text, uint8_t *out)
{
	assert_true(fl_unhex(fl_span_str(text), out, strlen(text) / 2));
}

static struct fl_client client(const char *text)
{
	struct fl_client c = { 0 };

	c.v6 = strchr(text, ':');
	assert_int_equal(inet_pton(c.v6 ? AF_INET6 : AF_INET, text, c.addr), 1);
	return c;
}

/* What the client sends, and what it is given. */
static const struct {
	const char *what, *secret, *before, *client;
	uint32_t now;
	const char *sent;
	bool proven;
	const char *given;
} rows[] = {
	{ "A.1: a new cookie", "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", 1559731985, "2464c4abcf10c957", false,
	  "2464c4abcf10c957010000005cf79f111f8130c3eee29480" },
	{ "young: given back as it is", "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", 1559731985 + 1800,
	  "2464c4abcf10c957010000005cf79f111f8130c3eee29480", true, "2464c4abcf10c957010000005cf79f111f8130c3eee29480" },
	{ "A.2: over half an hour old, renewed", "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", 1559734385,
	  "2464c4abcf10c957010000005cf79f111f8130c3eee29480", true, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77" },
	{ "over an hour old", "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", 1559731985 + 3601,
	  "2464c4abcf10c957010000005cf79f111f8130c3eee29480", false, NULL },
	{ "from the future", "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", 1559731985 - 301,
	  "2464c4abcf10c957010000005cf79f111f8130c3eee29480", false, NULL },
	{ "another client", "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.101", 1559731985,
	  "2464c4abcf10c957010000005cf79f111f8130c3eee29480", false, NULL },
	{ "A.4: IPv6, by the secret before", "445536bcd2513298075a5d379663c962", "dd3bdf9344b678b185a6f5cb60fca715", "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961,
	  "22681ab97d52c298010000005cf7c57926556bd0934c72f8", true, "22681ab97d52c298010000005cf7c609a6bb79d16625507a" },
	{ "another version", "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", 1559731985,
	  "2464c4abcf10c957020000005cf79f111f8130c3eee29480", false, "2464c4abcf10c957010000005cf79f111f8130c3eee29480" },
	{ "of another length", "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", 1559731985,
	  "2464c4abcf10c957010000005cf79f111f8130c3eee2948000", false, "2464c4abcf10c957010000005cf79f111f8130c3eee29480" },
};

static void test_cookies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl__cookie_key key;
		struct fl_client c = client(rows[i].client);
		struct fl_question q = { .cookie_len = (uint8_t)(strlen(rows[i].sent) / 2) };
		uint8_t want[FL__COOKIE_OURS];

		unhex(rows[i].secret, key.secret);
		unhex(rows[i].before, key.before);
		unhex(rows[i].sent, q.cookie);
		if (fl__cookie_turn(&key, &c, rows[i].now, &q) != rows[i].proven)
			fail_msg("%s: %s", rows[i].what, rows[i].proven ? "not taken" : "taken");
		assert_true(q.cookie_out);
		if (!rows[i].given)
			continue;
		unhex(rows[i].given, want);
		if (memcmp(want, q.cookie, sizeof(want)) != 0)
			fail_msg("%s: another cookie", rows[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash_reference),
		cmocka_unit_test(test_siphash_is_libcryptos),
		cmocka_unit_test(test_cookies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
