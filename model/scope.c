/* Scope words (docs/formats/names.md): a text names the bits in a fixed order, so that one set of bits has one text. */
#include "model/scope.h"

#include "base/span.h"

static const struct {
	uint8_t bits;
	const char *word;
} words[] = {
	/* pairs before their halves: the first row whose bits are all there is taken */
	{ FL_SCOPE_SUBTREE, "subtree" },
	{ FL_SCOPE_EXACT, "exact" },
	{ FL_SCOPE_SUBDOMAINS, "subdomains" },
	{ FL_SCOPE_EXCEPT_SUBTREE, "except-subtree" },
	{ FL_SCOPE_EXCEPT_EXACT, "except-exact" },
	{ FL_SCOPE_EXCEPT_SUBDOMAINS, "except-subdomains" },
};
enum { WORDS = sizeof(words) / sizeof(words[0]) };

char *fl_scope_format(uint8_t scope, char out[FL_SCOPE_TEXT])
{
	uint8_t left = scope & FL_SCOPE_ALL;
	size_t n = 0;

	for (size_t i = 0; i < WORDS; i++) {
		size_t len = strlen(words[i].word);

		if ((left & words[i].bits) != words[i].bits)
			continue;
		left &= (uint8_t)~words[i].bits;
		if (n)
			out[n++] = '+';
		memcpy(out + n, words[i].word, len);
		n += len;
	}
	out[n] = '\0';
	if (n == 0)
		memcpy(out, "none", sizeof("none"));
	return out;
}

static uint8_t word_bits(struct fl_span w)
{
	for (size_t i = 0; i < WORDS; i++)
		if (fl_span_eqs(w, words[i].word))
			return words[i].bits;
	return 0;
}

bool fl_scope_parse(const char *s, uint8_t *out)
{
	uint8_t scope = 0;

	if (strcmp(s, "none") == 0) {
		*out = 0;
		return true;
	}
	for (;;) {
		const char *end = strchrnul(s, '+');
		uint8_t bits = word_bits(fl_span(s, (size_t)(end - s)));

		if (!bits || (scope & bits))
			return false;
		scope |= bits;
		if (!*end)
			break;
		s = end + 1;
	}
	*out = scope;
	return true;
}
