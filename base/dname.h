/* A DNS name in two forms.
 *
 *   dname  canonical wire form: lower case, uncompressed, 255 octets at most with the root label (RFC 1035, 3.1)
 *   rkey   the sort key: labels reversed, each followed by one zero octet; the root is the empty key
 *
 *          www.example.com  ->  "com\0example\0www\0"
 *
 * memcmp order of rkeys is the order of every sorted stream in fireline (zero sorts below every label octet), and the
 * subtree of a name is exactly the range of keys that have its key as a prefix. A canonical name has labels of
 * [a-z0-9_-] only, so a zero octet never stands inside a label. An rkey is at most 254 octets (253 of text and one). */
#pragma once
#include "base/span.h"

enum { FL_DNAME_MAX = 255, FL_RKEY_MAX = 254, FL_NAME_TEXT = 1024, FL_LABELS_MAX = 127 };

struct fl_dname {
	uint8_t len; /* octets used, the root label included: 1 to 255 */
	uint8_t b[FL_DNAME_MAX];
};

struct fl_rkey {
	uint8_t len; /* 0 for the root */
	uint8_t b[FL_RKEY_MAX];
};

/** memcmp order; a key that is a prefix of the other sorts first. */
static inline int fl_rkey_cmp(struct fl_span a, struct fl_span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}
static inline struct fl_span fl_rkey_span(const struct fl_rkey *k)
{
	return fl_span(k->b, k->len);
}
/** A copy; key.n is at most FL_RKEY_MAX. */
static inline void fl_rkey_set(struct fl_rkey *to, struct fl_span key)
{
	if (key.n)
		memcpy(to->b, key.p, key.n);
	to->len = (uint8_t)key.n;
}
/** Is `key` at or below `top`? */
static inline bool fl_rkey_below_or_at(struct fl_span key, struct fl_span top)
{
	return key.n >= top.n && (top.n == 0 || memcmp(key.p, top.p, top.n) == 0);
}
/** The key of the parent: the last label off. The root's parent is the root. */
struct fl_span fl_rkey_parent(struct fl_span key);
/** Is every octet one that a canonical key may have, every label 1 to 63, the whole at most 254 and terminated? */
bool fl_rkey_valid(struct fl_span key);
/** From canonical text without a trailing dot ("" or "." is the root). No grammar beyond label and name length and the
 * canonical octets [a-z0-9_-]: false otherwise. */
bool fl_rkey_from_text(struct fl_span text, struct fl_rkey *out);
/** To text without a trailing dot; the root gives ".". out has room for FL_NAME_TEXT. Returns out. */
char *fl_rkey_to_text(struct fl_span key, char out[FL_NAME_TEXT]);
/** One uncompressed wire name off a packet: lower-cased. False on truncation, a pointer, a bad label type, over 255. */
bool fl_dname_read(struct fl_rd *r, struct fl_dname *out);
/** From presentation text, with \DDD and \X escapes (RFC 1035, 5.1), optional trailing dot; lower-cased. */
bool fl_dname_from_text(struct fl_span text, struct fl_dname *out);
/** To presentation text with a trailing dot; octets outside [!-~], and '.', '"', '\', ';', '(', ')', '@', '$', are escaped. */
char *fl_dname_to_text(const struct fl_dname *d, char out[FL_NAME_TEXT]);
