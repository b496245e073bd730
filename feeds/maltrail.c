/* Maltrail's trails (docs/formats/feeds.md): one a line, '#' comments.
 *
 *   x     x itself          .x    x and what is below it
 *
 * The rest of a trail file is addresses, URLs, paths and regular expressions: no names. */
#include "feeds/reader.h"

static enum fl_drop trail_line(struct fl_span text, struct fl_span *name, uint8_t *scope)
{
	struct fl_span rest = fl__comment_off(text), more;

	if (!fl__token(&rest, name))
		return FL_DROP_COMMENT;
	if (text.n > FL__LINE_MAX)
		return FL_DROP_LINE_TOO_LONG;
	if (fl__token(&rest, &more))
		return FL_DROP_EXTRA_FIELDS;
	*scope = FL_SCOPE_EXACT;
	if (name->n > 1 && name->p[0] == '.') {
		*name = fl_span(name->p + 1, name->n - 1);
		*scope = FL_SCOPE_SUBTREE;
	}
	return fl__token_judge(*name);
}

int fl__maltrail_read(struct fl__reader *r)
{
	struct fl_span text, name;
	uint8_t scope = 0;
	int ret = 0;

	while (ret == 0 && fl__reader_line(r, &text)) {
		enum fl_drop why = trail_line(text, &name, &scope);

		if (why != FL_DROP_COUNT) {
			fl__reader_drop(r, r->line, text, why);
			continue;
		}
		ret = fl__reader_claim(r, r->line, name, scope);
		r->result->lines.out += ret == 0;
	}
	return ret;
}
