/* Inside model/: JSON by hand for writing (hot), by jansson for reading (hostile). */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/version.h"

#include <jansson.h>

/** A literal piece, as `{"list":`. */
#define FL__JSON_LIT(out, lit) fl_buf_add((out), (lit), sizeof(lit) - 1)
void fl__json_u64(struct fl_buf *out, uint64_t v);
void fl__json_i64(struct fl_buf *out, int64_t v);
/** NULL gives null. */
void fl__json_str(struct fl_buf *out, const char *s);
void fl__json_bool(struct fl_buf *out, bool v);
/** A string of lower-case hex. */
void fl__json_hex(struct fl_buf *out, const void *p, size_t n);
void fl__json_u128(struct fl_buf *out, struct fl_u128 v);
/* A member: `key` is what stands before the value, as `,"list":`. */
void fl__json_put_str(struct fl_buf *out, const char *key, const char *s);
void fl__json_put_u64(struct fl_buf *out, const char *key, uint64_t v);
void fl__json_put_bool(struct fl_buf *out, const char *key, bool v);
/** Microseconds since 1970; before that 0. */
void fl__json_put_time(struct fl_buf *out, const char *key, fl_unix_us t);
void fl__json_put_hex(struct fl_buf *out, const char *key, const void *p, size_t n);
void fl__json_put_u128(struct fl_buf *out, const char *key, struct fl_u128 v);

/* Reads of one object: the first field that is missing, of another type or out of range sets err, and all after it are
 * no-ops that leave their target alone. */
struct fl__json_rd {
	const json_t *obj;
	const char *what; /* "event", for the sentence */
	struct fl_err *err;
	bool bad;
};
/** Parses a whole text: one object, no repeated key, at most max octets. NULL and *err otherwise (*code the code). */
json_t *fl__json_load(struct fl_span text, size_t max, const char *what, int *code, struct fl_err *err);
/** Puts the sentence, once. */
void fl__json_bad(struct fl__json_rd *r, const char *key, const char *why);
void fl__json_get_u64(struct fl__json_rd *r, const char *key, uint64_t *out);
void fl__json_get_time(struct fl__json_rd *r, const char *key, fl_unix_us *out);
void fl__json_get_number(struct fl__json_rd *r, const char *key, double *out);
void fl__json_get_bool(struct fl__json_rd *r, const char *key, bool *out);
/** A terminated copy into out[size]; longer is bad. */
void fl__json_get_str(struct fl__json_rd *r, const char *key, char *out, size_t size);
void fl__json_get_hex(struct fl__json_rd *r, const char *key, void *out, size_t n);
void fl__json_get_u128(struct fl__json_rd *r, const char *key, struct fl_u128 *out);
/** The object under key; NULL for null when `nullable`; NULL and bad otherwise. */
const json_t *fl__json_get_object(struct fl__json_rd *r, const char *key, bool nullable);
const json_t *fl__json_get_array(struct fl__json_rd *r, const char *key, size_t max);
/** A claim from its object, with every check of fl_claim_decode. */
struct fl_claim;
int fl__claim_from(const json_t *obj, struct fl_claim *out, struct fl_err *err);
