/* The public feeds that fireline knows by name: where each is, what its bytes mean, how often its provider wishes to be asked, and under which terms. A preset
 * is a definition and nothing more: no feed is fetched that a configuration does not name. Start reading at catalog.c: the table. */
#pragma once
#include "feeds/feeds.h"
#include "model/entry.h"

/* What a provider asks of those who use its list. May it be offered to everybody, unasked? */
#define FL_TERMS(X)                                                                                    \
	X(FL_TERMS_FREE, "free", true, "any use")                                                      \
	X(FL_TERMS_CREDIT, "credit", true, "any use; the provider is to be named")                     \
	X(FL_TERMS_COPYLEFT, "copyleft", false, "any use; what is passed on keeps the licence")        \
	X(FL_TERMS_NON_COMMERCIAL, "non-commercial", false, "no commercial use")                       \
	X(FL_TERMS_KEY, "key", false, "a key of one's own, under the provider's terms of use")         \
	X(FL_TERMS_UNCLEAR, "unclear", false, "nothing plain is said; ask the provider")
enum fl_terms {
#define FL_X(name, word, unasked, text) name,
	FL_TERMS(FL_X)
#undef FL_X
	FL_TERMS_COUNT
};
const char *fl_terms_word(enum fl_terms t);
const char *fl_terms_text(enum fl_terms t);
/** May a feed with these terms be on by default? */
bool fl_terms_allow_default(enum fl_terms t);

/* Stands in the URL of a provider that wants its key there; the operator puts the key in its place. */
#define FL_PRESET_KEY "KEY"

struct fl_preset {
	const char *name;     /* as in feeds[].preset */
	const char *title;    /* one line */
	const char *url;
	const char *format;   /* a word of FL_FORMATS, or of a format that a later build reads */
	uint8_t scope;	      /* FL_SCOPE_*: what a bare name speaks for; 0: the format says it */
	enum fl_category category;
	enum fl_terms terms;
	uint32_t every_s;     /* more often is impolite */
	uint32_t min_names;   /* fewer is a broken download */
	bool on;	      /* free to use, of threats only, small and steady: fit for everybody */
	const char *licence, *homepage;
};

/** Row i, in order of name; NULL past the end. */
const struct fl_preset *fl_preset_at(size_t i);
const struct fl_preset *fl_preset_find(const char *name);
/** The preset with exactly this URL, or NULL. */
const struct fl_preset *fl_preset_of_url(const char *url);
/** Its format in this build; false: this build does not read it. */
bool fl_preset_format(const struct fl_preset *p, enum fl_format *out);
/** Its interval as in feeds[].every: "12h". */
const char *fl_preset_every(const struct fl_preset *p, char out[16]);
/** Must the operator put a key into the URL? */
bool fl_preset_keyed_url(const struct fl_preset *p);
