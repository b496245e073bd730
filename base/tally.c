#include "base/tally.h"

#include <string.h>

static const struct {
	const char *word, *text;
} rows[FL_DROP_COUNT] = {
#define FL_X(name, word, text) [name] = { word, text },
	FL_DROPS(FL_X)
#undef FL_X
};

const char *fl_drop_word(enum fl_drop d)
{
	return (unsigned)d < FL_DROP_COUNT ? rows[d].word : "unknown";
}

const char *fl_drop_text(enum fl_drop d)
{
	return (unsigned)d < FL_DROP_COUNT ? rows[d].text : "unknown";
}

uint64_t fl_tally_dropped(const struct fl_tally *t)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < FL_DROP_COUNT; i++)
		sum += t->dropped[i];
	return sum;
}
