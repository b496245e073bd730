/* The stage: which feed is due, whose transfer has ended, and is what we once committed still there? */
#include "ingest/feed_int.h"

#include <stdlib.h>

static int load_feeds(struct fl_ingest *g, const struct fl_config *cfg, fl_mono_ns now)
{
	struct fl_feed *v = calloc(cfg->n_feeds + 1, sizeof(*v));
	int ret;

	if (!v)
		return FL_ENOMEM;
	for (size_t i = 0; i < cfg->n_feeds; i++) {
		for (size_t k = 0; k < g->n_feeds; k++) {
			struct fl_feed *old = &g->feeds[k];

			if (!old->cfg || strcmp(old->s.name, cfg->feeds[i].name) != 0)
				continue;
			if (old->phase == FL_PHASE_FETCHING) /* by the old settings */
				fl__feed_done(g, old);
			v[i] = *old;
			old->cfg = NULL; /* moved */
		}
		v[i].due = v[i].phase == FL_PHASE_IDLE ? now : v[i].due;
	}
	for (size_t k = 0; k < g->n_feeds; k++)
		if (g->feeds[k].cfg)
			fl__feed_done(g, &g->feeds[k]);
	free(g->feeds);
	g->feeds = v;
	g->n_feeds = cfg->n_feeds;
	g->c.cfg = cfg;
	g->config_at = 0;
	ret = fl__protected_load(g);
	for (size_t i = 0; i < cfg->n_feeds; i++)
		fl__feed_init(g, &v[i], &cfg->feeds[i]);
	return ret;
}

int fl_ingest_open(const struct fl_ingest_config *c, struct fl_ingest **out, struct fl_err *err)
{
	struct fl_ingest *g = calloc(1, sizeof(*g));

	if (!g)
		return fl_err_set(err, FL_ENOMEM, "ingest: out of memory");
	g->c = *c;
	if (!g->c.read_file)
		g->c.read_file = fl__read_system_file;
	if (load_feeds(g, c->cfg, fl_now_mono(c->clock)) < 0) {
		fl_ingest_close(g);
		return fl_err_set(err, FL_ENOMEM, "ingest: out of memory");
	}
	*out = g;
	return 0;
}

int fl_ingest_reload(struct fl_ingest *g, const struct fl_config *cfg)
{
	return load_feeds(g, cfg, fl_now_mono(g->c.clock));
}

void fl_ingest_close(struct fl_ingest *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n_feeds; i++)
		fl__feed_done(g, &g->feeds[i]);
	free(g->feeds);
	fl_protected_done(&g->protected);
	free(g);
}

int fl_ingest_refresh(struct fl_ingest *g, const char *feed, fl_mono_ns now)
{
	bool found = feed == NULL;

	for (size_t i = 0; i < g->n_feeds; i++) {
		struct fl_feed *f = &g->feeds[i];

		if (feed && strcmp(f->s.name, feed) != 0)
			continue;
		found = true;
		f->again = f->phase != FL_PHASE_IDLE;
		if (f->phase != FL_PHASE_FETCHING)
			f->due = now;
	}
	return found ? 0 : FL_ENOTFOUND;
}

static bool host_busy(const struct fl_ingest *g, const struct fl_feed *f)
{
	for (size_t i = 0; i < g->n_feeds; i++)
		if (&g->feeds[i] != f && g->feeds[i].phase == FL_PHASE_FETCHING && f->host[0] && strcmp(g->feeds[i].host, f->host) == 0)
			return true;
	return false;
}

static size_t transfers(const struct fl_ingest *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_feeds; i++)
		n += g->feeds[i].phase == FL_PHASE_FETCHING;
	return n;
}

static void take_answers(struct fl_ingest *g, fl_mono_ns now)
{
	struct fl_http_response r;

	while (g->c.http && g->c.http->ops->poll(g->c.http, 0, &r) == 1) {
		for (size_t i = 0; i < g->n_feeds; i++)
			if (g->feeds[i].phase == FL_PHASE_FETCHING && g->feeds[i].transfer == r.id) {
				fl__feed_answer(g, &g->feeds[i], &r, now);
				break;
			}
		fl_http_response_done(&r);
	}
}

/* A version that we know was there and is not any more (a store that lost its tail, or everything): the feed is fetched whole at once. */
static void check_heads(struct fl_ingest *g, fl_mono_ns now)
{
	struct fl_arena arena = { 0 };
	const char **names = fl_arena_array(&arena, g->n_feeds + 1, sizeof(*names));
	struct fl_head *heads = fl_arena_array(&arena, g->n_feeds + 1, sizeof(*heads));

	for (size_t i = 0; names && i < g->n_feeds; i++)
		names[i] = g->feeds[i].s.name;
	if (names && heads && g->n_feeds && fl_set_heads(g->c.sets, FL_SOURCE, names, g->n_feeds, heads, NULL) == 0)
		for (size_t i = 0; i < g->n_feeds; i++) {
			struct fl_feed *f = &g->feeds[i];
			bool lost = f->version_seen && f->head.id.number && f->phase == FL_PHASE_IDLE &&
				    (heads[i].id.number < f->head.id.number || !fl_epoch_eq(&heads[i].id.epoch, &f->head.id.epoch));

			if (lost && f->due > now)
				f->due = now;
		}
	fl_arena_done(&arena);
}

int fl_ingest_step(struct fl_ingest *g, fl_mono_ns now, fl_mono_ns *wake)
{
	struct fl_err err = { 0 };
	size_t running;

	take_answers(g, now);
	running = transfers(g);
	if (now >= g->config_at) {
		bool ok = fl__config_entries_commit(g, &err) == 0;

		g->config_failures += !ok;
		snprintf(g->config_problem, sizeof(g->config_problem), "%.190s", ok ? "" : err.text);
		g->config_at = ok ? FL_MONO_NEVER : now + 2000 * FL_NS_PER_MS;
	}
	if (now >= g->heads_at) {
		g->heads_at = now + FL_HEADS_MS * FL_NS_PER_MS;
		check_heads(g, now);
		if (g->config_at == FL_MONO_NEVER)
			g->config_at = now + FL_HEADS_MS * 6 * FL_NS_PER_MS; /* an emptied store gets them back */
	}
	for (size_t i = 0; i < g->n_feeds; i++) {
		bool may = running < FL_TRANSFERS_MAX && !host_busy(g, &g->feeds[i]);

		fl__feed_step(g, &g->feeds[i], may, now);
		running = transfers(g);
	}
	*wake = running ? now + 20 * FL_NS_PER_MS : g->heads_at;
	for (size_t i = 0; i < g->n_feeds; i++) {
		const struct fl_feed *f = &g->feeds[i];

		if (f->cfg->enabled && f->phase != FL_PHASE_FETCHING && f->due < *wake)
			*wake = f->due > now ? f->due : now + 20 * FL_NS_PER_MS;
	}
	return 0;
}
