/* Fuzz entry: the ledger. As a record: what is accepted is encoded again and must come back the same. As what stands in the file behind its header: whole records come back as they went in,
 * and reading always ends. */
#include "model/finding.h"
#include "sets/ledger_int.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_record(struct fl_span in)
{
	struct fl_buf first = { 0 }, second = { 0 };
	struct fl_claim_record r, again;

	if (fl_claim_record_decode(in, &r, NULL) == 0) {
		fl_claim_record_encode(&r, &first);
		assert(fl_claim_record_decode(fl_buf_span(&first), &again, NULL) == 0);
		fl_claim_record_encode(&again, &second);
		assert(fl_span_eq(fl_buf_span(&first), fl_buf_span(&second)));
	}
	fl_buf_done(&first);
	fl_buf_done(&second);
}

static void as_file(struct fl_span in)
{
	struct fl_span key, value;
	size_t pos = 0;

	for (size_t before = 0; fl__ledger_next(in, &pos, &key, &value) == 1; before = pos) {
		struct fl_buf b = { 0 };

		fl__ledger_frame(key, value, &b);
		assert(pos > before && fl_span_eq(fl_buf_span(&b), fl_span(in.p + before, pos - before)));
		fl_buf_done(&b);
	}
	assert(pos <= in.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_span in = fl_span(data, size);

	as_record(in);
	as_file(in);
	if (size <= FL_LEDGER_RECORD_MAX) { /* and in a file of its own */
		struct fl_span key, value;
		struct fl_buf b = { 0 };
		size_t pos = 0;

		fl__ledger_frame(fl_span(data, size < 9 ? size : 9), in, &b);
		assert(fl__ledger_next(fl_buf_span(&b), &pos, &key, &value) == 1 && pos == b.n && fl_span_eq(value, in));
		fl_buf_done(&b);
	}
	return 0;
}
