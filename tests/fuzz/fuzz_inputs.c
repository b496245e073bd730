/* Fuzz entry: the inputs of a list version as text. One value has one text: what is accepted is formatted back to itself. */
#include "model/version.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_arena arena = { 0 };
	struct fl_list_input *v = NULL;
	struct fl_buf text = { 0 };
	uint32_t n = 0;

	if (fl_inputs_parse(fl_span(data, size), &arena, &v, &n, NULL) == 0) {
		assert(n <= FL_INPUTS_MAX);
		fl_inputs_format(&text, v, n);
		assert(fl_span_eq(fl_buf_span(&text), fl_span(data, size)));
	}
	fl_buf_done(&text);
	fl_arena_done(&arena);
	return 0;
}
