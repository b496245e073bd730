/* Fuzz entry: a heartbeat of an enforcer, which publishers read from the bus. What is accepted is encoded again and must come back the same, whole and within its bounds. */
#include "model/enforcer_state.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool ended(const char *s, size_t cap)
{
	return memchr(s, '\0', cap) != NULL;
}

static void check_whole(const struct fl_enforcer_state *s)
{
	assert(ended(s->enforcer, sizeof(s->enforcer)) && s->n <= FL_ENFORCER_LISTS_MAX);
	for (size_t i = 0; i < s->n; i++)
		assert(ended(s->lists[i].list, sizeof(s->lists[i].list)) && ended(s->lists[i].state, sizeof(s->lists[i].state)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_buf first = { 0 }, second = { 0 };
	struct fl_enforcer_state s, again;
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	int ret = fl_enforcer_state_decode(fl_span(data, size), &arena, &s, &err);

	assert(ret == 0 || (ret == err.code && err.text[0]));
	if (ret == 0) {
		check_whole(&s);
		fl_enforcer_state_encode(&s, &first);
		assert(!first.failed && fl_enforcer_state_decode(fl_buf_span(&first), &arena, &again, NULL) == 0);
		assert(again.n == s.n && again.at == s.at);
		fl_enforcer_state_encode(&again, &second);
		assert(fl_span_eq(fl_buf_span(&first), fl_buf_span(&second)));
	}
	fl_buf_done(&first);
	fl_buf_done(&second);
	fl_arena_done(&arena);
	return 0;
}
