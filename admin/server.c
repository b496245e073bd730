/* The HTTP/JSON server: libmicrohttpd on ready sockets. A request is collected whole (at most 32 MiB), then its row of the table of routes answers it. A stream is suspended while it
 * has nothing to say, so that it costs nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin_int.h"
#include "base/text.h"

/* One request while it comes in. Whether it may do what it asks is known from its head, so that only the body of one who may is kept. */
struct incoming {
	const struct fl_admin_route *route; /* NULL: problem is the answer */
	int status;
	const char *code, *detail, *hint;
	char actor[64];
	bool may_change;
	uint64_t seen; /* octets of body */
	struct fl_buf body;
};

/* What a handler asks through fl_admin_request.impl. */
static const char *query_of(const struct fl_admin_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->impl, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result send_buffer(struct MHD_Connection *conn, const struct fl_admin_response *res)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(res->body.n, res->body.p, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result ok = MHD_NO;

	if (r) {
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, res->content_type ? res->content_type : "application/json");
		ok = MHD_queue_response(conn, (unsigned)(res->status ? res->status : 200), r);
		MHD_destroy_response(r);
	}
	return ok;
}

void fl_admin_problem(struct fl_admin_response *res, int status, const char *code, const char *detail, const char *hint)
{
	res->status = status;
	res->content_type = "application/problem+json";
	fl_buf_reset(&res->body);
	fl_buf_printf(&res->body, "{\"type\":\"about:blank\",\"status\":%d,\"code\":\"%s\",\"title\":\"%s\",\"detail\":", status, code, code);
	fl_json_string(&res->body, fl_span_str(detail ? detail : ""));
	fl_buf_str(&res->body, ",\"hint\":");
	fl_json_string(&res->body, fl_span_str(hint ? hint : ""));
	fl_buf_str(&res->body, "}\n");
}

/* --- streams --- */

static ssize_t stream_pull(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct fl_admin_stream *s = cls;
	uint64_t seen = atomic_load(&s->admin->wakes);
	ssize_t n;

	(void)pos;
	if (atomic_load(&s->admin->closing))
		return MHD_CONTENT_READER_END_OF_STREAM;
	n = s->pull(s->ctx, buf, max);
	if (n > 0)
		return n;
	if (n < 0)
		return n == FL_ADMIN_STREAM_BROKEN ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
	pthread_mutex_lock(&s->admin->lock);
	/* Counted before the wakes are compared, as a waker counts before it looks here: one of the two sees the other. */
	atomic_fetch_add(&s->admin->n_suspended, 1);
	if (seen == atomic_load(&s->admin->wakes) && !atomic_load(&s->admin->closing)) {
		s->suspended = true;
		MHD_suspend_connection(s->connection);
	} else { /* something came meanwhile: asked again at once */
		atomic_fetch_sub(&s->admin->n_suspended, 1);
	}
	pthread_mutex_unlock(&s->admin->lock);
	return 0;
}

static void stream_free(void *cls)
{
	struct fl_admin_stream *s = cls, **at;

	pthread_mutex_lock(&s->admin->lock);
	for (at = &s->admin->streams; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	if (s->suspended)
		atomic_fetch_sub(&s->admin->n_suspended, 1);
	pthread_mutex_unlock(&s->admin->lock);
	if (s->done)
		s->done(s->ctx);
	atomic_fetch_sub(&s->admin->n_streams, 1);
	free(s);
}

static void resume_all(struct fl_admin *a)
{
	pthread_mutex_lock(&a->lock);
	for (struct fl_admin_stream *s = a->streams; s; s = s->next)
		if (s->suspended) {
			s->suspended = false;
			atomic_fetch_sub(&a->n_suspended, 1);
			MHD_resume_connection(s->connection);
		}
	pthread_mutex_unlock(&a->lock);
}

void fl_admin_stream_wake(struct fl_admin *a)
{
	atomic_fetch_add(&a->wakes, 1);
	if (atomic_load(&a->n_suspended))
		resume_all(a);
}

/* Streams have no time-out, so a few connections are kept free of them. */
static enum MHD_Result refuse_stream(struct MHD_Connection *conn, const struct fl_admin_response *res)
{
	struct fl_admin_response problem = { 0 };
	enum MHD_Result ok;

	if (res->stream_done)
		res->stream_done(res->stream_ctx);
	fl_admin_problem(&problem, 503, "FL1302", "too many streams are open", "end another one first");
	ok = send_buffer(conn, &problem);
	fl_buf_done(&problem.body);
	return ok;
}

static enum MHD_Result send_stream(struct fl_admin *a, struct MHD_Connection *conn, const struct fl_admin_response *res)
{
	struct fl_admin_stream *s = atomic_load(&a->n_streams) < FL_ADMIN_STREAMS ? calloc(1, sizeof(*s)) : NULL;
	struct MHD_Response *r;
	enum MHD_Result ok = MHD_NO;

	if (!s)
		return refuse_stream(conn, res);
	atomic_fetch_add(&a->n_streams, 1);
	*s = (struct fl_admin_stream){ .admin = a, .connection = conn, .pull = res->stream, .done = res->stream_done, .ctx = res->stream_ctx };
	pthread_mutex_lock(&a->lock);
	s->next = a->streams;
	a->streams = s;
	pthread_mutex_unlock(&a->lock);
	MHD_set_connection_option(conn, MHD_CONNECTION_OPTION_TIMEOUT, 0u); /* a quiet tail is no idle connection */
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, stream_pull, s, stream_free);
	if (!r) {
		stream_free(s);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, res->content_type ? res->content_type : "application/x-ndjson");
	ok = MHD_queue_response(conn, (unsigned)(res->status ? res->status : 200), r);
	MHD_destroy_response(r);
	return ok;
}

/* --- requests --- */

static bool path_fits(const char *pattern, const char *path)
{
	size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '*')
		return strncmp(pattern, path, n - 1) == 0;
	return strcmp(pattern, path) == 0;
}

static const struct fl_admin_route *find_route(const struct fl_admin *a, const char *method, const char *path, bool *other_method)
{
	*other_method = false;
	for (size_t i = 0; i < a->c.n_routes; i++) {
		if (!path_fits(a->c.routes[i].path, path))
			continue;
		if (strcmp(a->c.routes[i].method, method) == 0)
			return &a->c.routes[i];
		*other_method = true;
	}
	return NULL;
}

static void refuse(struct incoming *in, int status, const char *code, const char *detail, const char *hint)
{
	in->route = NULL;
	in->status = status;
	in->code = code;
	in->detail = detail;
	in->hint = hint;
}

/* Everything the head of a request decides. */
static void judge(const struct fl_admin_door *door, struct MHD_Connection *conn, const char *method, const char *path, struct incoming *in)
{
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	bool other;

	if (door->tcp || !fd)
		snprintf(in->actor, sizeof(in->actor), "network");
	else
		fl__admin_peer(fd->connect_fd, door->admin->group, in->actor, &in->may_change);
	in->route = find_route(door->admin, method, path, &other);
	if (!in->route)
		refuse(in, other ? 405 : 404, "FL2103", other ? "this resource does not take that method" : "no such resource", "");
	else if (door->tcp && (in->route->changes || strcmp(path, "/metrics") != 0))
		refuse(in, 403, "FL1301", "only /metrics is served here; commands use the Unix socket", "");
	else if (in->route->changes && !in->may_change)
		refuse(in, 403, "FL1301", "root and the group of the admin socket may change; others read", "sudo, or join the group");
}

static enum MHD_Result answer(struct fl_admin *a, struct MHD_Connection *conn, const char *method, const char *path, const struct incoming *in)
{
	struct fl_arena arena = { 0 };
	struct fl_admin_request req = { .method = method, .path = path, .query = query_of, .body = fl_buf_span(&in->body), .arena = &arena,
					.may_change = in->may_change, .impl = conn };
	struct fl_admin_response res = { 0 };
	enum MHD_Result ok;

	memcpy(req.actor, in->actor, sizeof(req.actor));
	if (in->route)
		in->route->handle(a->c.ctx, &req, &res);
	else
		fl_admin_problem(&res, in->status, in->code, in->detail, in->hint);
	ok = res.stream ? send_stream(a, conn, &res) : send_buffer(conn, &res);
	fl_buf_done(&res.body);
	fl_arena_done(&arena);
	return ok;
}

/* A piece of the body: kept when it will be used, else only counted. */
static enum MHD_Result take(struct incoming *in, const char *data, size_t n)
{
	in->seen += n;
	if (in->seen > FL_ADMIN_DRAIN_MAX)
		return MHD_NO;
	if (in->route && in->seen > FL_ADMIN_BODY_MAX) {
		refuse(in, 413, "FL2102", "the body is over 32 MiB", "");
		fl_buf_done(&in->body);
	}
	if (in->route)
		fl_buf_add(&in->body, data, n);
	return in->body.failed ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version, const char *data, size_t *size,
				  void **state)
{
	const struct fl_admin_door *door = cls;
	struct incoming *in = *state;
	size_t n = *size;

	(void)version;
	if (!in) {
		*state = in = calloc(1, sizeof(*in));
		if (in)
			judge(door, conn, method, url, in);
		return in ? MHD_YES : MHD_NO;
	}
	*size = 0;
	return n ? take(in, data, n) : answer(door->admin, conn, method, url, in);
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **state, enum MHD_RequestTerminationCode why)
{
	struct incoming *in = *state;

	(void)cls, (void)conn, (void)why;
	if (in)
		fl_buf_done(&in->body);
	free(in);
	*state = NULL;
}

/* --- life --- */

static struct MHD_Daemon *start(struct fl_admin_door *door, int fd)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_INTERNAL_POLLING_THREAD;

	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, door, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)FL_ADMIN_CONNECTIONS,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)FL_ADMIN_IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
}

static int open_one(struct fl_admin_door *door, int fd, struct MHD_Daemon **out, struct fl_err *err)
{
	if (fd < 0)
		return fd;
	*out = start(door, fd);
	if (*out)
		return 0;
	close(fd);
	return fl_err_set(err, FL_ELIMIT, "the admin server cannot be started");
}

int fl_admin_open(const struct fl_admin_config *c, struct fl_admin **out, struct fl_err *err)
{
	struct fl_admin *a = calloc(1, sizeof(*a));
	int ret = 0;

	if (!a)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	a->c = *c;
	a->unix_door.admin = a->tcp_door.admin = a;
	a->tcp_door.tcp = true;
	snprintf(a->group, sizeof(a->group), "%s", c->group ? c->group : "");
	pthread_mutex_init(&a->lock, NULL);
	if (c->unix_path) {
		ret = open_one(&a->unix_door, fl__admin_listen_unix(c->unix_path, c->mode ? c->mode : 0666, c->group, err), &a->unix_daemon, err);
		if (ret == 0)
			snprintf(a->unix_path, sizeof(a->unix_path), "%s", c->unix_path);
	}
	if (ret == 0 && c->tcp_address)
		ret = open_one(&a->tcp_door, fl__admin_listen_tcp(c->tcp_address, err), &a->tcp_daemon, err);
	if (ret < 0) {
		fl_admin_close(a);
		return ret;
	}
	*out = a;
	return 0;
}

void fl_admin_close(struct fl_admin *a)
{
	if (!a)
		return;
	atomic_store(&a->closing, true);
	resume_all(a);
	if (a->unix_daemon)
		MHD_stop_daemon(a->unix_daemon);
	if (a->tcp_daemon)
		MHD_stop_daemon(a->tcp_daemon);
	if (a->unix_path[0])
		unlink(a->unix_path);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
