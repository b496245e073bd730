/* One name a line (docs/formats/feeds.md):  [ws] NAME [ws #comment]
 *
 *   *.x   what is below x           .x   x and what is below it
 *   x     what the feed's definition says; refused where it says "as written"
 *
 * A match pattern of browsers for all pages of a site ("*:" "//x/" "*") says its scope itself: "*.x" is x and below, x
 * is x.
 */
#include "feeds/reader.h"

bool fl__plain_comment(struct fl_span s)
{
	return s.n == 0 || s.p[0] == '#' || s.p[0] == '!' || s.p[0] == ';' ||
	       (s.n > 1 && s.p[0] == '/' && s.p[1] == '/');
}

/* The site whose every page a match pattern means, or nothing. */
static struct fl_span match_pattern(struct fl_span tok)
{
	static const char head[] = "*://", tail[] = "/*";
	size_t h = sizeof(head) - 1, t = sizeof(tail) - 1;

	if (tok.n <= h + t || memcmp(tok.p, head, h) != 0 || memcmp(tok.p + tok.n - t, tail, t) != 0)
		return fl_span(NULL, 0);
	return fl_span(tok.p + h, tok.n - h - t);
}

/* Name and scope of a token; FL_DROP_COUNT, or why it is none. */
static enum fl_drop plain_claim(struct fl_span tok, uint8_t bare, struct fl_feed_claim *out)
{
	struct fl_span site = match_pattern(tok);
	enum fl_drop why;

	*out = (struct fl_feed_claim){ .name = tok, .scope = bare };
	if (site.n > 2 && site.p[0] == '*' && site.p[1] == '.')
		*out = (struct fl_feed_claim){ .name = fl_span(site.p + 2, site.n - 2), .scope = FL_SCOPE_SUBTREE };
	else if (site.n)
		*out = (struct fl_feed_claim){ .name = site, .scope = FL_SCOPE_EXACT };
	else if (tok.n > 2 && tok.p[0] == '*' && tok.p[1] == '.')
		*out = (struct fl_feed_claim){ .name = fl_span(tok.p + 2, tok.n - 2), .scope = FL_SCOPE_SUBDOMAINS };
	else if (tok.n > 1 && tok.p[0] == '.')
		*out = (struct fl_feed_claim){ .name = fl_span(tok.p + 1, tok.n - 1), .scope = FL_SCOPE_SUBTREE };
	why = fl__token_judge(out->name);
	if (why != FL_DROP_COUNT)
		return why;
	return out->scope ? FL_DROP_COUNT : FL_DROP_NO_SCOPE;
}

static enum fl_drop plain_line(struct fl_span text, uint8_t bare, struct fl_feed_claim *out)
{
	struct fl_span rest, tok, more;
	enum fl_drop why;

	if (fl__plain_comment(text))
		return FL_DROP_COMMENT;
	if (text.n > FL__LINE_MAX)
		return FL_DROP_LINE_TOO_LONG;
	if (text.p[0] != '.' && fl__all_name_octets(text)) { /* nearly every line */
		*out = (struct fl_feed_claim){ .name = text, .scope = bare };
		why = fl__name_judge(text);
		return why == FL_DROP_COUNT && !bare ? FL_DROP_NO_SCOPE : why;
	}
	rest = fl__comment_off(text);
	fl__token(&rest, &tok);
	if (fl__token(&rest, &more))
		return FL_DROP_EXTRA_FIELDS;
	return plain_claim(tok, bare, out);
}

int fl__plain_read(struct fl__reader *r)
{
	const struct fl_span none = fl_span_str("");
	uint8_t bare = r->opt->scope;
	struct fl_feed_claim c;
	struct fl_span text;

	for (;;) {
		enum fl_drop why = FL_DROP_COUNT;
		int ret;

		if (bare && fl__reader_name(r, none, &text))
			c = (struct fl_feed_claim){ .name = text, .scope = bare };
		else if (fl__reader_line(r, &text))
			why = plain_line(text, bare, &c);
		else
			break;
		if (why != FL_DROP_COUNT) {
			fl__reader_drop(r, r->line, text, why);
			continue;
		}
		ret = fl__reader_claim(r, r->line, c.name, c.scope);
		if (ret < 0)
			return ret;
		r->result->lines.out++;
	}
	return 0;
}
