/* fireline-sim: seeds, mutants, and the table of faults.
 *
 *   fireline-sim --seeds 1..1000              each must hold
 *   fireline-sim --mutants --seeds 1..300     each deliberate bug must be found by an invariant within the seeds
 *   fireline-sim --seeds 42..42 --verbose     repeat one */
#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "sim.h"

enum { STEPS = 320, HEAL_ROUNDS = 400 };

static struct sim_actor *pick(struct sim *s)
{
	struct sim_actor *rows[] = { s->ingest, s->publish, s->enforce };

	return &rows[sim_below(s, 3)][sim_below(s, SIM_PAIR)];
}

static void act_step(struct sim *s)
{
	sim_step_actor(s, pick(s));
}

static void act_time(struct sim *s)
{
	static const int64_t ms[] = { 10, 200, 1000, 3000, 12000, 65000 };

	if (sim_chance(s, 40)) /* old versions age: retention has work */
		fl_clock_mem_advance(&s->clock, 7500000 * FL_NS_PER_MS);
	else
		fl_clock_mem_advance(&s->clock, ms[sim_below(s, 6)] * FL_NS_PER_MS);
}

static void act_feed(struct sim *s)
{
	int feed = (int)sim_below(s, SIM_FEEDS);

	if (sim_chance(s, 50)) { /* a provider's bad day */
		fl_http_mem_set(s->http, s->cfg->feeds[feed].url, sim_chance(s, 500) ? 404 : 200, fl_span_str("<html><body>rate limited</body></html>"), "");
		return;
	}
	s->feed_bits[feed] ^= fl_random_u64(&s->rnd.door) & fl_random_u64(&s->rnd.door) & ((UINT64_C(1) << SIM_NAMES) - 1);
	s->feed_bits[feed] &= (UINT64_C(1) << SIM_NAMES) - 1;
	s->feed_bits[feed] |= 1;
	s->feed_rev[feed]++;
	sim_feed_serve(s, feed);
}

static struct sim_actor *some_ingest(struct sim *s)
{
	struct sim_actor *a = &s->ingest[sim_below(s, SIM_PAIR)];

	return a->up ? a : &s->ingest[a == s->ingest];
}

static void settle(struct sim *s, struct sim_actor *a)
{
	if (!s->dead)
		return;
	s->dead = false;
	sim_crash(s, a, false);
}

static void act_operator(struct sim *s)
{
	struct sim_actor *a = some_ingest(s);
	struct fl_source_version v;
	struct fl_operator_entry e = { 0 };
	struct fl_err err = { 0 };
	int i = (int)sim_below(s, SIM_NAMES), ret;
	bool add = !s->entries[i].present || s->entries[i].unsure;

	if (!a->up)
		return;
	sim_name(i, s->entries[i].name);
	e.name = s->entries[i].name;
	s->running = a;
	ret = fl_operator_change(a->findings, FL_LIST_OPERATOR_BLOCK, add, &e, 1, "sim", "", &v, &err);
	if (ret == 0 && !s->dead) {
		s->entries[i].present = add;
		s->entries[i].unsure = false;
	} else if (ret != FL_ENOTFOUND || s->dead)
		s->entries[i].unsure = true; /* the caller was told that it is not known, or died with the reply */
	settle(s, a);
}

/* The claim that a finding makes, as far as who says what of it matters. */
static void note_said(struct sim *s, const char *id, const char *name, const char *updated, bool archived)
{
	struct sim_said *v = realloc(s->said, (s->n_said + 1) * sizeof(*v));
	struct fl_claim *c;

	if (!v)
		abort();
	s->said = v;
	c = &v[s->n_said++].claim;
	memset(c, 0, sizeof(*c));
	snprintf(c->source, sizeof(c->source), "cli.block");
	snprintf(c->finding, sizeof(c->finding), "%s", id);
	fl_rkey_from_text(fl_span_str(name), &c->key);
	c->state = archived ? FL_CLAIM_WITHDRAWN : FL_CLAIM_ACTIVE;
	fl_time_parse(updated, strlen(updated), &c->updated_at);
	fl_claim_id(c);
}

static void act_finding(struct sim *s)
{
	struct sim_actor *a = some_ingest(s);
	struct fl_finding_outcome out;
	struct fl_err err = { 0 };
	char json[512], name[64], id[40], updated[40];
	bool archived = sim_chance(s, 250);

	if (!a->up)
		return;
	snprintf(id, sizeof(id), "%032llx", (unsigned long long)sim_below(s, 20));
	snprintf(updated, sizeof(updated), "2026-09-21T10:%02llu:00.000Z", (unsigned long long)(s->findings_sent++ / 4 % 60));
	sim_name((int)sim_below(s, s->may_rewind ? 6 : SIM_NAMES), name); /* of few names the same claims are met more often */
	snprintf(json, sizeof(json),
		 "{\"schemaVersion\":\"2.0\",\"id\":\"%s\",\"type\":\"Backdoor:EC2/C&CActivity.B!DNS\",\"severity\":8,\"updatedAt\":\"%s\","
		 "\"service\":{\"archived\":%s,\"action\":{\"actionType\":\"DNS_REQUEST\",\"dnsRequestAction\":{\"domain\":\"%s\"}}}}",
		 id, updated, archived ? "true" : "false", name);
	s->running = a;
	if (fl_findings_inject(a->findings, "cli", fl_span_str(json), false, "sim", &out, &err) == 0 && !s->dead && out.accepted + out.withdrawn + out.duplicate)
		note_said(s, id, name, updated, archived);
	settle(s, a);
}

static void restart(struct sim *s, struct sim_actor *a)
{
	bool was = s->observing;

	s->observing = true; /* starting reads the disk; that it may fail is tried by sim_start under faults below */
	sim_start(s, a);
	s->observing = was;
}

static void act_crash(struct sim *s)
{
	struct sim_actor *a = pick(s);
	bool enforcer = a >= s->enforce && a < s->enforce + SIM_PAIR, power = sim_chance(s, 300), durable = true;
	struct fl_follow_status st;
	struct fl_follow_list_status *lists;
	struct fl_arena arena = { 0 };
	const struct fl_image_list *held = NULL;
	struct fl_image_list *before = NULL;
	size_t n_before = 0;

	if (!a->up)
		return;
	if (enforcer) {
		fl_follow_status(a->follow, &st, &arena, &lists, &(size_t){ 0 });
		durable = st.problem[0] == '\0';
		n_before = fl_image_lists(a->image, &held);
		before = fl_arena_dup(&arena, held, n_before * sizeof(*held));
	}
	sim_crash(s, a, power);
	if (sim_chance(s, 700)) {
		restart(s, a);
		if (enforcer && !power && durable)
			check_restarted(s, a, before, n_before);
	}
	fl_arena_done(&arena);
}

static void act_start(struct sim *s)
{
	struct sim_actor *rows[] = { s->ingest, s->publish, s->enforce };

	for (int i = 0; i < 3; i++)
		for (int k = 0; k < SIM_PAIR; k++)
			if (!rows[i][k].up && sim_chance(s, 500))
				sim_start(s, &rows[i][k]);
}

static void act_outage(struct sim *s)
{
	if (sim_chance(s, 500))
		s->store_down = !s->store_down;
	else
		s->bus_down = !s->bus_down;
}

static void act_purge_broker(struct sim *s)
{
	if (!sim_chance(s, 100))
		return;
	fl_bus_mem_reset(s->bus);
	s->lossy = s->ledger_lost = true;
	if (s->observer_events)
		fl_bus_consumer_close(s->observer_bus, s->observer_events);
	s->observer_events = NULL;
}

/* A record that says the true manifest and carries other changes, well-formed: only the digest can tell. */
static void act_forge(struct sim *s)
{
	struct fl_bus_header mark = { "forged", fl_span_str("1") };
	struct fl_delta_writer *w = NULL;
	struct fl_delta_meta meta;
	struct fl_arena a = { 0 };
	struct fl_buf delta = { 0 }, json = { 0 };
	struct fl_event ev;
	bool kept;

	s->observing = true;
	for (size_t i = s->truth.n_lists; i-- > 0;) {
		const struct truth_list *t = &s->truth.lists[i];
		char name[64];
		struct fl_rkey key;

		if (t->sent || fl_event_load(&s->observer, t->v.list, t->v.id.number, &a, &ev, NULL) < 0 || !fl_version_id_eq(&ev.version.id, &t->v.id))
			continue;
		fl_rkey_from_text(fl_span_str(sim_name((int)sim_below(s, SIM_NAMES), name)), &key);
		w = fl_delta_writer_new();
		if (!w)
			break;
		fl_delta_writer_add(w, &(struct fl_change){ .key = fl_rkey_span(&key), .new = { .scope = FL_SCOPE_SUBTREE } });
		fl_delta_writer_finish(w, &delta, &kept, &meta);
		for (uint32_t k = 0; k < ev.version.n_inputs; k++)
			for (uint32_t d = 0; d < ev.inputs[k].n_deltas; d++)
				ev.inputs[k].deltas[d].bytes = fl_buf_span(&delta);
		if (fl_event_encode(&ev, &json, NULL) == 0)
			fl_bus_produce(s->observer_bus, FL_BUS_CONTROL, FL_TOPIC_LIST_EVENTS, fl_span_str(t->v.list), fl_buf_span(&json), &mark, 1, 0, NULL);
		break;
	}
	s->observing = false;
	fl_delta_writer_free(w);
	fl_buf_done(&delta);
	fl_buf_done(&json);
	fl_arena_done(&a);
}

/* The store loses its last commits, or all. */
static void act_rewind(struct sim *s)
{
	uint64_t dice = sim_below(s, 100);

	if (dice < 60)
		fl_store_mem_snapshot(s->store), s->snapshot = true;
	else if (dice < 70 && s->snapshot && s->may_rewind) {
		fl_store_mem_restore(s->store, "");
		s->rewound = true;
	} else if (dice < 78 && s->may_rewind) {
		fl_store_mem_flush(s->store);
		s->rewound = true;
	}
}

static const struct {
	void (*act)(struct sim *s);
	unsigned weight;
} acts[] = {
	{ act_step, 545 }, { act_time, 180 }, { act_feed, 70 },	  { act_operator, 50 },	     { act_finding, 50 },
	{ act_crash, 25 }, { act_start, 30 }, { act_outage, 10 }, { act_purge_broker, 10 }, { act_rewind, 15 }, { act_forge, 15 },
};

static void one_step(struct sim *s)
{
	uint64_t dice = sim_below(s, 1000);

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (dice < acts[i].weight) {
			acts[i].act(s);
			break;
		}
		dice -= acts[i].weight;
	}
	if (sim_chance(s, 30))
		act_start(s);
}

/* A store that lost its head or history is a person's decision. */
static void recover(struct sim *s)
{
	for (size_t i = 0; i < s->cfg->n_lists; i++) {
		struct fl_arena a = { 0 };
		struct fl_publish_request r = { .op = FL_OP_RECOVER, .list = s->cfg->lists[i].name, .actor = "sim", .reason = "healing" };
		struct fl_publish_answer ans;
		struct fl_err err = { 0 };
		bool degraded = false;

		for (int k = 0; k < SIM_PAIR; k++) {
			struct fl_follow_status st;
			struct fl_follow_list_status *l;
			size_t n;

			fl_follow_status(s->enforce[k].follow, &st, &a, &l, &n);
			for (size_t q = 0; q < n; q++) {
				if (strcmp(l[q].list, r.list) != 0)
					continue;
				degraded = degraded || l[q].state == FL_FOLLOW_DEGRADED;
				if (s->verbose && l[q].state != FL_FOLLOW_OK && l[q].state != FL_FOLLOW_WAITING)
					printf("%s: %s at %llu is %s: %s\n", s->enforce[k].name, r.list, (unsigned long long)l[q].applied_version,
					       fl_follow_state_word(l[q].state), l[q].reason);
			}
		}
		for (int k = 0; degraded && k < SIM_PAIR; k++) {
			int ret = fl_publisher_request(s->publish[k].publisher, &r, &a, &ans, &err);

			if (s->verbose)
				printf("recover %s: %s %s@%llu\n", r.list, ret ? err.text : "done", r.list, ret ? 0ULL : (unsigned long long)ans.version.id.number);
			if (ret == 0)
				break;
		}
		fl_arena_done(&a);
	}
}

static void heal(struct sim *s)
{
	struct sim_actor *rows[] = { s->ingest, s->publish, s->enforce };

	s->healing = true;
	s->store_down = s->bus_down = false;
	for (int i = 0; i < SIM_FEEDS; i++)
		sim_feed_serve(s, i);
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < SIM_PAIR; k++)
			if (!rows[i][k].up)
				sim_start(s, &rows[i][k]);
	for (int round = 0; round < HEAL_ROUNDS && !s->failure[0]; round++) {
		fl_clock_mem_advance(&s->clock, 1000 * FL_NS_PER_MS);
		for (int i = 0; i < 3; i++)
			for (int k = 0; k < SIM_PAIR; k++)
				sim_step_actor(s, &rows[i][k]);
		if (round == HEAL_ROUNDS / 2 || round == HEAL_ROUNDS * 3 / 4)
			recover(s);
		if (round % 8 == 0) {
			truth_capture(s);
			check_step(s);
		}
	}
}

static bool run_seed(uint64_t seed, struct fl_names *names, bool verbose, char *why, size_t cap)
{
	static struct sim s;
	bool ok;

	sim_open(&s, seed, names);
	s.verbose = verbose;
	for (s.step = 0; s.step < STEPS && !s.failure[0]; s.step++) {
		one_step(&s);
		truth_capture(&s);
		check_step(&s);
	}
	if (!s.failure[0])
		heal(&s);
	ok = !s.failure[0] && check_converged(&s);
	snprintf(why, cap, "%s", s.failure);
	if (verbose)
		printf("seed %llu: %zu source versions, %zu list versions, fault rate %u per mille%s%s\n", (unsigned long long)seed, s.truth.n_sources, s.truth.n_lists,
		       s.fault_permille, s.rewound ? ", rewound" : "", s.lossy ? ", lossy" : "");
	sim_close(&s);
	return ok;
}

static int print_sites(void)
{
	int never = 0;

	printf("%-48s %10s %8s %8s %8s\n", "DOOR CALL", "CALLS", "BEFORE", "AFTER", "CRASH");
	for (size_t i = 0; i < sim_sites.n; i++) {
		const struct sim_site *t = &sim_sites.v[i];

		printf("%-48s %10llu %8llu %8llu %8llu\n", t->what, (unsigned long long)t->calls, (unsigned long long)t->before, (unsigned long long)t->after,
		       (unsigned long long)t->crash);
		never += t->before == 0 || t->after == 0 || t->crash == 0;
	}
	printf("%d door calls without one of the faults\n", never);
	return never;
}

static int run_seeds(uint64_t from, uint64_t to, struct fl_names *names, bool verbose, bool faults)
{
	uint64_t passed = 0, failed = 0;
	char why[600];
	int never = 0;

	for (uint64_t seed = from; seed <= to; seed++) {
		if (run_seed(seed, names, verbose, why, sizeof(why)))
			passed++;
		else {
			failed++;
			printf("seed %llu FAILED: %s\n  repeat: fireline-sim --seeds %llu..%llu --verbose\n", (unsigned long long)seed, why, (unsigned long long)seed,
			       (unsigned long long)seed);
			fflush(stdout);
			if (failed >= 10)
				break;
		}
	}
	if (faults)
		never = print_sites();
	printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)(failed + (never ? 1u : 0u)));
	return failed || never ? 1 : 0;
}

static int run_mutants(uint64_t from, uint64_t to, struct fl_names *names)
{
	static const struct {
		enum fl_mutant m;
		const char *word, *text;
	} rows[] = {
#define FL_X(name, word, text) { name, word, text },
		FL_MUTANTS_X(FL_X)
#undef FL_X
	};
	int passed = 0, failed = 0;

	for (size_t i = 1; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char why[600] = "";
		uint64_t seed;
		bool found = false;

		fl_mutant = rows[i].m;
		for (seed = from; seed <= to && !found; seed++)
			found = !run_seed(seed, names, false, why, sizeof(why));
		printf("%-16s %-48s %s", rows[i].word, rows[i].text, found ? "found" : "NOT FOUND");
		if (found)
			printf(" at seed %llu: %.200s", (unsigned long long)seed - 1, why);
		putchar('\n');
		fflush(stdout);
		passed += found;
		failed += !found;
	}
	fl_mutant = FL_MUTANT_NONE;
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	uint64_t from = 1, to = 100;
	bool verbose = false, mutants = false, faults = false;
	struct fl_names *names = NULL;
	struct fl_err err = { 0 };
	int ret;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--verbose") == 0)
			verbose = true;
		else if (strcmp(argv[i], "--mutants") == 0)
			mutants = true;
		else if (strcmp(argv[i], "--faults") == 0)
			faults = true;
		else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
			char *dots = strstr(argv[++i], "..");

			from = strtoull(argv[i], NULL, 10);
			to = dots ? strtoull(dots + 2, NULL, 10) : from;
		} else {
			fprintf(stderr, "usage: fireline-sim [--seeds A..B] [--mutants] [--faults] [--verbose]\n");
			return 64;
		}
	}
	if (fl_names_open(NULL, &names, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 77;
	}
	ret = mutants ? run_mutants(from, to, names) : run_seeds(from, to, names, verbose, faults);
	fl_names_close(names);
	return ret;
}
