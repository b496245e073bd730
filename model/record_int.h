/* Inside model/: the octets that delta, keyframe and digests share, and their frame.
 *
 *   frame   magic (4) | head | zstd frame of `raw` octets | XXH3-64 of all before it, u64le
 *
 * Start reading at docs/formats/delta.md. */
#pragma once
#include "model/digest.h"

#include <zstd.h>

enum { FL__ATTRS = 14, FL__ZSTD_LEVEL = 3 };

/** The 16 octets of a digest, most significant first: the order of its text. */
void fl__u128_octets(struct fl_u128 v, uint8_t out[16]);
/** confidence, category, first_seen, absent_since, expires: FL__ATTRS octets. */
void fl__attrs_octets(const struct fl_tuple *t, uint8_t out[FL__ATTRS]);
static inline uint32_t fl__u32le(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline void fl__put_u32le(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}
/** Are scope and attributes ones that a stored entry may have? */
static inline bool fl__tuple_valid(const struct fl_tuple *t)
{
	return t->scope >= 1 && t->scope <= FL_SCOPE_ALL && t->confidence <= 100;
}
/** The attributes behind a scope; scope 0 has none. False: none that a stored entry may have. */
bool fl__tuple_read(struct fl_rd *r, uint8_t scope, struct fl_tuple *t);

/** Octets that `key` shares with `prev`, at its start. */
static inline size_t fl__shared(struct fl_span prev, struct fl_span key)
{
	size_t n = prev.n < key.n ? prev.n : key.n, i = 0;

	while (i < n && prev.p[i] == key.p[i])
		i++;
	return i;
}
/**
 * One front-coded key: shared u8, rest u8, rest octets. Rebuilds it in `key`, which holds the one before, and checks that it is
 * a key and, unless `first`, above the one before. False (and r->bad) otherwise.
 */
bool fl__key_read(struct fl_rd *r, struct fl_rkey *key, bool first);
void fl__key_put(struct fl_buf *out, struct fl_span prev, struct fl_span key);

/** Appends the zstd frame of raw and the checksum of everything in out from `start` on. 0 or FL_ENOMEM. */
int fl__frame_close(struct fl_buf *out, size_t start, ZSTD_CCtx *cctx, struct fl_span raw);
/** Checks length, magic and checksum; r gets what stands between the magic and the checksum. False: not intact. */
bool fl__frame_open(struct fl_span bytes, const char magic[4], struct fl_rd *r);
/** Decompresses exactly one zstd frame that makes up all of `body` into raw[0..n). */
bool fl__frame_body(ZSTD_DCtx *dctx, struct fl_span body, uint8_t *raw, size_t n);
