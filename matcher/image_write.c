/* Writing an image as one base. Two passes over the merge of base and runs: the first counts rows, buckets and the classes in use,
 * the second writes. Start at fl_image_write(). */
#include "matcher/image_file.h"

#include <stdlib.h>

void fl__image_layout(const struct fl__image_header *h, struct fl__image_layout *l)
{
	l->meta = FL__IMAGE_HEADER;
	l->classes = l->meta + fl__image_pad(h->meta_bytes);
	l->index = l->classes + fl__image_pad(h->classes_bytes);
	l->rows = l->index + fl__image_pad(((UINT64_C(1) << h->bits) + 1) * sizeof(uint32_t));
	l->sums = l->rows + h->rows * sizeof(struct fl__row);
	l->bytes = l->sums + (l->sums + FL__IMAGE_BLOCK - 1) / FL__IMAGE_BLOCK * 8 + 8;
}

/* Bytes on their way to the sink, summed block by block. */
struct stream {
	fl_image_sink *sink;
	void *ctx;
	uint8_t *block;
	size_t fill;
	uint64_t total;
	struct fl_buf sums;
	int ret;
};

static void stream_flush(struct stream *s)
{
	if (s->ret < 0 || s->fill == 0)
		return;
	fl_buf_u64le(&s->sums, fl_checksum64(s->block, s->fill));
	s->ret = s->sink(s->ctx, fl_span(s->block, s->fill));
	s->fill = 0;
}

static void stream_add(struct stream *s, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n > 0 && s->ret >= 0) {
		size_t m = FL__IMAGE_BLOCK - s->fill;

		m = m < n ? m : n;
		memcpy(s->block + s->fill, from, m);
		s->fill += m;
		s->total += m;
		from += m;
		n -= m;
		if (s->fill == FL__IMAGE_BLOCK)
			stream_flush(s);
	}
}

static void stream_pad(struct stream *s)
{
	static const uint8_t zero[16];

	stream_add(s, zero, (size_t)(fl__image_pad(s->total) - s->total));
}

static int stream_finish(struct stream *s)
{
	stream_flush(s);
	fl_buf_u64le(&s->sums, fl_checksum64(s->sums.p, s->sums.n));
	if (s->ret >= 0 && s->sums.failed)
		s->ret = FL_ENOMEM;
	return s->ret < 0 ? s->ret : s->sink(s->ctx, fl_buf_span(&s->sums));
}

struct writer {
	const struct fl_image *img;
	uint32_t *map;	 /* class -> class in the file, 0: not in use */
	uint32_t *first; /* bucket index */
	struct fl__image_header h;
	struct fl_buf meta, classes;
	struct stream out;
};

static void put_text(struct fl_buf *b, const char *s)
{
	size_t n = strnlen(s, FL_SET_NAME - 1);

	fl_buf_u8(b, (uint8_t)n);
	fl_buf_add(b, s, n);
}

static void put_id(struct fl_buf *b, const struct fl_version_id *id)
{
	fl_buf_add(b, id->epoch.b, sizeof(id->epoch.b));
	fl_buf_u64le(b, id->number);
	fl_buf_add(b, id->chain, sizeof(id->chain));
}

static void meta_put(struct fl_buf *b, const struct fl_image *img)
{
	for (uint32_t i = 0; i < img->n_lists; i++) {
		const struct fl_image_list *l = &img->lists[i];

		put_text(b, l->name);
		put_id(b, &l->id);
		fl_buf_u64le(b, l->parent);
		fl_buf_u64le(b, l->recovered.version);
		fl_buf_u8(b, (uint8_t)l->recovered.n_over);
		for (uint32_t j = 0; j < l->recovered.n_over; j++)
			fl_buf_add(b, l->recovered.over[j].b, sizeof(l->recovered.over[j].b));
		fl_buf_u64le(b, (uint64_t)l->published_at);
		fl_buf_u64le(b, (uint64_t)l->applied_at);
	}
	for (uint32_t i = 0; i < img->n_inputs; i++) {
		const struct fl_image_input *in = &img->inputs[i];

		fl_buf_u16le(b, img->list_of[i]);
		put_text(b, in->source);
		put_id(b, &in->id);
		fl_buf_u64le(b, in->digests.scope.lo);
		fl_buf_u64le(b, in->digests.scope.hi);
		fl_buf_u64le(b, in->digests.entries);
		fl_buf_u8(b, (uint8_t)(in->pinned | in->gone << 1));
	}
}

/* First pass: rows a bucket, and which classes are in use. */
static void rows_count(struct writer *w)
{
	const struct fl__row *r;
	struct fl__merge m;
	uint32_t sum = 0;

	fl__image_merge(w->img, &m);
	while ((r = fl__merge_next(&m)))
		if (r->cls) {
			w->first[fl__table_bucket(w->h.bits, r->hi)]++;
			w->map[r->cls] = 1;
		}
	for (size_t b = 0; b <= (size_t)1 << w->h.bits; b++) {
		uint32_t n = w->first[b];

		w->first[b] = sum;
		sum += n;
	}
}

static void classes_put(struct writer *w)
{
	for (uint32_t id = 1; id <= w->img->n_classes; id++) {
		struct fl__class c;

		if (!w->map[id])
			continue;
		w->map[id] = ++w->h.n_classes;
		c = fl__class_get(w->img->classes, id);
		fl_buf_u16le(&w->classes, (uint16_t)c.n);
		for (uint32_t i = 0; i < c.n; i++)
			fl_buf_u16le(&w->classes, c.m[i]);
	}
}

static void header_put(struct writer *w)
{
	const struct fl__image_header *h = &w->h;
	struct fl__image_layout l;
	struct fl_buf b = { 0 };

	fl__image_layout(h, &l);
	fl_buf_u32le(&b, FL__IMAGE_MAGIC);
	fl_buf_u32le(&b, FL__IMAGE_FORMAT);
	fl_buf_u64le(&b, l.bytes);
	fl_buf_u64le(&b, h->generation);
	fl_buf_add(&b, h->key.b, sizeof(h->key.b));
	fl_buf_u64le(&b, h->rows);
	fl_buf_u64le(&b, h->meta_bytes);
	fl_buf_u64le(&b, h->classes_bytes);
	fl_buf_u32le(&b, h->n_lists);
	fl_buf_u32le(&b, h->n_inputs);
	fl_buf_u32le(&b, h->n_classes);
	fl_buf_u32le(&b, h->bits);
	fl_buf_u64le(&b, 0); /* reserved */
	fl_buf_u64le(&b, fl_checksum64(b.p, b.n));
	if (b.failed)
		w->out.ret = FL_ENOMEM;
	else
		stream_add(&w->out, b.p, b.n);
	fl_buf_done(&b);
}

static void rows_put(struct writer *w)
{
	const struct fl__row *r;
	struct fl__merge m;

	fl__image_merge(w->img, &m);
	while (w->out.ret >= 0 && (r = fl__merge_next(&m)))
		if (r->cls) {
			struct fl__row row = { r->hi, r->lo, w->map[r->cls] };

			stream_add(&w->out, &row, sizeof(row));
		}
}

static int write_all(struct writer *w)
{
	size_t index_bytes = (((size_t)1 << w->h.bits) + 1) * sizeof(uint32_t);

	meta_put(&w->meta, w->img);
	rows_count(w);
	classes_put(w);
	if (w->meta.failed || w->classes.failed)
		return FL_ENOMEM;
	w->h.meta_bytes = w->meta.n;
	w->h.classes_bytes = w->classes.n;
	header_put(w);
	stream_add(&w->out, w->meta.p, w->meta.n);
	stream_pad(&w->out);
	stream_add(&w->out, w->classes.p, w->classes.n);
	stream_pad(&w->out);
	stream_add(&w->out, w->first, index_bytes);
	stream_pad(&w->out);
	rows_put(w);
	return stream_finish(&w->out);
}

int fl_image_write(const struct fl_image *img, uint64_t generation, fl_image_sink *sink, void *ctx, struct fl_err *err)
{
	struct writer w = {
		.img = img,
		.out = { .sink = sink, .ctx = ctx },
		.h = { .generation = generation, .key = img->key, .rows = img->names, .n_lists = img->n_lists,
		       .n_inputs = img->n_inputs, .bits = fl__table_bits(img->names) },
	};
	int ret = FL_ENOMEM;

	w.map = calloc((size_t)img->n_classes + 1, sizeof(*w.map));
	w.first = calloc(((size_t)1 << w.h.bits) + 2, sizeof(*w.first));
	w.out.block = malloc(FL__IMAGE_BLOCK);
	if (w.map && w.first && w.out.block)
		ret = write_all(&w);
	if (ret == FL_ENOMEM)
		fl_err_set(err, ret, "image: out of memory while writing");
	fl_buf_done(&w.meta);
	fl_buf_done(&w.classes);
	fl_buf_done(&w.out.sums);
	free(w.out.block);
	free(w.first);
	free(w.map);
	return ret < 0 ? ret : 0;
}
