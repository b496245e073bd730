#include "enforcer/upstreams.h"
#include "enforcer/dns.h"

enum { PENALTY_MS = 300, PENALTY_MAX = 8, PATIENCE_MIN_MS = 150, PATIENCE_UNKNOWN_MS = 400, TIMEOUT_MS = 2000, WAITING = 1000 };

const char *const fl__upstream_result_words[FL__UP_COUNT] = { "answered", "error", "timeout", "unreachable", "bad_reply" };

static bool copy_group(struct fl_arena *a, const struct fl_cfg_upstream *from, struct fl__upstream_group *to)
{
	to->name = fl_arena_str(a, from->name);
	to->zones = fl_arena_array(a, from->n_zones, sizeof(*to->zones));
	to->servers = fl_arena_array(a, from->n_servers, sizeof(*to->servers));
	if (!to->name || !to->zones || !to->servers)
		return false;
	for (size_t i = 0; i < from->n_zones; i++)
		if (fl_dname_from_text(fl_span_str(from->zones[i]), &to->zones[to->n_zones]))
			to->n_zones++;
	for (size_t i = 0; i < from->n_servers; i++) {
		to->servers[i].address = fl_arena_str(a, from->servers[i]);
		if (!to->servers[i].address)
			return false;
	}
	to->n_servers = (uint32_t)from->n_servers;
	to->retries = from->retries;
	to->mixed_case = from->mixed_case;
	to->trust_ad = from->trust_ad;
	to->timeout = (from->timeout_ms > 0 ? from->timeout_ms : TIMEOUT_MS) * FL_NS_PER_MS;
	return true;
}

struct fl__upstreams *fl__upstreams_new(const struct fl_config *cfg)
{
	static const char *const builtin_servers[] = { "builtin" };
	static const struct fl_cfg_upstream builtin = { .name = "builtin", .servers = builtin_servers, .n_servers = 1 };
	bool made_here = cfg->n_upstreams == 0 && cfg->upstream_builtin;
	struct fl__upstreams *u = calloc(1, sizeof(*u));
	size_t n = made_here ? 1 : cfg->n_upstreams;

	if (!u)
		return NULL;
	u->refs = 1;
	u->waiting = cfg->rate.waiting ? cfg->rate.waiting : WAITING;
	u->groups = fl_arena_array(&u->arena, n, sizeof(*u->groups));
	for (; u->groups && u->n_groups < n; u->n_groups++)
		if (!copy_group(&u->arena, made_here ? &builtin : &cfg->upstreams[u->n_groups], &u->groups[u->n_groups]))
			break;
	if (!u->groups || u->n_groups < n) {
		fl__upstreams_release(u);
		return NULL;
	}
	return u;
}

struct fl__upstreams *fl__upstreams_acquire(struct fl__upstreams *u)
{
	atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
	return u;
}

void fl__upstreams_release(struct fl__upstreams *u)
{
	if (!u || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1)
		return;
	fl_arena_done(&u->arena);
	free(u);
}

static void carry_group(struct fl__upstream_group *to, const struct fl__upstream_group *from)
{
	for (int r = 0; r < FL__UP_COUNT; r++)
		atomic_store_explicit(&to->results[r], atomic_load_explicit(&from->results[r], memory_order_relaxed), memory_order_relaxed);
	for (uint32_t i = 0; i < to->n_servers; i++)
		for (uint32_t k = 0; k < from->n_servers; k++)
			if (strcmp(to->servers[i].address, from->servers[k].address) == 0) {
				to->servers[i].srtt = from->servers[k].srtt;
				to->servers[i].fails = from->servers[k].fails;
			}
}

void fl__upstreams_carry(struct fl__upstreams *to, const struct fl__upstreams *from)
{
	for (size_t i = 0; i < to->n_groups; i++)
		for (size_t k = 0; k < from->n_groups; k++)
			if (strcmp(to->groups[i].name, from->groups[k].name) == 0)
				carry_group(&to->groups[i], &from->groups[k]);
}

struct fl__upstream_group *fl__upstreams_for(struct fl__upstreams *u, const struct fl_dname *name)
{
	struct fl__upstream_group *best = NULL;
	int best_len = -1;

	for (size_t i = 0; i < u->n_groups; i++) {
		struct fl__upstream_group *g = &u->groups[i];
		size_t prefix;

		if (g->n_servers == 0)
			continue;
		if (g->n_zones == 0 && best_len < 0) {
			best = g;
			best_len = 0;
		}
		for (size_t z = 0; z < g->n_zones; z++)
			if ((int)g->zones[z].len > best_len && fl__dname_below_or_at(name, &g->zones[z], &prefix)) {
				best = g;
				best_len = g->zones[z].len;
			}
	}
	return best;
}

fl_mono_ns fl__upstream_patience(const struct fl__upstream_group *g, const struct fl__upstream_server *s)
{
	fl_mono_ns p = s->srtt ? 3 * s->srtt : PATIENCE_UNKNOWN_MS * FL_NS_PER_MS;

	if (p < PATIENCE_MIN_MS * FL_NS_PER_MS)
		p = PATIENCE_MIN_MS * FL_NS_PER_MS;
	return p < g->timeout ? p : g->timeout;
}

fl_mono_ns fl__upstream_score(const struct fl__upstream_server *s)
{
	return s->srtt + (s->fails < PENALTY_MAX ? s->fails : PENALTY_MAX) * PENALTY_MS * FL_NS_PER_MS;
}

void fl__upstream_measured(struct fl__upstream_server *s, fl_mono_ns rtt)
{
	s->fails = 0;
	s->srtt = s->srtt ? s->srtt - s->srtt / 8 + rtt / 8 : rtt;
	if (s->srtt < 1)
		s->srtt = 1;
}
