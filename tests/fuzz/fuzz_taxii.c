/* Fuzz entry: a page of a TAXII collection, and a JSON document put on one line. */
#include "feeds/feeds.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_one_line(struct fl_span document)
{
	struct fl_buf once = { 0 }, twice = { 0 };

	if (fl_json_one_line(document, &once, NULL) == 0) {
		assert(!once.n || !memchr(once.p, '\n', once.n));
		assert(fl_json_one_line(fl_buf_span(&once), &twice, NULL) == 0);
		assert(once.n == twice.n && memcmp(once.p, twice.p, once.n) == 0);
	}
	fl_buf_done(&once);
	fl_buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_arena arena = { 0 };
	struct fl_taxii_page p;

	if (fl_taxii_page_parse(fl_span(data, size), &arena, &p, NULL) == 0)
		for (size_t i = 0; i < p.n; i++) {
			assert(p.v[i].id[0] && strlen(p.v[i].id) <= FL_TAXII_ID_MAX);
			check_one_line(p.v[i].json);
		}
	fl_arena_done(&arena);
	check_one_line(fl_span(data, size));
	return 0;
}
