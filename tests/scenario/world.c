/* Doors, processes and time. A process that is killed closes its handles with every door dead, so that nothing graceful reaches the outside. */
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "cli/config.h"
#include "scenario.h"

enum { ROUNDS = 6 };

/* --- faults --- */

static enum fl_fault store_plan(void *ctx, const char *what)
{
	const struct scn *s = ctx;

	(void)what;
	return !s->observing && (s->store_down || s->dead) ? FL_FAULT_BEFORE : FL_FAULT_NONE;
}

static enum fl_bus_fault bus_plan(void *ctx, const char *what, const char *topic)
{
	const struct scn *s = ctx;

	(void)what, (void)topic;
	return s->bus_down || s->dead ? FL_BUS_DOWN : FL_BUS_OK;
}

static size_t keep_nothing(void *ctx, size_t unsynced)
{
	(void)ctx, (void)unsynced;
	return 0;
}

/* --- configuration --- */

static char problem[2048]; /* of the last configuration that was refused */

static int load(struct scn *s, const char *node, struct fl_config **out)
{
	struct fl_buf yaml = { 0 }, text = { 0 };
	struct fl_diag diag = { 0 };
	int ret;

	scn_policy_yaml(s->policy, node, &yaml);
	ret = fl_config_load_text("scenario.yaml", fl_buf_span(&yaml), out, &diag);
	if (ret < 0) {
		fl_diag_format(&diag, &text);
		snprintf(problem, sizeof(problem), "%.*s", (int)text.n, (const char *)text.p);
	}
	fl_diag_done(&diag);
	fl_buf_done(&text);
	fl_buf_done(&yaml);
	return ret;
}

/* --- enforcers --- */

void scn_show(struct scn_role *r)
{
	struct fl_view *next = NULL, *old = r->view;

	if (fl_view_new(r->policy, r->image, r->grace, &next) < 0 || fl_bypasses_apply(&r->bypasses, next) < 0)
		abort();
	r->view = next;
	fl_view_free(old);
	scn_wire_show(r->wire);
}

static void on_image(void *ctx, struct fl_image *img)
{
	struct scn_role *r = ctx;
	struct fl_image *old = r->image;

	r->image = fl_image_acquire(img);
	scn_show(r);
	fl_image_release(old);
}

static int reload_enforcer(struct scn_role *r, const struct fl_config *next, struct fl_err *err)
{
	struct fl_policy *policy, *old = r->policy;
	int ret = fl_policy_new(next, &policy, err);

	if (ret < 0)
		return ret;
	r->policy = policy;
	ret = fl_follow_reload(r->follow, next);
	scn_show(r);
	fl_policy_free(old);
	return ret;
}

/* --- processes --- */

static struct fl_sets sets_over(struct scn *s, struct fl_store *store, const struct fl_config *cfg)
{
	return (struct fl_sets){ .store = store, .clock = &s->clock.door, .random = &s->random.door, .keep_age_ms = cfg->keep_age_ms,
				 .keep_bytes = cfg->keep_bytes, .keep_floor = 10 };
}

static int open_stages(struct scn_role *r, struct fl_err *err)
{
	struct scn *s = r->s;
	struct fl_clock *clock = &s->clock.door;
	struct fl_random *random = &s->random.door;
	int ret;

	if (r->kind == SCN_INGEST) {
		struct fl_ingest_config ic = { .cfg = r->cfg, .sets = &r->sets, .http = r->http, .clock = clock, .random = random, .names = s->names };
		struct fl_findings_config fc = { .cfg = r->cfg, .sets = &r->sets2, .bus = r->bus, .clock = clock, .random = random, .names = s->names };

		ret = fl_ingest_open(&ic, &r->ingest, err);
		return ret < 0 ? ret : fl_findings_open(&fc, &r->findings, err);
	}
	if (r->kind == SCN_PUBLISH) {
		struct fl_publisher_config pc = { r->cfg, &r->sets, r->bus, clock, random };

		return fl_publisher_open(&pc, &r->publisher, err);
	}
	ret = fl_policy_new(r->cfg, &r->policy, err);
	if (ret == 0) {
		struct fl_follow_config fc = { r->cfg, &r->sets, r->bus, r->disk, clock, random, on_image, r };

		fl_bypasses_open(&r->bypasses, r->disk, clock);
		r->grace = r->cfg->startup_grace_ms > 0;
		r->grace_until = s->clock.now_mono + r->cfg->startup_grace_ms * FL_NS_PER_MS;
		ret = fl_follow_open(&fc, &r->follow, err);
	}
	if (ret == 0)
		r->dns = scn_dns_open(r);
	if (ret == 0 && s->over_wire) {
		r->wire = scn_wire_open(r);
		scn_wire_show(r->wire);
	}
	return ret;
}

const char *scn_start(struct scn_role *r)
{
	static char why[SCN_TEXT + 64];
	struct scn *s = r->s;
	struct fl_err err = { 0 };

	if (r->up)
		return "it runs";
	if (load(s, r->name, &r->cfg) < 0)
		return problem;
	r->store = fl_store_mem_open(s->store, r->cfg->redis_prefix);
	r->store2 = fl_store_mem_open(s->store, r->cfg->redis_prefix);
	r->sets = sets_over(s, r->store, r->cfg);
	r->sets2 = sets_over(s, r->store2, r->cfg);
	r->bus = fl_bus_mem_open(s->bus, "fireline."); /* borrowed by the twin, longer than a configuration lives */
	if (r->kind == SCN_INGEST)
		r->http = fl_http_mem_open(s->http);
	if (r->kind == SCN_ENFORCE)
		r->disk = fl_disk_mem_open(r->platter);
	r->wake = 0;
	r->up = true;
	if (open_stages(r, &err) == 0)
		return NULL;
	scn_kill(r, false);
	snprintf(why, sizeof(why), "%s does not start: %s", r->name, err.text);
	return why;
}

void scn_kill(struct scn_role *r, bool power)
{
	struct scn *s = r->s;
	struct fl_disk_mem *platter = r->platter;

	if (!r->up)
		return;
	s->dead = true;
	if (r->platter && power)
		fl_disk_mem_power_cut(r->platter, keep_nothing, NULL);
	else if (r->platter)
		fl_disk_mem_kill(r->platter);
	scn_wire_close(r->wire);
	scn_dns_close(r->dns);
	fl_view_free(r->view);
	fl_image_release(r->image);
	fl_ingest_close(r->ingest);
	fl_findings_close(r->findings);
	fl_publisher_close(r->publisher);
	fl_follow_close(r->follow);
	fl_policy_free(r->policy);
	fl_store_close(r->store);
	fl_store_close(r->store2);
	fl_bus_close(r->bus);
	if (r->disk)
		r->disk->ops->close(r->disk);
	if (r->http)
		r->http->ops->close(r->http);
	fl_config_free(r->cfg);
	memset(&r->up, 0, sizeof(*r) - offsetof(struct scn_role, up));
	r->platter = platter;
	s->dead = false;
}

static void name_role(struct scn *s, struct scn_role *r, enum scn_kind kind, const char *name)
{
	r->s = s;
	r->kind = kind;
	snprintf(r->name, sizeof(r->name), "%s", name);
}

const char *scn_join(struct scn *s, const char *name)
{
	struct scn_role *r = &s->enforce[s->n_enforcers];

	if (s->n_enforcers == SCN_ENFORCERS || scn_role_named(s, name))
		return "no such enforcer can join";
	s->n_enforcers++;
	name_role(s, r, SCN_ENFORCE, name);
	r->platter = fl_disk_mem_new();
	return scn_start(r);
}

const char *scn_start_all(struct scn *s)
{
	const char *why = scn_start(&s->ingest);

	s->started = true;
	if (!why)
		why = scn_start(&s->publish);
	return why ? why : scn_join(s, "ns1");
}

struct scn_role *scn_role_named(struct scn *s, const char *name)
{
	if (strcmp(name, "ingest") == 0)
		return &s->ingest;
	if (strcmp(name, "publisher") == 0)
		return &s->publish;
	for (size_t i = 0; i < s->n_enforcers; i++)
		if (strcmp(s->enforce[i].name, name) == 0)
			return &s->enforce[i];
	return NULL;
}

static int reload_role(struct scn_role *r, struct fl_err *err)
{
	struct fl_config *next, *old = r->cfg;
	int ret = load(r->s, r->name, &next);

	if (ret < 0)
		return fl_err_set(err, ret, "%.400s", problem);
	ret = fl_policy_protected(old, next, err);
	if (ret < 0) {
		fl_config_free(next);
		return ret;
	}
	if (r->kind == SCN_INGEST) {
		ret = fl_ingest_reload(r->ingest, next);
		if (ret == 0)
			ret = fl_findings_reload(r->findings, next);
	} else if (r->kind == SCN_PUBLISH)
		ret = fl_publisher_reload(r->publisher, next);
	else
		ret = reload_enforcer(r, next, err);
	if (ret < 0) {
		fl_config_free(next);
		return ret;
	}
	r->cfg = next;
	r->wake = 0;
	if (r->dns)
		scn_dns_reload(r);
	scn_wire_reload(r->wire);
	fl_config_free(old);
	return 0;
}

const char *scn_reload(struct scn *s)
{
	static struct fl_err err;
	struct scn_role *all[2 + SCN_ENFORCERS] = { &s->ingest, &s->publish };
	bool refused = false;

	for (size_t i = 0; i < s->n_enforcers; i++)
		all[2 + i] = &s->enforce[i];
	for (size_t i = 0; i < 2 + s->n_enforcers; i++)
		refused = (all[i]->up && reload_role(all[i], &err) < 0) || refused;
	return refused ? err.text : NULL;
}

/* --- time --- */

static void step(struct scn_role *r)
{
	fl_mono_ns now = r->s->clock.now_mono, w1 = FL_MONO_NEVER, w2 = FL_MONO_NEVER;

	if (!r->up)
		return;
	if (r->ingest) {
		fl_ingest_step(r->ingest, now, &w1);
		fl_findings_step(r->findings, now, &w2);
	} else if (r->publisher)
		fl_publisher_step(r->publisher, now, &w1);
	else {
		struct fl_bypass ended;
		bool any = false;

		while (fl_bypasses_end(&r->bypasses, r->cfg, now, &ended))
			any = true;
		if (any)
			scn_show(r);
		if (r->grace && now >= r->grace_until) {
			r->grace = false;
			scn_show(r);
		}
		fl_follow_step(r->follow, now, &w1);
		scn_dns_step(r->dns, now, &w2);
		if (r->grace && r->grace_until < w2)
			w2 = r->grace_until;
		if (fl_bypasses_next(&r->bypasses) < w2)
			w2 = fl_bypasses_next(&r->bypasses);
	}
	r->wake = w1 < w2 ? w1 : w2;
}

void scn_settle(struct scn *s)
{
	for (int i = 0; i < ROUNDS; i++) {
		step(&s->ingest);
		step(&s->publish);
		for (size_t k = 0; k < s->n_enforcers; k++)
			step(&s->enforce[k]);
	}
}

void scn_advance(struct scn *s, fl_mono_ns ns)
{
	fl_clock_mem_advance(&s->clock, ns);
	fl_clock_mem_advance(&s->store_clock, ns);
}

/* From wake to wake; a role that asks to be called at once has had its turn by settling, and waits a little. */
void scn_tick(struct scn *s, int64_t ms)
{
	fl_mono_ns end = s->clock.now_mono + ms * FL_NS_PER_MS;

	while (s->clock.now_mono < end) {
		fl_mono_ns next = end, least = s->clock.now_mono + 20 * FL_NS_PER_MS;
		const struct scn_role *fixed[] = { &s->ingest, &s->publish };

		for (size_t i = 0; i < 2 + s->n_enforcers; i++) {
			const struct scn_role *r = i < 2 ? fixed[i] : &s->enforce[i - 2];

			if (r->up && r->wake < next)
				next = r->wake;
		}
		if (next < least)
			next = least < end ? least : end;
		scn_advance(s, next - s->clock.now_mono);
		scn_settle(s);
	}
}

/* --- life --- */

void scn_open(struct scn *s, const char *file, struct fl_names *names, bool over_wire)
{
	const char *tmp = getenv("TMPDIR");

	memset(s, 0, sizeof(*s));
	s->file = file;
	s->names = names;
	s->over_wire = over_wire;
	snprintf(s->folder, sizeof(s->folder), "%s/fireline-scenario-XXXXXX", tmp && *tmp ? tmp : P_tmpdir);
	if (!mkdtemp(s->folder)) {
		perror(s->folder);
		exit(70);
	}
	fl_clock_mem_init(&s->clock, INT64_C(1790000000) * FL_US_PER_S);
	fl_clock_mem_init(&s->store_clock, INT64_C(1790000000) * FL_US_PER_S);
	fl_random_mem_init(&s->random, 1);
	s->store = fl_store_mem_new(&s->store_clock.door);
	s->bus = fl_bus_mem_new(&s->clock.door, 2);
	s->http = fl_http_mem_new();
	s->policy = scn_policy_new();
	s->zone = scn_zone_new();
	fl_store_mem_faults(s->store, store_plan, s);
	fl_bus_mem_faults(s->bus, bus_plan, s);
	s->observer_store = fl_store_mem_open(s->store, "{fl}:");
	s->observer = (struct fl_sets){ .store = s->observer_store, .clock = &s->clock.door, .random = &s->random.door };
	name_role(s, &s->ingest, SCN_INGEST, "ingest");
	name_role(s, &s->publish, SCN_PUBLISH, "publisher");
}

void scn_close(struct scn *s)
{
	scn_kill(&s->ingest, false);
	scn_kill(&s->publish, false);
	for (size_t i = 0; i < s->n_enforcers; i++) {
		scn_kill(&s->enforce[i], false);
		fl_disk_mem_free(s->enforce[i].platter);
	}
	fl_store_close(s->observer_store);
	fl_store_mem_free(s->store);
	fl_bus_mem_free(s->bus);
	fl_http_mem_free(s->http);
	scn_policy_free(s->policy);
	scn_zone_free(s->zone);
	rmdir(s->folder);
}
