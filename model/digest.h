/* Digests. A set digest is the sum modulo 2^128 of XXH3-128 of each element, so it depends on the set alone, not on order
 * or history, and follows a change in O(change): d' = d - h(old) + h(new). docs/formats/digest.md has the exact bytes.
 * A SHA-256 (OpenSSL EVP) makes chains and body digests. */
#pragma once
#include "model/entry.h"

struct fl_u128 {
	uint64_t lo, hi;
};
static inline bool fl_u128_eq(struct fl_u128 a, struct fl_u128 b)
{
	return a.lo == b.lo && a.hi == b.hi;
}
static inline struct fl_u128 fl_u128_add(struct fl_u128 a, struct fl_u128 b)
{
	struct fl_u128 r = { a.lo + b.lo, a.hi + b.hi };

	r.hi += r.lo < a.lo;
	return r;
}
static inline struct fl_u128 fl_u128_sub(struct fl_u128 a, struct fl_u128 b)
{
	struct fl_u128 r = { a.lo - b.lo, a.hi - b.hi };

	r.hi -= a.lo < b.lo;
	return r;
}
/** 32 hex digits, most significant first. */
char *fl_u128_format(struct fl_u128 v, char out[33]);
bool fl_u128_parse(struct fl_span hex, struct fl_u128 *out);

/** XXH3-128 of key octets followed by the scope octet. Zero when scope is 0 (absent adds nothing). */
struct fl_u128 fl_digest_scope(struct fl_span key, uint8_t scope);
/** XXH3-128 of the key and the attributes in their record form (docs/formats/delta.md). Zero when scope is 0. */
struct fl_u128 fl_digest_attrs(struct fl_span key, const struct fl_tuple *t);

struct fl_digests {
	struct fl_u128 scope, attrs;
	uint64_t entries;
};
/** Add or take away one entry. */
void fl_digests_add(struct fl_digests *d, struct fl_span key, const struct fl_tuple *t);
void fl_digests_sub(struct fl_digests *d, struct fl_span key, const struct fl_tuple *t);
/** Follow one change. */
void fl_digests_change(struct fl_digests *d, const struct fl_change *c);

/* SHA-256, streaming. */
struct fl_sha256 {
	void *ctx; /* EVP_MD_CTX */
};
bool fl_sha256_init(struct fl_sha256 *s);
void fl_sha256_add(struct fl_sha256 *s, const void *p, size_t n);
/** Writes the digest and frees the context. Also to be called to abandon (out may be NULL). */
void fl_sha256_done(struct fl_sha256 *s, uint8_t out[32]);
void fl_sha256_of(const void *p, size_t n, uint8_t out[32]);
/** XXH3-64 of bytes: the checksum of every stored block and frame. */
uint64_t fl_checksum64(const void *p, size_t n);
