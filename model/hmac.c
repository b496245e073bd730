#include "model/hmac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

bool fl_hmac_sha256(struct fl_span key, const struct fl_span *parts, size_t n, uint8_t out[FL_HMAC_OCTETS])
{
	static const uint8_t none[1];
	char name[] = "SHA256", param[] = "digest";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(param, name, 0), OSSL_PARAM_construct_end() };
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	size_t len = 0;
	bool ok = ctx && EVP_MAC_init(ctx, key.n ? key.p : none, key.n, params) == 1;

	for (size_t i = 0; ok && i < n; i++)
		ok = parts[i].n == 0 || EVP_MAC_update(ctx, parts[i].p, parts[i].n) == 1;
	ok = ok && EVP_MAC_final(ctx, out, &len, FL_HMAC_OCTETS) == 1 && len == FL_HMAC_OCTETS;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	return ok;
}

bool fl_secret_eq(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
