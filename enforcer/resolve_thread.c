/* The resolve thread: takes questions from workers and TCP, drives the resolve core, and answers the waiters after deciding question and chain again, so that a block that came while they
 * waited counts. */
#include "enforcer/server_int.h"

#include <poll.h>
#include <unistd.h>

enum { IDLE_MS = 100, JOBS_A_ROUND = 512 };

/* o NULL: no answer comes, and the connection has one question less out. */
static void send_tcp(struct fl_server *s, const struct fl_job *job, const struct fl__out *o)
{
	struct fl__thread *t = &s->threads[s->resolve_number];
	struct fl__tcp_reply *r = fl__spsc_slot(&s->tcp_replies);
	uint8_t *copy = r && o ? malloc(o->n) : NULL;
	uint64_t one = 1;
	ssize_t n;

	if (o && !copy)
		fl__bump(&t->counters.lost[FL__LOST_SEND]);
	if (!r) /* the TCP thread is far behind: it closes the connection in the end */
		return;
	if (copy)
		memcpy(copy, o->p, o->n);
	*r = (struct fl__tcp_reply){ job->conn, copy ? o->n : 0, copy };
	fl__spsc_push(&s->tcp_replies);
	n = write(s->tcp_event, &one, sizeof(one));
	(void)n;
}

void fl__resolve_reply(void *ctx, const struct fl_job *job, const struct fl__resolved *r)
{
	struct fl_server *s = ctx;
	struct fl__thread *t = &s->threads[s->resolve_number];
	struct fl__out o = { s->resolve_answer, 0, job->tcp ? FL__MSG_MAX : job->q.udp_size };
	struct fl__ask a = { .job = job, .kept = r->answer, .resolved = r };

	if (r->overload) {
		fl__bump(&t->counters.lost[FL__LOST_OVERLOAD]);
		if (job->tcp)
			send_tcp(s, job, NULL);
		return;
	}
	fl_rcu_read_lock();
	fl__respond(t, fl_rcu_load(&s->view), fl_rcu_load(&s->settings), &a, fl_now_mono(s->c.clock), fl_now_unix(s->c.clock), &o);
	fl_rcu_read_unlock();
	if (o.n == 0)
		return;
	if (job->tcp)
		send_tcp(s, job, &o);
	else if (!fl__udp_send(job->fd, &job->peer, &job->local, o.p, o.n))
		fl__bump(&t->counters.lost[FL__LOST_SEND]);
}

static bool take_jobs(struct fl_server *s, fl_mono_ns now)
{
	int share = JOBS_A_ROUND / (int)s->n_threads + 1;
	bool more = false;

	for (uint32_t i = 0; i < s->n_threads; i++) {
		struct fl__spsc *q = &s->threads[i].to_resolve;
		struct fl_job *job;
		int n = 0;

		if (!q->items)
			continue;
		while (n < share && (job = fl__spsc_peek(q))) {
			fl__resolve_ask(s->resolve, job, now);
			fl__spsc_pop(q);
			n++;
		}
		more = more || n == share;
	}
	return more;
}

static void take_reload(struct fl_server *s)
{
	struct fl__upstreams *next;
	struct fl__ttl_limits limits;

	pthread_mutex_lock(&s->reload_lock);
	next = s->next_upstreams;
	limits = s->next_limits;
	s->next_upstreams = NULL;
	if (next) {
		struct fl__upstreams *old = s->upstreams;

		fl__upstreams_carry(next, old);
		fl__resolve_set(s->resolve, next, &limits);
		s->upstreams = next;
		fl__upstreams_release(old);
	}
	pthread_mutex_unlock(&s->reload_lock);
}

static int wait_ms(fl_mono_ns now, fl_mono_ns wake)
{
	fl_mono_ns left = wake - now;

	if (left <= 0)
		return 0;
	left = (left + FL_NS_PER_MS - 1) / FL_NS_PER_MS;
	return left > IDLE_MS ? IDLE_MS : (int)left;
}

void *fl__resolve_main(void *arg)
{
	struct fl__thread *t = arg;
	struct fl_server *s = t->server;

	fl_rcu_thread_init();
	while (!atomic_load_explicit(&s->stopping, memory_order_relaxed)) {
		struct pollfd p[2] = { { .fd = s->resolve_event, .events = POLLIN }, { .fd = s->door->ops->fd(s->door), .events = POLLIN } };
		fl_mono_ns now = fl_now_mono(s->c.clock), wake = FL_MONO_NEVER;
		bool more = take_jobs(s, now);
		uint64_t drop;

		fl__resolve_step(s->resolve, now, &wake);
		fl__cache_reclaim(s->cache, false);
		take_reload(s);
		poll(p, 2, more ? 0 : wait_ms(fl_now_mono(s->c.clock), wake));
		if (p[0].revents && read(s->resolve_event, &drop, sizeof(drop)) < 0)
			continue;
	}
	fl_rcu_thread_done();
	return NULL;
}
