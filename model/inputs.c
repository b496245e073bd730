/* The inputs of a list version as text, one line each: what the store holds, scripts read and the chain covers
 * (docs/formats/version.md). One value has one text: no leading zeros, no upper case. */
#include "model/version_int.h"

#include <stdlib.h>

#include "base/text.h"

enum { FIELDS = 7 };

const char *fl_list_input_flags(const struct fl_list_input *in)
{
	return in->pinned && in->gone ? "pg" : in->pinned ? "p" : in->gone ? "g" : "-";
}

size_t fl__input_format(const struct fl_list_input *in, char out[FL__INPUT_LINE])
{
	char epoch[33], chain[65], digest[33];
	int n = snprintf(out, FL__INPUT_LINE, "%s %s %llu %s %s %llu %s\n", in->source, fl_hex(in->id.epoch.b, 16, epoch),
			 (unsigned long long)in->id.number, fl_hex(in->id.chain, 32, chain), fl_u128_format(in->digest, digest),
			 (unsigned long long)in->entries, fl_list_input_flags(in));

	return n < 0 ? 0 : (size_t)n;
}

static int by_source(const void *source, const void *input)
{
	return strcmp(source, ((const struct fl_list_input *)input)->source);
}

struct fl_list_input *fl_list_input_find(struct fl_list_input *v, uint32_t n, const char *source)
{
	return n ? bsearch(source, v, n, sizeof(*v), by_source) : NULL;
}

void fl_inputs_format(struct fl_buf *out, const struct fl_list_input *v, uint32_t n)
{
	char line[FL__INPUT_LINE];

	for (uint32_t i = 0; i < n; i++)
		fl_buf_add(out, line, fl__input_format(&v[i], line));
}

static bool input_valid(const struct fl_list_input *in)
{
	static const struct fl_u128 zero;

	if (!fl_set_name_valid(in->source) || !fl__version_id_valid(&in->id) || in->entries > INT64_MAX)
		return false;
	return in->id.number || (in->entries == 0 && fl_u128_eq(in->digest, zero));
}

bool fl__inputs_valid(const struct fl_list_input *v, uint32_t n)
{
	if (n > FL_INPUTS_MAX)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!input_valid(&v[i]) || (i && strcmp(v[i - 1].source, v[i].source) >= 0))
			return false;
	return true;
}

static bool flags_parse(struct fl_span s, struct fl_list_input *in)
{
	in->pinned = fl_span_eqs(s, "p") || fl_span_eqs(s, "pg");
	in->gone = fl_span_eqs(s, "g") || fl_span_eqs(s, "pg");
	return in->pinned || in->gone || fl_span_eqs(s, "-");
}

/* Exactly FIELDS words with one space between; false otherwise. */
static bool split(struct fl_span line, struct fl_span word[FIELDS])
{
	for (int i = 0; i < FIELDS; i++) {
		const uint8_t *sp = line.n ? memchr(line.p, ' ', line.n) : NULL;
		size_t n = sp ? (size_t)(sp - line.p) : line.n;

		if (n == 0 || (sp == NULL) != (i == FIELDS - 1))
			return false;
		word[i] = fl_span(line.p, n);
		line = sp ? fl_span(sp + 1, line.n - n - 1) : fl_span(NULL, 0);
	}
	return true;
}

static bool line_parse(struct fl_span line, struct fl_list_input *in)
{
	char again[FL__INPUT_LINE];
	struct fl_span w[FIELDS];
	size_t n;

	if (!split(line, w) || w[0].n >= FL_SET_NAME)
		return false;
	memcpy(in->source, w[0].p, w[0].n);
	if (!fl_unhex(w[1], in->id.epoch.b, 16) || !fl_u64_parse(w[2], &in->id.number) || !fl_unhex(w[3], in->id.chain, 32) ||
	    !fl_u128_parse(w[4], &in->digest) || !fl_u64_parse(w[5], &in->entries) || !flags_parse(w[6], in))
		return false;
	/* the one text of this value, and no other */
	n = fl__input_format(in, again);
	return n == line.n + 1 && memcmp(again, line.p, line.n) == 0;
}

int fl_inputs_parse(struct fl_span text, struct fl_arena *arena, struct fl_list_input **out, uint32_t *n, struct fl_err *err)
{
	struct fl_list_input *v;
	uint32_t lines = 0, i = 0;

	for (size_t k = 0; k < text.n; k++)
		lines += text.p[k] == '\n';
	if (lines > FL_INPUTS_MAX || (text.n && text.p[text.n - 1] != '\n'))
		return fl_err_set(err, FL_ECORRUPT, "inputs: more than %d lines, or the last is cut", FL_INPUTS_MAX);
	v = fl_arena_array(arena, lines, sizeof(*v));
	if (!v)
		return fl_err_set(err, FL_ENOMEM, "inputs: out of memory");
	for (; i < lines; i++) {
		const uint8_t *nl = memchr(text.p, '\n', text.n);
		size_t len = (size_t)(nl - text.p);

		if (!line_parse(fl_span(text.p, len), &v[i]))
			return fl_err_set(err, FL_ECORRUPT, "inputs: line %u is malformed", i + 1);
		text = fl_span(nl + 1, text.n - len - 1);
	}
	if (!fl__inputs_valid(v, lines))
		return fl_err_set(err, FL_ECORRUPT, "inputs: a value out of range, or sources out of order");
	*out = v;
	*n = lines;
	return 0;
}
