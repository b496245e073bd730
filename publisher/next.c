/* The next manifest, decided from heads alone: pure, no names, no store. */
#include "publisher/state.h"

/* The head is what the input was, or comes after it in the same epoch. */
static bool comes_after(const struct fl_list_input *in, const struct fl_head *h)
{
	if (in->id.number == 0)
		return true;
	if (!fl_epoch_eq(&in->id.epoch, &h->id.epoch) || h->id.number < in->id.number)
		return false;
	return h->id.number > in->id.number || memcmp(h->id.chain, in->id.chain, sizeof(in->id.chain)) == 0;
}

/* And the input is still there to be come after: nothing is lost. */
static bool goes_on(const struct fl_list_input *in, const struct fl_pub_source *s)
{
	return comes_after(in, &s->head) && (in->id.number == 0 || !s->input_lost);
}

/* The version the input names is not in the head's history. May the head take its place? By counts, since the old content
 * may be gone. What people and findings entered is never taken away by counts: the ledger or `recover` brings it back. */
static bool replacement_fits(const struct fl_list_input *in, const struct fl_pub_source *s, const struct fl_guard_counts *g)
{
	if (s->cfg.kind != FL_SRC_FEED)
		return s->head.entries >= in->entries;
	if (in->entries > 0 && s->head.entries == 0)
		return false;
	if (in->entries < g->min_side && s->head.entries < g->min_side)
		return true;
	return s->head.entries >= in->entries || (double)(in->entries - s->head.entries) <= g->max_removed_ratio * (double)in->entries;
}

static void take_head(struct fl_list_input *in, const struct fl_head *h, bool pinned)
{
	in->id = h->id;
	in->digest = h->digest;
	in->entries = h->entries;
	in->pinned = pinned;
	in->gone = false;
}

static bool head_usable(const struct fl_pub_source *s)
{
	return s->head.id.number != 0 && !s->head_lost;
}

/* What an input that the list has becomes. */
static void move_on(struct fl_list_input *in, const struct fl_pub_source *s, const struct fl_guard_counts *guard)
{
	if (in->pinned) /* stays where the rollback put it */
		in->gone = in->id.number != 0 && s->input_lost;
	else if (head_usable(s) && (goes_on(in, s) || replacement_fits(in, s, guard)))
		take_head(in, &s->head, false);
	else
		in->gone = in->id.number != 0 && (s->head.id.number == 0 || !goes_on(in, s));
}

static bool same_input(const struct fl_list_input *a, const struct fl_list_input *b)
{
	return fl_version_id_eq(&a->id, &b->id) && a->pinned == b->pinned && a->gone == b->gone;
}

bool fl__next_inputs(const struct fl_list_version *current, const struct fl_pub_source *sources, size_t n, const struct fl_guard_counts *guard,
		     struct fl_list_input *out, uint32_t *n_out, fl_unix_us *source_at)
{
	bool changed = false;
	uint32_t k = 0, known = 0;

	*source_at = 0;
	for (size_t i = 0; i < n && k < FL_INPUTS_MAX; i++) {
		const struct fl_pub_source *s = &sources[i];
		const struct fl_list_input *had = fl_list_input_find(current->inputs, current->n_inputs, s->cfg.source);
		struct fl_list_input *in = &out[k];

		known += had != NULL;
		if (!had && !head_usable(s))
			continue; /* a source that never had a version is no input yet */
		memset(in, 0, sizeof(*in));
		memcpy(in->source, s->cfg.source, strnlen(s->cfg.source, sizeof(in->source) - 1));
		if (had)
			*in = *had;
		move_on(in, s, guard);
		if (!had || !same_input(had, in)) {
			changed = true;
			if (s->head.published_at > *source_at)
				*source_at = s->head.published_at;
		}
		k++;
	}
	*n_out = k;
	return changed || known != current->n_inputs;
}
