#include <stdarg.h>
#include <string.h>

#include "sim.h"

const char *const sim_feed_names[SIM_FEEDS] = { "f0", "f1", "f2", "f3" };
struct sim_sites sim_sites;

/* A small universe with ancestors and children, so that scopes and covering matter. */
const char *sim_name(int i, char buf[64])
{
	static const char *const tops[] = { "alpha.example", "beta.example", "gamma.test" };
	int top = i % 3, k = i / 3;

	if (k == 0)
		snprintf(buf, 64, "%s", tops[top]);
	else if (k < 6)
		snprintf(buf, 64, "h%d.%s", k, tops[top]);
	else
		snprintf(buf, 64, "x%d.h%d.%s", k, k % 6, tops[top]);
	return buf;
}

uint64_t sim_below(struct sim *s, uint64_t n)
{
	return fl_random_below(&s->rnd.door, n);
}

bool sim_chance(struct sim *s, unsigned permille)
{
	return sim_below(s, 1000) < permille;
}

bool sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (s->failure[0])
		return false;
	n = snprintf(s->failure, sizeof(s->failure), "step %d: ", s->step);
	va_start(ap, fmt);
	vsnprintf(s->failure + n, sizeof(s->failure) - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

/* --- faults --- */

static struct sim_site *site(const char *door, const char *what)
{
	char name[48];
	size_t i;

	snprintf(name, sizeof(name), "%s %.36s", door, what);
	for (i = 0; i < sim_sites.n; i++)
		if (strcmp(sim_sites.v[i].what, name) == 0)
			return &sim_sites.v[i];
	if (i == SIM_SITES_MAX)
		abort();
	memcpy(sim_sites.v[i].what, name, sizeof(name));
	sim_sites.n++;
	return &sim_sites.v[i];
}

/* Reached only when the disk refused something else before: there are few of them in all seeds together. */
static bool behind_another_fault(const char *what)
{
	return strcmp(what, "disk rename image") == 0 || strcmp(what, "disk rename journal") == 0 || strcmp(what, "disk remove CURRENT") == 0 ||
	       strcmp(what, "disk truncate findings") == 0;
}

/* Faults aim at the rare calls: each seed has a few sites in focus, which are hit far more often than the rest. All of it follows from the seed alone; the
 * table only counts. 0 none, 1 before, 2 after. */
static int decide(struct sim *s, const char *door, const char *what)
{
	struct sim_site *t;
	unsigned p = s->fault_permille;

	if (s->observing || s->healing)
		return 0;
	if (s->dead)
		return 1;
	t = site(door, what);
	t->calls++;
	if (fl_checksum64(t->what, strlen(t->what)) % 16 == s->seed % 16)
		p = p * 4 + 60;
	if (behind_another_fault(t->what))
		p = 300;
	if (!sim_chance(s, p))
		return 0;
	if (sim_chance(s, 300)) {
		t->crash++;
		s->dead = true;
		return sim_chance(s, 500) ? 1 : 2;
	}
	if (sim_chance(s, 500)) {
		t->before++;
		return 1;
	}
	t->after++;
	return 2;
}

static enum fl_fault store_plan(void *ctx, const char *what)
{
	struct sim *s = ctx;
	int d;

	if (s->store_down && !s->observing)
		return FL_FAULT_BEFORE;
	d = decide(s, "store", what);
	return d == 0 ? FL_FAULT_NONE : d == 1 ? FL_FAULT_BEFORE : FL_FAULT_AFTER;
}

static enum fl_bus_fault bus_plan(void *ctx, const char *what, const char *topic)
{
	static const enum fl_bus_fault kinds[] = { FL_BUS_DOWN, FL_BUS_LOST_ACK, FL_BUS_REPEAT, FL_BUS_REORDER, FL_BUS_DELAY, FL_BUS_CORRUPT, FL_BUS_LOST };
	struct sim *s = ctx;
	enum fl_bus_fault f;
	char name[80];
	int d;

	if (s->bus_down && !s->observing)
		return FL_BUS_DOWN;
	snprintf(name, sizeof(name), "%s %s", what, strrchr(topic, '.') ? strrchr(topic, '.') + 1 : topic);
	d = decide(s, "bus", name);
	if (d == 0)
		return FL_BUS_OK;
	if (d == 1 || strcmp(what, "produce") != 0)
		return FL_BUS_DOWN;
	f = kinds[1 + sim_below(s, 6)];
	if (strstr(topic, FL_TOPIC_FINDINGS) && (f == FL_BUS_LOST || f == FL_BUS_CORRUPT)) {
		if (s->may_rewind) /* store and topic losing the same record is more than is promised */
			return FL_BUS_LOST_ACK;
		s->ledger_lost = true;
	}
	if (f == FL_BUS_LOST || f == FL_BUS_CORRUPT)
		s->lossy = true;
	return f;
}

static int disk_plan(void *ctx, const char *what, const char *path)
{
	struct sim *s = ctx;
	char name[80];
	size_t n = strcspn(path, ".");

	snprintf(name, sizeof(name), "%s %.*s", what, (int)(n < 20 ? n : 20), path);
	return decide(s, "disk", name) ? (sim_chance(s, 500) ? FL_ELIMIT : FL_EIO) : 0;
}

static int http_plan(void *ctx, const char *url)
{
	(void)url;
	return decide(ctx, "http", "get") ? FL_EUNAVAIL : 0;
}

/* --- the configuration --- */

static int index_of(const struct sim_actor *v, const struct sim_actor *a)
{
	return a >= v && a < v + SIM_PAIR ? (int)(a - v) : -1;
}

static struct fl_config *make_config(struct fl_arena *a)
{
	struct fl_config *c = calloc(1, sizeof(*c));
	struct fl_cfg_list *lists = fl_arena_array(a, 7, sizeof(*lists));
	struct fl_cfg_feed *feeds = fl_arena_array(a, SIM_FEEDS, sizeof(*feeds));
	static const char *const names[] = { "l0", "l1", "l2", FL_LIST_OPERATOR_ALLOW, FL_LIST_OPERATOR_BLOCK, FL_LIST_FINDINGS_BLOCK, FL_LIST_FINDINGS_ALERT };
	static const char *const into[SIM_FEEDS] = { "l0", "l0", "l1", "l2" };

	for (int i = 0; i < 7; i++)
		lists[i] = (struct fl_cfg_list){ .name = names[i], .description = "", .builtin = i > 2 };
	for (int i = 0; i < SIM_FEEDS; i++)
		feeds[i] = (struct fl_cfg_feed){ .name = sim_feed_names[i], .url = fl_arena_printf(a, "http://feeds%d.example/list", i % 2), .path = "",
						 .format = FL_FORMAT_DOMAINS, .scope = i == 1 ? FL_SCOPE_EXACT : FL_SCOPE_SUBTREE, .into = into[i],
						 .every_ms = 60000, .stale_after_ms = 3600000, .timeout_ms = 10000, .jitter_percent = 10, .max_bytes = 1 << 20,
						 .remove_after_absent = 1, .enabled = true, .licence = "", .guard = { 10.0, 1.0 } };
	for (int i = 0; i < SIM_FEEDS; i++)
		feeds[i].url = fl_arena_printf(a, "http://feeds%d.example/list%d", i % 2, i);
	*c = (struct fl_config){ .file = "", .state = "", .runtime = "", .node_name = "sim", .site = "", .account_id = "000000000000", .lists = lists, .n_lists = 7,
				 .feeds = feeds, .n_feeds = SIM_FEEDS, .redis_prefix = "{fl}:", .topic_prefix = "fireline.", .keep_age_ms = 7200000,
				 .keep_bytes = 1 << 30, .head_poll_ms = 10000, .block_ttl = 30,
				 .findings = { .into = FL_LIST_FINDINGS_BLOCK, .alert_into = FL_LIST_FINDINGS_ALERT, .min_severity = 4, .ttl_ms = 86400000,
					       .ignore_samples = true } };
	return c;
}

/* --- actors --- */

static void on_image(void *ctx, struct fl_image *img)
{
	struct sim_actor *a = ctx;

	fl_image_release(a->image);
	a->image = fl_image_acquire(img);
	a->fresh = true;
}

static struct fl_sets sets_over(struct sim *s, struct fl_store *store)
{
	return (struct fl_sets){ .store = store, .clock = &s->clock.door, .random = &s->actor_rnd.door, .keep_age_ms = s->cfg->keep_age_ms,
				 .keep_bytes = s->cfg->keep_bytes, .keep_floor = 3, .small_bytes = 96, .delta_max = 400,
				 .deltas_max = 12, .pack_max = 5 };
}

static void start_stages(struct sim *s, struct sim_actor *a)
{
	struct fl_err err = { 0 };
	int ret = 0;

	if (index_of(s->ingest, a) >= 0) {
		struct fl_ingest_config ic = { .cfg = s->cfg, .sets = &a->sets, .http = a->http, .clock = &s->clock.door, .random = &s->actor_rnd.door, .names = s->names };
		struct fl_findings_config fc = { .cfg = s->ingest_cfg[index_of(s->ingest, a)], .sets = &a->sets2, .bus = a->bus, .clock = &s->clock.door,
						 .random = &s->actor_rnd.door, .names = s->names, .bus_keeps = true, .ledger = a->disk };

		ret = fl_ingest_open(&ic, &a->ingest, &err);
		if (ret == 0)
			ret = fl_findings_open(&fc, &a->findings, &err);
	} else if (index_of(s->publish, a) >= 0) {
		struct fl_publisher_config pc = { s->cfg, &a->sets, a->bus, &s->clock.door, &s->actor_rnd.door };

		ret = fl_publisher_open(&pc, &a->publisher, &err);
	} else {
		struct fl_follow_config fc = { s->enforcer_cfg[index_of(s->enforce, a)], &a->sets, a->bus, a->disk, &s->clock.door, &s->actor_rnd.door, on_image, a };

		ret = fl_follow_open(&fc, &a->follow, &err);
	}
	if (ret < 0)
		sim_fail(s, "%s does not start: %s", a->name, err.text);
}

void sim_start(struct sim *s, struct sim_actor *a)
{
	int e = index_of(s->enforce, a), g = index_of(s->ingest, a);

	a->store = fl_store_mem_open(s->store, "{fl}:");
	a->store2 = fl_store_mem_open(s->store, "{fl}:");
	a->sets = sets_over(s, a->store);
	a->sets2 = sets_over(s, a->store2);
	a->bus = fl_bus_mem_open(s->bus, "fireline.");
	if (e >= 0)
		a->disk = fl_disk_mem_open(s->disks[e]);
	if (g >= 0) {
		a->disk = fl_disk_mem_open(s->ledgers[g]);
		a->http = fl_http_mem_open(s->http);
	}
	a->wake = 0;
	a->up = true;
	s->running = a;
	start_stages(s, a);
	s->running = NULL;
	if (s->dead) { /* crashed while starting */
		s->dead = false;
		sim_crash(s, a, false);
	}
}

static size_t keep_some(void *ctx, size_t unsynced)
{
	return (size_t)sim_below(ctx, unsynced + 1);
}

void sim_crash(struct sim *s, struct sim_actor *a, bool power)
{
	int e = index_of(s->enforce, a), g = index_of(s->ingest, a);
	struct fl_disk_mem *disk = e >= 0 ? s->disks[e] : g >= 0 ? s->ledgers[g] : NULL;

	s->dead = true; /* nothing that closing does reaches a door */
	if (disk && power)
		fl_disk_mem_power_cut(disk, keep_some, s);
	else if (disk)
		fl_disk_mem_kill(disk);
	fl_image_release(a->image); /* what the process served died with it */
	a->image = NULL;
	fl_ingest_close(a->ingest);
	fl_findings_close(a->findings);
	fl_publisher_close(a->publisher);
	fl_follow_close(a->follow);
	a->ingest = NULL;
	a->findings = NULL;
	a->publisher = NULL;
	a->follow = NULL;
	fl_store_close(a->store);
	fl_store_close(a->store2);
	fl_bus_close(a->bus);
	if (a->disk)
		a->disk->ops->close(a->disk);
	if (a->http)
		a->http->ops->close(a->http);
	a->disk = NULL;
	a->http = NULL;
	a->up = false;
	s->dead = false;
}

void sim_step_actor(struct sim *s, struct sim_actor *a)
{
	fl_mono_ns now = fl_now_mono(&s->clock.door), w1 = FL_MONO_NEVER, w2 = FL_MONO_NEVER;

	if (!a->up)
		return;
	s->running = a;
	if (a->ingest)
		fl_ingest_step(a->ingest, now, &w1);
	if (a->findings && !s->dead)
		fl_findings_step(a->findings, now, &w2);
	if (a->publisher)
		fl_publisher_step(a->publisher, now, &w1);
	if (a->follow)
		fl_follow_step(a->follow, now, &w1);
	a->wake = w1 < w2 ? w1 : w2;
	s->running = NULL;
	if (s->dead) {
		s->dead = false;
		sim_crash(s, a, false);
	}
}

void sim_feed_serve(struct sim *s, int feed)
{
	struct fl_buf b = { 0 };
	char etag[32], name[64];

	fl_buf_printf(&b, "# revision %u\n", s->feed_rev[feed]);
	for (int i = 0; i < SIM_NAMES; i++)
		if (s->feed_bits[feed] >> i & 1)
			fl_buf_printf(&b, "%s\n", sim_name(i, name));
	snprintf(etag, sizeof(etag), "\"%u\"", s->feed_rev[feed]);
	fl_http_mem_set(s->http, s->cfg->feeds[feed].url, 200, fl_buf_span(&b), feed == 3 ? "" : etag);
	fl_buf_done(&b);
}

void sim_open(struct sim *s, uint64_t seed, struct fl_names *names)
{
	static const char *const actor_names[3][SIM_PAIR] = { { "ingest-0", "ingest-1" }, { "publish-0", "publish-1" }, { "enforce-0", "enforce-1" } };

	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->names = names;
	fl_random_mem_init(&s->rnd, seed * 2 + 1);
	fl_random_mem_init(&s->actor_rnd, seed * 2 + 2);
	fl_clock_mem_init(&s->clock, INT64_C(1790000000) * FL_US_PER_S);
	s->cfg = make_config(&s->truth.arena);
	for (int i = 0; i < SIM_PAIR; i++) { /* the same, under another node name */
		s->enforcer_cfg[i] = fl_arena_dup(&s->truth.arena, s->cfg, sizeof(*s->cfg));
		s->enforcer_cfg[i]->node_name = actor_names[2][i];
		s->ingest_cfg[i] = fl_arena_dup(&s->truth.arena, s->cfg, sizeof(*s->cfg));
		s->ingest_cfg[i]->node_name = actor_names[0][i];
	}
	s->store = fl_store_mem_new(&s->clock.door);
	s->bus = fl_bus_mem_new(&s->clock.door, 2);
	s->http = fl_http_mem_new();
	fl_store_mem_faults(s->store, store_plan, s);
	fl_bus_mem_faults(s->bus, bus_plan, s);
	fl_http_mem_faults(s->http, http_plan, s);
	s->observing = true;
	s->observer_store = fl_store_mem_open(s->store, "{fl}:");
	s->observer = sets_over(s, s->observer_store);
	s->observer_bus = fl_bus_mem_open(s->bus, "fireline.");
	for (int i = 0; i < SIM_PAIR; i++) {
		s->disks[i] = fl_disk_mem_new();
		fl_disk_mem_faults(s->disks[i], disk_plan, s);
		s->ledgers[i] = fl_disk_mem_new();
		fl_disk_mem_faults(s->ledgers[i], disk_plan, s);
	}
	for (int i = 0; i < SIM_FEEDS; i++) {
		s->feed_bits[i] = (fl_random_u64(&s->rnd.door) & fl_random_u64(&s->rnd.door)) | 1;
		s->feed_rev[i] = 1;
		sim_feed_serve(s, i);
	}
	for (int i = 0; i < SIM_PAIR; i++) {
		s->ingest[i].name = actor_names[0][i];
		s->publish[i].name = actor_names[1][i];
		s->enforce[i].name = actor_names[2][i];
		sim_start(s, &s->ingest[i]);
		sim_start(s, &s->publish[i]);
		sim_start(s, &s->enforce[i]);
	}
	s->observing = false;
	s->fault_permille = (unsigned)sim_below(s, 40);
	s->may_rewind = seed % 4 == 0;
}

static void end_actor(struct sim *s, struct sim_actor *a)
{
	if (a->up)
		sim_crash(s, a, false);
}

void sim_close(struct sim *s)
{
	s->observing = true;
	for (int i = 0; i < SIM_PAIR; i++) {
		end_actor(s, &s->ingest[i]);
		end_actor(s, &s->publish[i]);
		end_actor(s, &s->enforce[i]);
		fl_disk_mem_free(s->disks[i]);
		fl_disk_mem_free(s->ledgers[i]);
	}
	if (s->observer_events)
		fl_bus_consumer_close(s->observer_bus, s->observer_events);
	fl_bus_close(s->observer_bus);
	fl_store_close(s->observer_store);
	fl_store_mem_free(s->store);
	fl_bus_mem_free(s->bus);
	fl_http_mem_free(s->http);
	truth_done(s);
	free(s->said);
	free(s->cfg);
}
