/* Set digests and SHA-256 (docs/formats/digest.md). */
#include "model/digest.h"

#include "base/text.h"
#include "model/record_int.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <xxhash.h>

char *fl_u128_format(struct fl_u128 v, char out[33])
{
	uint8_t b[16];

	fl__u128_octets(v, b);
	return fl_hex(b, sizeof(b), out);
}

bool fl_u128_parse(struct fl_span hex, struct fl_u128 *out)
{
	uint8_t b[16];
	struct fl_u128 v = { 0, 0 };

	if (hex.n != 32 || !fl_unhex(hex, b, sizeof(b)))
		return false;
	for (int i = 0; i < 8; i++) {
		v.hi = v.hi << 8 | b[i];
		v.lo = v.lo << 8 | b[8 + i];
	}
	*out = v;
	return true;
}

void fl__u128_octets(struct fl_u128 v, uint8_t out[16])
{
	for (int i = 0; i < 8; i++) {
		out[i] = (uint8_t)(v.hi >> (56 - 8 * i));
		out[8 + i] = (uint8_t)(v.lo >> (56 - 8 * i));
	}
}

static struct fl_u128 hash128(const void *p, size_t n)
{
	XXH128_hash_t h = XXH3_128bits(p, n);

	return (struct fl_u128){ h.low64, h.high64 };
}

struct fl_u128 fl_digest_scope(struct fl_span key, uint8_t scope)
{
	uint8_t b[FL_RKEY_MAX + 1];

	assert(key.n <= FL_RKEY_MAX);
	if (scope == 0)
		return (struct fl_u128){ 0, 0 };
	if (key.n)
		memcpy(b, key.p, key.n);
	b[key.n] = scope;
	return hash128(b, key.n + 1);
}

struct fl_u128 fl_digest_attrs(struct fl_span key, const struct fl_tuple *t)
{
	uint8_t b[FL_RKEY_MAX + FL__ATTRS];

	assert(key.n <= FL_RKEY_MAX);
	if (t->scope == 0)
		return (struct fl_u128){ 0, 0 };
	if (key.n)
		memcpy(b, key.p, key.n);
	fl__attrs_octets(t, b + key.n);
	return hash128(b, key.n + FL__ATTRS);
}

void fl_digests_add(struct fl_digests *d, struct fl_span key, const struct fl_tuple *t)
{
	d->scope = fl_u128_add(d->scope, fl_digest_scope(key, t->scope));
	d->attrs = fl_u128_add(d->attrs, fl_digest_attrs(key, t));
	d->entries += t->scope != 0;
}

void fl_digests_sub(struct fl_digests *d, struct fl_span key, const struct fl_tuple *t)
{
	d->scope = fl_u128_sub(d->scope, fl_digest_scope(key, t->scope));
	d->attrs = fl_u128_sub(d->attrs, fl_digest_attrs(key, t));
	d->entries -= t->scope != 0;
}

void fl_digests_change(struct fl_digests *d, const struct fl_change *c)
{
	fl_digests_sub(d, c->key, &c->old);
	fl_digests_add(d, c->key, &c->new);
}

bool fl_sha256_init(struct fl_sha256 *s)
{
	s->ctx = EVP_MD_CTX_new();
	if (s->ctx && EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) == 1)
		return true;
	EVP_MD_CTX_free(s->ctx);
	s->ctx = NULL;
	return false;
}

void fl_sha256_add(struct fl_sha256 *s, const void *p, size_t n)
{
	if (s->ctx && n)
		EVP_DigestUpdate(s->ctx, p, n);
}

void fl_sha256_done(struct fl_sha256 *s, uint8_t out[32])
{
	if (out && (!s->ctx || EVP_DigestFinal_ex(s->ctx, out, NULL) != 1))
		memset(out, 0, 32); /* all zero is "none": no reader takes it for a digest */
	EVP_MD_CTX_free(s->ctx);
	s->ctx = NULL;
}

void fl_sha256_of(const void *p, size_t n, uint8_t out[32])
{
	SHA256(p, n, out);
}

uint64_t fl_checksum64(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}
