/* A dnsmasq configuration (docs/formats/feeds.md): one option a line, '#' comments.
 *
 *   address=/a/b/ADDR   server=/a/b/ADDR   local=/a/b/
 *
 * Any number of names stand between the slashes, each for itself and what is below it. What follows the last slash says
 * whether they are blocked, sent somewhere, or (server=/x/#) left to the usual servers, which is an exception: as in
 * fireline, the longest name that fits decides. Other options say nothing about names. */
#include "feeds/reader.h"

enum verb { ADDRESS, SERVER };

static const struct option {
	const char *word;
	enum verb verb;
} options[] = { { "address", ADDRESS }, { "server", SERVER }, { "local", SERVER } };

/* What the value behind the names makes of them: a scope, or 0 and why not. */
static uint8_t value_judge(enum verb verb, struct fl_span value, enum fl_drop *why)
{
	enum fl__hosts_address address = fl__hosts_address(value);

	*why = FL_DROP_COUNT;
	if (value.n == 0 || address == FL__HOSTS_SINKHOLE)
		return FL_SCOPE_SUBTREE;
	if (fl_span_eqs(value, "#")) /* address: the null address; server: the usual servers */
		return verb == ADDRESS ? FL_SCOPE_SUBTREE : FL_SCOPE_EXCEPT_SUBTREE;
	/* a server may have a port, an interface and a source: whatever it is, questions are sent there */
	*why = address == FL__HOSTS_OTHER || (verb == SERVER && memchr(value.p, '.', value.n)) ||
			       (verb == SERVER && memchr(value.p, ':', value.n))
		       ? FL_DROP_MAPPING
		       : FL_DROP_SYNTAX;
	return 0;
}

/* One name between the slashes; *x narrows it to what is below, and a dot in front has no meaning (dnsmasq(8),
 * --server). */
static enum fl_drop name_judge(struct fl_span *name, uint8_t *scope)
{
	if (name->n == 0)
		return FL_DROP_NOT_APPLICABLE; /* names without a dot */
	if (fl_span_eqs(*name, "#"))
		return FL_DROP_PATTERN; /* every name there is */
	if (name->n > 2 && name->p[0] == '*' && name->p[1] == '.') {
		*name = fl_span(name->p + 2, name->n - 2);
		*scope &= FL_SCOPE_BELOW_BITS;
	} else if (name->n > 1 && name->p[0] == '.')
		*name = fl_span(name->p + 1, name->n - 1);
	return fl__token_judge(*name);
}

/* "a/b/" of "/a/b/VALUE". */
static int names_claim(struct fl__reader *r, struct fl__account *line, struct fl_span names, uint8_t all,
		       enum fl_drop value)
{
	int ret = 0;

	while (ret == 0 && names.n) {
		const uint8_t *slash = memchr(names.p, '/', names.n);
		struct fl_span name = fl_span(names.p, (size_t)(slash - names.p));
		uint8_t scope = all;
		enum fl_drop why = name_judge(&name, &scope);

		names = fl_span(slash + 1, names.n - (size_t)(slash + 1 - names.p));
		ret = fl__account_name(r, line, name, scope, why == FL_DROP_COUNT ? value : why);
	}
	return ret;
}

/* What stands behind "address=" and its kin. */
static int value_read(struct fl__reader *r, struct fl__account *line, enum verb verb, struct fl_span value)
{
	const uint8_t *last;
	enum fl_drop why;
	uint8_t scope;

	if (value.n == 0 || value.p[0] != '/') {
		fl__account_drop(line, verb == SERVER && value.n ? FL_DROP_NOT_APPLICABLE : FL_DROP_SYNTAX);
		return 0;
	}
	last = memrchr(value.p, '/', value.n);
	if (last == value.p) {
		fl__account_drop(line, FL_DROP_SYNTAX);
		return 0;
	}
	scope = value_judge(verb, fl_span(last + 1, value.n - (size_t)(last + 1 - value.p)), &why);
	return names_claim(r, line, fl_span(value.p + 1, (size_t)(last - value.p)), scope, why);
}

static bool is_option(struct fl_span word)
{
	for (size_t i = 0; i < word.n; i++)
		if (!(word.p[i] >= 'a' && word.p[i] <= 'z') && !(word.p[i] >= '0' && word.p[i] <= '9') &&
		    word.p[i] != '-')
			return false;
	return word.n > 1 && word.p[0] >= 'a';
}

static int option_read(struct fl__reader *r, struct fl__account *line, struct fl_span rest)
{
	const uint8_t *eq = memchr(rest.p, '=', rest.n);
	struct fl_span word = fl_span_trim(eq ? fl_span(rest.p, (size_t)(eq - rest.p)) : rest), value = { 0 }, more;

	if (eq)
		value = fl_span_trim(fl_span(eq + 1, rest.n - (size_t)(eq + 1 - rest.p)));
	for (size_t i = 0; eq && i < sizeof(options) / sizeof(*options); i++) {
		if (!fl_span_eqs(word, options[i].word))
			continue;
		rest = value;
		if (fl__token(&rest, &value) && fl__token(&rest, &more)) {
			fl__account_drop(line, FL_DROP_EXTRA_FIELDS);
			return 0;
		}
		return value_read(r, line, options[i].verb, value);
	}
	fl__account_drop(line, is_option(word) ? FL_DROP_NOT_APPLICABLE : FL_DROP_SYNTAX);
	return 0;
}

bool fl__dnsmasq_looks(struct fl_span text)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		size_t n = strlen(options[i].word);

		if (text.n > n + 1 && memcmp(text.p, options[i].word, n) == 0 && memcmp(text.p + n, "=/", 2) == 0)
			return true;
	}
	return false;
}

int fl__dnsmasq_read(struct fl__reader *r)
{
	return fl__account_lines(r, option_read);
}
