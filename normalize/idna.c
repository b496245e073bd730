/* Names with characters outside ASCII: UTS 46, non-transitional, by ICU. The bidi and joiner checks are on; ICU's three
 * errors about hyphens are not ours (DNS serves r3---sn-x), and lengths and empty labels are judged by our own grammar. */
#include "normalize/names.h"

#include <unicode/uidna.h>
#include <unicode/utf8.h>

enum {
	HYPHENS = UIDNA_ERROR_LEADING_HYPHEN | UIDNA_ERROR_TRAILING_HYPHEN | UIDNA_ERROR_HYPHEN_3_4,
	LENGTHS = UIDNA_ERROR_EMPTY_LABEL | UIDNA_ERROR_LABEL_TOO_LONG | UIDNA_ERROR_DOMAIN_NAME_TOO_LONG,
	UTF8_MAX = 4096,
};

struct fl__idna {
	UIDNA *icu;
};

struct fl__idna *fl__idna_open(void)
{
	const uint32_t options = UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ | UIDNA_NONTRANSITIONAL_TO_ASCII |
				 UIDNA_NONTRANSITIONAL_TO_UNICODE;
	struct fl__idna *h = calloc(1, sizeof(*h));
	UErrorCode code = U_ZERO_ERROR;

	if (!h)
		return NULL;
	h->icu = uidna_openUTS46(options, &code);
	if (U_FAILURE(code)) {
		free(h);
		return NULL;
	}
	return h;
}

void fl__idna_close(struct fl__idna *h)
{
	if (h)
		uidna_close(h->icu);
	free(h);
}

static bool utf8_valid(struct fl_span s)
{
	size_t i = 0;

	while (i < s.n) {
		UChar32 c;

		U8_NEXT(s.p, i, s.n, c);
		if (c < 0)
			return false;
	}
	return true;
}

enum fl_drop fl__idna_to_ascii(const struct fl__idna *h, struct fl_span utf8, char *out, size_t cap, size_t *n)
{
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UErrorCode code = U_ZERO_ERROR;
	int32_t len;

	if (utf8.n > UTF8_MAX)
		return FL_DROP_TOO_LONG;
	if (!utf8_valid(utf8))
		return FL_DROP_NOT_UTF8;
	len = uidna_nameToASCII_UTF8(h->icu, (const char *)utf8.p, (int32_t)utf8.n, out, (int32_t)cap, &info, &code);
	if (code == U_BUFFER_OVERFLOW_ERROR)
		return FL_DROP_TOO_LONG;
	if (U_FAILURE(code) || (info.errors & ~(uint32_t)(HYPHENS | LENGTHS)))
		return FL_DROP_BAD_IDNA;
	*n = (size_t)len;
	return FL_DROP_COUNT;
}

bool fl__idna_to_unicode(const struct fl__idna *h, const char *ascii, char *out, size_t cap)
{
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UErrorCode code = U_ZERO_ERROR;
	int32_t len = uidna_nameToUnicodeUTF8(h->icu, ascii, (int32_t)strlen(ascii), out, (int32_t)cap, &info, &code);

	if (U_FAILURE(code) || len < 0 || (size_t)len >= cap || (info.errors & ~(uint32_t)HYPHENS))
		return false;
	out[len] = '\0';
	return strcmp(ascii, out) != 0;
}
