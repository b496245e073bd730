/* Fuzz entry: a data block alone, or a whole keyframe of one data block and an index. The first octet says how the rest is
 * taken: as it is, with its checksum put right, as a body, or (a number of octets first) as the bodies of both blocks. */
#include "tests/support/blocks.h"
#include "tests/support/seal.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct blocks kf;

/* Reads to the end; keys rise and are keys, or the stream says so. */
static void drain(struct fl_entry_iter *it)
{
	struct fl_rkey prev = { 0 };
	struct fl_entry e;
	bool any = false;

	while (it->next(it, &e, NULL) > 0) {
		assert(fl_rkey_valid(e.key) && e.t.scope && e.t.scope <= FL_SCOPE_ALL && e.t.confidence <= 100);
		assert(!any || fl_rkey_cmp(fl_rkey_span(&prev), e.key) < 0);
		memcpy(prev.b, e.key.p, e.key.n);
		prev.len = (uint8_t)e.key.n;
		any = true;
	}
	assert(it->next(it, &e, NULL) == 0);
	fl_entries_close(it);
}

static void read_block(struct fl_span bytes)
{
	struct fl_entry_iter *it = NULL;

	if (fl_keyframe_block_open(bytes, &it, NULL) == 0)
		drain(it);
}

static void read_both(uint8_t rows, struct fl_span rest)
{
	struct fl_span top = fl_span("com", 4);
	struct fl_entry_iter *it = NULL;
	size_t n = rest.n ? rest.p[0] : 0;
	struct fl_buf index = { 0 };

	n = n + 1 > rest.n ? (rest.n ? rest.n - 1 : 0) : n;
	kf.n = 2;
	seal_counted(&kf.v[0], "FLK1", rows, fl_span(rest.p + (rest.n != 0), n));
	/* the row's checksum is put right too, when there is room for one */
	if (rest.n > 1 + n)
		fl_buf_add(&index, rest.p + 1 + n, rest.n - 1 - n);
	if (index.n >= 8)
		memcpy(index.p + index.n - 8, kf.v[0].p + kf.v[0].n - 8, 8);
	seal_counted(&kf.v[1], "FLI1", 1, fl_buf_span(&index));
	if (fl_keyframe_open(blocks_source, &kf, 2, &it, NULL) == 0)
		drain(it);
	if (fl_keyframe_open_range(blocks_source, &kf, 2, top, &it, NULL) == 0)
		drain(it);
	blocks_done(&kf);
	fl_buf_done(&index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_span rest = fl_span(data + (size != 0), size - (size != 0));
	struct fl_buf b = { 0 };

	switch (size ? data[0] % 4 : 0) {
	case 0:
		read_block(rest);
		break;
	case 1:
		fl_buf_add(&b, rest.p, rest.n);
		fl_buf_u64le(&b, fl_checksum64(b.p, b.n));
		read_block(fl_buf_span(&b));
		break;
	case 2:
		seal_counted(&b, "FLK1", data[0] / 4, rest);
		read_block(fl_buf_span(&b));
		break;
	case 3:
		read_both(data[0] / 4, rest);
		break;
	}
	fl_buf_done(&b);
	return 0;
}
