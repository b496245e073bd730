/* The root of an image, shared by the files of this folder. All that it points to is immutable once it is handed out; base, runs
 * and classes are shared with the images it was made from. */
#pragma once
#include "matcher/classes.h"
#include "matcher/rows.h"

struct fl_image {
	_Atomic uint32_t refs;
	struct fl_image_key key;
	struct fl__hash_keys hash;
	struct fl_image_list *lists;
	struct fl_image_input *inputs;
	uint16_t *list_of; /* input -> list */
	uint32_t n_lists, n_inputs;
	struct fl__table *base;
	struct fl__table *runs[FL_IMAGE_RUNS_MAX]; /* newest first */
	unsigned n_runs;
	struct fl__classes *classes;
	uint32_t n_classes; /* and bytes, when this image was made: the store may have grown since */
	size_t class_bytes;
	uint64_t names, generation;
};

/** A root without content: room for so many lists and inputs, none in use. One reference. NULL when out of memory. */
struct fl_image *fl__image_alloc(const struct fl_image_key *key, uint32_t lists, uint32_t inputs);
/** Note the state of the class store, as the last step before an image is handed out. */
void fl__image_seal(struct fl_image *img);

static inline uint64_t fl__image_overlay(const struct fl_image *img)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < img->n_runs; i++)
		n += img->runs[i]->n;
	return n;
}
/** The class of a print; 0 when it is not there. */
static inline uint32_t fl__image_find(const struct fl_image *img, struct fl__print p)
{
	const struct fl__row *r;

	for (unsigned i = 0; i < img->n_runs; i++) {
		r = fl__table_find(img->runs[i], p);
		if (r)
			return r->cls;
	}
	r = fl__table_find(img->base, p);
	return r ? r->cls : 0;
}
/** All rows of runs and base. */
static inline void fl__image_merge(const struct fl_image *img, struct fl__merge *m)
{
	struct fl__table *t[FL_IMAGE_RUNS_MAX + 1];

	memcpy(t, img->runs, img->n_runs * sizeof(t[0]));
	t[img->n_runs] = img->base;
	fl__merge_init(m, t, img->n_runs + 1);
}
