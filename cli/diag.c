#include "cli/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "feeds/catalog.h"

enum { WINDOW = 140, LEAD = 60, TEXT_MAX = 600 };

/* The line's octets, without its end. */
static struct fl_span line_of(struct fl_span text, uint32_t line)
{
	const uint8_t *p = text.p, *end = text.p + text.n, *nl;

	for (; line > 1 && p < end; line--) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			return fl_span(NULL, 0);
		p = nl + 1;
	}
	nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	if (!nl)
		nl = end;
	if (nl > p && nl[-1] == '\r')
		nl--;
	return fl_span(p, (size_t)(nl - p));
}

static bool continues(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/* Octets of the first n characters. */
static size_t characters(struct fl_span s, size_t n)
{
	size_t i = 0;

	while (i < s.n && n--) {
		i++;
		while (i < s.n && continues(s.p[i]))
			i++;
	}
	return i;
}

/* --- secrets ---
 * A diagnostic goes to logs and bug reports. Of every URL in it the user and password, and the values of the query, become '*', a character for a character; a bad URL is taken for more of a secret
 * than it may be. */

/* Where a URL ends: at the quote that stands before its scheme, else with the plain text, which a comma and a blank end, or a comment. */
static size_t url_end(const char *s, size_t n, size_t colon, size_t from)
{
	size_t scheme = colon;
	char quote;

	while (scheme && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-", s[scheme - 1]))
		scheme--;
	quote = scheme && (s[scheme - 1] == '"' || s[scheme - 1] == '\'') ? s[scheme - 1] : ' ';
	for (size_t i = from; i < n; i++) {
		if (quote == ' ' && s[i] == ' ' && (s[i - 1] == ',' || (i + 1 < n && s[i + 1] == '#')))
			return i;
		if (quote != ' ' && s[i] == quote && (i + 1 == n || strchr(" ,}];:.", s[i + 1])))
			return i;
	}
	return n;
}

/* Octets that go on a character become NUL: they leave at the end. */
static void star(char *s, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		s[i] = continues((uint8_t)s[i]) ? '\0' : '*';
}

static void mask_user(char *s, size_t from, size_t end)
{
	size_t host_end = from, colon, last = end;

	while (host_end < end && !strchr("/?# ", s[host_end]))
		host_end++;
	colon = s[from] == '[' ? host_end : from;
	while (colon < host_end && s[colon] != ':' && s[colon] != '@')
		colon++;
	while (last > from && s[last - 1] != '@')
		last--;
	if (colon == host_end)
		return;
	if (last > from)
		star(s, from, last - 1);
	else if (strspn(s + colon + 1, "0123456789") < host_end - colon - 1) /* no port: a password, cut off before its end */
		star(s, from, host_end);
}

static void mask_query(char *s, size_t from, size_t end)
{
	const char *mark = memchr(s + from, '?', end - from);

	for (size_t at = mark ? (size_t)(mark - s) + 1 : end, to; at < end; at = to + 1) {
		const char *amp = memchr(s + at, '&', end - at), *eq;

		to = amp ? (size_t)(amp - s) : end;
		eq = memchr(s + at, '=', to - at);
		at = eq ? (size_t)(eq - s) + 1 : at;
		if (to - at != strlen(FL_PRESET_KEY) || memcmp(s + at, FL_PRESET_KEY, to - at) != 0)
			star(s, at, to);
	}
}

/* In place; s has no NUL among its n octets. */
static size_t mask_urls(char *s, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; i++) {
		size_t from = i + (strncmp(s + i, "://", 3) == 0 ? 3 : strncmp(s + i, ":\\/\\/", 5) == 0 ? 5 : 0); /* a slash may be escaped between quotes */

		if (from > i && from < n) {
			size_t end = url_end(s, n, i, from);

			mask_user(s, from, end);
			mask_query(s, from, end);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (s[i])
			s[to++] = s[i];
	s[to] = '\0';
	return to;
}

static const char *masked(struct fl_arena *a, const char *text)
{
	char *copy = fl_arena_str(a, text);

	if (copy)
		mask_urls(copy, strlen(copy));
	return copy;
}

/* A window of the line around the column, tabs and controls as spaces. */
static void source_of(struct fl_diag *d, const struct fl_diag_place *at, struct fl_diag_item *item)
{
	struct fl_span line = line_of(at->text, at->line);
	uint32_t column = at->column ? at->column : 1, from = 0;
	size_t start, n;
	char *copy = line.n ? fl_arena_strn(&d->arena, (const char *)line.p, line.n) : NULL;

	if (!copy)
		return;
	for (size_t i = 0; i < line.n; i++)
		if ((uint8_t)copy[i] < 0x20 || copy[i] == 0x7f)
			copy[i] = ' ';
	line = fl_span(copy, mask_urls(copy, line.n)); /* before it is cut: what tells a secret may be left of the window */
	if (column > WINDOW - 20)
		from = column - LEAD;
	start = characters(line, from);
	line = fl_span(line.p + start, line.n - start);
	n = characters(line, WINDOW);
	copy += start;
	copy[n] = '\0';
	item->source = copy;
	item->source_column = column - from;
}

void fl_diag_add(struct fl_diag *d, bool warning, const struct fl_diag_place *at, const char *hint, const char *fmt, ...)
{
	struct fl_diag_item *item;
	char text[TEXT_MAX];
	va_list ap;

	if (warning)
		d->warnings++;
	else
		d->errors++;
	if (d->n == FL_DIAG_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	item = &d->v[d->n++];
	*item = (struct fl_diag_item){ .warning = warning, .line = at->line, .column = at->column, .width = at->width };
	item->file = fl_arena_str(&d->arena, at->file);
	item->text = masked(&d->arena, text);
	item->hint = masked(&d->arena, hint);
	if (at->line)
		source_of(d, at, item);
}

void fl_diag_sort(struct fl_diag *d)
{
	for (size_t i = 1; i < d->n; i++) {
		struct fl_diag_item x = d->v[i];
		size_t j = i;

		while (j > 0 && x.file && d->v[j - 1].file && strcmp(x.file, d->v[j - 1].file) == 0 &&
		       (x.line < d->v[j - 1].line || (x.line == d->v[j - 1].line && x.column < d->v[j - 1].column))) {
			d->v[j] = d->v[j - 1];
			j--;
		}
		d->v[j] = x;
	}
}

static void format_caret(const struct fl_diag_item *item, struct fl_buf *out)
{
	size_t left = strlen(item->source), width = item->width;

	fl_buf_printf(out, "    %s\n    ", item->source);
	for (uint32_t i = 1; i < item->source_column; i++)
		fl_buf_u8(out, ' ');
	fl_buf_u8(out, '^');
	for (size_t i = 1; i < width && item->source_column + i <= left; i++)
		fl_buf_u8(out, '~');
	fl_buf_u8(out, '\n');
}

void fl_diag_format(const struct fl_diag *d, struct fl_buf *out)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct fl_diag_item *item = &d->v[i];

		fl_buf_str(out, item->file && item->file[0] ? item->file : "configuration");
		if (item->line)
			fl_buf_printf(out, ":%u:%u", item->line, item->column);
		fl_buf_printf(out, ": %s: %s\n", item->warning ? "warning" : "error", item->text ? item->text : "out of memory");
		if (item->source)
			format_caret(item, out);
		if (item->hint)
			fl_buf_printf(out, "  %s\n", item->hint);
	}
	if (d->errors + d->warnings > d->n)
		fl_buf_printf(out, "... and %zu more\n", d->errors + d->warnings - d->n);
}

void fl_diag_print(const struct fl_diag *d, FILE *f)
{
	struct fl_buf out = { 0 };

	fl_diag_format(d, &out);
	if (out.n)
		fwrite(out.p, 1, out.n, f);
	fl_buf_done(&out);
}

void fl_diag_done(struct fl_diag *d)
{
	fl_arena_done(&d->arena);
	memset(d, 0, sizeof(*d));
}
