/* A new version of a list: a manifest. It holds no names; the script checks that each input that differs from the parent's exists with its chain, and that inputs do not go back and
 * pins are the parent's, unless the cause allows it. */
#include <stdio.h>

#include "sets/sets_int.h"

static bool may_move_back(enum fl_cause c)
{
	return c == FL_CAUSE_ROLLBACK || c == FL_CAUSE_HOLD || c == FL_CAUSE_UNHOLD || c == FL_CAUSE_RECOVER || c == FL_CAUSE_DELETE;
}

/* The counts of a moved input: from the source's own version when that is one step, else the difference of sizes. */
static void count_input(struct fl_sets *s, const struct fl_list_input *to, const struct fl_list_input *from, struct fl_list_version *out)
{
	struct fl_source_version v;

	if (from && fl_version_id_eq(&from->id, &to->id))
		return;
	if (to->id.number && fl_source_version_get(s, to->source, to->id.number, &v, NULL) == 0) {
		if (v.fetch.seen_at > out->seen_at)
			out->seen_at = v.fetch.seen_at;
		if (v.at > out->source_at)
			out->source_at = v.at;
		if (v.parent == (from ? from->id.number : 0)) {
			out->added += v.added;
			out->removed += v.removed;
			return;
		}
	}
	uint64_t had = from ? from->entries : 0;

	if (to->entries > had)
		out->added += to->entries - had;
	else
		out->removed += had - to->entries;
}

static int describe(struct fl_sets *s, const struct fl_list_commit *c, struct fl_arena *arena, struct fl_list_version *v, struct fl_err *err)
{
	struct fl_list_version parent = { 0 };
	int ret = 0;

	memset(v, 0, sizeof(*v));
	snprintf(v->list, sizeof(v->list), "%s", c->name);
	if (c->parent->id.number) {
		ret = fl_list_version_get(s, c->name, c->parent->id.number, arena, &parent, err);
		if (ret < 0)
			return ret == FL_ENOTFOUND ? fl_err_set(err, FL_ESTALE, "list '%s': the head moved", c->name) : ret == FL_EUNKNOWN ? FL_EUNAVAIL : ret;
	}
	v->id.epoch = c->parent->id.epoch;
	v->id.number = c->parent->id.number + 1;
	if (c->parent->id.number == 0) {
		s->random->bytes(s->random, v->id.epoch.b, sizeof(v->id.epoch.b));
		if (c->first_number)
			v->id.number = c->first_number;
	}
	if (v->id.number <= c->at_least)
		v->id.number = c->at_least + 1;
	if (v->id.number > FL_NUMBER_MAX || c->at_least >= FL_NUMBER_MAX)
		return fl_err_set(err, FL_ELIMIT, "list '%s': no version above %llu can be numbered", c->name, (unsigned long long)c->at_least);
	v->parent = c->parent->id.number;
	memcpy(v->parent_chain, c->parent->id.chain, sizeof(v->parent_chain));
	v->n_inputs = c->n_inputs;
	v->inputs = fl_arena_array(arena, c->n_inputs + 1, sizeof(*v->inputs));
	if (!v->inputs)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (c->n_inputs)
		memcpy(v->inputs, c->inputs, c->n_inputs * sizeof(*v->inputs));
	for (uint32_t i = 0; i < c->n_inputs; i++) {
		v->names += c->inputs[i].entries;
		count_input(s, &c->inputs[i], fl_list_input_find(parent.inputs, parent.n_inputs, c->inputs[i].source), v);
	}
	for (uint32_t i = 0; i < parent.n_inputs; i++)
		if (!fl_list_input_find(v->inputs, v->n_inputs, parent.inputs[i].source))
			v->removed += parent.inputs[i].entries;
	v->at = fl_now_unix(s->clock);
	v->seen_at = c->seen_at ? c->seen_at : v->seen_at;
	v->source_at = c->source_at ? c->source_at : v->source_at;
	v->cause = c->cause;
	snprintf(v->actor, sizeof(v->actor), "%s", c->actor ? c->actor : "");
	snprintf(v->reason, sizeof(v->reason), "%s", c->reason ? c->reason : "");
	v->recovered = parent.recovered;
	if (c->cause == FL_CAUSE_RECOVER) {
		v->recovered = c->recovered;
		v->recovered.version = v->id.number;
	}
	fl__random_hex(s, v->commit_id);
	fl_list_version_chain(v);
	return 0;
}

int fl_list_commit(struct fl_sets *s, const struct fl_list_commit *c, struct fl_arena *arena, struct fl_list_version *out, struct fl_err *err)
{
	const struct fl_script *script = FL_MUTANT(FL_MUTANT_NO_CAS) ? &fl__script_list_no_cas : &fl__script_commit_list;
	struct fl_args keys = { .arena = arena }, args = { .arena = arena };
	struct fl_u128 none = { 0 };
	struct fl_list_version v;
	struct fl_kv kv[64];
	size_t nkv;
	int ret = describe(s, c, arena, &v, err);

	if (ret < 0)
		return ret;
	fl__args_add(&keys, fl__key(s, arena, FL_LIST, c->name, ":head"));
	fl__args_add(&keys, fl__key(s, arena, FL_LIST, c->name, ":v:%llu", (unsigned long long)v.id.number));
	fl__args_add(&keys, fl__key(s, arena, FL_LIST, c->name, ":lineage"));
	fl__args_add(&keys, fl__key(s, arena, FL_LIST, c->name, ":v:%llu", (unsigned long long)v.parent));
	fl__args_add(&keys, fl__key(s, arena, FL_LIST, c->name, ":outbox"));
	fl__args_add(&keys, fl__key(s, arena, FL_LIST, c->name, ":back"));
	nkv = fl_list_version_fields(&v, arena, kv, 64);
	fl__commit_args(s, arena,
			&(struct fl_commit_words){ &c->parent->id, &v.id, c->lease->fence, v.commit_id, none, v.names,
						   v.cause == FL_CAUSE_DELETE ? "deleted" : "ok", v.at, FL_LIST, c->name, fl__value_of(kv, nkv, "inputs").n },
			kv, nkv, &args);
	fl__args_str(&args, c->name);
	fl__args_str(&args, may_move_back(c->cause) ? "1" : "0");
	fl__args_num(&args, c->n_inputs);
	for (uint32_t i = 0; i < c->n_inputs; i++) {
		const struct fl_list_input *in = &c->inputs[i];

		fl__args_add(&keys, fl__key(s, arena, FL_SOURCE, in->source, ":v:%llu", (unsigned long long)in->id.number));
		fl__args_add(&keys, fl__key(s, arena, FL_SOURCE, in->source, ":needed"));
		fl__args_str(&args, in->source);
		fl__args_add(&args, fl__hexspan(arena, in->id.epoch.b, 16));
		fl__args_num(&args, (int64_t)in->id.number);
		fl__args_add(&args, fl__hexspan(arena, in->id.chain, 32));
		fl__args_str(&args, fl_list_input_flags(in));
	}
	ret = nkv ? fl__commit_eval(s, script, &keys, &args, err) : FL_ENOMEM;
	if (ret == FL_ENOTFOUND)
		ret = fl_err_set(err, FL_ESTALE, "list '%s': an input moved while it was being published", c->name);
	if (ret == 0)
		*out = v;
	return ret;
}
