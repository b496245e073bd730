#include "enforcer/decisions.h"

#include <stdlib.h>

#include "enforcer/hash.h"

enum { PROBES = 16 };
#define NAME "fireline_policy_decisions_total"

static void bump(_Atomic uint64_t *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1, memory_order_release);
}

static bool same_word(const char *kept, const char *now)
{
	return strncmp(kept, now ? now : "", FL__DECISION_WORD - 1) == 0;
}

static bool is_of(const struct fl__decision_slot *s, const struct fl_decision *d)
{
	return s->action == d->action && s->response == d->response && same_word(s->rule, d->rule_name) && same_word(s->list, d->list) &&
	       same_word(s->group, d->rule_group);
}

static void take(struct fl__decision_slot *s, const struct fl_decision *d)
{
	s->action = (uint8_t)d->action;
	s->response = (uint8_t)d->response;
	snprintf(s->group, sizeof(s->group), "%s", d->rule_group ? d->rule_group : "");
	snprintf(s->rule, sizeof(s->rule), "%s", d->rule_name ? d->rule_name : "");
	snprintf(s->list, sizeof(s->list), "%s", d->list ? d->list : "");
}

/* By the words, not by where they lie: after a reload the same rule comes back to its slot. */
static uint64_t place(const struct fl_decision *d)
{
	uint64_t h = fl__hash(d->rule ? d->rule->priority : 0, d->list, d->list ? strlen(d->list) : 0);

	return d->rule_group ? fl__hash(h, d->rule_group, strlen(d->rule_group)) : h;
}

void fl__decisions_count(struct fl__decisions *t, const struct fl_decision *d)
{
	uint64_t at;

	if (d->action == FL_ACTION_NONE) {
		bump(&t->none);
		return;
	}
	at = place(d);
	for (int i = 0; i < PROBES; i++) {
		struct fl__decision_slot *s = &t->v[(at + (unsigned)i) % FL__DECISION_SLOTS];
		bool used = atomic_load_explicit(&s->count, memory_order_relaxed);

		if (used && !is_of(s, d))
			continue;
		if (!used)
			take(s, d);
		bump(&s->count);
		return;
	}
	bump(&t->other);
}

struct sum {
	const struct fl__decision_slot *slot;
	uint64_t count;
};

static bool same(const struct fl__decision_slot *a, const struct fl__decision_slot *b)
{
	return a->action == b->action && a->response == b->response && strcmp(a->group, b->group) == 0 && strcmp(a->rule, b->rule) == 0 &&
	       strcmp(a->list, b->list) == 0;
}

static size_t add(struct sum *v, size_t n, const struct fl__decision_slot *slot, uint64_t count)
{
	for (size_t i = 0; i < n; i++)
		if (same(v[i].slot, slot)) {
			v[i].count += count;
			return n;
		}
	v[n] = (struct sum){ slot, count };
	return n + 1;
}

static void put(struct fl_buf *out, const struct sum *s)
{
	const char *response = fl_block_response_word((enum fl_block_response)s->slot->response);

	fl_metric_u64(out, NAME, "",
		      FL_LABELS("action", fl_action_word((enum fl_action)s->slot->action), "response", response ? response : "", "rule_group", s->slot->group, "rule",
				s->slot->rule, "domain_list", s->slot->list),
		      s->count);
}

static void put_plain(struct fl_buf *out, const char *action, uint64_t count)
{
	fl_metric_u64(out, NAME, "", FL_LABELS("action", action, "response", "", "rule_group", "", "rule", "", "domain_list", ""), count);
}

void fl__decisions_metrics(const struct fl__decisions *const *tables, size_t n_tables, struct fl_buf *out)
{
	struct sum *v = calloc(n_tables * FL__DECISION_SLOTS + 1, sizeof(*v));
	uint64_t none = 0, other = 0;
	size_t n = 0;

	fl_metric_family(out, NAME, FL_COUNTER, "Decisions by the rule that made them; action NONE: no rule matched.");
	for (size_t t = 0; t < n_tables; t++) {
		none += atomic_load_explicit(&tables[t]->none, memory_order_relaxed);
		other += atomic_load_explicit(&tables[t]->other, memory_order_relaxed);
		for (size_t i = 0; v && i < FL__DECISION_SLOTS; i++) {
			uint64_t count = atomic_load_explicit(&tables[t]->v[i].count, memory_order_acquire);

			if (count)
				n = add(v, n, &tables[t]->v[i], count);
		}
	}
	put_plain(out, fl_action_word(FL_ACTION_NONE), none);
	if (other)
		put_plain(out, "other", other);
	for (size_t i = 0; i < n; i++)
		put(out, &v[i]);
	free(v);
}
