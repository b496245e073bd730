/* May a version follow what is held? A table in code, pure. The sources are the rules of docs/decisions/follow.md (each of them found necessary by a model
 * of the protocol): numbers are compared within one epoch only; identity is the chain; a recovery is a person's decision and is followed only forward. */
#include "enforcer/follow_int.h"

#include "base/mutant.h"

static bool over_names(const struct fl_recovered *r, const struct fl_epoch *e)
{
	for (uint32_t i = 0; i < r->n_over && i < FL_RECOVERED_OVER_MAX; i++)
		if (fl_epoch_eq(&r->over[i], e))
			return true;
	return false;
}

enum fl_verdict fl__judge(const struct fl_image_list *held, const struct fl_list_version *v)
{
	bool same_epoch, recovery;

	if (!held || held->id.number == 0)
		return FL_V_FIRST;
	same_epoch = fl_epoch_eq(&held->id.epoch, &v->id.epoch);
	if (FL_MUTANT(FL_MUTANT_NUMBER_IDENTITY))
		return v->id.number == held->id.number ? FL_V_HELD : v->id.number < held->id.number ? FL_V_OLD : FL_V_NEXT;
	recovery = v->recovered.version > held->recovered.version &&
		   (v->id.number > held->id.number || (!same_epoch && over_names(&v->recovered, &held->id.epoch)));
	if (same_epoch && v->id.number == held->id.number)
		return memcmp(v->id.chain, held->id.chain, sizeof(v->id.chain)) == 0 ? FL_V_HELD : FL_V_OTHER;
	if (same_epoch && v->id.number < held->id.number)
		return FL_V_OLD;
	if (same_epoch && v->parent == held->id.number && memcmp(v->parent_chain, held->id.chain, sizeof(v->parent_chain)) == 0)
		return FL_V_NEXT;
	if (recovery)
		return FL_V_RECOVERED;
	return same_epoch ? FL_V_GAP : FL_V_OTHER;
}

static bool has_input(const struct fl_image_input *in, size_t n, const char *list, const char *source)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(in[i].list, list) == 0 && strcmp(in[i].source, source) == 0)
			return true;
	return false;
}

bool fl__keeps_all(const struct fl_image_list *held, const struct fl_image_input *in, size_t n, const struct fl_list_version *v)
{
	uint32_t known = 0;

	if (v->recovered.version < held->recovered.version)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct fl_list_input *to;

		if (strcmp(in[i].list, held->name) != 0)
			continue;
		to = fl_list_input_find(v->inputs, v->n_inputs, in[i].source);
		if (!to || !fl_u128_eq(to->digest, in[i].digests.scope) || to->entries != in[i].digests.entries || (in[i].pinned && !to->pinned))
			return false;
		known++;
	}
	for (uint32_t i = 0; i < v->n_inputs; i++)
		known += v->inputs[i].entries == 0 && !has_input(in, n, held->name, v->inputs[i].source);
	return known == v->n_inputs;
}

const char *fl_follow_state_word(enum fl_follow_state s)
{
	static const char *const words[] = { "waiting", "ok", "behind", "DEGRADED", "STALE" };

	return words[s];
}
