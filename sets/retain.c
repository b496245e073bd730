/* Retention and purge. What may go is decided here, and again by the script that deletes, on the same state: head, fence and what lists need.
 *
 *   versions  1  2  3K 4  5  6K 7  8K 9  head      K: has a keyframe
 *   needed by a kept list version: 7   ->  7 stands on 6: everything below 6 may go
 *
 * Retention goes by age and by bytes, count is only a floor; never what a kept version of any set, an input of a kept list version, a pin, or the last hour needs. */
#include <stdlib.h>

#include "sets/sets_int.h"

enum { HOUR_MS = 3600000, DELETE_BATCH = 500 };

static int run_delete(struct fl_sets *s, const struct fl_lease *lease, const struct fl_head *head, uint64_t lowest, const struct fl_args *victims, struct fl_arena *a,
		      struct fl_err *err)
{
	size_t from = 0;

	while (from < victims->n) {
		size_t k = victims->n - from < DELETE_BATCH ? victims->n - from : DELETE_BATCH;
		struct fl_args keys = { .arena = a }, args = { .arena = a };
		int ret;

		fl__args_add(&keys, fl__key(s, a, lease->kind, lease->name, ":head"));
		fl__args_add(&keys, fl__key(s, a, lease->kind, lease->name, ":needed"));
		for (size_t i = 0; i < k; i++)
			fl__args_add(&keys, victims->v[from + i]);
		fl__args_add(&args, fl__hexspan(a, head->id.epoch.b, 16));
		fl__args_num(&args, (int64_t)head->id.number);
		fl__args_str(&args, lease->fence);
		fl__args_add(&args, lowest && !FL_MUTANT(FL_MUTANT_RETAIN_NEEDED) ? fl__num(a, (int64_t)lowest) : fl_span_str(""));
		ret = fl__commit_eval(s, &fl__script_delete, &keys, &args, err);
		if (ret == FL_EREFUSED) /* a list came to need it meanwhile: next time */
			return 0;
		if (ret < 0)
			return ret;
		from += k;
	}
	return 0;
}

/* The lowest version that any list needs, or UINT64_MAX. */
static int needed_min(struct fl_sets *s, const char *name, struct fl_arena *a, uint64_t *out, struct fl_err *err)
{
	struct fl_span argv[] = { fl_span_str("HVALS"), fl__key(s, a, FL_SOURCE, name, ":needed") };
	struct fl_reply *r = NULL;
	int ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 2 }, 1, a, &r, err);

	*out = UINT64_MAX;
	if (ret < 0)
		return ret;
	for (size_t i = 0; r->type == FL_REPLY_ARRAY && i < r->n; i++) {
		uint64_t v;

		if (fl_u64_parse(r->v[i].s, &v) && v < *out)
			*out = v;
	}
	return 0;
}

/* Index of the oldest version that stays by age, bytes and floor; w[0] is the head. */
static size_t oldest_kept(struct fl_sets *s, const struct fl_walked *w, size_t n)
{
	fl_unix_us now = fl_now_unix(s->clock);
	uint64_t bytes = 0;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		/* a version was in force until the one after it came */
		fl_unix_us until = i ? w[i - 1].at : now;
		bool young = now - until < HOUR_MS * INT64_C(1000), aged = s->keep_age_ms && now - until > s->keep_age_ms * 1000;

		bytes += w[i].delta_bytes + w[i].keyframe_bytes;
		if (i < s->keep_floor || young || (!aged && (!s->keep_bytes || bytes <= s->keep_bytes)))
			kept = i;
		else
			break;
	}
	return kept;
}

static void add_victim(struct fl_sets *s, const char *name, const struct fl_walked *w, bool whole, struct fl_args *v, struct fl_retention_report *rep)
{
	unsigned long long number = w->number;

	fl__args_add(v, fl__key(s, v->arena, FL_SOURCE, name, ":d:%llu", number));
	rep->bytes_removed += w->delta_bytes;
	if (!whole)
		return;
	fl__args_add(v, fl__key(s, v->arena, FL_SOURCE, name, ":v:%llu", number));
	for (uint32_t k = 0; k < w->blocks; k++)
		fl__args_add(v, fl__key(s, v->arena, FL_SOURCE, name, ":k:%llu:%s:%u", number, w->attempt, k));
	rep->bytes_removed += w->keyframe_bytes;
	rep->versions_removed++;
}

int fl_source_retain(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *out, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_args victims = { .arena = &a };
	struct fl_retention_report rep = { 0 };
	struct fl_walked *w = NULL;
	struct fl_head head;
	uint64_t needed = UINT64_MAX;
	size_t n = 0, base;
	bool missing;
	int ret = fl_set_head(s, FL_SOURCE, lease->name, &head, err);

	if (ret == 0)
		ret = needed_min(s, lease->name, &a, &needed, err);
	if (ret == 0)
		ret = fl__walk(s, lease->name, head.id.number, 0, false, FL_WALK_MAX, &a, &w, &n, &missing, err);
	if (ret < 0 || n == 0)
		goto out;
	base = oldest_kept(s, w, n);
	while (base + 1 < n && w[base].number > needed && !FL_MUTANT(FL_MUTANT_RETAIN_NEEDED))
		base++;
	while (base + 1 < n && !w[base].attempt[0] && !FL_MUTANT(FL_MUTANT_RETAIN_NEEDED))
		base++; /* a kept version stands on the keyframe below it */
	if (base + 1 >= n)
		goto out; /* nothing below it */
	for (size_t i = base + 1; i < n; i++)
		add_victim(s, lease->name, &w[i], true, &victims, &rep);
	ret = victims.failed ? FL_ENOMEM : run_delete(s, lease, &head, w[base].number, &victims, &a, err);
	rep.keys_removed = victims.n;
out:
	if (ret == 0)
		*out = rep;
	fl_arena_done(&a);
	return ret;
}

/* --- lists: versions by age, and what they need of each source --- */

struct row {
	uint64_t number, parent;
	fl_unix_us at;
	struct fl_list_input *in;
	uint32_t n_in;
};

static int walk_list(struct fl_sets *s, const char *name, uint64_t number, struct fl_arena *a, struct row **out, size_t *n, struct fl_err *err)
{
	struct fl_span args[3] = { fl__key(s, a, FL_LIST, name, "%s", ""), fl__num(a, (int64_t)number), fl__num(a, FL_WALK_MAX) };
	struct fl_reply r;
	int ret = fl_store_eval(s->store, &fl__script_walk_list, NULL, 0, args, 3, a, &r, err);

	if (ret < 0)
		return ret;
	*out = fl_arena_array(a, r.n / 5 + 1, sizeof(**out));
	*n = 0;
	if (!*out)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i + 5 <= r.n; i += 5) {
		struct row *w = &(*out)[*n];
		uint64_t at;

		if (!fl_u64_parse(r.v[i].s, &w->number) || !fl_u64_parse(r.v[i + 1].s, &w->parent) || !fl_u64_parse(r.v[i + 3].s, &at) ||
		    fl_inputs_parse(r.v[i + 4].s, a, &w->in, &w->n_in, err) < 0)
			return fl_err_set(err, FL_ECORRUPT, "list '%s': a version on the path from %llu is malformed", name, (unsigned long long)number);
		w->at = (fl_unix_us)at;
		(*n)++;
	}
	return 0;
}

static size_t list_kept(struct fl_sets *s, const struct row *w, size_t n)
{
	fl_unix_us now = fl_now_unix(s->clock);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		fl_unix_us until = i ? w[i - 1].at : now;
		bool young = now - until < HOUR_MS * INT64_C(1000), aged = s->keep_age_ms && now - until > s->keep_age_ms * 1000;

		if (i < s->keep_floor || young || !aged)
			kept = i;
		else
			break;
	}
	return kept;
}

/* What the kept versions need of a source: the lowest number of the newest epoch they name. */
static uint64_t lowest_needed(const struct row *w, size_t kept, const char *source)
{
	const struct fl_epoch *epoch = NULL;
	uint64_t low = 0;

	for (size_t i = 0; i <= kept; i++)
		for (uint32_t k = 0; k < w[i].n_in; k++) {
			const struct fl_list_input *in = &w[i].in[k];

			if (strcmp(in->source, source) != 0 || in->id.number == 0)
				continue;
			if (!epoch)
				epoch = &in->id.epoch;
			if (fl_epoch_eq(epoch, &in->id.epoch) && (low == 0 || in->id.number < low))
				low = in->id.number;
		}
	return low;
}

static int write_needed(struct fl_sets *s, const struct fl_lease *lease, const struct fl_head *head, const struct row *w, size_t n, size_t kept, struct fl_arena *a,
			struct fl_err *err)
{
	struct fl_args keys = { .arena = a }, args = { .arena = a };
	const char **seen = fl_arena_array(a, FL_INPUTS_MAX * 4, sizeof(*seen));
	size_t n_seen = 0;

	if (!seen)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	fl__args_add(&keys, fl__key(s, a, FL_LIST, lease->name, ":head"));
	fl__args_add(&args, fl__hexspan(a, head->id.epoch.b, 16));
	fl__args_num(&args, (int64_t)head->id.number);
	fl__args_str(&args, lease->fence);
	fl__args_str(&args, lease->name);
	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < w[i].n_in; k++) {
			const char *source = w[i].in[k].source;
			bool known = false;
			uint64_t low;

			for (size_t q = 0; q < n_seen; q++)
				known = known || strcmp(seen[q], source) == 0;
			if (known || n_seen == FL_INPUTS_MAX * 4)
				continue;
			seen[n_seen++] = source;
			low = lowest_needed(w, kept, source);
			fl__args_add(&keys, fl__key(s, a, FL_SOURCE, source, ":needed"));
			fl__args_add(&args, low ? fl__num(a, (int64_t)low) : fl_span_str(""));
		}
	return keys.n > 1 ? fl__commit_eval(s, &fl__script_needed, &keys, &args, err) : 0;
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

int fl_list_retain(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *out, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_args victims = { .arena = &a };
	struct row *w = NULL;
	struct fl_head head;
	uint64_t unsent = UINT64_MAX;
	size_t n = 0, kept;
	int ret = fl_set_head(s, FL_LIST, lease->name, &head, err);

	memset(out, 0, sizeof(*out));
	if (ret == FL_ENOTFOUND) {
		fl_arena_done(&a);
		return 0;
	}
	if (ret == 0)
		ret = walk_list(s, lease->name, head.id.number, &a, &w, &n, err);
	if (ret == 0)
		ret = outbox_lowest(s, lease->name, &a, &unsent, err);
	if (ret == 0 && n) {
		kept = list_kept(s, w, n);
		while (kept + 1 < n && w[kept].number > unsent)
			kept++;
		/* manifests first, what they needed after: a crash between leaves a source version too many, never one too few */
		for (size_t i = kept + 1; i < n; i++)
			fl__args_add(&victims, fl__key(s, &a, FL_LIST, lease->name, ":v:%llu", (unsigned long long)w[i].number));
		ret = victims.failed ? FL_ENOMEM : run_delete(s, lease, &head, 0, &victims, &a, err);
		if (ret == 0)
			ret = write_needed(s, lease, &head, w, n, kept, &a, err);
		out->versions_removed = out->keys_removed = victims.n;
	}
	fl_arena_done(&a);
	return ret;
}

/* --- purge --- */

static int purge_batch(struct fl_sets *s, const struct fl_lease *lease, const struct fl_head *head, const struct fl_reply *keys, struct fl_arena *a,
		       struct fl_retention_report *out, struct fl_err *err)
{
	struct fl_span stay[] = { fl__key(s, a, lease->kind, lease->name, ":head"), fl__key(s, a, lease->kind, lease->name, ":lease"),
				  fl__key(s, a, lease->kind, lease->name, ":lineage"), fl__key(s, a, lease->kind, lease->name, ":outbox"),
				  fl__key(s, a, lease->kind, lease->name, ":v:%llu", (unsigned long long)head->id.number) };
	struct fl_args victims = { .arena = a };
	int ret;

	for (size_t i = 0; i < keys->n; i++) {
		bool keep = false;

		for (size_t k = 0; k < sizeof(stay) / sizeof(stay[0]); k++)
			keep = keep || fl_span_eq(keys->v[i].s, stay[k]);
		if (!keep)
			fl__args_add(&victims, keys->v[i].s);
	}
	ret = victims.failed ? FL_ENOMEM : run_delete(s, lease, head, 0, &victims, a, err);
	if (ret == 0)
		out->keys_removed += victims.n;
	return ret;
}

/* A deleted list needs nothing of any source any more. */
static int forget_needed(struct fl_sets *s, const char *list, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	const char *const *names = NULL;
	size_t n = 0;
	int ret = fl_set_names(s, FL_SOURCE, &a, &names, &n, err);

	for (size_t i = 0; ret == 0 && i < n; i++) {
		struct fl_reply r;

		ret = fl_store_cmd(s->store, &a, &r, err, "HDEL", fl_arena_printf(&a, "%ssource/%s:needed", s->store->prefix, names[i]), list, NULL);
	}
	fl_arena_done(&a);
	return ret;
}

int fl_set_purge(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *out, struct fl_err *err)
{
	char cursor[32] = "0";
	struct fl_head head;
	int ret = fl_set_head(s, lease->kind, lease->name, &head, err);

	memset(out, 0, sizeof(*out));
	if (ret == 0 && strcmp(head.state, "deleted") != 0)
		ret = fl_err_set(err, FL_EREFUSED, "%s '%s' is not deleted: only a deleted set is purged", fl__kind_word(lease->kind), lease->name);
	do {
		struct fl_arena a = { 0 };
		struct fl_reply r;

		if (ret == 0)
			ret = fl_store_cmd(s->store, &a, &r, err, "SCAN", cursor, "MATCH",
					   fl_arena_printf(&a, "%s%s/%s:*", s->store->prefix, fl__kind_word(lease->kind), lease->name), "COUNT", "500", NULL);
		if (ret == 0 && (r.type != FL_REPLY_ARRAY || r.n != 2 || r.v[0].s.n >= sizeof(cursor)))
			ret = fl_err_set(err, FL_ECORRUPT, "the store gave no SCAN answer");
		if (ret == 0) {
			memcpy(cursor, r.v[0].s.p, r.v[0].s.n);
			cursor[r.v[0].s.n] = '\0';
			ret = purge_batch(s, lease, &head, &r.v[1], &a, out, err);
		}
		fl_arena_done(&a);
	} while (ret == 0 && strcmp(cursor, "0") != 0);
	if (ret == 0 && lease->kind == FL_LIST)
		ret = forget_needed(s, lease->name, err);
	return ret;
}
