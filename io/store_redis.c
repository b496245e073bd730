/* One connection to Redis: commands out, replies in. The home of hiredis, of which it uses the formatter and the
 * reader; what hiredis has read is copied into the caller's arena. Everything waits until a deadline at most, and takes
 * in REPLY_MAX bytes a call at most. */
#include "io/store_redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

enum { FILL_BYTES = 64 * 1024, CMD_ARGS = 32 };
#define REPLY_MAX ((size_t)1 << 30)
#define ELEMENTS_MAX 4000000 /* hiredis believes an array's header and allocates what it says */

struct fl__redis_link {
	int fd;
	redisReader *reader;
	const redisReplyObjectFunctions *own; /* hiredis' */
	redisReplyObjectFunctions fns;        /* the same, with arrays bounded */
	uint8_t in[FILL_BYTES];
};

#if HIREDIS_MAJOR >= 1
typedef size_t array_size;
#else
typedef int array_size;
#endif

static void *bounded_array(const redisReadTask *task, array_size n)
{
	const struct fl__redis_link *l = task->privdata;

	return (int64_t)n < 0 || (int64_t)n > ELEMENTS_MAX ? NULL : l->own->createArray(task, n);
}

struct fl__redis_link *fl__redis_link_new(int take_fd)
{
	struct fl__redis_link *l = calloc(1, sizeof(*l));

	if (l) {
		l->fd = take_fd;
		l->reader = redisReaderCreate();
	}
	if (!l || !l->reader) {
		free(l);
		close(take_fd);
		return NULL;
	}
	l->own = l->reader->fn;
	l->fns = *l->own;
	l->fns.createArray = bounded_array;
	l->reader->fn = &l->fns;
	l->reader->privdata = l;
	return l;
}

void fl__redis_link_free(struct fl__redis_link *l)
{
	if (!l)
		return;
	redisReaderFree(l->reader);
	close(l->fd);
	free(l);
}

int fl__redis_link_fd(const struct fl__redis_link *l)
{
	return l->fd;
}

/* ---- out ---- */

static bool format_one(struct fl_buf *buf, const struct fl_cmd *cmd)
{
	const char *few[CMD_ARGS], **argv = few;
	size_t few_n[CMD_ARGS], *argv_n = few_n;
	char *text = NULL;
	long long n = -1;

	if (cmd->argc > CMD_ARGS) {
		argv = reallocarray(NULL, cmd->argc, sizeof(*argv));
		argv_n = reallocarray(NULL, cmd->argc, sizeof(*argv_n));
	}
	if (argv && argv_n && cmd->argc <= INT_MAX) {
		for (size_t i = 0; i < cmd->argc; i++) {
			argv[i] = cmd->argv[i].n ? (const char *)cmd->argv[i].p : "";
			argv_n[i] = cmd->argv[i].n;
		}
		n = redisFormatCommandArgv(&text, (int)cmd->argc, argv, argv_n);
	}
	if (n > 0)
		fl_buf_add(buf, text, (size_t)n);
	if (text)
		redisFreeCommand(text);
	if (argv != few)
		free(argv);
	if (argv_n != few_n)
		free(argv_n);
	return n > 0 && !buf->failed;
}

bool fl__redis_format(struct fl_buf *buf, const struct fl_cmd *cmds, size_t n, size_t *first)
{
	for (size_t i = 0; i < n; i++) {
		if (!format_one(buf, &cmds[i]))
			return false;
		if (i == 0 && first)
			*first = buf->n;
	}
	return true;
}

ssize_t fl__redis_link_send(struct fl__redis_link *l, const uint8_t *p, size_t n)
{
	ssize_t sent;

	do
		sent = send(l->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return sent;
}

/* ---- in ---- */

ssize_t fl__redis_link_fill(struct fl__redis_link *l)
{
	ssize_t n;

	do
		n = recv(l->fd, l->in, sizeof(l->in), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	if (n == 0) {
		errno = ECONNRESET;
		return -1;
	}
	if (redisReaderFeed(l->reader, (const char *)l->in, (size_t)n) != REDIS_OK) {
		errno = ENOMEM;
		return -1;
	}
	return n;
}

static bool copy_text(struct fl_arena *arena, enum fl_reply_type type, const redisReply *r, struct fl_reply *out)
{
	uint8_t *p = fl_arena_alloc(arena, r->len + 1);

	if (!p)
		return false;
	memcpy(p, r->str, r->len);
	*out = (struct fl_reply){ .type = type, .s = fl_span(p, r->len) };
	return true;
}

/* hiredis bounds the depth. */
static bool copy_reply(struct fl_arena *arena, const redisReply *r, struct fl_reply *out)
{
	switch (r->type) {
	case REDIS_REPLY_STRING:
		return copy_text(arena, FL_REPLY_STRING, r, out);
	case REDIS_REPLY_STATUS:
		return copy_text(arena, FL_REPLY_STATUS, r, out);
	case REDIS_REPLY_ERROR:
		return copy_text(arena, FL_REPLY_ERROR, r, out);
	case REDIS_REPLY_INTEGER:
		*out = (struct fl_reply){ .type = FL_REPLY_INT, .i = r->integer };
		return true;
	case REDIS_REPLY_ARRAY:
		*out = (struct fl_reply){ .type = FL_REPLY_ARRAY, .n = r->elements };
		out->v = fl_arena_array(arena, r->elements, sizeof(*out->v));
		for (size_t i = 0; out->v && i < r->elements; i++)
			if (!copy_reply(arena, r->element[i], &out->v[i]))
				return false;
		return out->v != NULL;
	default:
		*out = (struct fl_reply){ .type = FL_REPLY_NIL };
		return true;
	}
}

int fl__redis_link_next(struct fl__redis_link *l, struct fl_arena *arena, struct fl_reply *out)
{
	void *reply = NULL;
	bool copied;

	if (redisReaderGetReply(l->reader, &reply) != REDIS_OK)
		return FL_EFORMAT;
	if (!reply)
		return 0;
	copied = copy_reply(arena, reply, out);
	freeReplyObject(reply);
	return copied ? 1 : FL_ENOMEM;
}

bool fl__redis_link_is_stale(const struct fl__redis_link *l)
{
	struct pollfd p = { l->fd, POLLIN | POLLRDHUP, 0 };

	return poll(&p, 1, 0) != 0;
}

/* ---- a call ---- */

static int send_all(struct fl__redis_link *l, struct fl_span out, size_t first, fl_mono_ns deadline, struct fl_err *err)
{
	size_t done = 0;

	while (done < out.n) {
		ssize_t n = fl__redis_link_send(l, out.p + done, out.n - done);
		const char *why = n < 0 ? strerror(errno) : "timed out while sending";

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 || !fl__redis_wait(l->fd, POLLOUT, deadline))
			return fl_err_set(err, done < first ? FL_EUNAVAIL : FL_EUNKNOWN, "redis: %s", why);
	}
	return 0;
}

static int read_all(struct fl__redis_link *l, size_t n, fl_mono_ns deadline, struct fl_arena *arena,
		    struct fl_reply *out, struct fl_err *err)
{
	size_t got = 0, bytes = 0;

	for (;;) {
		ssize_t filled;
		int ret = 1;

		while (got < n && (ret = fl__redis_link_next(l, arena, &out[got])) > 0)
			got++;
		if (got == n)
			return 0;
		if (ret < 0)
			return fl_err_set(err, FL_EUNKNOWN, "redis: the reply was lost: %s",
					  ret == FL_ENOMEM ? "out of memory" : "what came is not the Redis protocol");
		filled = fl__redis_link_fill(l);
		if (filled < 0)
			return fl_err_set(err, FL_EUNKNOWN, "redis: the reply was lost: %s", strerror(errno));
		bytes += (size_t)filled;
		if (bytes > REPLY_MAX)
			return fl_err_set(err, FL_EUNKNOWN, "redis: the reply was refused: over %zu bytes", REPLY_MAX);
		if (fl__redis_now() > deadline || (filled == 0 && !fl__redis_wait(l->fd, POLLIN, deadline)))
			return fl_err_set(err, FL_EUNKNOWN, "redis: no reply in time");
	}
}

int fl__redis_link_exchange(struct fl__redis_link *l, const struct fl_cmd *cmds, size_t n, int timeout_ms,
			    struct fl_arena *arena, struct fl_reply *out, struct fl_err *err)
{
	fl_mono_ns deadline = fl__redis_now() + timeout_ms * FL_NS_PER_MS;
	struct fl_buf buf = { 0 };
	size_t first = 0;
	int ret;

	if (fl__redis_format(&buf, cmds, n, &first))
		ret = send_all(l, fl_buf_span(&buf), first, deadline, err);
	else
		ret = fl_err_set(err, FL_ENOMEM, "redis: out of memory for the command");
	if (ret == 0)
		ret = read_all(l, n, deadline, arena, out, err);
	fl_buf_done(&buf);
	return ret;
}
