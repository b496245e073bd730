/* A line is words; a word in quotes is a text, with \n, \" and \\; `#` begins a comment; what stands behind `->` is expected. */
#include <stdarg.h>
#include <string.h>

#include "scenario.h"

/* One word at *p into *at; false: a quote that does not end. */
static bool take(const char **p, char **at, struct scn_word *w)
{
	w->text = *at;
	w->quoted = **p == '"';
	if (!w->quoted) {
		while (**p && **p != ' ' && **p != '\t')
			*(*at)++ = *(*p)++;
	} else {
		for ((*p)++; **p != '"'; (*p)++) {
			if (**p == '\0')
				return false;
			bool escaped = **p == '\\' && (*p)[1];

			*p += escaped;
			*(*at)++ = escaped && **p == 'n' ? '\n' : **p;
		}
		(*p)++;
	}
	*(*at)++ = '\0';
	return true;
}

const char *scn_line_parse(struct scn_line *l, const char *text)
{
	const char *p = text;
	char *at = l->store;

	l->n = l->n_want = 0;
	l->arrow = false;
	if (strlen(text) >= sizeof(l->source) / 2)
		return "the line is too long";
	snprintf(l->source, sizeof(l->source), "%s", text);
	for (;;) {
		struct scn_word w;

		p += strspn(p, " \t");
		if (*p == '\0' || *p == '#')
			return NULL;
		if (!take(&p, &at, &w))
			return "a quote does not end";
		if (!w.quoted && strcmp(w.text, "->") == 0) {
			if (l->arrow)
				return "two arrows";
			l->arrow = true;
		} else if ((l->arrow ? l->n_want : l->n) == SCN_WORDS)
			return "too many words";
		else if (l->arrow)
			l->want[l->n_want++] = w;
		else
			l->v[l->n++] = w;
	}
}

const char *scn_option(const struct scn_line *l, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 1; i < l->n; i++)
		if (!l->v[i].quoted && strncmp(l->v[i].text, key, n) == 0 && l->v[i].text[n] == '=')
			return l->v[i].text + n + 1;
	return NULL;
}

const char *scn_after(const struct scn_line *l, const char *word)
{
	for (size_t i = 1; i + 1 < l->n; i++)
		if (!l->v[i].quoted && strcmp(l->v[i].text, word) == 0)
			return l->v[i + 1].text;
	return NULL;
}

bool scn_has(const struct scn_line *l, const char *word)
{
	for (size_t i = 1; i < l->n; i++)
		if (!l->v[i].quoted && strcmp(l->v[i].text, word) == 0)
			return true;
	return false;
}

const char *scn_word(const struct scn_line *l, size_t at)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].quoted && !strchr(l->v[i].text, '=') && at-- == 0)
			return l->v[i].text;
	return NULL;
}

void scn_put(struct scn_result *r, const char *key, const char *fmt, ...)
{
	va_list ap;

	if (r->n == SCN_VALUES)
		abort();
	snprintf(r->v[r->n].key, sizeof(r->v[r->n].key), "%s", key);
	va_start(ap, fmt);
	vsnprintf(r->v[r->n].value, sizeof(r->v[r->n].value), fmt, ap);
	va_end(ap);
	r->n++;
}

static bool has_value(const struct scn_result *r, const char *pair)
{
	size_t n = strcspn(pair, "=");

	for (size_t i = 0; i < r->n; i++)
		if (strncmp(r->v[i].key, pair, n) == 0 && r->v[i].key[n] == '\0' && strcmp(r->v[i].value, pair + n + 1) == 0)
			return true;
	return false;
}

bool scn_matches(const struct scn_result *r, const struct scn_word *want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *w = want[i].text;
		bool ok = want[i].quoted ? strstr(r->text, w) != NULL : strchr(w, '=') ? has_value(r, w) : strcmp(r->word, w) == 0;

		if (!ok)
			return false;
	}
	return true;
}

void scn_result_format(const struct scn_result *r, struct fl_buf *out)
{
	fl_buf_str(out, r->word);
	for (size_t i = 0; i < r->n; i++)
		fl_buf_printf(out, " %s=%s", r->v[i].key, r->v[i].value);
	if (r->text[0])
		fl_buf_printf(out, " \"%s\"", r->text);
}
