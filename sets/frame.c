/* A keyframe on its way into the store: its blocks, compressed, in memory (8 to 10 octets a name), so that whether it is needed may be known late. */
#include "sets/sets_int.h"

static int keep_block(void *ctx, uint32_t index, struct fl_span bytes)
{
	struct fl_keyed *f = ctx;

	(void)index;
	fl__args_add(&f->blocks, fl_span(fl_arena_dup(&f->arena, bytes.p, bytes.n), bytes.n));
	f->bytes += bytes.n;
	return f->blocks.failed || !f->blocks.v[f->blocks.n - 1].p ? FL_ENOMEM : 0;
}

static int give_block(void *ctx, uint32_t index, struct fl_buf *out, struct fl_err *err)
{
	const struct fl_keyed *f = ctx;

	if (index >= f->blocks.n)
		return fl_err_set(err, FL_ENOTFOUND, "block %u is beyond the keyframe", index);
	fl_buf_reset(out);
	fl_buf_add(out, f->blocks.v[index].p, f->blocks.v[index].n);
	return out->failed ? FL_ENOMEM : 0;
}

int fl__keyed_open(struct fl_keyed *f)
{
	f->blocks.arena = &f->arena;
	f->w = fl_keyframe_writer_new(keep_block, f);
	return f->w ? 0 : FL_ENOMEM;
}

int fl__keyed_finish(struct fl_keyed *f)
{
	return fl_keyframe_writer_finish(f->w, &f->meta);
}

int fl__keyed_read(struct fl_keyed *f, struct fl_entry_iter **out, struct fl_err *err)
{
	return fl_keyframe_open(give_block, f, f->meta.blocks, out, err);
}

void fl__keyed_done(struct fl_keyed *f)
{
	fl_keyframe_writer_free(f->w);
	fl_arena_done(&f->arena);
	memset(f, 0, sizeof(*f));
}
