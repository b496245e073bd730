/* Fuzz entry: an encoded delta. The first octet says how the rest is taken: as it is, with its checksum put right, or as the body
 * of a frame that is right; else nothing random would ever get past the checksum. */
#include "tests/support/seal.h"

#include "model/delta.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written, and means the same; backwards it has as many records. */
static void check(struct fl_span bytes)
{
	struct fl_delta_writer *w = fl_delta_writer_new();
	struct fl_change_iter *it = NULL;
	struct fl_delta_meta meta, again;
	struct fl_buf out = { 0 };
	struct fl_change c;
	uint64_t n = 0;
	bool kept;

	if (fl_delta_check(bytes, &meta, NULL) == 0) {
		assert(fl_delta_open(bytes, &it, NULL) == 0);
		while (it->next(it, &c, NULL) > 0)
			assert(fl_delta_writer_add(w, &c) == 0);
		fl_changes_close(it);
		assert(fl_delta_writer_finish(w, &out, &kept, &again) == 0 && kept);
		assert(memcmp(&meta, &again, sizeof(meta)) == 0);
		assert(fl_delta_open_reversed(bytes, &it, NULL) == 0);
		while (it->next(it, &c, NULL) > 0)
			n++;
		fl_changes_close(it);
		assert(n == meta.records);
	}
	fl_buf_done(&out);
	fl_delta_writer_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_buf b = { 0 }, head = { 0 };
	struct fl_span rest = fl_span(data + (size != 0), size - (size != 0));

	switch (size ? data[0] % 3 : 0) {
	case 0:
		fl_buf_add(&b, rest.p, rest.n);
		break;
	case 1:
		fl_buf_add(&b, rest.p, rest.n);
		fl_buf_u64le(&b, fl_checksum64(b.p, b.n));
		break;
	case 2:
		fl_buf_str(&head, "FLD1");
		fl_buf_u8(&head, 0);
		fl_buf_varint(&head, data[0] / 3);
		fl_buf_varint(&head, rest.n);
		seal(&b, fl_buf_span(&head), rest, 1);
		break;
	}
	check(fl_buf_span(&b));
	fl_buf_done(&b);
	fl_buf_done(&head);
	return 0;
}
