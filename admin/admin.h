/* Admin: the small HTTP/JSON server each role has on RUNTIME/ROLE.sock, the api role's admin.sock that forwards by path and joins answers, and the metrics listener.
 * libmicrohttpd on a ready AF_UNIX socket, in a thread of its own. Peer credentials decide: group may change, others read; refused is 403. */
#pragma once
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"

struct fl_admin_request {
	const char *method; /* "GET", "POST", "DELETE" */
	const char *path;   /* decoded, no query */
	/* value of a query parameter, or NULL */
	const char *(*query)(const struct fl_admin_request *r, const char *name);
	struct fl_span body;
	struct fl_arena *arena; /* lives as long as the request */
	char actor[64];		/* user name of the peer */
	bool may_change;
	void *impl;
};
enum { FL_ADMIN_STREAM_BROKEN = -2 };
struct fl_admin_response {
	int status;		  /* 200 */
	const char *content_type; /* default application/json */
	struct fl_buf body;
	/* A stream: called again and again until it ends (return -1), breaks off (FL_ADMIN_STREAM_BROKEN: the connection is cut, so that the reader does not take a part
	 * for the whole), waits (return 0), or wrote n into buf. stream_wake tells the server to ask again. */
	ssize_t (*stream)(void *ctx, char *buf, size_t cap);
	void (*stream_done)(void *ctx);
	void *stream_ctx;
};
/* A row of a role's table of routes. A trailing "*" in path fits any rest. */
struct fl_admin_route {
	const char *method, *path;
	bool changes; /* asks for may_change */
	void (*handle)(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res);
};
struct fl_admin_config {
	const char *unix_path; /* NULL: none */
	unsigned mode;	       /* of the socket file */
	const char *group;     /* name; may change */
	const char *tcp_address; /* "127.0.0.1:9853": metrics; NULL: none. Only GET, may_change false. */
	const struct fl_admin_route *routes;
	size_t n_routes;
	void *ctx;
};
struct fl_admin;
/** An old socket file is replaced when nobody answers on it; FL_EUNAVAIL "in use" otherwise. */
int fl_admin_open(const struct fl_admin_config *c, struct fl_admin **out, struct fl_err *err);
/** Suspended streams are asked again. Any thread. */
void fl_admin_stream_wake(struct fl_admin *a);
void fl_admin_close(struct fl_admin *a);

/** JSON problem (RFC 9457): status, code "FL2104", title, detail, hint. */
void fl_admin_problem(struct fl_admin_response *res, int status, const char *code, const char *detail, const char *hint);

/* Client over a Unix socket, blocking with a time-out. */
struct fl_admin_answer {
	int status;
	struct fl_buf body;
};
/** FL_EUNAVAIL when nobody listens. on_data NULL: the body is collected (at most 256 MiB). */
int fl_admin_call(const char *unix_path, const char *method, const char *path_and_query, struct fl_span body, int timeout_ms,
		  int (*on_data)(void *ctx, struct fl_span data), void *ctx, struct fl_admin_answer *out, struct fl_err *err);
