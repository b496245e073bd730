#include "cli/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "io/clock.h"

static void taken(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void fl_loop_block_signals(void)
{
	sigset_t set;

	taken(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int fl_loop_init(struct fl_loop *l, bool signals)
{
	pthread_condattr_t attr;
	sigset_t set;

	*l = (struct fl_loop){ .signal_fd = -1 };
	l->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (signals) {
		taken(&set);
		l->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	}
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->done, &attr);
	pthread_condattr_destroy(&attr);
	if (l->event_fd < 0 || (signals && l->signal_fd < 0)) {
		fl_loop_done(l);
		return FL_ELIMIT;
	}
	return 0;
}

void fl_loop_done(struct fl_loop *l)
{
	if (l->event_fd >= 0)
		close(l->event_fd);
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->done);
}

int fl_loop_add_fd(struct fl_loop *l, int fd, bool drain)
{
	if (l->n_fds == FL_LOOP_FDS)
		return -1;
	l->fds[l->n_fds] = fd;
	l->drain[l->n_fds] = drain;
	return l->n_fds++;
}

void fl_loop_set_fd(struct fl_loop *l, int slot, int fd)
{
	if (slot >= 0)
		l->fds[slot] = fd;
}

void fl_loop_kick(struct fl_loop *l)
{
	uint64_t one = 1;
	ssize_t n = write(l->event_fd, &one, sizeof(one));

	(void)n; /* full: it is readable already */
}

void fl_loop_stop(struct fl_loop *l)
{
	atomic_store(&l->stop, true);
	fl_loop_kick(l);
}

static void drop_bytes(int fd)
{
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

static void take_signals(struct fl_loop *l)
{
	struct signalfd_siginfo s;

	while (read(l->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGHUP)
			atomic_store(&l->reload, true);
		else
			atomic_store(&l->stop, true);
	}
}

static void run_posts(struct fl_loop *l)
{
	pthread_mutex_lock(&l->lock);
	while (l->posts) {
		struct fl_loop_post *p = l->posts;

		l->posts = p->next;
		if (p->abandoned) {
			free(p);
			continue;
		}
		pthread_mutex_unlock(&l->lock);
		p->fn(p->arg);
		pthread_mutex_lock(&l->lock);
		p->done = true;
		pthread_cond_broadcast(&l->done);
	}
	pthread_mutex_unlock(&l->lock);
}

/* The last chance: what is asked after this would wait for nobody. */
static void close_posts(struct fl_loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->closed = true;
	pthread_mutex_unlock(&l->lock);
	run_posts(l);
}

static int wait_ms(fl_mono_ns until)
{
	fl_mono_ns left = until - fl_now_mono(fl_clock_sys());

	if (left <= 0)
		return 0;
	left = (left + FL_NS_PER_MS - 1) / FL_NS_PER_MS;
	return left > 60000 ? 60000 : (int)left;
}

bool fl_loop_wait(struct fl_loop *l, fl_mono_ns until)
{
	struct pollfd p[FL_LOOP_FDS + 2];
	int n = 0;

	p[n++] = (struct pollfd){ .fd = l->event_fd, .events = POLLIN };
	p[n++] = (struct pollfd){ .fd = l->signal_fd, .events = POLLIN }; /* poll(2) passes over -1 */
	for (int i = 0; i < l->n_fds; i++)
		p[n++] = (struct pollfd){ .fd = l->fds[i], .events = POLLIN };
	if (poll(p, (nfds_t)n, atomic_load(&l->stop) ? 0 : wait_ms(until)) > 0) {
		if (p[0].revents)
			drop_bytes(l->event_fd);
		if (p[1].revents)
			take_signals(l);
		for (int i = 0; i < l->n_fds; i++)
			if (p[i + 2].revents && l->drain[i])
				drop_bytes(l->fds[i]);
	}
	run_posts(l);
	if (!atomic_load(&l->stop))
		return true;
	close_posts(l);
	return false;
}

int fl_loop_call(struct fl_loop *l, void (*fn)(void *arg), void *arg, int timeout_ms)
{
	struct fl_loop_post *p = calloc(1, sizeof(*p)), **at;
	struct timespec until;
	int ret = 0;

	if (!p)
		return FL_ENOMEM;
	p->fn = fn;
	p->arg = arg;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&l->lock);
	if (l->closed) {
		pthread_mutex_unlock(&l->lock);
		free(p);
		return FL_EUNAVAIL;
	}
	for (at = &l->posts; *at; at = &(*at)->next)
		;
	*at = p;
	fl_loop_kick(l);
	while (!p->done && ret == 0)
		ret = pthread_cond_timedwait(&l->done, &l->lock, &until);
	if (!p->done) {
		/* Still in the queue: the loop drops it. Out of the queue: fn is running with our arg, so we must wait for it. */
		bool queued = false;

		for (struct fl_loop_post *q = l->posts; q; q = q->next)
			queued = queued || q == p;
		if (queued) {
			p->abandoned = true;
			pthread_mutex_unlock(&l->lock);
			return FL_EUNAVAIL;
		}
		while (!p->done)
			pthread_cond_wait(&l->done, &l->lock);
	}
	pthread_mutex_unlock(&l->lock);
	free(p);
	return 0;
}
