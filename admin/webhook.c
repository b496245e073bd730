/* The listener of webhooks. One thread of libmicrohttpd's serves all connections; a second one looks at the time: it answers for a handler that takes too long, and cuts off who is too slow.
 *
 *   READING -> WAITING (suspended, with the handler) -> ANSWERED (resumed)     under the lock, since handler, clock and connection meet here
 *
 * A request has two owners while it waits, its connection and the handler: the last one frees it. A suspended connection cannot end, so it is there when the answer comes. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin_int.h"
#include "admin/webhook_int.h"
#include "admin/webhook_mhd.h"
#include "base/text.h"

enum { DURABLE_MS = 10000, REQUEST_MS = 30000, IDLE_MS = 10000, TICK_MS = 100, RETRY_FULL_S = 1, RETRY_LATE_S = 5, RETRY_SHUT_S = 60 };

struct table {
	struct fl_arena arena;
	const struct fl_webhook_row *rows;
	size_t n, refs;
};

/* One connection: what the clock must know of it. */
struct client {
	int fd;
	fl_mono_ns since; /* it began, or its last request ended */
	bool waits;	  /* for the handler: that time is not its own */
	struct client *prev, *next;
};

struct request {
	struct fl_webhook_request pub; /* first */
	struct fl_webhook *w;
	struct table *table;
	struct client *client;
	struct MHD_Connection *connection;
	enum { READING, WAITING, ANSWERED } state;
	unsigned refs;
	bool refused;
	enum fl_webhook_refusal why;
	unsigned retry_after_s;
	uint64_t seen; /* octets of body */
	struct fl_buf body;
	fl_mono_ns until; /* while it waits */
	struct fl_webhook_reply reply;
	struct request *prev, *next; /* of those that wait */
};

struct fl_webhook {
	struct fl_webhook_config c; /* its texts are not kept */
	struct MHD_Daemon *daemon;
	unsigned port;
	struct fl__limit *limit; /* the listener's thread */
	pthread_t clock;
	bool clock_up;
	pthread_mutex_t lock;
	pthread_cond_t ticks;
	size_t refs; /* owner and requests */
	bool closing;
	struct table *table;
	struct client *clients;
	struct request *waiting;
	size_t held; /* octets of bodies */
};

static fl_mono_ns mono(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * FL_NS_PER_S + t.tv_nsec;
}

static fl_unix_us wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * FL_US_PER_S + t.tv_nsec / 1000;
}

/* --- who owns what; all under the lock --- */

static void table_drop(struct table *t)
{
	if (!t || --t->refs)
		return;
	fl_arena_done(&t->arena);
	free(t);
}

/* Gives up the lock. */
static void unlock_drop(struct fl_webhook *w, size_t refs)
{
	bool last = (w->refs -= refs) == 0;

	if (last)
		table_drop(w->table);
	pthread_mutex_unlock(&w->lock);
	if (!last)
		return;
	fl__limit_free(w->limit);
	pthread_cond_destroy(&w->ticks);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* One owner less. Takes the lock. */
static void request_drop(struct request *r)
{
	struct fl_webhook *w = r->w;
	bool last;

	pthread_mutex_lock(&w->lock);
	last = --r->refs == 0;
	if (last) {
		w->held -= r->body.cap;
		table_drop(r->table);
	}
	unlock_drop(w, last);
	if (!last)
		return;
	fl_buf_done(&r->body);
	fl_buf_done(&r->reply.body);
	free(r);
}

static struct request *request_new(struct fl_webhook *w, struct MHD_Connection *conn)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->w = w;
	r->connection = conn;
	r->refs = 1;
	pthread_mutex_lock(&w->lock);
	w->refs++;
	r->table = w->table;
	if (r->table)
		r->table->refs++;
	pthread_mutex_unlock(&w->lock);
	return r;
}

/* From WAITING; the reply is there. */
static void resume(struct request *r)
{
	struct fl_webhook *w = r->w;

	if (r->prev)
		r->prev->next = r->next;
	else
		w->waiting = r->next;
	if (r->next)
		r->next->prev = r->prev;
	r->state = ANSWERED;
	r->client->waits = false;
	MHD_resume_connection(r->connection);
}

static void resume_late(struct request *r)
{
	fl__webhook_refusal(&r->reply, FL_WEBHOOK_LATE, RETRY_LATE_S);
	r->refused = true;
	r->why = FL_WEBHOOK_LATE;
	resume(r);
}

void fl_webhook_answer(struct fl_webhook_request *take_req, struct fl_webhook_reply *take_reply)
{
	struct request *r = (struct request *)take_req;

	pthread_mutex_lock(&r->w->lock);
	if (r->state == WAITING) {
		r->reply = *take_reply;
		*take_reply = (struct fl_webhook_reply){ 0 };
		resume(r);
	}
	pthread_mutex_unlock(&r->w->lock);
	fl_buf_done(&take_reply->body);
	request_drop(r);
}

/* --- the head --- */

static void refuse(struct request *r, enum fl_webhook_refusal why, unsigned retry_after_s)
{
	if (r->refused)
		return;
	r->refused = true;
	r->why = why;
	r->retry_after_s = retry_after_s;
}

static const char *header(struct MHD_Connection *conn, const char *name)
{
	return MHD_lookup_connection_value(conn, MHD_HEADER_KIND, name);
}

/* IPv4 as it is mapped into IPv6; of IPv6 the first 64 bits, since whoever has one such address has them all. */
static void address_of(struct MHD_Connection *conn, char text[48], uint8_t key[16])
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *a = info ? info->client_addr : NULL;

	memset(key, 0, 16);
	text[0] = '\0';
	if (a && a->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)a;

		memset(key + 10, 0xff, 2);
		memcpy(key + 12, &v4->sin_addr, 4);
		inet_ntop(AF_INET, &v4->sin_addr, text, 48);
	} else if (a && a->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;

		memcpy(key, &v6->sin6_addr, IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) ? 16 : 8);
		inet_ntop(AF_INET6, &v6->sin6_addr, text, 48);
	}
}

static const struct fl_webhook_row *row_of(const struct table *t, const char *path)
{
	for (size_t i = 0; t && i < t->n; i++)
		if (strcmp(t->rows[i].path, path) == 0)
			return &t->rows[i];
	return NULL;
}

/* Everything the head decides. */
static void judge(struct request *r, struct MHD_Connection *conn, const char *path, const char *method)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const char *encoding = header(conn, MHD_HTTP_HEADER_CONTENT_ENCODING), *length = header(conn, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint8_t key[16];
	uint64_t n = 0;
	unsigned wait_s;

	r->client = info->socket_context;
	address_of(conn, r->pub.client, key);
	r->pub.row = row_of(r->table, path);
	wait_s = fl__limit_take(r->w->limit, key, mono());
	if (wait_s)
		refuse(r, FL_WEBHOOK_LIMITED, wait_s);
	if (!r->pub.row)
		refuse(r, FL_WEBHOOK_UNKNOWN, 0);
	if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
		refuse(r, FL_WEBHOOK_METHOD, 0);
	if (r->pub.row && r->pub.row->n_secrets == 0)
		refuse(r, FL_WEBHOOK_SHUT, RETRY_SHUT_S);
	if (encoding && strcasecmp(encoding, "identity") != 0)
		refuse(r, FL_WEBHOOK_ENCODING, 0);
	if (!header(conn, "X-Fireline-Signature") && !header(conn, "X-Hub-Signature-256"))
		refuse(r, FL_WEBHOOK_UNSIGNED, 0);
	if (length && (!fl_u64_parse(fl_span_str(length), &n) || n > r->w->c.max_bytes))
		refuse(r, FL_WEBHOOK_TOO_LARGE, 0);
}

/* A sender hears the answer best when it has sent what it meant to; one that waits for "100 Continue", or has far too much, is told at once, and its connection ends. */
static bool tell_at_once(const struct request *r, struct MHD_Connection *conn)
{
	const char *length = header(conn, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t n = 0;

	if (!r->refused)
		return false;
	return header(conn, MHD_HTTP_HEADER_EXPECT) || (length && (!fl_u64_parse(fl_span_str(length), &n) || n > r->w->c.max_bytes + FL_WEBHOOK_DRAIN));
}

/* --- body and answer --- */

/* Counted by what is allocated, before it is. */
static bool room(struct request *r, size_t more)
{
	size_t before = r->body.cap, want;
	bool ok;

	if (r->body.n + more > before) {
		want = r->body.n + more > 2 * before ? r->body.n + more : 2 * before;
		pthread_mutex_lock(&r->w->lock);
		ok = r->w->held + (want - before) <= FL_WEBHOOK_HELD;
		pthread_mutex_unlock(&r->w->lock);
		if (!ok || !fl_buf_reserve(&r->body, want - r->body.n))
			return false;
		pthread_mutex_lock(&r->w->lock);
		r->w->held += r->body.cap - before;
		pthread_mutex_unlock(&r->w->lock);
	}
	return true;
}

static enum MHD_Result take(struct request *r, const char *data, size_t n)
{
	r->seen += n;
	if (r->seen > r->w->c.max_bytes)
		refuse(r, FL_WEBHOOK_TOO_LARGE, 0);
	if (r->seen > r->w->c.max_bytes + FL_WEBHOOK_DRAIN) /* without a length, and no end: there is no answer in the middle of a body */
		return MHD_NO;
	if (!r->refused && !room(r, n))
		refuse(r, FL_WEBHOOK_FULL, RETRY_FULL_S);
	if (!r->refused)
		fl_buf_add(&r->body, data, n);
	return MHD_YES;
}

static enum MHD_Result tell_refusal(struct request *r, struct MHD_Connection *conn)
{
	if (!r->reply.status)
		fl__webhook_refusal(&r->reply, r->why, r->retry_after_s);
	r->w->c.refused(r->w->c.ctx, r->pub.row, r->why);
	return fl__webhook_send(conn, &r->reply);
}

static void check_signature(struct request *r, struct MHD_Connection *conn)
{
	struct fl__signature_head head = { header(conn, "X-Fireline-Signature"), header(conn, "X-Hub-Signature-256"), header(conn, "X-Fireline-Timestamp") };

	if (!r->refused && !fl__signature_right(&head, r->pub.row->secrets, r->pub.row->n_secrets, fl_buf_span(&r->body), wall()))
		refuse(r, FL_WEBHOOK_UNSIGNED, 0);
}

/* Suspended before the handler hears of it, which may answer at once. */
static bool wait_for_handler(struct request *r, struct MHD_Connection *conn)
{
	struct fl_webhook *w = r->w;
	bool closing;

	pthread_mutex_lock(&w->lock);
	closing = w->closing;
	if (!closing) {
		r->pub.body = fl_buf_span(&r->body);
		r->state = WAITING;
		r->until = mono() + w->c.durable_ms * FL_NS_PER_MS;
		r->client->waits = true;
		r->refs++;
		r->prev = NULL;
		r->next = w->waiting;
		if (r->next)
			r->next->prev = r;
		w->waiting = r;
		MHD_suspend_connection(conn);
	}
	pthread_mutex_unlock(&w->lock);
	return !closing;
}

static enum MHD_Result whole(struct request *r, struct MHD_Connection *conn)
{
	check_signature(r, conn);
	if (r->refused)
		return tell_refusal(r, conn);
	if (!wait_for_handler(r, conn)) {
		refuse(r, FL_WEBHOOK_LATE, RETRY_LATE_S);
		return tell_refusal(r, conn);
	}
	r->w->c.handle(r->w->c.ctx, &r->pub);
	return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *path, const char *method, const char *version, const char *data, size_t *size,
				  void **state)
{
	struct request *r = *state;
	size_t n = *size;
	bool answered;

	(void)version;
	if (!r) {
		*state = r = request_new(cls, conn);
		if (!r)
			return MHD_NO;
		judge(r, conn, path, method);
		return tell_at_once(r, conn) ? tell_refusal(r, conn) : MHD_YES;
	}
	*size = 0;
	if (n)
		return take(r, data, n);
	pthread_mutex_lock(&r->w->lock);
	answered = r->state == ANSWERED;
	pthread_mutex_unlock(&r->w->lock);
	if (!answered)
		return whole(r, conn);
	return r->refused ? tell_refusal(r, conn) : fl__webhook_send(conn, &r->reply);
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **state, enum MHD_RequestTerminationCode why)
{
	struct fl_webhook *w = cls;
	struct request *r = *state;

	(void)conn, (void)why;
	*state = NULL;
	if (!r)
		return;
	if (r->client) {
		pthread_mutex_lock(&w->lock);
		r->client->since = mono();
		pthread_mutex_unlock(&w->lock);
	}
	request_drop(r);
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct fl_webhook *w = cls;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct client *c = *context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = c = calloc(1, sizeof(*c));
		if (!c)
			abort(); /* without it nobody would watch this connection */
		*c = (struct client){ .fd = info ? info->connect_fd : -1, .since = mono() };
		pthread_mutex_lock(&w->lock);
		c->next = w->clients;
		if (c->next)
			c->next->prev = c;
		w->clients = c;
		pthread_mutex_unlock(&w->lock);
		return;
	}
	/* before the socket is closed: the clock does not shut a descriptor that is another's by then */
	pthread_mutex_lock(&w->lock);
	if (c->prev)
		c->prev->next = c->next;
	else
		w->clients = c->next;
	if (c->next)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&w->lock);
	free(c);
	*context = NULL;
}

/* --- the clock --- */

static void look_at_the_time(struct fl_webhook *w)
{
	fl_mono_ns now = mono();
	struct request *next;

	for (struct request *r = w->waiting; r; r = next) {
		next = r->next;
		if (r->until <= now)
			resume_late(r);
	}
	for (struct client *c = w->clients; c; c = c->next)
		if (!c->waits && c->fd >= 0 && c->since + w->c.request_ms * FL_NS_PER_MS < now) {
			shutdown(c->fd, SHUT_RDWR);
			c->fd = -1;
		}
}

static void *clock_thread(void *arg)
{
	struct fl_webhook *w = arg;
	struct timespec t;
	fl_mono_ns at;

	pthread_mutex_lock(&w->lock);
	while (!w->closing) {
		look_at_the_time(w);
		at = mono() + TICK_MS * FL_NS_PER_MS;
		t = (struct timespec){ at / FL_NS_PER_S, at % FL_NS_PER_S };
		pthread_cond_timedwait(&w->ticks, &w->lock, &t);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* --- life --- */

/* A path is compared as it was sent. */
static size_t as_it_stands(void *cls, struct MHD_Connection *conn, char *s)
{
	(void)cls, (void)conn;
	return strlen(s);
}

static struct MHD_Daemon *start(struct fl_webhook *w, int fd, const struct fl_webhook_config *c)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_INTERNAL_POLLING_THREAD | (c->cert_pem ? (unsigned)MHD_USE_TLS : 0);
	struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)c->cert_pem },
					{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)c->key_pem },
					{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
					{ MHD_OPTION_END, 0, NULL } };

	if (!c->cert_pem)
		tls[0].option = MHD_OPTION_END;
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, w, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)FL_WEBHOOK_CONNECTIONS,
				MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)FL_WEBHOOK_CONNECTIONS_EACH, MHD_OPTION_CONNECTION_TIMEOUT,
				(unsigned)((w->c.idle_ms + 999) / 1000), MHD_OPTION_NOTIFY_COMPLETED, on_completed, w, MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
				MHD_OPTION_UNESCAPE_CALLBACK, as_it_stands, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t n = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return 0;
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
}

static int listen_and_start(struct fl_webhook *w, const struct fl_webhook_config *c, struct fl_err *err)
{
	int fd;

	if (c->cert_pem && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return fl_err_set(err, FL_ECONFIG, "webhook: this libmicrohttpd has no TLS");
	fd = fl__admin_listen_tcp(c->address, err);
	if (fd < 0)
		return fl_err_wrap(err, fd, "webhook");
	w->port = port_of(fd);
	w->daemon = start(w, fd, c);
	if (w->daemon)
		return 0;
	close(fd);
	return fl_err_set(err, FL_ECONFIG, c->cert_pem ? "webhook: certificate and key are refused" : "webhook: the listener cannot be started");
}

int fl_webhook_open(const struct fl_webhook_config *c, struct fl_webhook **out, struct fl_err *err)
{
	struct fl_webhook *w = calloc(1, sizeof(*w));
	struct fl__limit *limit = fl__limit_new(c->rate);
	pthread_condattr_t monotonic;
	int ret;

	if (!w || !limit) {
		free(w);
		fl__limit_free(limit);
		return fl_err_set(err, FL_ENOMEM, "webhook: out of memory");
	}
	w->c = *c;
	w->c.address = w->c.cert_pem = w->c.key_pem = NULL;
	w->c.durable_ms = c->durable_ms ? c->durable_ms : DURABLE_MS;
	w->c.request_ms = c->request_ms ? c->request_ms : REQUEST_MS;
	w->c.idle_ms = c->idle_ms ? c->idle_ms : IDLE_MS;
	w->limit = limit;
	w->refs = 1;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->ticks, &monotonic);
	pthread_condattr_destroy(&monotonic);
	ret = listen_and_start(w, c, err);
	if (ret == 0) {
		w->clock_up = pthread_create(&w->clock, NULL, clock_thread, w) == 0;
		if (!w->clock_up)
			ret = fl_err_set(err, FL_ELIMIT, "webhook: no thread");
	}
	if (ret < 0) {
		fl_webhook_close(w);
		return ret;
	}
	*out = w;
	return 0;
}

int fl_webhook_rows(struct fl_webhook *w, struct fl_arena take_arena, const struct fl_webhook_row *rows, size_t n)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t) {
		fl_arena_done(&take_arena);
		return FL_ENOMEM;
	}
	*t = (struct table){ take_arena, rows, n, 1 };
	pthread_mutex_lock(&w->lock);
	table_drop(w->table);
	w->table = t;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

unsigned fl_webhook_port(const struct fl_webhook *w)
{
	return w->port;
}

void fl_webhook_close(struct fl_webhook *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	while (w->waiting)
		resume_late(w->waiting);
	pthread_cond_signal(&w->ticks);
	pthread_mutex_unlock(&w->lock);
	if (w->clock_up)
		pthread_join(w->clock, NULL);
	if (w->daemon)
		MHD_stop_daemon(w->daemon);
	pthread_mutex_lock(&w->lock);
	unlock_drop(w, 1);
}
