/* Upstream door: DNS messages to forwarders and back, UDP from a random port with a connected socket each, or TCP. (upstream_net.c, upstream_mem.c.)
 * The door matches replies by address and port (the connected socket); id and question are the caller's to check: it keeps the query open until cancel or
 * the deadline, since a bad reply is dropped and the wait goes on. */
#pragma once
#include "base/err.h"
#include "base/span.h"
#include "base/time.h"

enum { FL_UPSTREAM_ADDRESS = 64 };

struct fl_upstream_reply {
	uint64_t tag;
	int code;	    /* 0: a message; FL_EUNAVAIL: refused or unreachable; FL_ELIMIT: the deadline passed. After a code other than 0 the query is closed. */
	struct fl_span msg; /* borrowed until the next poll */
};
struct fl_upstream;
struct fl_upstream_ops {
	/* address "192.0.2.1:53" or "[2001:db8::1]:53". FL_ELIMIT when too many are open. */
	int (*send)(struct fl_upstream *u, const char *address, bool tcp, struct fl_span msg, fl_mono_ns deadline, uint64_t tag, struct fl_err *err);
	/* 1 and a reply, or 0. Never waits. */
	int (*poll)(struct fl_upstream *u, fl_mono_ns now, struct fl_upstream_reply *out);
	void (*cancel)(struct fl_upstream *u, uint64_t tag);
	int (*fd)(struct fl_upstream *u); /* epoll descriptor; -1: none */
	void (*close)(struct fl_upstream *u);
};
struct fl_upstream {
	const struct fl_upstream_ops *ops;
};
int fl_upstream_net_open(struct fl_upstream **out, struct fl_err *err);

/* The twin: a function makes the replies. */
typedef int fl_upstream_answer(void *ctx, const char *address, bool tcp, struct fl_span query, struct fl_buf *reply); /* 0: reply; FL_EUNAVAIL; FL_ELIMIT: mute */
struct fl_upstream *fl_upstream_mem_open(fl_upstream_answer *answer, void *ctx);
