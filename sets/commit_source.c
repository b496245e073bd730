/* A new version of a source: diff against the parent, delta or keyframe (written before the commit, with NX and an hour's expiry), then one script.
 * A version whose delta would weigh over delta_max or half a keyframe has a keyframe and no delta; a keyframe is cut when the deltas since the last weigh half of it (and
 * 64 KiB), or number 1,000. A failed attempt's blocks are left to their expiry: a lost reply is not a failure. */
#include <stdio.h>
#include <stdlib.h>

#include "sets/sets_int.h"

enum { CLAIM_KEEP_DAYS = 400 };

/* The new content passes through on its way into the diff. */
struct tee {
	struct fl_entry_iter it;
	struct fl_entry_iter *inner;
	struct fl_keyed *frame;
	struct fl_digests sum;
	bool ended; /* nothing more is to come */
	int failed; /* the new content is at fault, not the old */
};

static int tee_next(struct fl_entry_iter *it, struct fl_entry *out, struct fl_err *err)
{
	struct tee *t = (struct tee *)it;
	int ret = t->ended ? 0 : t->inner->next(t->inner, out, err);

	if (ret == 1) {
		int r2 = fl_keyframe_writer_add(t->frame->w, out);

		fl_digests_add(&t->sum, out->key, &out->t);
		if (r2 < 0)
			ret = fl_err_set(err, r2, "keyframe: %s", fl_code_text(r2));
	}
	t->ended = t->ended || ret != 1;
	t->failed = ret < 0 ? ret : t->failed;
	return ret;
}

static void tee_keep(struct fl_entry_iter *it)
{
	(void)it; /* lives in the commit */
}

/* All that one commit carries. */
struct work {
	struct fl_sets *s;
	const struct fl_source_commit *c;
	struct fl_arena arena;
	struct fl_source_version v;
	struct fl_delta_writer *delta;
	struct fl_buf delta_bytes;
	bool delta_kept, old_lost;
	struct fl_delta_meta meta;
	struct fl_keyed frame;
	bool keyframe;
	uint64_t since_bytes, since;
	struct fl_source_version parent;
	bool parent_known;
};

static void work_done(struct work *w)
{
	fl_delta_writer_free(w->delta);
	fl_buf_done(&w->delta_bytes);
	fl__keyed_done(&w->frame);
	fl_arena_done(&w->arena);
}

static uint32_t delta_max(const struct fl_sets *s)
{
	return s->delta_max ? s->delta_max : FL_DELTA_INLINE_MAX;
}

static void copy_text(char *out, size_t cap, const char *s)
{
	snprintf(out, cap, "%s", s ? s : "");
}

/* What the parent says: digests to go on from, fetch state to carry on, and how much stands since the last keyframe. */
static int read_parent(struct work *w, struct fl_err *err)
{
	struct fl_span key = fl__key(w->s, &w->arena, FL_SOURCE, w->c->name, ":head");
	struct fl_span argv[] = { fl_span_str("HMGET"), key, fl_span_str("since_bytes"), fl_span_str("since") };
	struct fl_cmd cmd = { argv, 4 };
	struct fl_reply *r = NULL;
	int ret;

	if (w->c->parent->id.number == 0)
		return 0;
	ret = fl_store_call(w->s->store, &cmd, 1, &w->arena, &r, err);
	if (ret < 0)
		return ret == FL_EUNKNOWN ? FL_EUNAVAIL : ret;
	if (r->type == FL_REPLY_ARRAY && r->n == 2) {
		fl_u64_parse(r->v[0].s, &w->since_bytes);
		fl_u64_parse(r->v[1].s, &w->since);
	}
	ret = fl_source_version_get(w->s, w->c->name, w->c->parent->id.number, &w->parent, err);
	w->parent_known = ret == 0 && fl_version_id_eq(&w->parent.id, &w->c->parent->id);
	if (ret == 0 && !w->parent_known)
		return fl_err_set(err, FL_ESTALE, "source '%s': the head moved", w->c->name);
	return ret == FL_ENOTFOUND || ret == FL_ECORRUPT ? 0 : ret == FL_EUNKNOWN ? FL_EUNAVAIL : ret;
}

static int open_delta(struct work *w)
{
	fl_delta_writer_free(w->delta);
	fl_buf_reset(&w->delta_bytes);
	w->delta = fl_delta_writer_new();
	if (!w->delta)
		return FL_ENOMEM;
	fl_delta_writer_limit(w->delta, (size_t)delta_max(w->s) * 16); /* raw; the encoded size is judged after */
	return 0;
}

static int start(struct work *w, struct fl_sets *s, const struct fl_source_commit *c, struct fl_err *err)
{
	memset(w, 0, sizeof(*w));
	w->s = s;
	w->c = c;
	if (open_delta(w) < 0 || fl__keyed_open(&w->frame) < 0)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	return read_parent(w, err);
}

/* Pull the changes through the delta writer. */
static int write_changes(struct work *w, struct fl_change_iter *it, struct fl_digests *sum, struct fl_err *err)
{
	struct fl_change ch;
	int ret;

	while ((ret = it->next(it, &ch, err)) == 1) {
		int r2 = fl_delta_writer_add(w->delta, &ch);

		if (r2 < 0)
			return fl_err_set(err, r2, "source '%s': the changes are not in order", w->c->name);
		if (sum)
			fl_digests_change(sum, &ch);
	}
	if (ret == 0)
		ret = fl_delta_writer_finish(w->delta, &w->delta_bytes, &w->delta_kept, &w->meta);
	return ret;
}

static int write_frame(struct fl_keyed *f, struct fl_entry_iter *take, struct fl_err *err)
{
	struct fl_entry e;
	int ret;

	while ((ret = take->next(take, &e, err)) == 1) {
		int r2 = fl_keyframe_writer_add(f->w, &e);

		if (r2 < 0) {
			ret = r2;
			break;
		}
	}
	fl_entries_close(take);
	return ret;
}

/* Delta, keyframe, or both? frame_bytes: what a keyframe weighs, or the last known, 0 unknown. */
static void decide(struct work *w, uint64_t frame_bytes)
{
	uint64_t small = fl__small(w->s), half = frame_bytes / 2 > small ? frame_bytes / 2 : small;
	uint64_t max = delta_max(w->s) < half ? delta_max(w->s) : half;
	uint32_t many = w->s->deltas_max ? w->s->deltas_max : FL_DELTAS_MAX;

	if (w->old_lost || !w->delta_kept || w->delta_bytes.n > max) {
		w->delta_kept = false;
		w->keyframe = true;
	} else /* a deleting version stands alone: purge takes away what is below it */
		w->keyframe = w->since_bytes + w->delta_bytes.n > half || w->since + 1 >= many || w->c->cause == FL_CAUSE_DELETE;
}

static void describe(struct work *w, const struct fl_digests *sum)
{
	struct fl_source_version *v = &w->v;
	const struct fl_source_commit *c = w->c;

	v->id.epoch = c->parent->id.epoch;
	if (c->parent->id.number == 0)
		w->s->random->bytes(w->s->random, v->id.epoch.b, sizeof(v->id.epoch.b));
	v->id.number = c->parent->id.number + 1;
	v->parent = c->parent->id.number;
	memcpy(v->parent_chain, c->parent->id.chain, sizeof(v->parent_chain));
	v->digests = *sum;
	memcpy(v->delta_sha256, w->meta.sha256, sizeof(v->delta_sha256));
	v->added = w->meta.added;
	v->removed = w->meta.removed;
	v->changed = w->meta.changed;
	v->at = fl_now_unix(w->s->clock);
	v->cause = c->cause;
	copy_text(v->actor, sizeof(v->actor), c->actor);
	copy_text(v->reason, sizeof(v->reason), c->reason);
	if (c->fetch)
		v->fetch = *c->fetch;
	else if (w->parent_known)
		v->fetch = w->parent.fetch;
	v->has_delta = w->delta_kept;
	v->delta_bytes = w->delta_kept ? w->delta_bytes.n : 0;
	if (w->keyframe) {
		fl__random_hex(w->s, v->attempt);
		v->blocks = w->frame.meta.blocks;
		v->keyframe_bytes = w->frame.bytes;
	}
	fl__random_hex(w->s, v->commit_id);
	fl_source_version_chain(v);
}

static void claim_args(struct work *w, struct fl_args *keys, struct fl_args *args)
{
	int64_t keep = (int64_t)CLAIM_KEEP_DAYS * 86400000;

	for (size_t i = 0; i < w->c->claims.n; i++) {
		const struct fl_claim *c = &w->c->claims.v[i];
		struct fl_span key = fl_rkey_span(&c->key);
		struct fl_buf json = { 0 };

		fl_claim_encode(c, &json);
		fl__args_add(keys, fl__key(w->s, &w->arena, FL_SOURCE, w->c->name, ":claim:%s", c->id));
		fl__args_add(keys, fl__name_key(w->s, &w->arena, w->c->name, "of", key));
		fl__args_add(keys, fl__name_key(w->s, &w->arena, w->c->name, "was", key));
		fl__args_add(keys, fl__finding_key(w->s, &w->arena, w->c->name, c->finding));
		fl__args_str(args, fl_arena_str(&w->arena, c->id));
		fl__args_add(args, fl_span(fl_arena_dup(&w->arena, json.p, json.n), json.n));
		fl__args_add(args, c->expires_at ? fl__num(&w->arena, c->expires_at) : fl_span_str(""));
		fl__args_str(args, c->state == FL_CLAIM_ACTIVE ? "1" : "0");
		fl__args_num(args, keep);
		fl__args_num(args, c->seen_at);
		fl__args_num(args, w->v.at);
		args->failed = args->failed || json.failed;
		fl_buf_done(&json);
	}
}

void fl__commit_args(struct fl_sets *s, struct fl_arena *a, const struct fl_commit_words *c, const struct fl_kv *kv, size_t n, struct fl_args *args)
{
	char hex[33];

	fl__args_str(args, c->commit_id);
	fl__args_add(args, c->parent->number ? fl__hexspan(a, c->parent->epoch.b, 16) : fl_span_str(""));
	fl__args_num(args, (int64_t)c->parent->number);
	fl__args_add(args, fl__hexspan(a, c->parent->chain, 32));
	fl__args_str(args, c->fence);
	fl__args_add(args, fl__hexspan(a, c->id->epoch.b, 16));
	fl__args_num(args, (int64_t)c->id->number);
	fl__args_add(args, fl__hexspan(a, c->id->chain, 32));
	fl__args_str(args, fl_arena_str(a, fl_u128_format(c->digest, hex)));
	fl__args_num(args, (int64_t)c->entries);
	fl__args_str(args, c->state);
	fl__args_num(args, c->at);
	fl__args_str(args, fl_arena_printf(a, "%swake", s->store->prefix));
	fl__args_str(args, fl_arena_printf(a, "%s/%s", fl__kind_word(c->kind), c->name));
	fl__args_num(args, (int64_t)(c->bytes + FL_VERSION_BYTES));
	fl__args_num(args, (int64_t)(2 * n));
	for (size_t i = 0; i < n; i++) {
		fl__args_add(args, kv[i].key);
		fl__args_add(args, kv[i].value);
	}
}

/* Deliberate bugs of a commit; false in a release build. */
static void mutate_after(struct work *w, int ret)
{
	if (!FL_MUTANT(FL_MUTANT_LOST_REPLY) || ret != FL_EUNKNOWN)
		return;
	for (uint32_t i = 0; i < w->v.blocks; i++)
		fl_store_cmd(w->s->store, &w->arena, &(struct fl_reply){ 0 }, NULL, "DEL",
			     (const char *)fl__key(w->s, &w->arena, FL_SOURCE, w->c->name, ":k:%llu:%s:%u", (unsigned long long)w->v.id.number, w->v.attempt, i).p, NULL);
	fl_store_cmd(w->s->store, &w->arena, &(struct fl_reply){ 0 }, NULL, "DEL",
		     (const char *)fl__key(w->s, &w->arena, FL_SOURCE, w->c->name, ":d:%llu", (unsigned long long)w->v.id.number).p, NULL);
}

static int run_script(struct work *w, const struct fl_args *keys, const struct fl_args *args, struct fl_err *err)
{
	const struct fl_script *script = FL_MUTANT(FL_MUTANT_NO_CAS) ? &fl__script_source_no_cas : &fl__script_commit_source;
	int ret = 0;

	if (FL_MUTANT(FL_MUTANT_HEAD_FIRST))
		ret = fl__commit_eval(w->s, &fl__script_head_only, keys, args, err);
	if (FL_MUTANT(FL_MUTANT_HEAD_FIRST) && ret == 0)
		script = &fl__script_source_no_cas;
	if (ret == 0)
		ret = fl__commit_eval(w->s, script, keys, args, err);
	mutate_after(w, ret);
	return ret;
}

static int commit(struct work *w, struct fl_err *err)
{
	struct fl_arena *a = &w->arena;
	struct fl_args keys = { .arena = a }, args = { .arena = a };
	struct fl_source_version *v = &w->v;
	unsigned long long number = v->id.number;
	struct fl_kv kv[64];
	size_t nkv, n_blobs = 0, nb = w->keyframe ? w->frame.blocks.n : 0;
	struct fl_blob *blobs = fl_arena_array(a, nb + 1, sizeof(*blobs));
	struct fl_span d = fl__key(w->s, a, FL_SOURCE, w->c->name, ":d:%llu", number);
	int ret;

	if (!blobs)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	fl__args_add(&keys, fl__key(w->s, a, FL_SOURCE, w->c->name, ":head"));
	fl__args_add(&keys, fl__key(w->s, a, FL_SOURCE, w->c->name, ":v:%llu", number));
	fl__args_add(&keys, fl__key(w->s, a, FL_SOURCE, w->c->name, ":lineage"));
	fl__args_add(&keys, fl__key(w->s, a, FL_SOURCE, w->c->name, ":v:%llu", (unsigned long long)v->parent));
	fl__args_add(&keys, d);
	fl__args_add(&keys, fl__key(w->s, a, FL_SOURCE, w->c->name, ":due"));
	fl__args_add(&keys, fl__key(w->s, a, FL_SOURCE, w->c->name, ":claims"));
	for (size_t i = 0; i < nb; i++) {
		blobs[n_blobs].key = fl__key(w->s, a, FL_SOURCE, w->c->name, ":k:%llu:%s:%zu", number, v->attempt, i);
		blobs[n_blobs].bytes = w->frame.blocks.v[i];
		fl__args_add(&keys, blobs[n_blobs++].key);
	}
	nkv = fl_source_version_fields(v, a, kv, 64);
	fl__commit_args(w->s, a,
			&(struct fl_commit_words){ &w->c->parent->id, &v->id, w->c->lease->fence, v->commit_id, v->digests.scope, v->digests.entries,
						   v->cause == FL_CAUSE_DELETE ? "deleted" : "ok", v->at, FL_SOURCE, w->c->name,
						   v->delta_bytes + v->keyframe_bytes },
			kv, nkv, &args);
	/* A delta always travels with the script: its key has no attempt in it, and another writer's of the same number must not be taken for ours. One value of at most
	 * delta_max is no pause worth the name. */
	fl__args_str(&args, w->delta_kept ? "inline" : "none");
	fl__args_add(&args, w->delta_kept ? fl_buf_span(&w->delta_bytes) : fl_span_str("0"));
	fl__args_add(&args, w->keyframe ? fl__num(a, (int64_t)v->id.number) : fl_span_str(""));
	fl__args_num(&args, (int64_t)nb);
	fl__args_num(&args, (int64_t)w->c->claims.n);
	fl__args_num(&args, (int64_t)v->delta_bytes);
	for (size_t i = 0; i < nb; i++)
		fl__args_num(&args, (int64_t)w->frame.blocks.v[i].n);
	claim_args(w, &keys, &args);
	ret = nkv ? fl__blobs_write(w->s, blobs, n_blobs, err) : FL_ENOMEM;
	return ret == 0 ? run_script(w, &keys, &args, err) : ret;
}

/* Nothing new: the parent is the answer. */
static int unchanged(struct work *w, struct fl_source_version *out)
{
	if (w->parent_known)
		*out = w->parent;
	else {
		memset(out, 0, sizeof(*out));
		out->id = w->c->parent->id;
		out->digests.entries = w->c->parent->entries;
		out->digests.scope = w->c->parent->digest;
	}
	return 0;
}

static int finish(struct work *w, const struct fl_digests *sum, struct fl_source_version *out, struct fl_err *err)
{
	int ret;

	describe(w, sum);
	ret = commit(w, err);
	if (ret == 0)
		*out = w->v;
	return ret;
}

/* The old content, or nothing when the store lost or broke it: then the new version stands on a keyframe of its own. */
static int open_old(struct work *w, struct fl_entry_iter **old, struct fl_err *err)
{
	int ret = w->c->parent->id.number ? fl_source_open(w->s, w->c->name, w->c->parent->id.number, old, NULL, err) : FL_ENOTFOUND;

	if (ret == FL_ENOTFOUND || ret == FL_ECORRUPT) {
		w->old_lost = w->c->parent->id.number != 0;
		*old = fl_entries_empty();
		ret = *old ? 0 : FL_ENOMEM;
	}
	return ret == FL_EUNKNOWN ? FL_EUNAVAIL : ret;
}

/* The diff of old and new. What is broken of the old content shows only as it is read; the new content is then taken in alone, and its version stands on a keyframe of its own, as
 * if the old were gone: a stored set that went bad heals with the next poll. The changes of such a version are those from nothing. */
static int diff_against_old(struct work *w, struct tee *tee, struct fl_err *err)
{
	struct fl_entry_iter *old = NULL, *none;
	struct fl_change_iter *it = NULL;
	struct fl_entry e;
	int ret = open_old(w, &old, err);

	if (ret < 0)
		return ret;
	it = fl_diff_iter(old, &tee->it);
	ret = it ? write_changes(w, it, NULL, err) : FL_ENOMEM;
	fl_changes_close(it);
	if (ret == 0)
		return fl__keyed_finish(&w->frame);
	if (tee->failed || w->old_lost || w->c->parent->id.number == 0 || (ret != FL_ECORRUPT && ret != FL_ENOTFOUND))
		return ret;
	w->old_lost = true;
	while ((ret = tee_next(&tee->it, &e, err)) == 1)
		;
	if (ret == 0)
		ret = fl__keyed_finish(&w->frame);
	if (ret == 0)
		ret = open_delta(w);
	if (ret == 0)
		ret = fl__keyed_read(&w->frame, &old, err);
	if (ret < 0)
		return ret;
	none = fl_entries_empty();
	it = none ? fl_diff_iter(none, old) : NULL;
	ret = it ? write_changes(w, it, NULL, err) : FL_ENOMEM;
	if (!none)
		fl_entries_close(old);
	fl_changes_close(it);
	return ret;
}

int fl_source_commit(struct fl_sets *s, const struct fl_source_commit *c, struct fl_entry_iter *take_next, struct fl_source_version *out, struct fl_err *err)
{
	struct work w;
	struct tee tee = { .it = { tee_next, tee_keep }, .inner = take_next, .frame = &w.frame };
	int ret = start(&w, s, c, err);

	if (ret == 0)
		ret = diff_against_old(&w, &tee, err);
	if (ret == 0 && w.meta.records == 0 && !c->even_unchanged && c->parent->id.number && !w.old_lost && !c->claims.n)
		ret = unchanged(&w, out);
	else if (ret == 0) {
		decide(&w, w.frame.bytes);
		ret = finish(&w, &tee.sum, out, err);
	}
	fl_entries_close(take_next);
	work_done(&w);
	return ret;
}

/* Everything so far plus this delta, read back as content. */
static int frame_from_changes(struct work *w, struct fl_err *err)
{
	struct fl_entry_iter *old = NULL;
	struct fl_change_iter *it = NULL;
	int ret = fl_delta_open(fl_buf_span(&w->delta_bytes), &it, err);

	if (ret == 0)
		ret = open_old(w, &old, err);
	if (ret < 0) {
		fl_changes_close(it);
		return ret;
	}
	if (w->old_lost) {
		fl_changes_close(it);
		fl_entries_close(old);
		return fl_err_set(err, FL_ENOTFOUND, "source '%s': its content is gone from the store", w->c->name);
	}
	old = fl_patch_iter(old, it);
	ret = old ? write_frame(&w->frame, old, err) : FL_ENOMEM;
	if (ret == 0)
		ret = fl__keyed_finish(&w->frame);
	return ret;
}

int fl_source_commit_changes(struct fl_sets *s, const struct fl_source_commit *c, struct fl_change_iter *take_changes, struct fl_source_version *out,
			     struct fl_err *err)
{
	struct fl_digests sum = { 0 };
	struct work w;
	int ret = start(&w, s, c, err);

	if (ret == 0 && c->parent->id.number && !w.parent_known)
		ret = fl_err_set(err, FL_ENOTFOUND, "source '%s': its head version is gone from the store", c->name);
	if (ret == 0) {
		if (w.parent_known)
			sum = w.parent.digests;
		ret = write_changes(&w, take_changes, &sum, err);
	}
	if (ret == 0 && w.meta.records == 0 && !c->even_unchanged && c->parent->id.number && !c->claims.n)
		ret = unchanged(&w, out);
	else if (ret == 0) {
		/* what a keyframe would weigh is not known without making one: the last one's share, or this set's size, tells enough */
		decide(&w, sum.entries * 12);
		if (w.keyframe) {
			bool keep = w.delta_kept;

			ret = frame_from_changes(&w, err);
			w.delta_kept = keep;
			if (keep && (ret == FL_ENOTFOUND || ret == FL_ECORRUPT)) {
				/* what is below is broken, but those who hold it can follow: a finding must not wait for that */
				w.keyframe = false;
				ret = 0;
			}
		}
		if (ret == 0)
			ret = finish(&w, &sum, out, err);
	}
	fl_changes_close(take_changes);
	work_done(&w);
	return ret;
}
