/* Purge of a deleted set: head and deleting version stay, so that re-creation goes on above them in the same epoch; all else goes, and with a list what it needed of its sources. */
#include <stdio.h>

#include "sets/sets_int.h"

/* Keys go in batches, each by a script that looks at head and fence again. */
struct purge {
	struct fl_sets *s;
	const struct fl_lease *lease;
	struct fl_head head;
	uint64_t weight; /* of the version that stays */
	struct fl_retention_report rep;
};

static bool begins(struct fl_span key, struct fl_span with)
{
	return key.n >= with.n && memcmp(key.p, with.p, with.n) == 0;
}

static int purge_batch(struct purge *p, const struct fl_reply *found, struct fl_arena *a, struct fl_err *err)
{
	const struct fl_lease *lease = p->lease;
	unsigned long long head = p->head.id.number;
	/* the deleting version has a keyframe, and so can be read alone */
	struct fl_span stay[] = { fl__key(p->s, a, lease->kind, lease->name, ":head"),	 fl__key(p->s, a, lease->kind, lease->name, ":lease"),
				  fl__key(p->s, a, lease->kind, lease->name, ":lineage"), fl__key(p->s, a, lease->kind, lease->name, ":outbox"),
				  fl__key(p->s, a, lease->kind, lease->name, ":v:%llu", head), fl__key(p->s, a, lease->kind, lease->name, ":d:%llu", head) };
	struct fl_span blocks = fl__key(p->s, a, lease->kind, lease->name, ":k:%llu:", head), versions = fl__key(p->s, a, lease->kind, lease->name, ":v:");
	struct fl_args keys = { .arena = a }, args = { .arena = a };
	size_t gone = 0;
	int ret;

	fl__args_add(&keys, stay[0]);
	for (size_t i = 0; i < found->n; i++) {
		struct fl_span key = found->v[i].s;
		bool keep = begins(key, blocks);

		for (size_t k = 0; k < sizeof(stay) / sizeof(stay[0]); k++)
			keep = keep || fl_span_eq(key, stay[k]);
		if (keep)
			continue;
		gone += begins(key, versions);
		fl__args_add(&keys, key);
	}
	fl__args_add(&args, fl__hexspan(a, p->head.id.epoch.b, 16));
	fl__args_num(&args, (int64_t)head);
	fl__args_str(&args, lease->fence);
	fl__args_num(&args, (int64_t)p->weight);
	ret = fl__commit_eval(p->s, &fl__script_purge, &keys, &args, err);
	if (ret == 0) {
		p->rep.keys_removed += keys.n - 1;
		p->rep.versions_removed += gone;
	}
	return ret;
}

static int scan(struct purge *p, char cursor[32], struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_reply r;
	int ret = fl_store_cmd(p->s->store, &a, &r, err, "SCAN", cursor, "MATCH",
			       fl_arena_printf(&a, "%s%s/%s:*", p->s->store->prefix, fl__kind_word(p->lease->kind), p->lease->name), "COUNT", "500", NULL);

	if (ret == 0 && (r.type != FL_REPLY_ARRAY || r.n != 2 || r.v[0].s.n >= 32))
		ret = fl_err_set(err, FL_ECORRUPT, "the store gave no SCAN answer");
	if (ret == 0) {
		memcpy(cursor, r.v[0].s.p, r.v[0].s.n);
		cursor[r.v[0].s.n] = '\0';
		ret = purge_batch(p, &r.v[1], &a, err);
	}
	fl_arena_done(&a);
	return ret;
}

/* Is the list's newest version made of the source? A source's deleting version stays through a purge, and may go on being named. */
static int uses(struct fl_sets *s, const char *list, const char *source, const struct fl_head *deleted, struct fl_arena *arena, uint64_t *version, struct fl_err *err)
{
	struct fl_list_version v;
	const struct fl_list_input *in;
	struct fl_head head;
	int ret = fl_set_head(s, FL_LIST, list, &head, err);

	*version = 0;
	if (ret == 0)
		ret = fl_list_version_get(s, list, head.id.number, arena, &v, err);
	if (ret < 0)
		return ret == FL_ENOTFOUND ? 0 : ret; /* a list without a version needs nothing */
	in = fl_list_input_find(v.inputs, v.n_inputs, source);
	if (in && in->id.number && !(strcmp(deleted->state, "deleted") == 0 && fl_version_id_eq(&in->id, &deleted->id)))
		*version = head.id.number;
	return 0;
}

int fl_source_users(struct fl_sets *s, const char *source, struct fl_arena *arena, struct fl_source_user **out, size_t *n, struct fl_err *err)
{
	struct fl_span argv[] = { fl_span_str("HKEYS"), fl__key(s, arena, FL_SOURCE, source, ":needed") };
	struct fl_reply *r = NULL;
	struct fl_head head;
	int ret = fl_set_head(s, FL_SOURCE, source, &head, err);

	*n = 0;
	if (ret == 0)
		ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 2 }, 1, arena, &r, err);
	if (ret < 0)
		return ret;
	if (r->type != FL_REPLY_ARRAY)
		return fl_err_set(err, FL_ECORRUPT, "source '%s': what lists need of it cannot be read", source);
	*out = fl_arena_array(arena, r->n + 1, sizeof(**out));
	if (!*out)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; ret == 0 && i < r->n; i++) {
		struct fl_source_user *u = &(*out)[*n];

		snprintf(u->list, sizeof(u->list), "%.*s", (int)(r->v[i].s.n < sizeof(u->list) ? r->v[i].s.n : 0), (const char *)r->v[i].s.p);
		ret = uses(s, u->list, source, &head, arena, &u->version, err);
		*n += u->version != 0;
	}
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

static int start(struct purge *p, struct fl_err *err)
{
	struct fl_source_version v;
	struct fl_kept k;
	int ret = fl__kept_read(p->s, p->lease->kind, p->lease->name, &k, err);

	if (ret < 0)
		return ret;
	if (strcmp(k.head.state, "deleted") != 0)
		return fl_err_set(err, FL_EREFUSED, "%s '%s' is not deleted: only a deleted set is purged", fl__kind_word(p->lease->kind), p->lease->name);
	p->head = k.head;
	p->weight = FL_VERSION_BYTES;
	if (p->lease->kind == FL_SOURCE) {
		ret = fl_source_version_get(p->s, p->lease->name, p->head.id.number, &v, err);
		if (ret == 0)
			p->weight += v.delta_bytes + v.keyframe_bytes;
	}
	p->rep.bytes_removed = k.bytes > p->weight ? k.bytes - p->weight : 0;
	return ret;
}

int fl_set_purge(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *out, struct fl_err *err)
{
	struct purge p = { .s = s, .lease = lease };
	char cursor[32] = "0";
	int ret = start(&p, err);

	memset(out, 0, sizeof(*out));
	do {
		if (ret == 0)
			ret = scan(&p, cursor, err);
	} while (ret == 0 && strcmp(cursor, "0") != 0);
	if (ret == 0 && lease->kind == FL_LIST)
		ret = forget_needed(s, lease->name, err);
	if (ret == 0)
		*out = p.rep;
	return ret;
}
