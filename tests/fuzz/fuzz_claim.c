/* Fuzz entry: a claim. What is accepted is encoded again and must come back the same. */
#include "model/finding.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_buf first = { 0 }, second = { 0 };
	struct fl_claim c, again;

	if (fl_claim_decode(fl_span(data, size), &c, NULL) == 0) {
		fl_claim_encode(&c, &first);
		assert(fl_claim_decode(fl_buf_span(&first), &again, NULL) == 0);
		fl_claim_encode(&again, &second);
		assert(fl_span_eq(fl_buf_span(&first), fl_buf_span(&second)));
	}
	fl_buf_done(&first);
	fl_buf_done(&second);
	return 0;
}
