/* Documents in a stream (docs/formats/findings.md). One look at each octet: how deep it is nested, whether it is within a text, and what stood last. Whether a document is
 * JSON is not asked here; only so much that a broken one does not swallow those behind it. Start at fl_finding_split_push(). */
#include "feeds/feeds.h"

enum { KNOWN_DEPTH = sizeof(((struct fl_finding_split *)0)->open) };

static int keep(struct fl_finding_split *s, struct fl_span part)
{
	if (s->too_long || part.n > FL_FINDING_DOCUMENT_MAX - s->buf.n) {
		s->too_long = true;
		fl_buf_reset(&s->buf);
		return 0;
	}
	fl_buf_add(&s->buf, part.p, part.n);
	return s->buf.failed ? FL_ENOMEM : 0;
}

/* Gives what is held, if there is anything, and begins anew. */
static int give(struct fl_finding_split *s)
{
	struct fl_finding_document d = { .number = s->number + 1, .too_long = s->too_long };
	int ret = 0;

	if (s->last) {
		d.text = s->too_long ? fl_span("", 0) : fl_buf_span(&s->buf);
		s->number++;
		ret = s->sink(s->ctx, &d);
	}
	fl_buf_reset(&s->buf);
	s->depth = 0;
	s->last = 0;
	s->in_string = s->escaped = s->too_long = false;
	return ret;
}

/* May a value stand here? Deeper than is known, it may. */
static bool value_fits(const struct fl_finding_split *s)
{
	if (s->depth > KNOWN_DEPTH || s->last == ':')
		return true;
	return s->open[s->depth - 1] == '[' && (s->last == '[' || s->last == ',');
}

/* Does an object that begins here belong to the next document? */
static bool begins_next(const struct fl_finding_split *s)
{
	if (s->in_string || !s->last)
		return false;
	return s->depth ? !s->mid_line && !value_fits(s) : s->last == '}';
}

static void in_text(struct fl_finding_split *s, char c)
{
	if (s->escaped)
		s->escaped = false;
	else if (c == '\\')
		s->escaped = true;
	else if (c == '"')
		s->in_string = false;
}

static void outside_text(struct fl_finding_split *s, char c)
{
	switch (c) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return;
	case '{':
	case '[':
		if (s->depth < KNOWN_DEPTH)
			s->open[s->depth] = c;
		s->depth++;
		break;
	case '}':
	case ']':
		s->depth -= s->depth > 0;
		break;
	case '"':
		s->in_string = true;
		break;
	default:
		break;
	}
	s->last = c;
}

int fl_finding_split_push(struct fl_finding_split *s, struct fl_span chunk)
{
	size_t from = 0;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < chunk.n; i++) {
		char c = (char)chunk.p[i];
		bool ends = c == '\n' && (s->in_string || s->depth == 0);

		if (s->skipping && (s->mid_line || (c != '{' && c != '['))) {
			s->mid_line = c != '\n';
			from = i + 1;
			continue;
		}
		s->skipping = false;
		if (c == '{' && begins_next(s)) {
			ret = keep(s, fl_span(chunk.p + from, i - from));
			if (ret == 0)
				ret = give(s);
			from = i;
		}
		s->mid_line = c != '\n';
		if (ends) {
			s->skipping = s->in_string && s->depth > 0; /* the rest of it */
			if (ret == 0)
				ret = keep(s, fl_span(chunk.p + from, i - from));
			if (ret == 0)
				ret = give(s);
			from = i + 1;
		} else if (s->in_string)
			in_text(s, c);
		else
			outside_text(s, c);
	}
	return ret ? ret : keep(s, fl_span(chunk.p + from, chunk.n - from));
}

int fl_finding_split_end(struct fl_finding_split *s)
{
	return give(s);
}

void fl_finding_split_done(struct fl_finding_split *s)
{
	fl_buf_done(&s->buf);
}
