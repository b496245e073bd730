/* Category words, as in configuration, exports and the log. A number that a later release wrote is kept as it stands. */
#include "model/entry.h"

static const char *const words[FL_CAT_COUNT] = {
	[FL_CAT_NONE] = "none",
	[FL_CAT_MALWARE] = "malware",
	[FL_CAT_PHISHING] = "phishing",
	[FL_CAT_C2] = "c2",
	[FL_CAT_SCAM] = "scam",
	[FL_CAT_CRYPTOMINING] = "cryptomining",
	[FL_CAT_SPYWARE] = "spyware",
	[FL_CAT_TRACKING] = "tracking",
	[FL_CAT_POLICY] = "policy",
};

const char *fl_category_word(enum fl_category c)
{
	return (unsigned)c < FL_CAT_COUNT ? words[c] : "other";
}

bool fl_category_parse(const char *s, enum fl_category *out)
{
	for (unsigned i = 0; i < FL_CAT_COUNT; i++) {
		if (strcmp(s, words[i]) == 0) {
			*out = (enum fl_category)i;
			return true;
		}
	}
	return false;
}
