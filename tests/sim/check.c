/* The invariants of DESIGN.md 8: nothing is half applied, nobody goes back by himself, nothing acknowledged is lost, no event is lost, all converges. */
#include <string.h>

#include "tests/support/claims_help.h"
#include "publisher/state.h"
#include "sim.h"

/* Reference, slow and obvious: does this source content cover the name? The nearest entry that has a bit for the question decides; an exception wins in its own entry. */
static bool covers(const struct fl_set *set, struct fl_span key)
{
	bool self = true;

	for (struct fl_span k = key;; k = fl_rkey_parent(k), self = false) {
		size_t i = fl_set_find(set, k);
		uint8_t scope = i == SIZE_MAX ? 0 : set->v[i].t.scope;
		uint8_t yes = self ? FL_SCOPE_EXACT : FL_SCOPE_SUBDOMAINS, no = self ? FL_SCOPE_EXCEPT_EXACT : FL_SCOPE_EXCEPT_SUBDOMAINS;

		if (scope & no)
			return false;
		if (scope & yes)
			return true;
		if (k.n == 0)
			return false;
	}
}

static bool list_covers(const struct sim *s, const struct fl_image *img, const char *list, struct fl_span key)
{
	const struct fl_image_input *in;
	size_t n = fl_image_inputs(img, &in);

	for (size_t i = 0; i < n; i++) {
		const struct truth_source *t;

		if (strcmp(in[i].list, list) != 0 || in[i].id.number == 0)
			continue;
		t = truth_source_of(s, in[i].source, &in[i].id);
		if (t && covers(&t->set, key))
			return true;
	}
	return false;
}

static bool check_decisions(struct sim *s, const struct sim_actor *a, const struct fl_image_list *l, int index)
{
	char text[80], name[64];

	for (int i = 0; i < 2 * SIM_NAMES; i++) {
		struct fl_walk w;
		struct fl_match m;
		struct fl_rkey key;
		bool want, got;

		snprintf(text, sizeof(text), "%s%s", i < SIM_NAMES ? "" : "www.", sim_name(i % SIM_NAMES, name));
		fl_rkey_from_text(fl_span_str(text), &key);
		fl_image_walk(a->image, fl_rkey_span(&key), &w);
		got = fl_walk_list(a->image, &w, index, &m);
		want = list_covers(s, a->image, l->name, fl_rkey_span(&key));
		if (got != want)
			return sim_fail(s, "%s: list %s at %llu %s %s, its sources say otherwise", a->name, l->name, (unsigned long long)l->id.number,
					got ? "covers" : "does not cover", text);
	}
	return true;
}

/* What an enforcer holds is a version that was committed, whole. */
bool check_enforcer(struct sim *s, const struct sim_actor *a)
{
	const struct fl_image_list *l;
	const struct fl_image_input *in;
	size_t n, n_in;

	if (!a->image)
		return true;
	n = fl_image_lists(a->image, &l);
	n_in = fl_image_inputs(a->image, &in);
	for (size_t i = 0; i < n; i++) {
		const struct truth_list *t;

		if (l[i].id.number == 0)
			continue;
		t = truth_list_of(s, l[i].name, &l[i].id);
		if (!t)
			return sim_fail(s, "%s: list %s is at %llu, a version that was never committed", a->name, l[i].name, (unsigned long long)l[i].id.number);
		for (uint32_t k = 0; k < t->v.n_inputs; k++) {
			const struct fl_list_input *want = &t->v.inputs[k];
			bool found = want->id.number == 0 || want->gone;

			for (size_t q = 0; q < n_in && !found; q++)
				found = strcmp(in[q].list, l[i].name) == 0 && strcmp(in[q].source, want->source) == 0 &&
					(fl_version_id_eq(&in[q].id, &want->id) || fl_u128_eq(in[q].digests.scope, want->digest));
			if (!found)
				return sim_fail(s, "%s: list %s at %llu does not hold input %s as its manifest says", a->name, l[i].name,
						(unsigned long long)l[i].id.number, want->source);
		}
		if (!check_decisions(s, a, &l[i], (int)i))
			return false;
	}
	return true;
}

/* kill -9 loses nothing: after a restart, before any door has answered, each list stands where it stood. */
bool check_restarted(struct sim *s, const struct sim_actor *a, const struct fl_image_list *l, size_t n)
{
	const struct fl_image_list *now;

	if (a->image)
		fl_image_lists(a->image, &now);
	for (size_t i = 0; i < n; i++) {
		int k = a->image ? fl_image_list_index(a->image, l[i].name) : -1;

		if (l[i].id.number && (k < 0 || !fl_version_id_eq(&now[k].id, &l[i].id)))
			return sim_fail(s, "%s: list %s was at %llu, and after kill -9 is at %llu", a->name, l[i].name, (unsigned long long)l[i].id.number,
					k < 0 ? 0ULL : (unsigned long long)now[k].id.number);
	}
	return true;
}

/* Two writers never hold one set under one fence. */
static bool check_fences(struct sim *s)
{
	struct fl_publisher *a = s->publish[0].publisher, *b = s->publish[1].publisher;

	for (size_t i = 0; a && b && i < a->n_lists; i++) {
		const struct fl_pub_list *x = &a->lists[i], *y = fl__pub_list(b, x->name);

		if (y && x->leased && y->leased && x->lease.fence[0] && strcmp(x->lease.fence, y->lease.fence) == 0)
			return sim_fail(s, "list %s: both publishers write it under fence %s", x->name, x->lease.fence);
	}
	return true;
}

/* A committed version is in the outbox until the bus has it: trimming before the delivery report would lose it. Only the head's history counts, and only while nothing is
 * known to be lost on the bus or put back in the store. */
static bool check_outbox(struct sim *s)
{
	struct fl_arena a = { 0 };

	if (s->lossy || s->rewound)
		return true;
	for (size_t i = 0; i < s->truth.n_lists; i++) {
		const struct truth_list *t = &s->truth.lists[i];
		struct fl_outbox_entry *v = NULL;
		bool found = t->sent;
		uint64_t length;
		size_t n = 0;

		if (found)
			continue;
		if (fl_outbox_read(&s->observer, t->v.list, 10000, &a, &v, &n, &length, NULL) < 0)
			break;
		for (size_t k = 0; k < n; k++)
			found = found || (v[k].number == t->v.id.number && memcmp(v[k].chain, t->v.id.chain, 32) == 0);
		if (!found) {
			sim_fail(s, "list %s: version %llu is neither in the outbox nor on the bus", t->v.list, (unsigned long long)t->v.id.number);
			break;
		}
	}
	fl_arena_done(&a);
	return !s->failure[0];
}

/* One history: a number of an epoch has one chain. */
static bool check_history(struct sim *s)
{
	const struct truth *t = &s->truth;

	if (s->rewound)
		return true;
	for (size_t i = 0; i < t->n_sources; i++)
		for (size_t k = i + 1; k < t->n_sources; k++)
			if (t->sources[i].id.number == t->sources[k].id.number && fl_epoch_eq(&t->sources[i].id.epoch, &t->sources[k].id.epoch) &&
			    strcmp(t->sources[i].source, t->sources[k].source) == 0)
				return sim_fail(s, "source %s: version %llu was committed twice", t->sources[i].source, (unsigned long long)t->sources[i].id.number);
	for (size_t i = 0; i < t->n_lists; i++)
		for (size_t k = i + 1; k < t->n_lists; k++)
			if (t->lists[i].v.id.number == t->lists[k].v.id.number && fl_epoch_eq(&t->lists[i].v.id.epoch, &t->lists[k].v.id.epoch) &&
			    strcmp(t->lists[i].v.list, t->lists[k].v.list) == 0)
				return sim_fail(s, "list %s: version %llu was committed twice", t->lists[i].v.list, (unsigned long long)t->lists[i].v.id.number);
	return true;
}

/* What a head, and what the inputs of a list's head, stand on can be read at any time. */
static bool check_readable(struct sim *s)
{
	struct fl_err err = { 0 };

	for (size_t i = 0; i < s->cfg->n_lists; i++) {
		struct fl_arena a = { 0 };
		struct fl_list_version v;
		struct fl_head h;
		int ret = fl_set_head(&s->observer, FL_LIST, s->cfg->lists[i].name, &h, NULL);

		if (ret == 0)
			ret = fl_list_version_get(&s->observer, s->cfg->lists[i].name, h.id.number, &a, &v, &err);
		for (uint32_t k = 0; ret == 0 && k < v.n_inputs; k++) {
			struct fl_entry_iter *it = NULL;
			struct fl_set set = { 0 };

			if (v.inputs[k].gone || !v.inputs[k].id.number)
				continue;
			ret = fl_source_open(&s->observer, v.inputs[k].source, v.inputs[k].id.number, &it, NULL, &err);
			if (ret == 0)
				ret = fl_set_read(&set, it, &err);
			fl_entries_close(it);
			fl_set_done(&set);
			if (ret < 0)
				sim_fail(s, "list %s needs version %llu of %s, which cannot be read: %s", s->cfg->lists[i].name,
					 (unsigned long long)v.inputs[k].id.number, v.inputs[k].source, err.text);
		}
		if (ret < 0 && ret != FL_ENOTFOUND && !s->failure[0])
			sim_fail(s, "list %s: its head cannot be read: %s", s->cfg->lists[i].name, err.text);
		else if (ret == FL_ENOTFOUND && err.text[0] && !s->failure[0])
			sim_fail(s, "list %s: its head cannot be read: %s", s->cfg->lists[i].name, err.text);
		fl_arena_done(&a);
	}
	return !s->failure[0];
}

bool check_step(struct sim *s)
{
	bool was = s->observing, ok;

	s->observing = true;
	ok = !s->failure[0] && check_fences(s) && check_outbox(s);
	for (int i = 0; ok && i < SIM_PAIR; i++)
		if (s->enforce[i].fresh) {
			ok = check_enforcer(s, &s->enforce[i]);
			s->enforce[i].fresh = false;
		}
	if (ok && !s->rewound && s->step % 16 == 0)
		ok = check_readable(s);
	s->observing = was;
	return ok;
}

/* --- after healing --- */

static bool check_acknowledged(struct sim *s)
{
	struct fl_entry_iter *it = NULL;
	struct fl_set set = { 0 };
	struct fl_head h;
	struct fl_err err = { 0 };
	char source[] = "operator-block.operator";
	int ret = fl_set_head(&s->observer, FL_SOURCE, source, &h, &err);

	if (s->rewound && s->ledger_lost)
		return true;
	if (ret == 0)
		ret = fl_source_open(&s->observer, source, h.id.number, &it, NULL, &err);
	if (ret == 0)
		ret = fl_set_read(&set, it, &err);
	fl_entries_close(it);
	for (int i = 0; ret == 0 && i < SIM_NAMES; i++) {
		struct fl_rkey key;
		bool has;

		if (s->entries[i].unsure || !s->entries[i].name[0])
			continue;
		fl_rkey_from_text(fl_span_str(s->entries[i].name), &key);
		has = fl_set_find(&set, fl_rkey_span(&key)) != SIZE_MAX;
		if (has != s->entries[i].present)
			sim_fail(s, "operator entry %s was acknowledged as %s, and is not", s->entries[i].name, s->entries[i].present ? "added" : "removed");
	}
	fl_set_done(&set);
	return !s->failure[0];
}

/* What was acknowledged of a finding is what the store knows of it, or it knows a later word; and the set says what the claims say. */
static bool check_findings(struct sim *s)
{
	static const char source[] = "cli.block";
	struct fl_entry_iter *it = NULL;
	struct fl_set set = { 0 };
	struct fl_head h;
	int ret = fl_set_head(&s->observer, FL_SOURCE, source, &h, NULL);

	if (s->rewound && s->ledger_lost)
		return true;
	if (ret == 0)
		ret = fl_source_open(&s->observer, source, h.id.number, &it, NULL, NULL);
	if (ret == 0)
		ret = fl_set_read(&set, it, NULL);
	fl_entries_close(it);
	for (size_t i = 0; i < s->n_said && !s->failure[0]; i++) {
		const struct fl_claim *c = &s->said[i].claim;
		struct fl_claim now;
		char name[FL_NAME_TEXT];
		const char *what = c->state == FL_CLAIM_ACTIVE ? "claim" : "withdrawal";

		fl_rkey_to_text(fl_rkey_span(&c->key), name);
		if (ret < 0 || fl_claim_get(&s->observer, source, c->id, &now, NULL) < 0)
			sim_fail(s, "the %s of %s by finding %s was acknowledged, and the store knows nothing of it", what, name, c->finding);
		else if (!fl_claim_says_nothing_new(&now, c) && (now.state != c->state || now.updated_at != c->updated_at) && now.state != FL_CLAIM_EXPIRED)
			sim_fail(s, "the %s of %s by finding %s was acknowledged, and the store has an older word: %s", what, name, c->finding, fl_claim_state_word(now.state));
		else if (now.state == FL_CLAIM_ACTIVE && fl_set_find(&set, fl_rkey_span(&c->key)) == SIZE_MAX)
			sim_fail(s, "%s is claimed by finding %s, and is not in the set", name, c->finding);
	}
	for (size_t i = 0; i < set.n && !s->failure[0]; i++) {
		struct fl_arena a = { 0 };
		struct fl_claim *v;
		char name[FL_NAME_TEXT];
		size_t n = 0;

		if (claims_on_name(&s->observer, source, fl_set_key(&set, i), &a, &v, &n) == 0 && n == 0)
			sim_fail(s, "%s is in the set, and no finding claims it", fl_rkey_to_text(fl_set_key(&set, i), name));
		fl_arena_done(&a);
	}
	fl_set_done(&set);
	return !s->failure[0];
}

static bool check_feed_content(struct sim *s, int feed)
{
	struct fl_entry_iter *it = NULL;
	struct fl_set set = { 0 };
	struct fl_head h;
	struct fl_err err = { 0 };
	size_t want = 0;
	char name[64];
	int ret = fl_set_head(&s->observer, FL_SOURCE, sim_feed_names[feed], &h, &err);

	if (ret == 0)
		ret = fl_source_open(&s->observer, sim_feed_names[feed], h.id.number, &it, NULL, &err);
	if (ret == 0)
		ret = fl_set_read(&set, it, &err);
	fl_entries_close(it);
	for (int i = 0; ret == 0 && i < SIM_NAMES; i++) {
		struct fl_rkey key;
		bool has, wants = s->feed_bits[feed] >> i & 1;

		fl_rkey_from_text(fl_span_str(sim_name(i, name)), &key);
		has = fl_set_find(&set, fl_rkey_span(&key)) != SIZE_MAX;
		want += wants;
		if (has != wants)
			sim_fail(s, "feed %s: %s is %s its set after healing", sim_feed_names[feed], name, has ? "still in" : "not in");
	}
	if (ret < 0)
		sim_fail(s, "feed %s cannot be read after healing: %s", sim_feed_names[feed], err.text);
	else if (!s->failure[0] && set.n != want)
		sim_fail(s, "feed %s has %zu names after healing, its list has %zu", sim_feed_names[feed], set.n, want);
	fl_set_done(&set);
	return !s->failure[0];
}

static bool check_list_converged(struct sim *s, const char *list)
{
	struct fl_arena a = { 0 };
	struct fl_outbox_entry *v;
	struct fl_head h;
	uint64_t length = 0;
	size_t n;

	if (fl_set_head(&s->observer, FL_LIST, list, &h, NULL) < 0)
		return true;
	fl_outbox_read(&s->observer, list, 10, &a, &v, &n, &length, NULL);
	fl_arena_done(&a);
	if (length)
		return sim_fail(s, "list %s: %llu versions are still in the outbox after healing", list, (unsigned long long)length);
	for (int i = 0; i < SIM_PAIR; i++) {
		const struct fl_image_list *l;
		int k = fl_image_list_index(s->enforce[i].image, list);

		fl_image_lists(s->enforce[i].image, &l);
		if (k < 0 || !fl_version_id_eq(&l[k].id, &h.id))
			return sim_fail(s, "%s holds %s at %llu after healing, the head is %llu", s->enforce[i].name, list, k < 0 ? 0ULL : (unsigned long long)l[k].id.number,
					(unsigned long long)h.id.number);
	}
	for (int i = 0; i < SIM_PAIR; i++) {
		const struct fl_pub_list *p = s->publish[i].publisher ? fl__pub_list(s->publish[i].publisher, list) : NULL;

		if (p && p->leased && !fl_version_id_eq(&p->seen.last, &h.id))
			return sim_fail(s, "list %s: the newest record on the bus is %llu after healing, the head is %llu", list, (unsigned long long)p->seen.last.number,
					(unsigned long long)h.id.number);
	}
	return true;
}

bool check_converged(struct sim *s)
{
	bool ok = true;

	s->observing = true;
	truth_capture(s);
	for (int i = 0; ok && i < SIM_FEEDS; i++)
		ok = check_feed_content(s, i);
	for (size_t i = 0; ok && i < s->cfg->n_lists; i++)
		ok = check_list_converged(s, s->cfg->lists[i].name);
	ok = ok && check_acknowledged(s) && check_findings(s) && check_history(s);
	s->observing = false;
	return ok && check_step(s);
}
