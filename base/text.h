/* Small text codecs: hex, base64, base32, decimal, edit distance, JSON string escaping. */
#pragma once
#include "base/span.h"

/** Lower-case hex and a terminator: 2n + 1 octets. */
char *fl_hex(const void *p, size_t n, char *out);
/** Exactly n octets from 2n hex digits; false otherwise. */
bool fl_unhex(struct fl_span hex, void *out, size_t n);
/** RFC 4648 section 4, padded. */
void fl_base64(struct fl_buf *out, struct fl_span in);
/** False on anything but padded base64 without white space. Appends to out. */
bool fl_unbase64(struct fl_buf *out, struct fl_span in);
/** RFC 4648 base32, lower case, of the 40 low bits of v: 8 characters and a terminator. */
char *fl_base32_40(uint64_t v, char out[9]);
bool fl_unbase32_40(struct fl_span in, uint64_t *v);
/** Digits only, no sign, no overflow. */
bool fl_u64_parse(struct fl_span s, uint64_t *out);
/** Damerau-Levenshtein distance (adjacent swaps count one), for "did you mean"; strings over 64 octets: SIZE_MAX. */
size_t fl_edit_distance(const char *a, const char *b);
/** The candidate nearest to word, or NULL when none is within 1 + length / 3. */
const char *fl_did_you_mean(const char *word, const char *const *candidates, size_t n);
/** Length of the UTF-8 sequence at s (RFC 3629); 0 when there is none. */
size_t fl_utf8_len(const uint8_t *s, size_t n);
/** A stranger's text for a terminal: control characters, also those that UTF-8 writes in two octets, and what is no UTF-8 become '?'; cut at a character's end to
 * cap - 1 octets, and terminated. Returns out. */
char *fl_printable(struct fl_span s, char *out, size_t cap);
/** A JSON string with its quotes (RFC 8259). Bytes that are not UTF-8 become U+FFFD, one each. */
void fl_json_string(struct fl_buf *out, struct fl_span s);
/** The same without quotes: a part of a string. */
void fl_json_text(struct fl_buf *out, struct fl_span s);
/** Percent-encoded, all but the unreserved octets (RFC 3986, 2.3). */
void fl_percent_encode(struct fl_buf *out, const char *s);
/** Glob with * and ? over the whole text, case-sensitive. */
bool fl_glob(const char *pattern, const char *text);
