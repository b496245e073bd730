/* What a person asks of a list: rollback, hold, unhold, recover, purge. Each is a version (or says, with dry_run, which it would be); none rewrites one. */
#include "publisher/state.h"

struct plan {
	struct fl_list_input *in; /* in the answer's arena */
	uint32_t n;
	struct fl_list_commit commit;
};

static bool is_feed(const struct fl_pub_list *l, const char *source)
{
	size_t n = strlen(source);

	for (size_t i = 0; i < l->n_sources; i++)
		if (strcmp(l->sources[i].cfg.source, source) == 0)
			return l->sources[i].cfg.kind == FL_SRC_FEED;
	/* a source the configuration no longer names: findings and operator sets have a dot in their name */
	return memchr(source, '.', n) == NULL;
}

static int copy_inputs(const struct fl_list_version *v, struct fl_arena *arena, struct plan *pl)
{
	pl->in = fl_arena_array(arena, FL_INPUTS_MAX, sizeof(*pl->in));
	if (!pl->in)
		return FL_ENOMEM;
	if (v->n_inputs)
		memcpy(pl->in, v->inputs, v->n_inputs * sizeof(*pl->in));
	pl->n = v->n_inputs;
	return 0;
}

static void to_head(struct fl_list_input *in, const struct fl_head *h)
{
	in->id = h->id;
	in->digest = h->digest;
	in->entries = h->entries;
	in->gone = false;
}

static void newest(const struct fl_pub_list *l, struct fl_list_input *in)
{
	for (size_t i = 0; i < l->n_sources; i++)
		if (strcmp(l->sources[i].cfg.source, in->source) == 0 && l->sources[i].head.id.number && !l->sources[i].head_lost)
			to_head(in, &l->sources[i].head);
}

/* What V had of a source may be gone: purged, or lost. Asked before anything is written, so that a person reads which. */
static int still_there(struct fl_publisher *p, const struct fl_list_version *target, const struct fl_list_input *in, struct fl_err *err)
{
	const char *name = in->source;
	bool there = false;
	int ret = fl_set_versions_there(p->c.sets, FL_SOURCE, &name, &in->id, 1, &there, err);

	if (ret == 0 && !there)
		ret = fl_err_set(err, FL_EREFUSED, "list '%s': version %llu is made of version %llu of source '%s', which the store has no more", target->list,
				 (unsigned long long)target->id.number, (unsigned long long)in->id.number, in->source);
	return ret;
}

/* Inputs are V's for the feeds, pinned until unhold, and the newest for findings and operator entries. */
static int plan_rollback(struct fl_publisher *p, struct fl_pub_list *l, const struct fl_publish_request *r, struct fl_arena *arena, struct plan *pl,
			 struct fl_err *err)
{
	uint64_t to = r->to ? r->to : l->current.parent;
	struct fl_list_version target;
	int ret;

	if (to == 0 || to >= l->head.id.number)
		return fl_err_set(err, FL_EREFUSED, "list '%s': %llu is no earlier version of it (head is %llu)", l->name, (unsigned long long)to,
				  (unsigned long long)l->head.id.number);
	ret = fl_list_version_get(p->c.sets, l->name, to, arena, &target, err);
	if (ret == 0)
		ret = copy_inputs(&l->current, arena, pl);
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; ret == 0 && i < pl->n; i++) {
		struct fl_list_input *in = &pl->in[i], *was = fl_list_input_find(target.inputs, target.n_inputs, in->source);

		if (!is_feed(l, in->source) && !r->include_findings) {
			newest(l, in);
			continue;
		}
		if (was && fl_version_id_eq(&was->id, &in->id))
			continue;
		if (was) {
			*in = *was;
			in->gone = false;
			ret = still_there(p, &target, in, err);
		} else { /* a feed that came after: it was no input then, and is an empty one now */
			in->id = (struct fl_version_id){ 0 };
			in->digest = (struct fl_u128){ 0 };
			in->entries = 0;
			in->gone = false;
		}
		in->pinned = true;
	}
	pl->commit.cause = FL_CAUSE_ROLLBACK;
	return ret;
}

static int plan_pins(struct fl_pub_list *l, const struct fl_publish_request *r, struct fl_arena *arena, struct plan *pl, struct fl_err *err)
{
	bool hold = r->op == FL_OP_HOLD;
	uint32_t touched = 0;
	int ret = copy_inputs(&l->current, arena, pl);

	for (uint32_t i = 0; ret == 0 && i < pl->n; i++) {
		struct fl_list_input *in = &pl->in[i];

		if (r->source ? strcmp(r->source, in->source) != 0 : hold && !is_feed(l, in->source))
			continue;
		if (in->pinned == hold)
			continue;
		in->pinned = hold;
		if (!hold)
			newest(l, in);
		touched++;
	}
	if (ret == 0 && !touched)
		return fl_err_set(err, FL_EREFUSED, "list '%s': nothing to %s%s%s", l->name, hold ? "hold" : "unhold", r->source ? " of source " : "",
				  r->source ? r->source : "");
	pl->commit.cause = hold ? FL_CAUSE_HOLD : FL_CAUSE_UNHOLD;
	return ret;
}

static bool left_out(const char *const *without, const char *source)
{
	for (; without && *without; without++)
		if (strcmp(*without, source) == 0)
			return true;
	return false;
}

/* A person's decision: above all known numbers, a new epoch if the head is gone. Refused while a source of the last known version has no good version, unless named. */
static int plan_recover(struct fl_pub_list *l, const struct fl_publish_request *r, struct fl_arena *arena, struct plan *pl, struct fl_err *err)
{
	struct fl_recovered *rec = &pl->commit.recovered;

	pl->in = fl_arena_array(arena, FL_INPUTS_MAX, sizeof(*pl->in));
	if (!pl->in)
		return FL_ENOMEM;
	for (size_t i = 0; i < l->n_sources && pl->n < FL_INPUTS_MAX; i++) {
		const struct fl_pub_source *s = &l->sources[i];
		struct fl_list_input *in = &pl->in[pl->n], *had = fl_list_input_find(l->current.inputs, l->current.n_inputs, s->cfg.source);

		if (left_out(r->without, s->cfg.source))
			continue;
		if (s->head.id.number == 0 || s->head_lost) {
			if (s->cfg.kind != FL_SRC_FEED)
				continue; /* findings and operator sets: nothing was entered, or it is lost; either way there is nothing to name */
			return fl_err_set(err, FL_EREFUSED, "list '%s': source '%s' has no good version yet; wait for its feed, or leave it out with --without %s",
					  l->name, s->cfg.source, s->cfg.source);
		}
		memcpy(in->source, s->cfg.source, strnlen(s->cfg.source, sizeof(in->source) - 1));
		if (had && had->pinned && (had->id.number == 0 || fl_epoch_eq(&had->id.epoch, &s->head.id.epoch)))
			*in = *had;
		else
			to_head(in, &s->head);
		in->gone = in->pinned && in->id.number && s->input_lost;
		pl->n++;
	}
	pl->commit.cause = FL_CAUSE_RECOVER;
	pl->commit.at_least = l->seen.highest.number;
	pl->commit.first_number = l->seen.highest.number + 1;
	rec->n_over = l->seen.n_epochs;
	memcpy(rec->over, l->seen.epochs, sizeof(rec->over));
	return 0;
}

static int plan_purge(struct fl_publisher *p, const struct fl_publish_request *r, struct plan *pl, struct fl_err *err)
{
	for (size_t i = 0; i < p->c.cfg->n_lists; i++)
		if (strcmp(p->c.cfg->lists[i].name, r->list) == 0)
			return fl_err_set(err, FL_EREFUSED, "list '%s' is in the configuration: take it out first, then purge what is left of it", r->list);
	pl->commit.cause = FL_CAUSE_DELETE;
	return 0;
}

/* How many entries the plan adds and takes away: by diff where both versions exist, else by counts. */
static void count_effect(struct fl_publisher *p, const struct fl_pub_list *l, const struct plan *pl, struct fl_publish_answer *out)
{
	for (uint32_t i = 0; i < pl->n; i++) {
		const struct fl_list_input *to = &pl->in[i], *from = fl_list_input_find(l->current.inputs, l->current.n_inputs, to->source);
		struct fl_change_iter *it = NULL;
		struct fl_change c;
		int ret = FL_ENOTFOUND;

		if (from && fl_version_id_eq(&from->id, &to->id))
			continue;
		if (from && from->id.number && fl_epoch_eq(&from->id.epoch, &to->id.epoch))
			ret = fl_source_diff(p->c.sets, to->source, from->id.number, to->id.number, &it, NULL);
		if (ret == 0) {
			while ((ret = it->next(it, &c, NULL)) == 1) {
				out->would_add += c.old.scope == 0;
				out->would_remove += c.new.scope == 0;
			}
			fl_changes_close(it);
			continue;
		}
		uint64_t had = from ? from->entries : 0;

		if (to->entries > had)
			out->would_add += to->entries - had;
		else
			out->would_remove += had - to->entries;
	}
	for (uint32_t i = 0; i < l->current.n_inputs; i++)
		if (!fl_list_input_find(pl->in, pl->n, l->current.inputs[i].source))
			out->would_remove += l->current.inputs[i].entries;
}

static int make_plan(struct fl_publisher *p, struct fl_pub_list *l, const struct fl_publish_request *r, struct fl_arena *arena, struct plan *pl,
		     struct fl_err *err)
{
	if (r->op != FL_OP_RECOVER && l->head.id.number == 0)
		return fl_err_set(err, FL_ENOTFOUND, "list '%s' has no version", l->name);
	switch (r->op) {
	case FL_OP_ROLLBACK:
		return plan_rollback(p, l, r, arena, pl, err);
	case FL_OP_HOLD:
	case FL_OP_UNHOLD:
		return plan_pins(l, r, arena, pl, err);
	case FL_OP_RECOVER:
		return plan_recover(l, r, arena, pl, err);
	case FL_OP_PURGE:
		return plan_purge(p, r, pl, err);
	}
	return fl_err_set(err, FL_EUSAGE, "unknown operation");
}

static int carry_out(struct fl_publisher *p, struct fl_pub_list *l, const struct fl_publish_request *r, struct plan *pl, struct fl_arena *arena,
		     struct fl_publish_answer *out, struct fl_err *err)
{
	struct fl_retention_report gone;
	int ret;

	pl->commit.name = l->name;
	pl->commit.lease = &l->lease;
	pl->commit.parent = &l->head;
	pl->commit.inputs = pl->in;
	pl->commit.n_inputs = pl->n;
	pl->commit.actor = r->actor ? r->actor : "";
	pl->commit.reason = r->reason ? r->reason : "";
	ret = fl_list_commit(p->c.sets, &pl->commit, arena, &out->version, err);
	if (ret < 0) {
		l->head_known = false;
		return ret;
	}
	fl__pub_committed(p, l, &out->version);
	ret = fl__audit_keep(p, &out->version, err);
	if (r->op == FL_OP_PURGE && ret == 0)
		ret = fl_set_purge(p->c.sets, &l->lease, &gone, err);
	return ret;
}

/* A list that the configuration dropped is an orphan: it has no sources, but a lease and a head as any other. */
static int orphan(struct fl_publisher *p, const char *name, struct fl_pub_list **out, struct fl_err *err)
{
	if (!fl_set_name_valid(name))
		return fl_err_set(err, FL_EUSAGE, "'%s' is no list name", name);
	*out = fl__pub_adopt(p, name);
	return *out ? 0 : fl_err_set(err, FL_EUNAVAIL, "the deletions of other lists are still being sent");
}

/* A recovery from a store that lost versions: what enforcers hold of them cannot be compared, and a person must not read "removes 0" as "nothing is lost". */
static void write_note(const struct fl_pub_list *l, const struct fl_publish_request *r, struct fl_publish_answer *out)
{
	if (r->op == FL_OP_RECOVER && !fl_version_id_eq(&l->seen.highest, &out->before.id))
		out->lost_version = l->seen.highest.number;
	if (out->lost_version)
		snprintf(out->note, sizeof(out->note), "version %llu was published and the store lost it: what it held and this lacks is not counted%s",
			 (unsigned long long)out->lost_version, r->dry_run ? "; nothing changed (dry run)" : "");
	else if (r->dry_run)
		snprintf(out->note, sizeof(out->note), "nothing changed (dry run)");
}

int fl_publisher_request(struct fl_publisher *p, const struct fl_publish_request *r, struct fl_arena *arena, struct fl_publish_answer *out, struct fl_err *err)
{
	struct fl_pub_list *l = fl__pub_list(p, r->list);
	struct plan pl = { 0 };
	int ret;

	memset(out, 0, sizeof(*out));
	if ((!l || l->orphan) && r->op != FL_OP_PURGE)
		return fl_err_set(err, FL_ENOTFOUND, "the configuration has no list '%s'", r->list);
	if (!l) {
		ret = orphan(p, r->list, &l, err);
		if (ret < 0)
			return ret;
	}
	ret = fl__pub_lease(p, l, fl_now_mono(p->c.clock), FL_LEASE_REQUEST_MS, err);
	if (ret == 0)
		ret = fl__pub_reread(p, l, err);
	if (ret == 0 && l->n_sources)
		ret = fl__pub_read_sources(p, l, err);
	if (ret == 0)
		ret = make_plan(p, l, r, arena, &pl, err);
	if (ret < 0)
		goto out;
	out->before = l->current;
	if (l->current.n_inputs) {
		out->before.inputs = fl_arena_dup(arena, l->current.inputs, l->current.n_inputs * sizeof(*l->current.inputs));
		if (!out->before.inputs)
			out->before.n_inputs = 0;
	}
	count_effect(p, l, &pl, out);
	write_note(l, r, out); /* before the commit: what was seen moves on with it */
	if (r->dry_run) {
		out->version = out->before;
		out->version.inputs = pl.in;
		out->version.n_inputs = pl.n;
		out->version.cause = pl.commit.cause;
		out->version.id.number = (l->head.id.number > pl.commit.at_least ? l->head.id.number : pl.commit.at_least) + 1;
	} else
		ret = carry_out(p, l, r, &pl, arena, out, err);
out:
	l->lease.until = 0; /* the next step makes it short again */
	if (l->orphan && (ret < 0 || r->dry_run))
		fl__pub_let_go(p, l); /* else the step sends its last event, and lets it go then */
	return ret;
}
