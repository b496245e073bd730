/* Operator entries: LIST.operator, by hand, with an end or without. Each is a claim of its own, so that `for 24h` ends by itself. */
#include "ingest/findings_int.h"
#include "model/scope.h"

fl_unix_us fl_operator_end(const struct fl_findings_stage *f, const char *list, const struct fl_operator_entry *e)
{
	const struct fl_cfg_list *l = fl_config_list(f->c.cfg, list);

	if (e->expires_at || e->permanent || !l || !l->default_ttl_ms)
		return e->expires_at;
	return fl_now_unix(f->c.clock) + l->default_ttl_ms * 1000;
}

static int as_claim(struct fl_findings_stage *f, const struct fl_operator_entry *e, const struct fl_claim_set *set, bool add, const char *actor, const char *reason,
		    struct fl_claim *c, struct fl_err *err)
{
	char word[FL_SCOPE_TEXT];
	uint8_t scope = e->scope;
	enum fl_drop why = fl_name_operator(f->c.names, fl_span_str(e->name), &scope, &c->key);

	if (why != FL_DROP_COUNT)
		return fl_err_set(err, FL_EFORMAT, "'%.200s': %s", e->name, fl_drop_text(why));
	snprintf(c->source, sizeof(c->source), "%s", set->source);
	/* the scope is part of what was said: "x" and "*.x" are two entries, each taken back alone, and of two in one batch neither replaces the other */
	snprintf(c->finding, sizeof(c->finding), "operator %s", fl_scope_format(scope, word));
	snprintf(c->type, sizeof(c->type), "operator");
	snprintf(c->actor, sizeof(c->actor), "%s", actor ? actor : "");
	snprintf(c->reason, sizeof(c->reason), "%s", reason ? reason : "");
	c->scope = scope;
	c->state = add ? FL_CLAIM_ACTIVE : FL_CLAIM_WITHDRAWN;
	c->seen_at = c->updated_at = fl_now_unix(f->c.clock);
	c->expires_at = fl_operator_end(f, set->list, e);
	fl_claim_id(c);
	return 0;
}

/* Each word on an entry is later than the one before, also when two come in one microsecond or from hosts whose clocks differ: the ledger goes by these dates. Removing what is not there is a
 * mistake worth saying. */
static int after_what_is_there(struct fl_findings_stage *f, const struct fl_claim_set *set, bool add, const struct fl_operator_entry *e, struct fl_claim *v, size_t n,
			       struct fl_arena *arena, struct fl_err *err)
{
	const char **ids = fl_arena_array(arena, n + 1, sizeof(*ids));
	struct fl_claim *stored = fl_arena_array(arena, n + 1, sizeof(*stored));
	enum fl_claim_there *there = fl_arena_array(arena, n + 1, sizeof(*there));
	int ret = ids && stored && there ? 0 : FL_ENOMEM;

	for (size_t i = 0; ret == 0 && i < n; i++)
		ids[i] = v[i].id;
	if (ret == 0)
		ret = fl_claims_get(f->c.sets, set->source, ids, n, stored, there, err);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		if (there[i] == FL_CLAIM_UNREADABLE && !add)
			return fl_err_set(err, FL_ECORRUPT, "source '%s': claim %s is malformed", set->source, ids[i]);
		if (there[i] == FL_CLAIM_THERE && stored[i].updated_at >= v[i].updated_at)
			v[i].updated_at = stored[i].updated_at + 1;
		if (add || (there[i] == FL_CLAIM_THERE && stored[i].state == FL_CLAIM_ACTIVE))
			continue;
		if (there[i] == FL_CLAIM_THERE) { /* a removal whose acknowledgement failed may be repeated so */
			fl__keep_known(f, &stored[i]);
			fl__keep_flush(f, NULL);
		}
		return fl_err_set(err, FL_ENOTFOUND, "'%.200s' is no operator entry of list '%s'", e[i].name, set->list);
	}
	return ret;
}

int fl_operator_change(struct fl_findings_stage *f, const char *list, bool add, const struct fl_operator_entry *v, size_t n, const char *actor,
		       const char *reason, struct fl_source_version *out, struct fl_err *err)
{
	struct fl_claim_batch b = { .n = n, .cause = FL_CAUSE_OPERATOR, .actor = actor ? actor : "", .reason = reason ? reason : "",
				    .seen_at = fl_now_unix(f->c.clock) };
	struct fl_arena arena = { 0 };
	struct fl_claim *claims;
	char source[FL_SET_NAME];
	int ret = 0;

	if (!fl_config_list(f->c.cfg, list))
		return fl_err_set(err, FL_ENOTFOUND, "the configuration has no list '%s'", list);
	snprintf(source, sizeof(source), "%.80s.operator", list);
	b.set = fl__claim_set(f, source, list);
	claims = fl_arena_array(&arena, n ? n : 1, sizeof(*claims));
	if (!b.set || !claims)
		ret = fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; ret == 0 && i < n; i++)
		ret = as_claim(f, &v[i], b.set, add, actor, reason, &claims[i], err);
	b.claims = claims;
	if (ret == 0)
		ret = fl__restore_ready(f, b.set, err);
	if (ret == 0)
		ret = after_what_is_there(f, b.set, add, v, claims, n, &arena, err);
	if (ret == 0)
		ret = fl__claims_commit(f, &b, out, err);
	if (ret == 0)
		ret = fl__keep_flush(f, err);
	fl_arena_done(&arena);
	return ret;
}

/* A set that the configuration still feeds into a list: an operator's entries, a findings source, the list's own entries. */
static bool in_use(const struct fl_config *cfg, const char *source)
{
	struct fl_arena arena = { 0 };
	bool used = false;

	for (size_t i = 0; i < cfg->n_lists && !used; i++) {
		struct fl_cfg_source *v = NULL;
		size_t n = fl_config_sources(cfg, cfg->lists[i].name, &arena, &v);

		for (size_t k = 0; k < n; k++)
			used = used || strcmp(v[k].source, source) == 0;
	}
	fl_arena_done(&arena);
	return used;
}

/* What a list is made of now is not taken from under it: a reader that comes later could not load the list. Older versions of lists do not hold a purge up; that part of their history
 * cannot be read any more then. */
static int not_used(struct fl_findings_stage *f, const char *source, struct fl_err *err)
{
	struct fl_source_user *v = NULL;
	struct fl_arena arena = { 0 };
	struct fl_buf names = { 0 };
	bool configured = false;
	size_t n = 0;
	int ret = fl_source_users(f->c.sets, source, &arena, &v, &n, err);

	for (size_t i = 0; ret == 0 && i < n; i++) {
		fl_buf_printf(&names, "%s'%s' (version %llu)", i ? ", " : "", v[i].list, (unsigned long long)v[i].version);
		configured = configured || fl_config_list(f->c.cfg, v[i].list);
	}
	if (ret == 0 && n)
		ret = fl_err_set(err, FL_EREFUSED, "source '%s' is still part of list %.120s: %s", source, fl_buf_cstr(&names),
				 configured ? "it leaves when the publisher has taken the configuration; then purge it" : "purge the list first");
	fl_buf_done(&names);
	fl_arena_done(&arena);
	return ret;
}

int fl_source_purge(struct fl_findings_stage *f, const char *source, const char *actor, const char *reason, struct fl_err *err)
{
	struct fl_lease lease = { 0 };
	struct fl_head head;
	struct fl_source_version v;
	struct fl_retention_report gone;
	struct fl_source_commit c = { .name = source, .lease = &lease, .parent = &head, .cause = FL_CAUSE_DELETE, .actor = actor ? actor : "",
				      .reason = reason ? reason : "", .even_unchanged = true };
	struct fl_entry_iter *none;
	int ret;

	if (fl_config_feed(f->c.cfg, source))
		return fl_err_set(err, FL_EREFUSED, "feed '%s' is in the configuration: take it out first, then purge what is left of it", source);
	if (in_use(f->c.cfg, source))
		return fl_err_set(err, FL_EREFUSED, "'%s' is in use: a list of the configuration is made of it", source);
	ret = fl_set_head(f->c.sets, FL_SOURCE, source, &head, err);
	if (ret == 0)
		ret = not_used(f, source, err);
	if (ret == 0)
		ret = fl_lease_take(f->c.sets, FL_SOURCE, source, FL_FINDINGS_LEASE_MS, &lease, err);
	if (ret < 0)
		return ret;
	if (strcmp(head.state, "deleted") != 0) { /* else a purge that was cut off goes on */
		none = fl_entries_empty();
		ret = none ? fl_source_commit(f->c.sets, &c, none, &v, err) : FL_ENOMEM;
	}
	if (ret == 0)
		ret = fl_set_head(f->c.sets, FL_SOURCE, source, &head, err);
	if (ret == 0) {
		fl__keep_purge(f, source, &head.id);
		ret = fl__keep_flush(f, err);
	}
	if (ret == 0)
		ret = fl_set_purge(f->c.sets, &lease, &gone, err);
	for (size_t i = 0; i < f->n_sets; i++) /* its lineage goes with it */
		if (strcmp(f->sets[i].source, source) == 0)
			f->sets[i].known = (struct fl_version_id){ 0 };
	fl_lease_release(f->c.sets, &lease, NULL);
	return ret;
}
