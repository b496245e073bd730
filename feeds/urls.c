/* One URL a line (docs/formats/feeds.md): its host is claimed, itself alone. A URL on a host that many share claims
 * nothing: it says that one page is bad. Defanged URLs are read, here and not in lists of names, where a bracket is a
 * mistake. */
#include "feeds/reader.h"

static enum fl_drop url_line(struct fl_span text, uint8_t *buf, struct fl_span *host)
{
	enum fl_drop why;

	if (fl__plain_comment(text))
		return FL_DROP_COMMENT;
	if (text.n > FL__LINE_MAX)
		return FL_DROP_LINE_TOO_LONG;
	why = fl__url_host(fl__refang(fl__comment_off(text), buf), buf, host);
	for (size_t i = 0; why == FL_DROP_COUNT && i < host->n; i++)
		if (host->p[i] == ' ' || host->p[i] == '\t')
			why = FL_DROP_EXTRA_FIELDS;
	return why;
}

bool fl__urls_looks(struct fl_span s)
{
	const uint8_t *mark = s.n ? memmem(s.p, s.n, "://", 3) : NULL;
	size_t i = 0;

	if (mark && mark - s.p > 3 && memcmp(mark - 3, "[:]", 3) == 0)
		mark -= 3;
	while (s.p + i < mark && ((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'z'))
		i++;
	return mark && i && s.p + i == mark;
}

int fl__urls_read(struct fl__reader *r)
{
	uint8_t buf[FL__LINE_MAX];
	struct fl_span text, host;
	int ret = 0;

	while (ret == 0 && fl__reader_line(r, &text)) {
		enum fl_drop why = url_line(text, buf, &host);

		if (why != FL_DROP_COUNT) {
			fl__reader_drop(r, r->line, text, why);
			continue;
		}
		ret = fl__reader_claim(r, r->line, host, FL_SCOPE_EXACT);
		r->result->lines.out += ret == 0;
	}
	return ret;
}
