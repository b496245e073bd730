/* Opening file bytes: nothing is believed before it is checked. Checksums first (they find all damage), then every count, offset,
 * order and class (they find our own mistakes, and what was made to deceive). Rows and index are used where they lie. */
#include "matcher/image_file.h"

#include <stdlib.h>

static int corrupt(struct fl_err *err, const char *what)
{
	return fl_err_set(err, FL_ECORRUPT, "image: %s", what);
}

static int header_read(struct fl_span f, struct fl__image_header *h, struct fl_err *err)
{
	struct fl_rd r = fl_rd(f);
	uint64_t bytes;

	if (f.n < FL__IMAGE_HEADER)
		return corrupt(err, "shorter than its header");
	if (fl_rd_u32le(&r) != FL__IMAGE_MAGIC)
		return fl_err_set(err, FL_EFORMAT, "image: not an image");
	if (fl_rd_u32le(&r) != FL__IMAGE_FORMAT)
		return fl_err_set(err, FL_EFORMAT, "image: unknown format number");
	bytes = fl_rd_u64le(&r);
	h->generation = fl_rd_u64le(&r);
	memcpy(h->key.b, fl_rd_bytes(&r, sizeof(h->key.b)).p, sizeof(h->key.b));
	h->rows = fl_rd_u64le(&r);
	h->meta_bytes = fl_rd_u64le(&r);
	h->classes_bytes = fl_rd_u64le(&r);
	h->n_lists = fl_rd_u32le(&r);
	h->n_inputs = fl_rd_u32le(&r);
	h->n_classes = fl_rd_u32le(&r);
	h->bits = fl_rd_u32le(&r);
	fl_rd_u64le(&r); /* reserved */
	if (fl_rd_u64le(&r) != fl_checksum64(f.p, FL__IMAGE_SUMMED))
		return corrupt(err, "checksum of the header does not match");
	if (bytes != f.n)
		return corrupt(err, "not as long as it says");
	return 0;
}

static int layout_check(struct fl_span f, const struct fl__image_header *h, struct fl__image_layout *l, struct fl_err *err)
{
	if (h->rows > FL__ROWS_MAX || h->meta_bytes > f.n || h->classes_bytes > f.n || h->n_lists > FL_IMAGE_LISTS_MAX ||
	    h->n_inputs > FL_IMAGE_INPUTS_MAX || h->bits > FL__TABLE_BITS_MAX ||
	    h->n_classes > h->classes_bytes / 4)
		return corrupt(err, "a count is out of range");
	fl__image_layout(h, l);
	if (l->bytes != f.n)
		return corrupt(err, "its sections do not fit its length");
	return 0;
}

static int sums_check(struct fl_span f, uint64_t sums, struct fl_err *err)
{
	struct fl_rd r = fl_rd(fl_span(f.p + sums, (size_t)(f.n - sums)));

	for (uint64_t at = 0; at < sums; at += FL__IMAGE_BLOCK) {
		size_t n = sums - at < FL__IMAGE_BLOCK ? (size_t)(sums - at) : FL__IMAGE_BLOCK;

		if (fl_rd_u64le(&r) != fl_checksum64(f.p + at, n))
			return corrupt(err, "a checksum does not match");
	}
	if (fl_rd_u64le(&r) != fl_checksum64(f.p + sums, (size_t)(f.n - sums - 8)))
		return corrupt(err, "a checksum does not match");
	return 0;
}

static void get_text(struct fl_rd *r, char out[FL_SET_NAME])
{
	struct fl_span s = fl_rd_bytes(r, fl_rd_u8(r));

	memset(out, 0, FL_SET_NAME);
	if (s.n >= FL_SET_NAME || (s.n && memchr(s.p, 0, s.n)))
		r->bad = true;
	else if (s.n)
		memcpy(out, s.p, s.n);
	if (!fl_set_name_valid(out))
		r->bad = true;
}

static void get_bytes(struct fl_rd *r, void *out, size_t n)
{
	struct fl_span s = fl_rd_bytes(r, n);

	if (s.n == n)
		memcpy(out, s.p, n);
}

static void get_id(struct fl_rd *r, struct fl_version_id *id)
{
	get_bytes(r, id->epoch.b, sizeof(id->epoch.b));
	id->number = fl_rd_u64le(r);
	get_bytes(r, id->chain, sizeof(id->chain));
}

static void list_get(struct fl_rd *r, struct fl_image_list *l)
{
	get_text(r, l->name);
	get_id(r, &l->id);
	l->parent = fl_rd_u64le(r);
	l->recovered.version = fl_rd_u64le(r);
	l->recovered.n_over = fl_rd_u8(r);
	if (l->recovered.n_over > FL_RECOVERED_OVER_MAX) {
		r->bad = true;
		return;
	}
	for (uint32_t j = 0; j < l->recovered.n_over; j++)
		get_bytes(r, l->recovered.over[j].b, sizeof(l->recovered.over[j].b));
	l->published_at = (fl_unix_us)fl_rd_u64le(r);
	l->applied_at = (fl_unix_us)fl_rd_u64le(r);
}

static void input_get(struct fl_rd *r, struct fl_image *img, uint32_t i)
{
	struct fl_image_input *in = &img->inputs[i];
	uint16_t list = fl_rd_u16le(r);
	uint8_t flags;

	get_text(r, in->source);
	get_id(r, &in->id);
	in->digests.scope.lo = fl_rd_u64le(r);
	in->digests.scope.hi = fl_rd_u64le(r);
	in->digests.entries = fl_rd_u64le(r);
	flags = fl_rd_u8(r);
	if (r->bad || list >= img->n_lists || flags > 3 || img->lists[list].names + in->digests.entries < in->digests.entries) {
		r->bad = true;
		return;
	}
	in->pinned = flags & 1;
	in->gone = flags >> 1;
	memcpy(in->list, img->lists[list].name, sizeof(in->list));
	img->list_of[i] = list;
	img->lists[list].names += in->digests.entries;
}

static int meta_read(struct fl_span meta, const struct fl__image_header *h, struct fl_image *img, struct fl_err *err)
{
	struct fl_rd r = fl_rd(meta);

	img->n_lists = h->n_lists;
	img->n_inputs = h->n_inputs;
	for (uint32_t i = 0; i < h->n_lists && !r.bad; i++)
		list_get(&r, &img->lists[i]);
	for (uint32_t i = 0; i < h->n_inputs && !r.bad; i++)
		input_get(&r, img, i);
	return r.bad || fl_rd_left(&r) ? corrupt(err, "a list or an input is malformed") : 0;
}

/* A class: members sorted by input, each with a scope. Distinct, so that the store gives the ids of the file. */
static int classes_read(struct fl_span s, const struct fl__image_header *h, struct fl_image *img, struct fl_err *err)
{
	uint16_t m[FL_IMAGE_INPUTS_MAX];
	struct fl_rd r = fl_rd(s);

	for (uint32_t id = 1; id <= h->n_classes; id++) {
		uint32_t n = fl_rd_u16le(&r), got;

		if (n == 0 || n > h->n_inputs)
			return corrupt(err, "a class is malformed");
		for (uint32_t i = 0; i < n; i++) {
			m[i] = fl_rd_u16le(&r);
			if (fl__member_input(m[i]) >= h->n_inputs || !fl__member_scope(m[i]) ||
			    (i > 0 && fl__member_input(m[i - 1]) >= fl__member_input(m[i])))
				return corrupt(err, "a class is malformed");
		}
		got = r.bad ? 0 : fl__classes_intern(img->classes, m, n);
		if (got == FL__CLASS_NONE)
			return fl_err_set(err, FL_ENOMEM, "image: out of memory");
		if (got != id)
			return corrupt(err, "a class is malformed or stands twice");
	}
	return fl_rd_left(&r) ? corrupt(err, "octets behind the last class") : 0;
}

/* Order, buckets, classes; counts how often each class is used. */
static int rows_check(const struct fl__row *v, const uint32_t *first, const struct fl__image_header *h, uint32_t *used,
		      struct fl_err *err)
{
	size_t buckets = (size_t)1 << h->bits;

	if (first[0] != 0 || first[buckets] != h->rows)
		return corrupt(err, "its index is out of order");
	for (size_t b = 0; b < buckets; b++) {
		if (first[b] > first[b + 1] || first[b + 1] > h->rows)
			return corrupt(err, "its index is out of order");
		for (uint32_t i = first[b]; i < first[b + 1]; i++) {
			if (fl__table_bucket(h->bits, v[i].hi) != b || v[i].cls == 0 || v[i].cls > h->n_classes ||
			    (i > 0 && fl__print_cmp(v[i - 1].hi, v[i - 1].lo, v[i].hi, v[i].lo) >= 0))
				return corrupt(err, "a row is out of order");
			used[v[i].cls]++;
		}
	}
	return 0;
}

/* The rows must hold as many entries of each input as the input says. */
static int counts_check(const struct fl_image *img, const struct fl__image_header *h, const uint32_t *used, struct fl_err *err)
{
	uint64_t n[FL_IMAGE_INPUTS_MAX] = { 0 };

	for (uint32_t id = 1; id <= h->n_classes; id++) {
		struct fl__class c = fl__class_get(img->classes, id);

		for (uint32_t i = 0; i < c.n; i++)
			n[fl__member_input(c.m[i])] += used[id];
	}
	for (uint32_t i = 0; i < h->n_inputs; i++)
		if (n[i] != img->inputs[i].digests.entries)
			return corrupt(err, "an input has not as many names as it says");
	return 0;
}

static int content_read(struct fl_span f, const struct fl__image_header *h, const struct fl__image_layout *l,
			struct fl_image *img, struct fl_err *err)
{
	const struct fl__row *v = (const struct fl__row *)(const void *)(f.p + l->rows);
	const uint32_t *first = (const uint32_t *)(const void *)(f.p + l->index);
	uint32_t *used = NULL;
	int ret = meta_read(fl_span(f.p + l->meta, (size_t)h->meta_bytes), h, img, err);

	if (ret < 0)
		return ret;
	ret = classes_read(fl_span(f.p + l->classes, (size_t)h->classes_bytes), h, img, err);
	if (ret < 0)
		return ret;
	used = calloc((size_t)h->n_classes + 1, sizeof(*used));
	if (!used)
		return fl_err_set(err, FL_ENOMEM, "image: out of memory");
	ret = rows_check(v, first, h, used, err);
	if (ret == 0)
		ret = counts_check(img, h, used, err);
	free(used);
	return ret;
}

int fl_image_open(struct fl_span bytes, void (*unmap)(void *handle), void *handle, struct fl_image **out, struct fl_err *err)
{
	struct fl__image_header h;
	struct fl__image_layout l;
	struct fl_image *img = NULL;
	int ret;

	if ((uintptr_t)bytes.p % 16 != 0)
		return fl_err_set(err, FL_EUSAGE, "image: bytes are not aligned to 16");
	ret = header_read(bytes, &h, err);
	if (ret == 0)
		ret = layout_check(bytes, &h, &l, err);
	if (ret == 0)
		ret = sums_check(bytes, l.sums, err);
	if (ret < 0)
		return ret;
	ret = fl_err_set(err, FL_ENOMEM, "image: out of memory");
	img = fl__image_alloc(&h.key, h.n_lists, h.n_inputs);
	if (!img)
		goto out;
	img->classes = fl__classes_new();
	if (!img->classes)
		goto out;
	ret = content_read(bytes, &h, &l, img, err);
	if (ret < 0)
		goto out;
	img->base = fl__table_mapped((const struct fl__row *)(const void *)(bytes.p + l.rows), (size_t)h.rows,
				     (const uint32_t *)(const void *)(bytes.p + l.index), h.bits, bytes.n, unmap, handle);
	if (!img->base) {
		ret = fl_err_set(err, FL_ENOMEM, "image: out of memory");
		goto out;
	}
	fl__hash_keys_init(&img->hash, &h.key);
	img->names = h.rows;
	img->generation = h.generation;
	fl__image_seal(img);
	*out = img;
	img = NULL; /* handed over */
out:
	fl_image_release(img);
	return ret;
}
