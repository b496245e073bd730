/* Fuzz entry: one text as a name, in every way a name is read. What is accepted is canonical, and its text is a fixed point. */
#include "normalize/normalize.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void accepted(const struct fl_names *names, const struct fl_rkey *key)
{
	char text[FL_NAME_TEXT], unicode[FL_NAME_TEXT];
	struct fl_span top;
	struct fl_rkey again;

	assert(fl_rkey_valid(fl_rkey_span(key)) && key->len);
	fl_rkey_to_text(fl_rkey_span(key), text);
	assert(fl_name_canon(names, fl_span_str(text), &again) == FL_DROP_COUNT);
	assert(fl_span_eq(fl_rkey_span(key), fl_rkey_span(&again)));
	if (fl_name_registrable(names, fl_rkey_span(key), &top))
		assert(top.n && fl_rkey_below_or_at(fl_rkey_span(key), top) && fl_rkey_valid(top));
	fl_name_unicode(names, fl_rkey_span(key), unicode, sizeof(unicode));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fl_names *names;
	struct fl_span text = fl_span(data, size);
	struct fl_rkey key;

	if (!names && fl_names_open(NULL, &names, NULL) < 0)
		abort();
	if (fl_name_canon(names, text, &key) == FL_DROP_COUNT)
		accepted(names, &key);
	if (fl_name_from_url(names, text, &key) == FL_DROP_COUNT)
		accepted(names, &key);
	for (uint8_t scope = 0; scope <= FL_SCOPE_ALL; scope++) {
		uint8_t s = scope;
		bool narrowed;

		if (scope && fl_name_claim(names, text, &s, &narrowed, &key) == FL_DROP_COUNT)
			assert(s && (s & ~scope) == 0 && narrowed == (s != scope));
		s = scope;
		if (fl_name_operator(names, text, &s, &key) == FL_DROP_COUNT)
			assert(s && fl_rkey_valid(fl_rkey_span(&key)));
	}
	return 0;
}
