/* Signatures of webhooks: HMAC-SHA256 over the octets of the body, in the headers that senders use. Pure. */
#include <string.h>

#include "admin/webhook_int.h"
#include "base/text.h"
#include "model/hmac.h"

size_t fl__signature_parse(const char *text, uint8_t out[FL__SIGNATURES][32])
{
	static const char scheme[] = "sha256=";
	size_t n = 0;

	if (strnlen(text, FL__SIGNATURE_TEXT + 1) > FL__SIGNATURE_TEXT)
		return 0;
	for (const char *at = text;;) {
		const char *end = at + strcspn(at, ",");
		struct fl_span one = fl_span_trim(fl_span(at, (size_t)(end - at)));

		if (n == FL__SIGNATURES || one.n != sizeof(scheme) - 1 + 64 || memcmp(one.p, scheme, sizeof(scheme) - 1) != 0 ||
		    !fl_unhex(fl_span(one.p + sizeof(scheme) - 1, 64), out[n], 32))
			return 0;
		n++;
		if (!*end)
			return n;
		at = end + 1;
	}
}

/* Digits, unix seconds. */
static bool in_time(const char *text, fl_unix_us now)
{
	uint64_t at;
	int64_t apart;

	if (!fl_u64_parse(fl_span_str(text), &at) || at > (uint64_t)INT64_MAX / (uint64_t)FL_US_PER_S)
		return false;
	apart = now / FL_US_PER_S - (int64_t)at;
	return apart <= FL_WEBHOOK_APART_S && -apart <= FL_WEBHOOK_APART_S;
}

/* All are compared, whichever is right. */
static bool one_fits(const char *text, const struct fl_span *secrets, size_t n_secrets, const struct fl_span *parts, size_t n_parts)
{
	uint8_t given[FL__SIGNATURES][32], want[FL_HMAC_OCTETS];
	size_t n = fl__signature_parse(text, given);
	bool right = false;

	for (size_t i = 0; n && i < n_secrets; i++) {
		if (!fl_hmac_sha256(secrets[i], parts, n_parts, want))
			continue;
		for (size_t k = 0; k < n; k++)
			right |= fl_secret_eq(given[k], want, sizeof(want));
	}
	return right;
}

bool fl__signature_right(const struct fl__signature_head *head, const struct fl_span *secrets, size_t n_secrets, struct fl_span body, fl_unix_us now)
{
	struct fl_span timed[] = { fl_span_str(head->timestamp), fl_span_str("."), body };

	if (head->timestamp) /* a time that is not signed would be anyone's: no other header is looked at */
		return head->fireline && in_time(head->timestamp, now) && one_fits(head->fireline, secrets, n_secrets, timed, 3);
	if (body.n && body.p[0] >= '0' && body.p[0] <= '9')
		return false; /* "SECONDS.BODY", recorded, and its time taken off: no document begins so */
	if (head->fireline)
		return one_fits(head->fireline, secrets, n_secrets, &body, 1);
	return head->hub && one_fits(head->hub, secrets, n_secrets, &body, 1);
}
