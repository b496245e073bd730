/* The server: starts and ends the threads, swaps what they read, and adds up what they count. */
#include "enforcer/server_int.h"

#include <sys/eventfd.h>
#include <unistd.h>

static struct fl__ttl_limits limits_of(const struct fl_config *c)
{
	return (struct fl__ttl_limits){ .min_s = (uint32_t)(c->cache_min_ttl_ms / 1000), .max_s = (uint32_t)(c->cache_max_ttl_ms / 1000),
					.negative_max_s = (uint32_t)(c->cache_negative_max_ttl_ms / 1000), .stale_s = (uint32_t)(c->serve_stale_ms / 1000) };
}

static int open_threads(struct fl_server *s, struct fl_err *err)
{
	uint64_t bytes = s->c.cfg->ring_bytes;

	for (uint32_t i = 0; i < s->n_threads; i++) {
		struct fl__thread *t = &s->threads[i];
		int ret;

		t->server = s;
		t->number = i;
		ret = fl__ring_create(s->c.runtime, s->enforcer, s->boot, i, bytes, &t->ring, err);
		if (ret < 0)
			return ret;
		if (i != s->resolve_number && !fl__spsc_init(&t->to_resolve, i == s->tcp_number ? FL__TCP_QUEUE : FL__QUEUE, sizeof(struct fl_job)))
			return fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	return 0;
}

static int open_resolve(struct fl_server *s, struct fl_err *err)
{
	struct fl__resolve_config rc = { .random = s->c.random, .limits = limits_of(s->c.cfg), .done = fl__resolve_reply, .ctx = s };
	uint64_t key;

	s->c.random->bytes(s->c.random, &key, sizeof(key));
	if (!s->door)
		s->door = fl__builtin_open();
	s->cache = fl__cache_new(s->c.cfg->cache_bytes, key);
	s->upstreams = fl__upstreams_new(s->c.cfg);
	s->rate = fl__rate_new();
	s->c.random->bytes(s->c.random, &s->client_key, sizeof(s->client_key));
	s->c.random->bytes(s->c.random, s->cookie_secret, sizeof(s->cookie_secret));
	s->settings = fl__settings_new(s->c.cfg, s->cookie_secret, err);
	if (!s->settings)
		return err ? err->code : FL_ECONFIG;
	s->resolve_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->tcp_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!s->door || !s->cache || !s->upstreams || !s->rate || s->resolve_event < 0 || s->tcp_event < 0 ||
	    !fl__spsc_init(&s->tcp_replies, FL__TCP_QUEUE, sizeof(struct fl__tcp_reply)))
		return fl_err_set(err, FL_ENOMEM, "server: out of memory or descriptors");
	rc.door = s->door;
	rc.cache = s->cache;
	rc.upstreams = s->upstreams;
	s->resolve = fl__resolve_new(&rc);
	return s->resolve ? 0 : fl_err_set(err, FL_ENOMEM, "server: out of memory");
}

static int start_threads(struct fl_server *s, struct fl_err *err)
{
	for (uint32_t i = 0; i < s->n_threads; i++) {
		struct fl__thread *t = &s->threads[i];
		void *(*fn)(void *) = i < s->n_workers ? fl__worker_main : i == s->resolve_number ? fl__resolve_main : fl__tcp_main;

		if (pthread_create(&t->id, NULL, fn, t) != 0)
			return fl_err_set(err, FL_ELIMIT, "server: a thread cannot be started");
		t->up = true;
	}
	return 0;
}

/* Sockets and door are the server's from here on, also when the start fails. */
static int take_handed_over(struct fl_server *s, struct fl_err *err)
{
	const struct fl_server_config *c = &s->c;

	s->door = c->upstream;
	s->tcp_fds = calloc(c->n_tcp + 1, sizeof(*s->tcp_fds));
	for (size_t i = 0; i < c->n_tcp; i++)
		if (s->tcp_fds)
			s->tcp_fds[s->n_tcp++] = c->tcp_fds[i];
		else
			close(c->tcp_fds[i]);
	for (size_t i = 0; i < FL__THREADS_MAX; i++)
		s->threads[i].fd = i < c->n_udp ? c->udp_fds[i] : -1;
	for (size_t i = FL__THREADS_MAX; i < c->n_udp; i++)
		close(c->udp_fds[i]);
	s->n_threads = FL__THREADS_MAX;
	if (!s->tcp_fds)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (c->n_udp + 2 > FL__THREADS_MAX)
		return fl_err_set(err, FL_ECONFIG, "listen: over %d UDP workers", FL__THREADS_MAX - 2);
	s->n_workers = (uint32_t)c->n_udp;
	s->resolve_number = s->n_workers;
	s->tcp_number = s->n_workers + 1;
	s->n_threads = s->n_workers + 2;
	return 0;
}

int fl_server_start(const struct fl_server_config *c, struct fl_server **out, struct fl_err *err)
{
	struct fl_server *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);
	int ret;

	if (!s)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	memset(s, 0, sizeof(*s));
	s->c = *c;
	s->resolve_event = s->tcp_event = -1;
	pthread_mutex_init(&s->reload_lock, NULL);
	snprintf(s->enforcer, sizeof(s->enforcer), "%s", c->cfg->node_name);
	snprintf(s->account_id, sizeof(s->account_id), "%s", c->cfg->account_id);
	snprintf(s->region, sizeof(s->region), "%s", c->cfg->site);
	s->boot = fl__ring_boot(c->runtime, (uint32_t)(fl_now_unix(c->clock) / FL_US_PER_S)); /* rises from start to start */
	ret = take_handed_over(s, err);
	if (ret == 0)
		ret = open_threads(s, err);
	if (ret == 0)
		ret = open_resolve(s, err);
	if (ret == 0)
		ret = fl__tcp_open(s, err);
	if (ret == 0)
		ret = fl__log_open(s, err);
	if (ret == 0)
		ret = start_threads(s, err);
	if (ret < 0) {
		fl_server_stop(s, 0);
		return ret;
	}
	*out = s;
	return 0;
}

static void join_threads(struct fl_server *s, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < n; i++)
		if (s->threads[i].up) {
			pthread_join(s->threads[i].id, NULL);
			s->threads[i].up = false;
		}
}

static bool questions_out(struct fl_server *s)
{
	for (uint32_t i = 0; i < s->n_threads; i++)
		if (fl__spsc_used(&s->threads[i].to_resolve))
			return true;
	return fl__resolve_waiting(s->resolve) || fl__spsc_used(&s->tcp_replies);
}

/* No more questions; those that are out get their answers first, as far as the time allows. */
static void end_threads(struct fl_server *s, int drain_ms)
{
	fl_mono_ns until = fl_now_mono(s->c.clock) + drain_ms * FL_NS_PER_MS;

	atomic_store(&s->closed, true);
	join_threads(s, 0, s->n_workers);
	while (s->resolve && s->threads[s->resolve_number].up && questions_out(s) && fl_now_mono(s->c.clock) < until)
		usleep(5000);
	atomic_store(&s->stopping, true);
	join_threads(s, 0, s->n_threads);
}

/* What was not delivered waits for the next start, in no more memory than it needs. */
static void close_ring(struct fl_ring *r)
{
	bool empty = fl__ring_used(r) == 0;

	if (!empty)
		fl__ring_shrink(r);
	fl__ring_close(r, empty);
}

void fl_server_stop(struct fl_server *s, int drain_ms)
{
	if (!s)
		return;
	end_threads(s, drain_ms);
	fl__log_close(s, drain_ms);
	fl__tcp_close(s);
	if (s->resolve)
		fl__resolve_free(s->resolve);
	for (struct fl__tcp_reply *r; s->tcp_replies.items && (r = fl__spsc_peek(&s->tcp_replies)); fl__spsc_pop(&s->tcp_replies))
		free(r->msg);
	fl__spsc_done(&s->tcp_replies);
	for (uint32_t i = 0; i < s->n_threads; i++) {
		struct fl__thread *t = &s->threads[i];

		if (t->fd >= 0)
			close(t->fd);
		fl__spsc_done(&t->to_resolve);
		if (t->ring)
			close_ring(t->ring);
	}
	for (size_t i = 0; s->tcp_fds && i < s->n_tcp; i++)
		close(s->tcp_fds[i]);
	if (s->resolve_event >= 0)
		close(s->resolve_event);
	if (s->tcp_event >= 0)
		close(s->tcp_event);
	fl__upstreams_release(s->upstreams);
	fl__upstreams_release(s->next_upstreams);
	if (s->cache)
		fl__cache_free(s->cache);
	if (s->door)
		s->door->ops->close(s->door);
	fl_view_free(s->view);
	fl__settings_free(s->settings);
	fl__rate_free(s->rate);
	free(s->tcp_fds);
	pthread_mutex_destroy(&s->reload_lock);
	free(s);
}

void fl_server_set_view(struct fl_server *s, struct fl_view *take_view)
{
	struct fl_view *old = fl_rcu_swap(&s->view, take_view);

	fl_rcu_synchronize();
	fl_view_free(old);
}

int fl_server_reload(struct fl_server *s, const struct fl_config *cfg, struct fl_err *err)
{
	struct fl__upstreams *up = fl__upstreams_new(cfg), *unused;
	struct fl__settings *st, *old;

	if (!up)
		return fl_err_set(err, FL_ENOMEM, "out of memory: the old settings stay");
	st = fl__settings_new(cfg, s->cookie_secret, err);
	if (!st) {
		fl__upstreams_release(up);
		return err ? err->code : FL_ECONFIG;
	}
	pthread_mutex_lock(&s->reload_lock);
	unused = s->next_upstreams;
	s->next_upstreams = up;
	s->next_limits = limits_of(cfg);
	pthread_mutex_unlock(&s->reload_lock);
	fl__upstreams_release(unused);
	fl__resolve_kick(s);
	old = fl_rcu_swap(&s->settings, st);
	fl_rcu_synchronize();
	fl__settings_free(old);
	/* the log thread reads only the file's settings, which a reload does not change */
	return 0;
}

/* --- sums --- */

static void sum(struct fl_server *s, struct fl__counters *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < s->n_threads; i++)
		fl__counters_add(out, &s->threads[i].counters);
}

void fl_server_stats(struct fl_server *s, struct fl_server_stats *out)
{
	struct fl__counters c;

	sum(s, &c);
	*out = (struct fl_server_stats){ .workers = s->n_workers };
	out->queries = fl__peek(&c.queries_udp) + fl__peek(&c.queries_tcp);
	for (int i = 0; i < FL__SOURCES; i++)
		for (int r = 0; r < FL__RCODES; r++)
			out->answers += fl__peek(&c.responses[i][r]);
	for (int i = 0; i < FL__SOURCES; i++)
		out->servfail += fl__peek(&c.responses[i][FL__SERVFAIL]);
	out->blocked = fl__peek(&c.actions[FL_ACTION_BLOCK]);
	out->alerted = fl__peek(&c.actions[FL_ACTION_ALERT]);
	out->allowed = fl__peek(&c.actions[FL_ACTION_ALLOW]);
	out->cache_hits = fl__peek(&c.hits);
	out->cache_misses = fl__peek(&c.misses);
	for (int i = 0; i < FL__LOSSES; i++)
		out->dropped += fl__peek(&c.lost[i]);
	/* made, and it could not leave: a drop, no answer */
	out->answers -= fl__peek(&c.lost[FL__LOST_SEND]) < out->answers ? fl__peek(&c.lost[FL__LOST_SEND]) : out->answers;
	out->qlog_written = fl__peek(&c.records);
	for (int i = 0; i <= FL_ACTION_BLOCK; i++)
		out->qlog_dropped += fl__peek(&c.records_lost[i]);
	out->qlog_written -= out->qlog_dropped;
	fl__log_stats(s, out);
}

static void upstream_metrics(struct fl_server *s, struct fl_buf *out)
{
	struct fl__upstreams *u;

	pthread_mutex_lock(&s->reload_lock);
	u = fl__upstreams_acquire(s->upstreams);
	pthread_mutex_unlock(&s->reload_lock);
	fl_metric_family(out, "fireline_upstream_requests_total", FL_COUNTER, "Forwarded queries.");
	for (size_t i = 0; i < u->n_groups; i++)
		for (int r = 0; r < FL__UP_COUNT; r++)
			fl_metric_u64(out, "fireline_upstream_requests_total", "", FL_LABELS("upstream", u->groups[i].name, "result", fl__upstream_result_words[r]),
				      atomic_load(&u->groups[i].results[r]));
	fl__upstreams_release(u);
}

static void decision_metrics(struct fl_server *s, struct fl_buf *out)
{
	const struct fl__decisions *v[FL__THREADS_MAX];

	for (uint32_t i = 0; i < s->n_threads; i++)
		v[i] = &s->threads[i].decisions;
	fl__decisions_metrics(v, s->n_threads, out);
}

static void record_metrics(struct fl_server *s, const struct fl__counters *c, struct fl_buf *out)
{
	fl_metric_family(out, "fireline_querylog_records_total", FL_COUNTER, "Query-log records: delivered, dropped by a full ring, failed tries.");
	for (int i = 0; i <= FL_ACTION_BLOCK; i++)
		fl_metric_u64(out, "fireline_querylog_records_total", "", FL_LABELS("sink", "ring", "result", "dropped", "action", fl_action_word((enum fl_action)i)),
			      fl__peek(&c->records_lost[i]));
	fl__log_metrics(s, out);
}

void fl_server_metrics(struct fl_server *s, struct fl_buf *out)
{
	struct fl__counters c;
	struct fl__cache_stats cs;

	sum(s, &c);
	fl__counters_metrics(&c, out);
	decision_metrics(s, out);
	record_metrics(s, &c, out);
	fl__cache_stats(s->cache, &cs);
	fl_metric_family(out, "fireline_cache_entries", FL_GAUGE, "Cached answers.");
	fl_metric_u64(out, "fireline_cache_entries", "", NULL, cs.entries);
	upstream_metrics(s, out);
}
