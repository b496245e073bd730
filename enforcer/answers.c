/* `answers` of a record: each answer as RFC text, by ldns, off the answer path. */
#include "enforcer/server_int.h"

#include <ldns/ldns.h>

#include "base/text.h"

/* ldns ends text with a line feed, some types with a space. */
static struct fl_span trimmed(const char *s)
{
	return fl_span_trim(fl_span_str(s));
}

static void put_rdata(struct fl_buf *out, const ldns_rr *rr)
{
	struct fl_buf text = { 0 };

	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		char *s = ldns_rdf2str(ldns_rr_rdf(rr, i));
		struct fl_span t = s ? trimmed(s) : fl_span(NULL, 0);

		if (i)
			fl_buf_u8(&text, ' ');
		fl_buf_add(&text, t.p, t.n);
		LDNS_FREE(s);
	}
	fl_json_string(out, fl_buf_span(&text));
	fl_buf_done(&text);
}

void fl__answers_json(struct fl_buf *out, struct fl_span response)
{
	ldns_pkt *pkt = NULL;
	const ldns_rr_list *list;
	char type[16], cls[16];

	fl_buf_u8(out, '[');
	if (response.n && ldns_wire2pkt(&pkt, response.p, response.n) == LDNS_STATUS_OK) {
		list = ldns_pkt_answer(pkt);
		for (size_t i = 0; list && i < ldns_rr_list_rr_count(list); i++) {
			const ldns_rr *rr = ldns_rr_list_rr(list, i);

			if (i)
				fl_buf_u8(out, ',');
			fl_buf_str(out, "{\"Rdata\":");
			put_rdata(out, rr);
			fl_buf_printf(out, ",\"Type\":\"%s\",\"Class\":\"%s\"}", fl_qtype_format((uint16_t)ldns_rr_get_type(rr), type),
				      fl_qclass_format((uint16_t)ldns_rr_get_class(rr), cls));
		}
	}
	ldns_pkt_free(pkt);
	fl_buf_u8(out, ']');
}
