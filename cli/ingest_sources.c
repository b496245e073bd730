#include "cli/ingest_sources.h"

#include <stdlib.h>

#include "base/log.h"
#include "cli/context.h"
#include "cli/json.h"
#include "cli/webhook_sources.h"
#include "ingest/source_kafka.h"
#include "io/clock.h"

enum { SOURCES_MAX = 256, LOOK_MS = 5000, RELOAD_MS = 60000, LETTERS_TRIES = 20, LETTERS_MS = 100 };

struct fl_sources {
	struct fl_intake *intake;
	struct fl_hooks *hooks;
	struct fl_loop loop;
	bool loop_up, thread_up;
	pthread_t thread;
	/* the thread's */
	const struct fl_config *cfg;
	struct fl_bus *bus;
	struct fl_kafka_source *topics[SOURCES_MAX];
	size_t n_topics;
	/* what others read */
	pthread_mutex_t lock;
	struct fl_source_status snap[SOURCES_MAX];
	size_t n_snap;
};

/* --- topics, in the thread --- */

static void kick(void *ctx)
{
	fl_loop_kick(&((struct fl_sources *)ctx)->loop);
}

static bool bus_up(struct fl_sources *s)
{
	struct fl_err err = { 0 };

	if (s->bus)
		return true;
	if (fl_context_bus(s->cfg, "fireline-ingest-findings", &s->bus, &err) < 0 || !s->bus) {
		FL_LOG(FL_LOG_ERROR, "topics of findings are not read", FL_F_STR("why", err.text[0] ? err.text : "no kafka.brokers"));
		return false;
	}
	fl_loop_add_fd(&s->loop, s->bus->ops->wake_fd(s->bus), true);
	return true;
}

static void open_topic(struct fl_sources *s, const struct fl_cfg_findings_source *c)
{
	struct fl_kafka_source_config k = { .intake = s->intake, .clock = fl_clock_sys(), .source = c, .wake = kick, .ctx = s };
	struct fl_err err = { 0 };

	if (s->n_topics == SOURCES_MAX || !bus_up(s))
		return;
	k.bus = s->bus;
	if (fl_kafka_source_open(&k, &s->topics[s->n_topics], &err) == 0)
		s->n_topics++;
	else
		FL_LOG(FL_LOG_ERROR, "a topic of findings is not read", FL_F_STR("source", c->name), FL_F_STR("why", err.text));
}

static const struct fl_cfg_findings_source *wanted(const struct fl_config *cfg, size_t i)
{
	const struct fl_cfg_findings_source *c = &cfg->findings.sources[i];

	return c->type == FL_FINDINGS_KAFKA && c->enabled ? c : NULL;
}

static bool is_wanted(const struct fl_config *cfg, const struct fl_kafka_source *t)
{
	for (size_t i = 0; i < cfg->findings.n_sources; i++)
		if (wanted(cfg, i) && fl_kafka_source_is(t, wanted(cfg, i)))
			return true;
	return false;
}

static bool is_open(const struct fl_sources *s, const struct fl_cfg_findings_source *c)
{
	for (size_t i = 0; i < s->n_topics; i++)
		if (fl_kafka_source_is(s->topics[i], c))
			return true;
	return false;
}

/* Those that stay as they are go on; the others leave their groups before their successors join. */
static void set_topics(struct fl_sources *s, const struct fl_config *cfg)
{
	size_t kept = 0;

	s->cfg = cfg;
	for (size_t i = 0; i < s->n_topics; i++)
		if (is_wanted(cfg, s->topics[i]))
			s->topics[kept++] = s->topics[i];
		else
			fl_kafka_source_close(s->topics[i]);
	s->n_topics = kept;
	for (size_t i = 0; i < cfg->findings.n_sources; i++)
		if (wanted(cfg, i) && !is_open(s, wanted(cfg, i)))
			open_topic(s, wanted(cfg, i));
}

static void add_disabled(const struct fl_config *cfg, struct fl_source_status *v, size_t *n)
{
	for (size_t i = 0; i < cfg->findings.n_sources && *n < SOURCES_MAX; i++) {
		const struct fl_cfg_findings_source *c = &cfg->findings.sources[i];

		if (c->type != FL_FINDINGS_KAFKA || c->enabled)
			continue;
		v[*n] = (struct fl_source_status){ .type = "kafka", .state = FL_SOURCE_DISABLED };
		snprintf(v[*n].name, sizeof(v[*n].name), "%s", c->name);
		++*n;
	}
}

static void snapshot(struct fl_sources *s)
{
	pthread_mutex_lock(&s->lock);
	s->n_snap = 0;
	for (size_t i = 0; i < s->n_topics; i++)
		fl_kafka_source_status(s->topics[i], &s->snap[s->n_snap++]);
	add_disabled(s->cfg, s->snap, &s->n_snap);
	pthread_mutex_unlock(&s->lock);
}

static void *run(void *arg)
{
	struct fl_sources *s = arg;
	fl_mono_ns look_at = 0, wake = 0, now, one;

	while (fl_loop_wait(&s->loop, wake)) {
		now = fl_now_mono(fl_clock_sys());
		if (now >= look_at) {
			fl_hooks_look(s->hooks);
			look_at = now + LOOK_MS * FL_NS_PER_MS;
		}
		wake = look_at;
		for (size_t i = 0; i < s->n_topics; i++) {
			fl_kafka_source_step(s->topics[i], now, &one);
			wake = one < wake ? one : wake;
		}
		snapshot(s);
	}
	return NULL;
}

/* --- life --- */

int fl_sources_open(const struct fl_config *cfg, struct fl_intake *intake, struct fl_sources **out, struct fl_err *err)
{
	struct fl_sources *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	pthread_mutex_init(&s->lock, NULL);
	s->intake = intake;
	ret = fl_loop_init(&s->loop, false);
	s->loop_up = ret == 0;
	if (ret < 0)
		fl_err_set(err, ret, "findings: no event descriptor");
	if (ret == 0)
		ret = fl_hooks_open(cfg, intake, &s->hooks, err);
	if (ret == 0) {
		set_topics(s, cfg);
		s->thread_up = pthread_create(&s->thread, NULL, run, s) == 0;
		if (!s->thread_up)
			ret = fl_err_set(err, FL_ELIMIT, "findings: no thread");
	}
	if (ret < 0) {
		fl_sources_close(s);
		return ret;
	}
	*out = s;
	return 0;
}

struct topics_reload {
	struct fl_sources *s;
	const struct fl_config *cfg;
};

static void do_reload(void *arg)
{
	struct topics_reload *x = arg;

	set_topics(x->s, x->cfg);
	fl_hooks_reload(x->s->hooks, x->cfg);
	snapshot(x->s);
}

bool fl_sources_reload(struct fl_sources *s, const struct fl_config *cfg)
{
	struct topics_reload x = { s, cfg };

	return fl_loop_call(&s->loop, do_reload, &x, RELOAD_MS) == 0;
}

void fl_sources_close(struct fl_sources *s)
{
	if (!s)
		return;
	if (s->thread_up) {
		fl_loop_stop(&s->loop);
		pthread_join(s->thread, NULL);
	}
	for (size_t i = 0; i < s->n_topics; i++)
		fl_kafka_source_close(s->topics[i]);
	for (int i = 0; s->bus && s->bus->ops->in_flight(s->bus, FL_BUS_CONTROL) && i < LETTERS_TRIES; i++)
		fl_kafka_source_letters(s->bus, LETTERS_MS);
	fl_bus_close(s->bus);
	fl_hooks_close(s->hooks);
	if (s->loop_up)
		fl_loop_done(&s->loop);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- status --- */

static size_t statuses(struct fl_sources *s, struct fl_source_status *v)
{
	size_t n = fl_hooks_status(s->hooks, v, SOURCES_MAX);

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_snap && n < SOURCES_MAX; i++)
		v[n++] = s->snap[i];
	pthread_mutex_unlock(&s->lock);
	return n;
}

static json_t *source_json(const struct fl_source_status *s)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:o, s:I}", "name", s->name, "type", s->type, "state", fl_source_state_word(s->state), "reason", s->reason, "last_at",
			      fl_json_time(s->last_at), "under_way", (json_int_t)s->under_way);

	for (int i = 0; o && i < FL_SOURCE_COUNT_COUNT; i++)
		json_object_set_new(o, fl_source_count_word((enum fl_source_count)i), json_integer((json_int_t)s->n[i]));
	return o;
}

json_t *fl_sources_json(struct fl_sources *s)
{
	struct fl_source_status *v = calloc(SOURCES_MAX, sizeof(*v));
	json_t *out = json_array();
	size_t n = v ? statuses(s, v) : 0;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, source_json(&v[i]));
	free(v);
	return out;
}

void fl_sources_metrics(struct fl_sources *s, struct fl_buf *out)
{
	struct fl_source_status *v = calloc(SOURCES_MAX, sizeof(*v));

	if (v)
		fl_source_metrics(v, statuses(s, v), out);
	fl_hooks_metrics(s->hooks, out);
	free(v);
}
