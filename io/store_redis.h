/* The Redis door's inside: address, link, subscription. Private to io/.
 *
 *   store_address.c  URL -> target; sockets that never block
 *   store_redis.c    link: one connection, commands out, replies in (the home of hiredis: its formatter and reader)
 *   store_door.c     the door: when to connect, scripts by digest, what a failure means
 *   store_wake.c     the subscription: a second link that nobody waits for
 *
 * hiredis' own connection calls are not used: its write(2) raises SIGPIPE, its timeouts are per read, and it cannot
 * tell how much of a pipeline has left, which is what separates FL_EUNAVAIL from FL_EUNKNOWN. */
#pragma once
#include <sys/socket.h>

#include "io/clock.h"
#include "io/store.h"

struct fl__redis_target {
	char *host, *port; /* TCP */
	char *path;        /* Unix socket; NULL: TCP */
	char *username, *password;
	unsigned db;
	int connect_timeout_ms, timeout_ms;
	char shown[300]; /* for messages */
	/* The last address that answered: the subscription goes there, without a resolver to wait for. */
	struct sockaddr_storage peer;
	socklen_t peer_len;
};

static inline fl_mono_ns fl__redis_now(void)
{
	return fl_now_mono(fl_clock_sys());
}
int fl__redis_target_init(struct fl__redis_target *t, const struct fl_store_redis_config *cfg, struct fl_err *err);
void fl__redis_target_done(struct fl__redis_target *t);
/** A connected, non-blocking socket, within connect_timeout_ms (a resolver may add its own time). Sets peer. */
int fl__redis_connect(struct fl__redis_target *t, int *fd, struct fl_err *err);
enum { FL__REDIS_NO_ADDRESS = -2 };
/** Begin to connect without any wait; a descriptor, -1, or FL__REDIS_NO_ADDRESS: neither a peer yet, nor a Unix socket
 * or a number. */
int fl__redis_dial(const struct fl__redis_target *t);
/** Wait for events on fd until the deadline; false at the deadline. */
bool fl__redis_wait(int fd, short events, fl_mono_ns deadline);

struct fl__redis_link; /* one connection */

/** Takes fd, which is closed on failure too. NULL: out of memory. */
struct fl__redis_link *fl__redis_link_new(int take_fd);
void fl__redis_link_free(struct fl__redis_link *l);
int fl__redis_link_fd(const struct fl__redis_link *l);
/** Append the commands' bytes to buf; false when out of memory. *first: where the first one ends (may be NULL). */
bool fl__redis_format(struct fl_buf *buf, const struct fl_cmd *cmds, size_t n, size_t *first);
/** As many bytes as go without waiting; -1 when the link is broken. */
ssize_t fl__redis_link_send(struct fl__redis_link *l, const uint8_t *p, size_t n);
/** Take in what is there: bytes, 0 when there is nothing now, -1 when the link is broken. */
ssize_t fl__redis_link_fill(struct fl__redis_link *l);
/** 1 and the next whole reply, in arena; 0 when there is none yet; a negative code when what came is no reply. */
int fl__redis_link_next(struct fl__redis_link *l, struct fl_arena *arena, struct fl_reply *out);
/** Nothing should be readable between calls: if something is, the server has closed. */
bool fl__redis_link_is_stale(const struct fl__redis_link *l);
/** Send and wait for n replies. FL_EUNAVAIL: not even the first command has left whole; FL_EUNKNOWN: after that. */
int fl__redis_link_exchange(struct fl__redis_link *l, const struct fl_cmd *cmds, size_t n, int timeout_ms,
			    struct fl_arena *arena, struct fl_reply *out, struct fl_err *err);

enum { FL__REDIS_HELLO_MAX = 3 };
struct fl__redis_hello { /* AUTH, SELECT and PING, as far as they are needed */
	struct fl_span argv[8];
	struct fl_cmd cmds[FL__REDIS_HELLO_MAX];
	size_t n;
	char db[12];
};
/** Points into itself and t: do not copy. */
void fl__redis_hello_init(struct fl__redis_hello *h, const struct fl__redis_target *t);

struct fl__redis_sub {
	struct fl__redis_link *link; /* NULL: down */
	bool greeted, confirmed;
	size_t pending_bytes; /* taken in since the last whole message */
	fl_mono_ns next_try, deadline;
	char *channel;
};
bool fl__redis_sub_init(struct fl__redis_sub *s, const char *prefix);
void fl__redis_sub_done(struct fl__redis_sub *s);
int fl__redis_sub_next(struct fl__redis_sub *s, const struct fl__redis_target *t, char *name, size_t cap);
int fl__redis_sub_fd(struct fl__redis_sub *s, const struct fl__redis_target *t);
