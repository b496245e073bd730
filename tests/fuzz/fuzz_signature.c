/* Fuzz entry: the head of a webhook's signature. Three lines (X-Fireline-Signature, X-Hub-Signature-256, X-Fireline-Timestamp; "-": none), then the body. What is read as a list of signatures is written
 * again and must be the same; a list that holds the right one is right, and without it nothing is. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/webhook_int.h"
#include "base/text.h"
#include "model/hmac.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW (INT64_C(1800000000) * FL_US_PER_S)

/* The next line as a text of its own; NULL: "-", or no more. */
static char *line(struct fl_span *in)
{
	const uint8_t *end = in->n ? memchr(in->p, '\n', in->n) : NULL;
	size_t n = end ? (size_t)(end - in->p) : in->n;
	char *text = malloc(n + 1);

	if (n)
		memcpy(text, in->p, n);
	text[n] = '\0';
	*in = fl_span(in->p + n + (end != NULL), in->n - n - (end != NULL));
	if (strcmp(text, "-") != 0)
		return text;
	free(text);
	return NULL;
}

static void parse_again(const char *text)
{
	uint8_t one[FL__SIGNATURES][32], two[FL__SIGNATURES][32];
	char again[FL__SIGNATURES * 80] = "", hex[65];
	size_t n = fl__signature_parse(text, one), at = 0;

	assert(n <= FL__SIGNATURES);
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(again + at, sizeof(again) - at, "%ssha256=%s", i ? "," : "", fl_hex(one[i], 32, hex));
	if (n)
		assert(fl__signature_parse(again, two) == n && memcmp(one, two, n * 32) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fl_span secrets[] = { { (const uint8_t *)"fuzz-secret-number-one", 22 }, { (const uint8_t *)"fuzz-secret-number-two", 22 } };
	struct fl_span rest = fl_span(data, size);
	char *fireline = line(&rest), *hub = line(&rest), *timestamp = line(&rest);
	struct fl__signature_head h = { fireline, hub, timestamp };
	char right[80], hex[65];
	uint8_t mac[32];

	if (fireline)
		parse_again(fireline);
	if (hub)
		parse_again(hub);
	fl__signature_right(&h, secrets, 2, rest, NOW);
	assert(!fl__signature_right(&h, secrets, 0, rest, NOW));
	fl_hmac_sha256(secrets[1], &rest, 1, mac);
	snprintf(right, sizeof(right), "sha256=%s", fl_hex(mac, 32, hex));
	h = (struct fl__signature_head){ right, hub, NULL };
	/* without a time no body begins with a digit: it could be one with its time taken off */
	assert(fl__signature_right(&h, secrets, 2, rest, NOW) == !(rest.n && rest.p[0] >= '0' && rest.p[0] <= '9'));
	assert(!fl__signature_right(&h, secrets, 1, rest, NOW));
	free(fireline);
	free(hub);
	free(timestamp);
	return 0;
}
