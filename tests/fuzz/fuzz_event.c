/* Fuzz entry: the value of a list event. What is accepted is encoded again and must come back the same. */
#include "model/event.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_buf first = { 0 }, second = { 0 };
	struct fl_arena arena = { 0 };
	struct fl_event ev, again;
	struct fl_err err = { 0 };
	int ret = fl_event_decode(fl_span(data, size), &arena, &ev, &err);

	assert(ret == 0 || (ret == err.code && err.text[0]));
	if (ret == 0) {
		assert(fl_event_encode(&ev, &first, NULL) == 0);
		assert(fl_event_decode(fl_buf_span(&first), &arena, &again, NULL) == 0);
		assert(fl_event_encode(&again, &second, NULL) == 0);
		assert(fl_span_eq(fl_buf_span(&first), fl_buf_span(&second)));
	}
	fl_buf_done(&first);
	fl_buf_done(&second);
	fl_arena_done(&arena);
	return 0;
}
