/* The image after one list version. Start at fl_image_apply(): the inputs of the new image are laid out, every moved input is read
 * into operations while its digest and count are followed, and only when all agree are rows made (build.c). Whether an old scope
 * is what stands in the image is checked there, name by name. */
#include "matcher/build.h"

#include "base/mutant.h"

#include <inttypes.h>
#include <stdlib.h>

#define NO_POSITION UINT32_MAX

struct apply {
	const struct fl_image *old;
	const struct fl_image_update *u;
	struct fl_image *img;
	uint32_t list;	   /* of img */
	int32_t *remap;	   /* old input -> new input, -1: its names go */
	uint32_t *at;	   /* position in the manifest -> new input */
	bool takes_out;	   /* some input's names go, or its number changes */
	struct fl__ops ops;
	uint32_t bad;	   /* position in the manifest */
};

static int refuse(struct apply *a, uint32_t pos, int code, struct fl_err *err, const char *what)
{
	a->bad = pos;
	return fl_err_set(err, code, "list '%s', source '%s': %s", a->u->version->list, a->u->inputs[pos].to->source, what);
}

/* ---- layout ---- */

static int manifest_check(const struct fl_image_update *u, struct fl_err *err)
{
	const struct fl_list_version *v = u->version;

	if (!fl_set_name_valid(v->list))
		return fl_err_set(err, FL_ECORRUPT, "a list version without a valid list name");
	if (v->n_inputs > FL_INPUTS_MAX)
		return fl_err_set(err, FL_ELIMIT, "list '%s': %" PRIu32 " inputs", v->list, v->n_inputs);
	for (uint32_t i = 0; i < v->n_inputs; i++) {
		const char *s = v->inputs[i].source;

		if (!fl_set_name_valid(s) || (i > 0 && strcmp(v->inputs[i - 1].source, s) >= 0))
			return fl_err_set(err, FL_ECORRUPT, "list '%s': inputs are not sorted, unique source names", v->list);
		if (strcmp(s, u->inputs[i].to->source) != 0)
			return fl_err_set(err, FL_EUSAGE, "list '%s': update and manifest disagree", v->list);
	}
	return 0;
}

static int list_place(struct apply *a, struct fl_err *err)
{
	const struct fl_list_version *v = a->u->version;
	int at = fl_image_list_index(a->old, v->list);
	struct fl_image_list *l;

	memcpy(a->img->lists, a->old->lists, a->old->n_lists * sizeof(*a->img->lists));
	a->img->n_lists = a->old->n_lists;
	if (at < 0) {
		if (a->img->n_lists == FL_IMAGE_LISTS_MAX)
			return fl_err_set(err, FL_ELIMIT, "more than %d lists", FL_IMAGE_LISTS_MAX);
		at = (int)a->img->n_lists++;
	}
	a->list = (uint32_t)at;
	l = &a->img->lists[at];
	*l = (struct fl_image_list){
		.id = v->id,
		.parent = v->parent,
		.recovered = v->recovered,
		.published_at = v->at,
		.applied_at = a->u->applied_at,
	};
	memcpy(l->name, v->list, sizeof(l->name));
	return 0;
}

/* Position of a source in the sorted manifest. */
static uint32_t manifest_find(const struct fl_list_version *v, const char *source)
{
	const struct fl_list_input *in = fl_list_input_find(v->inputs, v->n_inputs, source);

	return in ? (uint32_t)(in - v->inputs) : NO_POSITION;
}

/* Old inputs keep their order; those that the manifest lacks go, new ones come last. */
static int inputs_place(struct apply *a, struct fl_err *err)
{
	const struct fl_list_version *v = a->u->version;
	struct fl_image *img = a->img;

	for (uint32_t i = 0; i < v->n_inputs; i++)
		a->at[i] = NO_POSITION;
	for (uint32_t i = 0; i < a->old->n_inputs; i++) {
		uint32_t pos = NO_POSITION;

		if (a->old->list_of[i] == a->list) {
			pos = manifest_find(v, a->old->inputs[i].source);
			if (pos == NO_POSITION) {
				a->remap[i] = -1;
				a->takes_out = true;
				continue;
			}
			a->at[pos] = img->n_inputs;
		}
		a->remap[i] = (int32_t)img->n_inputs;
		img->list_of[img->n_inputs] = a->old->list_of[i];
		img->inputs[img->n_inputs++] = a->old->inputs[i];
	}
	for (uint32_t pos = 0; pos < v->n_inputs; pos++) {
		struct fl_image_input *in = &img->inputs[img->n_inputs];

		if (a->at[pos] != NO_POSITION)
			continue;
		if (img->n_inputs == FL_IMAGE_INPUTS_MAX)
			return fl_err_set(err, FL_ELIMIT, "more than %d inputs", FL_IMAGE_INPUTS_MAX);
		memcpy(in->list, v->list, sizeof(in->list));
		memcpy(in->source, v->inputs[pos].source, sizeof(in->source));
		img->list_of[img->n_inputs] = (uint16_t)a->list;
		a->at[pos] = img->n_inputs++;
	}
	return 0;
}

/* ---- reading what moved ---- */

static int op_add(struct apply *a, uint32_t pos, struct fl_span key, uint8_t old, uint8_t new, struct fl_digests *d,
		  struct fl_err *err)
{
	struct fl__print p = fl__hash_key(&a->img->hash, key);
	struct fl__op op = { p.hi, p.lo, (uint16_t)a->at[pos], old, new };
	int ret;

	if ((old | new) > FL_SCOPE_ALL || key.n > FL_RKEY_MAX)
		return refuse(a, pos, FL_ECORRUPT, err, "a name or scope out of range");
	d->scope = fl_u128_add(fl_u128_sub(d->scope, fl_digest_scope(key, old)), fl_digest_scope(key, new));
	d->entries = d->entries - (old != 0) + (new != 0);
	ret = fl__ops_add(&a->ops, &op);
	return ret < 0 ? refuse(a, pos, ret, err, "too large a change") : 0;
}

static int changes_read(struct apply *a, uint32_t pos, struct fl_change_iter *it, struct fl_digests *d, struct fl_err *err)
{
	struct fl_change c;
	int ret;

	while ((ret = it->next(it, &c, err)) > 0) {
		if (c.old.scope == c.new.scope) /* attributes only: they are not in the image */
			continue;
		ret = op_add(a, pos, c.key, c.old.scope, c.new.scope, d, err);
		if (ret < 0)
			return ret;
	}
	if (ret < 0) {
		a->bad = pos;
		fl_err_wrap(err, ret, "list '%s', source '%s'", a->u->version->list, a->u->inputs[pos].to->source);
	}
	return ret;
}

static int entries_read(struct apply *a, uint32_t pos, struct fl_digests *d, struct fl_err *err)
{
	const struct fl_image_input_update *in = &a->u->inputs[pos];
	struct fl_entry e;
	int ret;

	while ((ret = in->take_entries->next(in->take_entries, &e, err)) > 0) {
		if (!e.t.scope || d->entries == in->to->entries)
			return refuse(a, pos, FL_ECORRUPT, err, "more entries than the version says, or one without scope");
		ret = op_add(a, pos, e.key, 0, e.t.scope, d, err);
		if (ret < 0)
			return ret;
	}
	if (ret < 0) {
		a->bad = pos;
		fl_err_wrap(err, ret, "list '%s', source '%s'", a->u->version->list, in->to->source);
	}
	return ret;
}

/* The held names of an input that is replaced are taken out of every class; nothing to do where it holds none. */
static void content_drop(struct apply *a, uint32_t input, struct fl_digests *d)
{
	if (d->entries > 0)
		for (uint32_t i = 0; i < a->old->n_inputs; i++)
			if (a->remap[i] == (int32_t)input) {
				a->remap[i] = -1;
				a->takes_out = true;
			}
	*d = (struct fl_digests){ 0 };
}

static int input_read(struct apply *a, uint32_t pos, struct fl_err *err)
{
	const struct fl_image_input_update *in = &a->u->inputs[pos];
	struct fl_image_input *to = &a->img->inputs[a->at[pos]];
	struct fl_digests d = to->digests;
	int ret = 0;

	if (in->same + (in->take_changes != NULL) + (in->take_entries != NULL) != 1)
		return refuse(a, pos, FL_EUSAGE, err, "not exactly one of same, changes, entries");
	if (in->take_entries) {
		content_drop(a, a->at[pos], &d);
		ret = entries_read(a, pos, &d, err);
	}
	for (size_t i = 0; in->take_changes && i < in->n_changes && ret == 0; i++)
		ret = changes_read(a, pos, in->take_changes[i], &d, err);
	if (ret < 0)
		return ret;
	if ((d.entries != in->to->entries || !fl_u128_eq(d.scope, in->to->digest)) && !FL_MUTANT(FL_MUTANT_NO_DIGEST))
		return refuse(a, pos, FL_ECORRUPT, err, "digest or number of entries is not the version's");
	to->id = in->to->id;
	to->pinned = in->to->pinned;
	to->gone = in->to->gone;
	to->digests = d;
	return 0;
}

static void names_sum(struct fl_image *img, uint32_t list)
{
	img->lists[list].names = 0;
	for (uint32_t i = 0; i < img->n_inputs; i++)
		if (img->list_of[i] == list)
			img->lists[list].names += img->inputs[i].digests.entries;
}

/* ---- rows ---- */

static int rows_build(struct apply *a, struct fl_err *err)
{
	struct fl__build *b = calloc(1, sizeof(*b));
	int ret = FL_ENOMEM;

	if (!b || !fl__ops_sort(&a->ops))
		goto out;
	b->old = a->old;
	b->img = a->img;
	b->ops = a->ops.v;
	b->n_ops = a->ops.n;
	b->remap = a->takes_out ? a->remap : NULL;
	ret = a->takes_out || fl__build_wants_base(a->old, a->ops.n) ? fl__build_base(b) : fl__build_run(b);
	if (ret == FL_ECORRUPT)
		for (uint32_t pos = 0; pos < a->u->version->n_inputs; pos++)
			if (a->at[pos] == b->bad_input)
				ret = refuse(a, pos, FL_ECORRUPT, err, "a change does not fit what is held");
out:
	free(b);
	return ret;
}

static int apply_run(struct apply *a, struct fl_err *err)
{
	int ret = manifest_check(a->u, err);

	if (ret < 0)
		return ret;
	ret = list_place(a, err);
	if (ret == 0)
		ret = inputs_place(a, err);
	for (uint32_t pos = 0; pos < a->u->version->n_inputs && ret == 0; pos++)
		ret = input_read(a, pos, err);
	if (ret < 0)
		return ret;
	names_sum(a->img, a->list);
	ret = rows_build(a, err);
	return ret == FL_ENOMEM ? fl_err_set(err, ret, "list '%s': out of memory", a->u->version->list) : ret;
}

static void update_close(const struct fl_image_update *u)
{
	for (uint32_t i = 0; i < u->version->n_inputs; i++) {
		for (size_t j = 0; u->inputs[i].take_changes && j < u->inputs[i].n_changes; j++)
			fl_changes_close(u->inputs[i].take_changes[j]);
		fl_entries_close(u->inputs[i].take_entries);
	}
}

/* A root that can hold what `old` has and so much more. */
static struct fl_image *root_from(const struct fl_image *old, uint32_t lists, uint32_t inputs)
{
	struct fl_image *img = fl__image_alloc(&old->key, old->n_lists + lists, old->n_inputs + inputs);

	if (img) {
		img->hash = old->hash;
		img->generation = old->generation;
	}
	return img;
}

int fl_image_apply(const struct fl_image *old, const struct fl_image_update *u, struct fl_image **out, uint32_t *bad_input,
		   struct fl_err *err)
{
	uint32_t n = u->version->n_inputs;
	struct apply a = { .old = old, .u = u, .bad = NO_POSITION };
	int ret;

	a.img = root_from(old, 1, n);
	a.remap = calloc(old->n_inputs + 1, sizeof(*a.remap));
	a.at = calloc((size_t)n + 1, sizeof(*a.at));
	if (!a.img || !a.remap || !a.at) {
		ret = fl_err_set(err, FL_ENOMEM, "list '%s': out of memory", u->version->list);
		goto out;
	}
	ret = apply_run(&a, err);
	if (ret < 0)
		goto out;
	*out = a.img;
	a.img = NULL; /* handed over */
out:
	if (ret < 0 && bad_input)
		*bad_input = a.bad;
	update_close(u);
	fl_image_release(a.img);
	fl__ops_done(&a.ops);
	free(a.remap);
	free(a.at);
	return ret;
}

/* Lists and inputs of `old` without list `at`. */
static void drop_place(const struct fl_image *old, uint32_t at, struct fl_image *img, int32_t *remap)
{
	for (uint32_t i = 0; i < old->n_lists; i++)
		if (i != at)
			img->lists[img->n_lists++] = old->lists[i];
	for (uint32_t i = 0; i < old->n_inputs; i++) {
		remap[i] = -1;
		if (old->list_of[i] == at)
			continue;
		remap[i] = (int32_t)img->n_inputs;
		img->list_of[img->n_inputs] = (uint16_t)(old->list_of[i] - (old->list_of[i] > at));
		img->inputs[img->n_inputs++] = old->inputs[i];
	}
}

int fl_image_drop_list(const struct fl_image *old, const char *list, struct fl_image **out, struct fl_err *err)
{
	int at = fl_image_list_index(old, list), ret = FL_ENOMEM;
	struct fl__build *b = NULL;
	struct fl_image *img = NULL;
	int32_t *remap = NULL;

	if (at < 0)
		return fl_err_set(err, FL_ENOTFOUND, "list '%s' is not in the image", list);
	img = root_from(old, 0, 0);
	remap = calloc(old->n_inputs + 1, sizeof(*remap));
	b = calloc(1, sizeof(*b));
	if (!img || !remap || !b)
		goto out;
	drop_place(old, (uint32_t)at, img, remap);
	b->old = old;
	b->img = img;
	b->remap = remap;
	ret = fl__build_base(b);
	if (ret < 0)
		goto out;
	*out = img;
	img = NULL; /* handed over */
out:
	fl_image_release(img);
	free(remap);
	free(b);
	return ret < 0 ? fl_err_set(err, ret, "list '%s' cannot be dropped: %s", list, fl_code_text(ret)) : 0;
}
