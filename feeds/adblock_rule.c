/* One line of an adblock filter, as far as it speaks of DNS names (docs/formats/feeds.md):
 *
 *   [@@] PATTERN [$modifier,modifier=value,...]
 *
 *   ||x^  ||x^|    x and below        ||*.x^   below x
 *   |x^   |x|      x itself           x        x itself (or what the feed's definition says)
 *
 * Everything else (no ^ at the end, an inner star, /regex/) is a pattern, and paths, schemes and cosmetic rules say nothing
 * about names: counted, never guessed. Start at fl__adblock_rule(). */
#include "feeds/reader.h"

enum modifier { MOD_IMPORTANT, MOD_BADFILTER, MOD_DENYALLOW, MOD_DNSREWRITE, MOD_WHOLE_SITE, MOD_OTHER };

/* A rule with any other modifier is about some clients, some record types or some page requests: not about a name. */
static const struct {
	const char *word;
	enum modifier m;
} modifiers[] = {
	{ "important", MOD_IMPORTANT }, { "badfilter", MOD_BADFILTER }, { "denyallow", MOD_DENYALLOW },
	{ "dnsrewrite", MOD_DNSREWRITE }, { "all", MOD_WHOLE_SITE },	  { "document", MOD_WHOLE_SITE },
	{ "doc", MOD_WHOLE_SITE },	  { "popup", MOD_WHOLE_SITE },
};
/* Rewrites that amount to a block. */
static const char *const null_answers[] = { "nxdomain",		"refused",	   "nxdomain;;", "refused;;", "0.0.0.0", "::",
					    "noerror;a;0.0.0.0", "noerror;aaaa;::" };
static const char *const cosmetic_marks[] = { "##", "#@#", "#?#", "#$#", "#%#", "#@?#", "#@$#" };

static bool has(struct fl_span s, const char *word)
{
	return s.n && memmem(s.p, s.n, word, strlen(word));
}

static bool starts(struct fl_span s, const char *word)
{
	size_t n = strlen(word);

	return s.n >= n && memcmp(s.p, word, n) == 0;
}

static bool eq_ci(struct fl_span s, const char *word)
{
	return s.n == strlen(word) && strncasecmp((const char *)s.p, word, s.n) == 0;
}

static struct fl_span skip(struct fl_span s, size_t n)
{
	return fl_span(s.p + n, s.n - n);
}

static bool is_cosmetic(struct fl_span s)
{
	if (s.n > 1 && s.p[0] == '#' && s.p[1] == ' ')
		return false;
	for (size_t i = 0; i < sizeof(cosmetic_marks) / sizeof(*cosmetic_marks); i++)
		if (has(s, cosmetic_marks[i]))
			return true;
	return false;
}

bool fl__adblock_looks(struct fl_span s)
{
	return starts(s, "|") || starts(s, "@@") || has(s, "^") || is_cosmetic(s);
}

/* FNV-1a in lower case, with a last mix so that sums of such hashes stay apart. */
static uint64_t text_hash(struct fl_span s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 32u : s.p[i])) * UINT64_C(0x100000001b3);
	h = (h ^ (h >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ (h >> 29);
}

static enum modifier modifier_find(struct fl_span word)
{
	for (size_t i = 0; i < sizeof(modifiers) / sizeof(*modifiers); i++)
		if (eq_ci(word, modifiers[i].word))
			return modifiers[i].m;
	return MOD_OTHER;
}

static bool is_null_answer(struct fl_span value)
{
	for (size_t i = 0; i < sizeof(null_answers) / sizeof(*null_answers); i++)
		if (eq_ci(value, null_answers[i]))
			return true;
	return false;
}

/* One modifier into the rule; FL_DROP_COUNT, or why the rule is none of ours. */
static enum fl_drop modifier_take(struct fl_span word, struct fl_span value, struct fl__rule *out)
{
	switch (modifier_find(word)) {
	case MOD_IMPORTANT:
		out->important = true;
		return FL_DROP_COUNT;
	case MOD_BADFILTER:
		out->badfilter = true;
		return FL_DROP_COUNT;
	case MOD_DENYALLOW:
		out->denyallow = value;
		return FL_DROP_COUNT;
	case MOD_DNSREWRITE:
		if (out->exception)
			return FL_DROP_NOT_APPLICABLE; /* takes a rewrite away, not a block */
		return is_null_answer(value) ? FL_DROP_COUNT : FL_DROP_MAPPING;
	case MOD_WHOLE_SITE:
		return out->exception ? FL_DROP_NOT_APPLICABLE : FL_DROP_COUNT;
	default:
		return FL_DROP_NOT_APPLICABLE;
	}
}

/* All of them, whatever one says: badfilter may stand last, and identity wants the whole set. */
static enum fl_drop modifiers_take(struct fl_span s, struct fl__rule *out)
{
	enum fl_drop why = FL_DROP_COUNT;

	while (s.n) {
		const uint8_t *comma = memchr(s.p, ',', s.n), *eq;
		struct fl_span one = fl_span_trim(fl_span(s.p, comma ? (size_t)(comma - s.p) : s.n));
		struct fl_span word = one, value = { 0 };
		enum fl_drop said;

		s = comma ? skip(s, (size_t)(comma - s.p) + 1) : fl_span(NULL, 0);
		eq = one.n ? memchr(one.p, '=', one.n) : NULL;
		if (eq) {
			word = fl_span(one.p, (size_t)(eq - one.p));
			value = skip(one, word.n + 1);
		}
		said = modifier_take(word, value, out);
		if (why == FL_DROP_COUNT)
			why = said;
		if (modifier_find(word) != MOD_BADFILTER)
			out->identity += text_hash(one);
	}
	return why;
}

/* The part between the anchors; false when the pattern is not a whole name. */
static bool pattern_name(struct fl_span p, uint8_t bare, struct fl__rule *out)
{
	bool end = p.n && p.p[p.n - 1] == '|', caret;
	unsigned anchor = starts(p, "||") ? 2 : starts(p, "|") ? 1 : 0;

	if (end && p.n > anchor)
		p.n--;
	caret = p.n > anchor && p.p[p.n - 1] == '^';
	if (caret)
		p.n--;
	p = skip(p, anchor < p.n ? anchor : p.n);
	out->scope = anchor == 2 ? FL_SCOPE_SUBTREE : anchor == 1 ? FL_SCOPE_EXACT : bare;
	if (anchor == 2 && starts(p, "*.")) {
		p = skip(p, 2);
		out->scope = FL_SCOPE_SUBDOMAINS;
	}
	out->name = p;
	if (anchor == 2 && !caret)
		return false;
	if (anchor == 1 && !caret && !end)
		return false;
	if (anchor == 0 && (caret || end))
		return false;
	return p.n && p.p[0] != '.' && p.p[p.n - 1] != '.';
}

static enum fl_drop pattern_take(struct fl_span p, uint8_t bare, struct fl__rule *out)
{
	bool whole = pattern_name(p, bare, out);
	enum fl_drop why;

	if (p.n && memchr(p.p, '/', p.n))
		return fl__token_judge(p) == FL_DROP_ADDRESS ? FL_DROP_ADDRESS : FL_DROP_NOT_APPLICABLE;
	why = fl__token_judge(out->name);
	if (why != FL_DROP_COUNT)
		return why;
	return whole ? FL_DROP_COUNT : FL_DROP_PATTERN;
}

/* A '/' first: a regular expression when another one closes it, else a path. */
static enum fl_drop slash_first(struct fl_span s)
{
	return s.n > 1 && memchr(s.p + 1, '/', s.n - 1) ? FL_DROP_PATTERN : FL_DROP_NOT_APPLICABLE;
}

enum fl_drop fl__adblock_rule(struct fl_span text, uint8_t bare, struct fl__rule *out)
{
	struct fl_span rest, tok, more, pattern;
	const uint8_t *dollar;
	enum fl_drop mods = FL_DROP_COUNT, why;

	*out = (struct fl__rule){ 0 };
	if (text.n == 0 || text.p[0] == '!' || (text.p[0] == '[' && text.p[text.n - 1] == ']'))
		return FL_DROP_COMMENT;
	if (text.n > FL__LINE_MAX)
		return FL_DROP_LINE_TOO_LONG;
	if (is_cosmetic(text))
		return FL_DROP_NOT_APPLICABLE;
	rest = fl__comment_off(text);
	if (!fl__token(&rest, &tok))
		return FL_DROP_COMMENT;
	if (fl__token(&rest, &more))
		return FL_DROP_EXTRA_FIELDS;
	out->exception = starts(tok, "@@");
	pattern = out->exception ? skip(tok, 2) : tok;
	if (starts(pattern, "/"))
		return slash_first(pattern);
	dollar = pattern.n ? memchr(pattern.p, '$', pattern.n) : NULL;
	if (dollar) {
		size_t n = (size_t)(dollar - pattern.p);

		mods = modifiers_take(skip(pattern, n + 1), out);
		pattern.n = n;
	}
	out->identity += text_hash(pattern) ^ (out->exception ? UINT64_C(0xa5a5a5a5a5a5a5a5) : 0);
	if (out->badfilter)
		return FL_DROP_DISABLED;
	why = pattern_take(pattern, bare ? bare : FL_SCOPE_EXACT, out);
	return mods != FL_DROP_COUNT && why == FL_DROP_COUNT ? mods : why;
}
