/* A role's loop: waits for descriptors, signals, posted calls and the stage's own wake time, then steps. Signals are blocked in every thread of the process and come by signalfd, to
 * the thread that owns the signals. Another thread runs a function in the loop's thread with fl_loop_call and waits for it. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "base/time.h"

enum { FL_LOOP_FDS = 8 };

struct fl_loop_post {
	void (*fn)(void *arg);
	void *arg;
	bool done, abandoned;
	struct fl_loop_post *next;
};

struct fl_loop {
	int signal_fd; /* -1: not this loop's */
	int event_fd;
	int fds[FL_LOOP_FDS]; /* readable: step */
	bool drain[FL_LOOP_FDS]; /* read and drop what is in it */
	int n_fds;
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct fl_loop_post *posts;
	bool closed; /* under the lock: no more posts are taken */
	_Atomic bool stop;
	_Atomic bool reload; /* SIGHUP came */
};

/** Block the signals that loops take (TERM, INT, HUP, and PIPE for good) in this thread and all it makes later. Call before any thread. */
void fl_loop_block_signals(void);
int fl_loop_init(struct fl_loop *l, bool signals);
void fl_loop_done(struct fl_loop *l);
/** Returns the slot; fl_loop_set_fd changes what it watches (-1: nothing now). */
int fl_loop_add_fd(struct fl_loop *l, int fd, bool drain);
void fl_loop_set_fd(struct fl_loop *l, int slot, int fd);
/** Wait until something is due or `until`; runs posted calls; takes signals. False when the loop is to end. */
bool fl_loop_wait(struct fl_loop *l, fl_mono_ns until);
/** From another thread: run fn(arg) in the loop's thread and wait for it, at most timeout_ms. FL_EUNAVAIL: it was not run (and will not be). */
int fl_loop_call(struct fl_loop *l, void (*fn)(void *arg), void *arg, int timeout_ms);
void fl_loop_stop(struct fl_loop *l);
void fl_loop_kick(struct fl_loop *l);
