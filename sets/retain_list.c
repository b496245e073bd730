/* Retention of lists: manifests by age, weight and floor, never one that the relay has still to send; then what the kept ones need of each source is written to the sources. Manifests
 * first: a crash between leaves a source version too many, never one too few.
 *
 * Inputs rise from version to version, but for the versions that `back` names. So the lowest version that a list needs of a source stands in its oldest manifest, or in one of `back`. */
#include "sets/sets_int.h"

enum { AGED_MAX = 1000, BACK_MAX = 512, RETAIN_ROUNDS = 16 };

/* Manifests that say what is needed: [0] the head, then those of `back` from the newest, the last is the oldest one. */
struct manifests {
	struct fl_list_version v[BACK_MAX + 2];
	size_t n;
	bool all; /* false: there are more; then what is needed is not judged */
};

static int add_manifest(struct fl_sets *s, const char *list, uint64_t number, struct fl_arena *a, struct manifests *m, struct fl_err *err)
{
	int ret = fl_list_version_get(s, list, number, a, &m->v[m->n], err);

	if (ret == 0)
		m->n++;
	return ret == FL_ENOTFOUND ? 0 : ret;
}

/* Read before deletion: of those that are about to go, the sources may be needed no more. */
static int read_manifests(struct fl_sets *s, const char *list, uint64_t head, uint64_t from, uint64_t oldest, struct fl_arena *a, struct manifests *m, struct fl_err *err)
{
	struct fl_span argv[] = { fl_span_str("ZREVRANGEBYSCORE"), fl__key(s, a, FL_LIST, list, ":back"), fl_span_str("+inf"), fl__num(a, (int64_t)from),
				  fl_span_str("LIMIT"), fl_span_str("0"), fl__num(a, BACK_MAX) };
	struct fl_reply *r = NULL;
	int ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 7 }, 1, a, &r, err);

	m->n = 0;
	m->all = ret == 0 && r->n < BACK_MAX;
	if (ret == 0 && r->type != FL_REPLY_ARRAY)
		ret = fl_err_set(err, FL_ECORRUPT, "list '%s': its index of steps back is malformed", list);
	if (ret == 0)
		ret = add_manifest(s, list, head, a, m, err);
	for (size_t i = 0; ret == 0 && i < r->n; i++) {
		uint64_t number;

		if (fl_u64_parse(r->v[i].s, &number) && number != head && number != oldest)
			ret = add_manifest(s, list, number, a, m, err);
	}
	return ret == 0 ? add_manifest(s, list, oldest, a, m, err) : ret;
}

static const struct fl_list_input *input_of(const struct fl_list_version *v, const char *source)
{
	const struct fl_list_input *in = fl_list_input_find(v->inputs, v->n_inputs, source);

	return in && in->id.number ? in : NULL;
}

struct need {
	bool any;      /* a kept manifest has the source */
	uint64_t low;  /* of the newest epoch among them, 0 when the oldest manifest has it not or in another epoch: what stands is right */
};

static struct need need_of(const struct manifests *m, size_t kept, const char *source)
{
	const struct fl_list_input *last = input_of(&m->v[m->n - 1], source);
	const struct fl_epoch *epoch = NULL;
	struct need need = { 0 };

	for (size_t i = 0; i < m->n; i++) {
		const struct fl_list_input *in = m->v[i].id.number >= kept ? input_of(&m->v[i], source) : NULL;

		if (!in)
			continue;
		if (!epoch)
			epoch = &in->id.epoch;
		need.any = true;
		if (fl_epoch_eq(epoch, &in->id.epoch) && (!need.low || in->id.number < need.low))
			need.low = in->id.number;
	}
	if (!last || !epoch || !fl_epoch_eq(&last->id.epoch, epoch))
		need.low = 0;
	return need;
}

static bool seen_before(const struct manifests *m, size_t i, uint32_t k)
{
	const char *source = m->v[i].inputs[k].source;

	for (size_t q = 0; q < i; q++)
		if (fl_list_input_find(m->v[q].inputs, m->v[q].n_inputs, source))
			return true;
	return false;
}

/* After deletion: `m` was read before it, so that the sources of what went are known. */
static int write_needed(struct fl_sets *s, const struct fl_lease *lease, const struct fl_kept *k, const struct manifests *m, uint64_t oldest, struct fl_arena *a,
			struct fl_err *err)
{
	struct fl_args keys = { .arena = a }, args = { .arena = a };

	fl__args_add(&keys, fl__key(s, a, FL_LIST, lease->name, ":head"));
	fl__args_add(&keys, fl__key(s, a, FL_LIST, lease->name, ":back"));
	fl__args_add(&args, fl__hexspan(a, k->head.id.epoch.b, 16));
	fl__args_str(&args, lease->fence);
	fl__args_str(&args, lease->name);
	fl__args_num(&args, (int64_t)oldest);
	for (size_t i = 0; i < m->n; i++)
		for (uint32_t w = 0; w < m->v[i].n_inputs; w++) {
			const char *source = m->v[i].inputs[w].source;
			struct need need;

			if (seen_before(m, i, w))
				continue;
			need = need_of(m, oldest, source);
			if (need.any && !need.low)
				continue;
			fl__args_add(&keys, fl__key(s, a, FL_SOURCE, source, ":needed"));
			fl__args_add(&args, need.any ? fl__num(a, (int64_t)need.low) : fl_span_str(""));
		}
	return fl__commit_eval(s, &fl__script_needed, &keys, &args, err);
}

/* The lowest version that the relay has still to send, UINT64_MAX when none: the outbox is in order. */
static int outbox_lowest(struct fl_sets *s, const char *list, struct fl_arena *a, uint64_t *out, struct fl_err *err)
{
	struct fl_outbox_entry *v = NULL;
	uint64_t length;
	size_t n = 0;
	int ret = fl_outbox_read(s, list, 1, a, &v, &n, &length, err);

	*out = ret == 0 && n ? v[0].number : UINT64_MAX;
	return ret;
}

static int list_round(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *rep, bool *again, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_args victims = { .arena = &a };
	struct manifests *m = fl_arena_alloc(&a, sizeof(*m));
	struct fl_aged *v = NULL;
	uint64_t unsent = 0, bytes = 0;
	struct fl_kept k;
	size_t cut = 0;
	int ret = m ? fl__kept_read(s, FL_LIST, lease->name, &k, err) : FL_ENOMEM;

	*again = false;
	if (ret == 0)
		ret = outbox_lowest(s, lease->name, &a, &unsent, err);
	if (ret == 0)
		ret = fl__aged_due(s, FL_LIST, lease->name, &k, unsent, AGED_MAX, &a, &v, &cut, err);
	for (size_t i = 0; i < cut; i++) {
		fl__args_add(&victims, fl__key(s, &a, FL_LIST, lease->name, ":v:%llu", (unsigned long long)v[i].number));
		bytes += v[i].bytes;
	}
	if (ret == 0 && cut == 0)
		ret = fl__lineage_trim(s, lease, &k, err);
	if (ret == 0 && cut)
		ret = read_manifests(s, lease->name, k.head.id.number, k.oldest, v[cut].number, &a, m, err);
	if (ret == 0 && cut)
		ret = fl__retain_run(s, lease, &k, &v[cut], cut, bytes, &victims, &a, again, err);
	if (ret == 0 && *again) {
		rep->versions_removed += cut;
		rep->keys_removed += victims.n;
		rep->bytes_removed += bytes;
		ret = m->all ? write_needed(s, lease, &k, m, v[cut].number, &a, err) : 0;
	}
	fl_arena_done(&a);
	return ret;
}

int fl_list_retain(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *out, struct fl_err *err)
{
	bool again = true;
	int ret = 0;

	memset(out, 0, sizeof(*out));
	for (int i = 0; ret == 0 && again && i < RETAIN_ROUNDS; i++)
		ret = list_round(s, lease, out, &again, err);
	return ret == FL_ENOTFOUND || ret == FL_ESTALE ? 0 : ret;
}
