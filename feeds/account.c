/* The account of one line that may make several claims (hosts, dnsmasq, unbound). It is out when one of its names
 * claims; else it is dropped for the reason that matters most. Of a line that is out, the reject hook still hears what
 * should have been a claim and could not. */
#include "feeds/reader.h"

/* What speaks against a line is worth more than what does not. */
void fl__account_drop(struct fl__account *a, enum fl_drop why)
{
	if (a->first == FL_DROP_COUNT || fl__drop_is_harmless(a->first))
		a->first = why;
}

int fl__account_name(struct fl__reader *r, struct fl__account *a, struct fl_span name, uint8_t scope, enum fl_drop why)
{
	int ret;

	if (why != FL_DROP_COUNT) {
		fl__account_drop(a, why);
		return 0;
	}
	ret = fl__reader_claim(r, r->line, name, scope);
	a->claimed = a->claimed || ret == 0;
	return ret;
}

void fl__account_end(struct fl__reader *r, const struct fl__account *a)
{
	if (!a->claimed) {
		fl__reader_drop(r, r->line, a->text, a->first == FL_DROP_COUNT ? FL_DROP_SYNTAX : a->first);
		return;
	}
	r->result->lines.out++;
	if (a->first != FL_DROP_COUNT && !fl__drop_is_harmless(a->first) && r->reject)
		r->reject(r->ctx, r->line, a->text, a->first);
}

int fl__account_lines(struct fl__reader *r, fl__account_read *read)
{
	struct fl_span text;
	int ret = 0;

	while (ret == 0 && fl__reader_line(r, &text)) {
		struct fl__account line = { .text = text, .first = FL_DROP_COUNT };
		struct fl_span rest = fl__comment_off(text);

		if (rest.n == 0)
			fl__account_drop(&line, FL_DROP_COMMENT);
		else if (text.n > FL__LINE_MAX)
			fl__account_drop(&line, FL_DROP_LINE_TOO_LONG);
		else
			ret = read(r, &line, rest);
		if (ret == 0)
			fl__account_end(r, &line);
	}
	return ret;
}
