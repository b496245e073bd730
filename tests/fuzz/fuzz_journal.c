/* Fuzz entry: a journal as it lies on disk. An input that begins with 'E' is the event of one record instead, so that mutations reach behind the checksum. What is read is written
 * again and has to come out the same; a reader never goes back and never reads past the end. */
#include <assert.h>

#include "enforcer/follow_int.h"
#include "model/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { GENERATION = 7 };

static void read_all(struct fl_span bytes)
{
	size_t pos = FL_JOURNAL_HEADER, before = pos;
	struct fl_journal_record r;
	int ret;

	if (!fl__journal_check_header(bytes, GENERATION))
		return;
	while ((ret = fl__journal_next(bytes, &pos, &r)) == 1) {
		struct fl_buf again = { 0 };
		struct fl_arena arena = { 0 };
		struct fl_event ev;
		struct fl_err err = { 0 };

		assert(pos > before && pos <= bytes.n);
		fl__journal_encode(&r.from, r.event, &again);
		assert(fl_span_eq(fl_buf_span(&again), fl_span(bytes.p + before, pos - before)));
		if (fl_event_decode(r.event, &arena, &ev, &err) < 0)
			assert(err.text[0]);
		fl_arena_done(&arena);
		fl_buf_done(&again);
		before = pos;
	}
	assert(pos == before);
	assert(ret == FL_EGAP || ret == FL_ECORRUPT || (ret == 0 && pos == bytes.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_version_id from = { .number = 41, .epoch.b = { 1, 2, 3 }, .chain = { 4, 5, 6 } };
	struct fl_buf b = { 0 };

	if (size && data[0] == 'E') {
		fl__journal_header(GENERATION, &b);
		fl__journal_encode(&from, fl_span(data + 1, size - 1), &b);
		fl__journal_encode(&from, fl_span(data, size), &b);
		read_all(fl_buf_span(&b));
	}
	fl_buf_done(&b);
	read_all(fl_span(data, size));
	return 0;
}
