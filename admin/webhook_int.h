/* Private to admin/: the parts of the webhook listener that need no socket. */
#pragma once
#include "admin/webhook.h"

/* --- signature.c --- */

/* What of a request's head speaks of its signature; NULL: no such header. */
struct fl__signature_head {
	const char *fireline;  /* X-Fireline-Signature */
	const char *hub;       /* X-Hub-Signature-256 */
	const char *timestamp; /* X-Fireline-Timestamp */
};
enum { FL__SIGNATURES = 4, FL__SIGNATURE_TEXT = 512 };
/** "sha256=HEX", or several with commas between them (a sender that changes its secret): how many; 0: not one, or the text is no such list. */
size_t fl__signature_parse(const char *text, uint8_t out[FL__SIGNATURES][32]);
/** Is the body signed by one of the secrets? With a timestamp "TIMESTAMP.BODY" is what was signed, and it must be within FL_WEBHOOK_APART_S of now. */
bool fl__signature_right(const struct fl__signature_head *head, const struct fl_span *secrets, size_t n_secrets, struct fl_span body, fl_unix_us now);

/* --- limit.c --- */

/* Token buckets by address: as many at once as a second gives. Bounded: of 4096 that are known the one nearest to full is forgotten first, which forgives it least. Not thread-safe. */
struct fl__limit;
struct fl__limit *fl__limit_new(uint32_t a_second);
void fl__limit_free(struct fl__limit *l);
/** key: an address. 0: it may; else in so many seconds. */
unsigned fl__limit_take(struct fl__limit *l, const uint8_t key[16], fl_mono_ns now);
