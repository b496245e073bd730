/* The root: making, sharing and asking it. An image is walked in walk.c, changed in apply.c, stored in image_write.c and
 * image_open.c. */
#include "matcher/root.h"

#include <stdlib.h>

struct fl_image *fl__image_alloc(const struct fl_image_key *key, uint32_t lists, uint32_t inputs)
{
	struct fl_image *img = calloc(1, sizeof(*img));

	if (!img)
		return NULL;
	atomic_init(&img->refs, 1);
	img->key = *key;
	img->lists = calloc(lists + 1, sizeof(*img->lists));
	img->inputs = calloc(inputs + 1, sizeof(*img->inputs));
	img->list_of = calloc(inputs + 1, sizeof(*img->list_of));
	if (!img->lists || !img->inputs || !img->list_of) {
		fl_image_release(img);
		return NULL;
	}
	return img;
}

void fl__image_seal(struct fl_image *img)
{
	img->n_classes = img->classes->n;
	img->class_bytes = img->classes->bytes;
}

int fl_image_new(const struct fl_image_key *key, struct fl_image **out)
{
	struct fl_image *img = fl__image_alloc(key, 0, 0);
	struct fl__row *none = fl__rows_alloc(0);
	int ret = FL_ENOMEM;

	if (!img || !none) {
		free(none);
		goto out;
	}
	img->base = fl__table_new(none, 0);
	img->classes = fl__classes_new();
	if (!img->base || !img->classes)
		goto out;
	fl__hash_keys_init(&img->hash, key);
	fl__image_seal(img);
	*out = img;
	img = NULL; /* handed over */
	ret = 0;
out:
	fl_image_release(img);
	return ret;
}

struct fl_image *fl_image_acquire(struct fl_image *img)
{
	atomic_fetch_add_explicit(&img->refs, 1, memory_order_relaxed);
	return img;
}

void fl_image_release(struct fl_image *img)
{
	if (!img || atomic_fetch_sub_explicit(&img->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < img->n_runs; i++)
		fl__table_release(img->runs[i]);
	fl__table_release(img->base);
	fl__classes_release(img->classes);
	free(img->lists);
	free(img->inputs);
	free(img->list_of);
	free(img);
}

size_t fl_image_lists(const struct fl_image *img, const struct fl_image_list **out)
{
	*out = img->lists;
	return img->n_lists;
}

size_t fl_image_inputs(const struct fl_image *img, const struct fl_image_input **out)
{
	*out = img->inputs;
	return img->n_inputs;
}

int fl_image_list_index(const struct fl_image *img, const char *name)
{
	for (uint32_t i = 0; i < img->n_lists; i++)
		if (strcmp(img->lists[i].name, name) == 0)
			return (int)i;
	return -1;
}

int fl_image_input_index(const struct fl_image *img, const char *list, const char *source)
{
	int at = fl_image_list_index(img, list);

	for (uint32_t i = 0; at >= 0 && i < img->n_inputs; i++)
		if (img->list_of[i] == at && strcmp(img->inputs[i].source, source) == 0)
			return (int)i;
	return -1;
}

void fl_image_stats(const struct fl_image *img, struct fl_image_stats *out)
{
	*out = (struct fl_image_stats){
		.names = img->names,
		.bytes = img->base->bytes + img->class_bytes + sizeof(*img) + img->n_lists * sizeof(*img->lists) +
			 img->n_inputs * (sizeof(*img->inputs) + sizeof(*img->list_of)),
		.base_rows = img->base->n,
		.overlay_rows = fl__image_overlay(img),
		.runs = img->n_runs,
		.classes = img->n_classes,
		.generation = img->generation,
	};
	for (unsigned i = 0; i < img->n_runs; i++)
		out->bytes += img->runs[i]->bytes;
}
