#include "cli/ingest_aws.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "cli/context.h"
#include "cli/json.h"
#include "cli/loop.h"

enum { SNAPSHOT_MS = 250, LET_GO_S = 5, CALL_MS = 30000 };

struct fl_ingest_aws {
	struct fl_loop loop;
	struct fl_http *http;
	struct fl_bus *bus;
	struct fl_disk *state;
	struct fl_aws_sources *sources;
	pthread_t thread;
	bool thread_up;
	fl_mono_ns snap_at;
	pthread_mutex_t lock; /* of what follows */
	struct fl_arena arena;
	struct fl_aws_source_status *v;
	size_t n;
	struct fl_buf metrics;
};

bool fl_ingest_aws_wanted(const struct fl_config *cfg)
{
	for (size_t i = 0; i < cfg->findings.n_sources; i++) {
		const struct fl_cfg_findings_source *s = &cfg->findings.sources[i];

		if (s->enabled && (s->type == FL_FINDINGS_SQS || s->type == FL_FINDINGS_GUARDDUTY))
			return true;
	}
	return false;
}

/* A change of state is said once. */
static void log_changes(const struct fl_ingest_aws *a, const struct fl_aws_source_status *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum fl_source_state before = FL_SOURCE_STARTING;

		for (size_t k = 0; k < a->n; k++)
			if (strcmp(a->v[k].name, v[i].name) == 0)
				before = a->v[k].state;
		if (v[i].state != before)
			FL_LOG(v[i].state == FL_SOURCE_OK ? FL_LOG_NOTICE : FL_LOG_WARN, "findings source", FL_F_STR("source", v[i].name), FL_F_STR("state", fl_source_state_word(v[i].state)),
			       FL_F_STR("reason", v[i].reason), FL_F_STR("credentials", v[i].credentials));
	}
}

static void snapshot(struct fl_ingest_aws *a)
{
	struct fl_arena arena = { 0 };
	struct fl_buf metrics = { 0 };
	struct fl_aws_source_status *v;
	size_t n;

	fl_aws_sources_status(a->sources, &arena, &v, &n);
	fl_aws_sources_metrics(a->sources, &metrics);
	log_changes(a, v, n);
	pthread_mutex_lock(&a->lock);
	fl_arena_done(&a->arena);
	fl_buf_done(&a->metrics);
	a->arena = arena;
	a->v = v;
	a->n = n;
	a->metrics = metrics;
	pthread_mutex_unlock(&a->lock);
}

static void step(struct fl_ingest_aws *a)
{
	fl_mono_ns now = fl_now_mono(fl_clock_sys()), wake;

	fl_aws_sources_step(a->sources, now, &wake);
	if (now >= a->snap_at) {
		snapshot(a);
		a->snap_at = now + SNAPSHOT_MS * FL_NS_PER_MS;
	} else if (wake > a->snap_at)
		wake = a->snap_at; /* what changed in this step is not seen yet */
	fl_aws_sources_wait(a->sources, wake, a->loop.event_fd);
}

static void *aws_thread(void *arg)
{
	struct fl_ingest_aws *a = arg;
	fl_mono_ns end;

	while (fl_loop_wait(&a->loop, 0)) /* does not wait: step does */
		step(a);
	fl_aws_sources_stop(a->sources);
	end = fl_now_mono(fl_clock_sys()) + LET_GO_S * FL_NS_PER_S;
	while (!fl_aws_sources_idle(a->sources) && fl_now_mono(fl_clock_sys()) < end) {
		step(a);
		fl_loop_wait(&a->loop, 0);
	}
	return NULL;
}

static void wake_up(void *ctx)
{
	fl_loop_kick(ctx);
}

static int open_doors(struct fl_ingest_aws *a, const struct fl_config *cfg, struct fl_err *err)
{
	char folder[600];
	struct fl_err why = { 0 };
	int ret = fl_http_curl_open("fireline/" FL_VERSION, &a->http, err);

	if (ret == 0)
		ret = fl_http_curl_bootstrap(a->http, cfg->bootstrap_servers, cfg->n_bootstrap_servers, err);
	if (ret == 0)
		ret = fl_context_bus(cfg, "fireline-ingest-aws", &a->bus, err);
	snprintf(folder, sizeof(folder), "%.580s/sources", cfg->state);
	mkdir(cfg->state, 0750);
	if (ret == 0 && fl_disk_posix_open(folder, &a->state, &why) < 0)
		FL_LOG(FL_LOG_WARN, "positions of findings sources are not kept, a restart asks for all", FL_F_STR("why", why.text));
	return ret;
}

int fl_ingest_aws_open(const struct fl_config *cfg, struct fl_intake *intake, struct fl_ingest_aws **out, struct fl_err *err)
{
	struct fl_ingest_aws *a = calloc(1, sizeof(*a));
	struct fl_aws_sources_config c = { .cfg = cfg, .intake = intake, .clock = fl_clock_sys(), .random = fl_random_sys(), .wake = wake_up };
	int ret;

	if (!a)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	pthread_mutex_init(&a->lock, NULL);
	ret = fl_loop_init(&a->loop, false);
	if (ret < 0) {
		free(a);
		return fl_err_set(err, ret, "no more descriptors");
	}
	ret = open_doors(a, cfg, err);
	c.http = a->http;
	c.bus = a->bus;
	c.state = a->state;
	c.wake_ctx = &a->loop;
	if (ret == 0)
		ret = fl_aws_sources_open(&c, &a->sources, err);
	if (ret == 0)
		a->thread_up = pthread_create(&a->thread, NULL, aws_thread, a) == 0;
	if (ret < 0 || !a->thread_up) {
		fl_ingest_aws_close(a);
		return ret < 0 ? ret : fl_err_set(err, FL_ENOMEM, "no more threads");
	}
	*out = a;
	return 0;
}

struct reload {
	struct fl_ingest_aws *a;
	const struct fl_config *cfg;
	int ret;
};

static void do_reload(void *arg)
{
	struct reload *r = arg;

	r->ret = fl_aws_sources_reload(r->a->sources, r->cfg);
}

int fl_ingest_aws_reload(struct fl_ingest_aws *a, const struct fl_config *cfg)
{
	struct reload r = { a, cfg, 0 };
	int ret = fl_loop_call(&a->loop, do_reload, &r, CALL_MS);

	return ret < 0 ? ret : r.ret;
}

static json_t *source_json(const struct fl_aws_source_status *s)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I}", "name", s->name, "type", s->type, "state", fl_source_state_word(s->state), "reason", s->reason,
			      "note", s->note, "credentials", s->credentials, "last_ok", fl_json_time(s->last_ok), "next_try", fl_json_time(s->next_try), "clock_skew_s",
			      (json_int_t)s->clock_skew_s, "oldest_age_s", (json_int_t)s->oldest_age_s, "in_flight", (json_int_t)s->in_flight, "errors", (json_int_t)s->errors);

	for (unsigned i = 0; o && i < FL_AWS_COUNT_N; i++)
		json_object_set_new(o, fl_aws_count_word((enum fl_aws_count)i), json_integer((json_int_t)s->counts[i]));
	return o;
}

void fl_ingest_aws_status(struct fl_ingest_aws *a, json_t *v)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->n; i++)
		json_array_append_new(v, source_json(&a->v[i]));
	pthread_mutex_unlock(&a->lock);
}

void fl_ingest_aws_metrics(struct fl_ingest_aws *a, struct fl_buf *out)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	fl_buf_add(out, a->metrics.p, a->metrics.n);
	pthread_mutex_unlock(&a->lock);
}

void fl_ingest_aws_close(struct fl_ingest_aws *a)
{
	if (!a)
		return;
	if (a->thread_up) {
		fl_loop_stop(&a->loop);
		pthread_join(a->thread, NULL);
	}
	fl_aws_sources_close(a->sources);
	if (a->http)
		a->http->ops->close(a->http);
	if (a->bus)
		fl_bus_close(a->bus);
	if (a->state)
		a->state->ops->close(a->state);
	fl_arena_done(&a->arena);
	fl_buf_done(&a->metrics);
	fl_loop_done(&a->loop);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
