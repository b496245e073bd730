/* The subscription: a second link on which PREFIXwake is listened to. Nobody waits for it; each question moves it one
 * step:
 *
 *   down --dial--> connecting --writable: AUTH, SELECT, SUBSCRIBE--> greeted --subscribed--> confirmed
 *     ^-------------------- any trouble; again after RETRY_NS ----------------------------------'
 *
 * What is published while it is down is missed, and nothing relies on it. */
#include "io/store_redis.h"

#include <poll.h>

enum { PENDING_MAX = 1 << 20, REPLIES_A_STEP = 256 };
#define RETRY_NS FL_NS_PER_S

bool fl__redis_sub_init(struct fl__redis_sub *s, const char *prefix)
{
	*s = (struct fl__redis_sub){ 0 };
	return asprintf(&s->channel, "%swake", prefix) >= 0;
}

static void drop(struct fl__redis_sub *s)
{
	fl__redis_link_free(s->link);
	s->link = NULL;
	s->greeted = s->confirmed = false;
	s->pending_bytes = 0;
}

void fl__redis_sub_done(struct fl__redis_sub *s)
{
	drop(s);
	free(s->channel);
	s->channel = NULL;
}

static void start(struct fl__redis_sub *s, const struct fl__redis_target *t, fl_mono_ns now)
{
	int fd;

	if (now < s->next_try)
		return;
	fd = fl__redis_dial(t);
	if (fd == FL__REDIS_NO_ADDRESS)
		return; /* costs nothing to ask again */
	s->next_try = now + RETRY_NS;
	s->deadline = now + t->connect_timeout_ms * FL_NS_PER_MS;
	if (fd >= 0)
		s->link = fl__redis_link_new(fd);
}

/* The greeting is small: a fresh socket takes it whole, or something is wrong with it. */
static bool greet(struct fl__redis_sub *s, const struct fl__redis_target *t)
{
	struct fl_span argv[] = { fl_span_str("SUBSCRIBE"), fl_span_str(s->channel) };
	struct fl_cmd subscribe = { argv, 2 };
	struct fl__redis_hello hello;
	struct fl_buf buf = { 0 };
	bool fine;

	fl__redis_hello_init(&hello, t);
	fine = fl__redis_format(&buf, hello.cmds, hello.n, NULL) && fl__redis_format(&buf, &subscribe, 1, NULL) &&
	       fl__redis_link_send(s->link, buf.p, buf.n) == (ssize_t)buf.n;
	fl_buf_done(&buf);
	return fine;
}

/* Bring it as far as it goes now; true when there may be something to read. */
static bool advance(struct fl__redis_sub *s, const struct fl__redis_target *t)
{
	fl_mono_ns now = fl__redis_now();

	if (!s->link)
		start(s, t, now);
	if (!s->link)
		return false;
	if (!s->confirmed && now > s->deadline) {
		drop(s);
		return false;
	}
	if (!s->greeted) {
		struct pollfd p = { fl__redis_link_fd(s->link), POLLOUT, 0 };

		if (poll(&p, 1, 0) <= 0)
			return false;
		if (!greet(s, t)) {
			drop(s);
			return false;
		}
		s->greeted = true;
	}
	return true;
}

/* 1: a wake, its set in name; 0: nothing of interest; -1: the server refuses us. */
static int take(struct fl__redis_sub *s, const struct fl_reply *r, char *name, size_t cap)
{
	struct fl_span payload;

	if (r->type == FL_REPLY_ERROR)
		return -1;
	if (r->type != FL_REPLY_ARRAY || r->n != 3 || r->v[0].type != FL_REPLY_STRING)
		return 0;
	if (fl_span_eqs(r->v[0].s, "subscribe"))
		s->confirmed = true;
	payload = r->v[2].s;
	if (!fl_span_eqs(r->v[0].s, "message") || payload.n == 0 || payload.n >= cap ||
	    memchr(payload.p, '\0', payload.n))
		return 0;
	memcpy(name, payload.p, payload.n);
	name[payload.n] = '\0';
	return 1;
}

int fl__redis_sub_next(struct fl__redis_sub *s, const struct fl__redis_target *t, char *name, size_t cap)
{
	struct fl_arena arena = { 0 };
	int ret = 0;

	if (!advance(s, t))
		return 0;
	for (int i = 0; i < REPLIES_A_STEP && ret == 0; i++) {
		struct fl_reply r;
		int got = fl__redis_link_next(s->link, &arena, &r);

		if (got == 0) {
			ssize_t n = fl__redis_link_fill(s->link);

			if (n == 0)
				break;
			s->pending_bytes += n > 0 ? (size_t)n : 0;
			if (n < 0 || s->pending_bytes > PENDING_MAX)
				ret = -1; /* broken, or one message without an end */
			continue;
		}
		s->pending_bytes = 0;
		ret = got < 0 ? -1 : take(s, &r, name, cap);
	}
	if (ret < 0)
		drop(s);
	fl_arena_done(&arena);
	return ret > 0;
}

int fl__redis_sub_fd(struct fl__redis_sub *s, const struct fl__redis_target *t)
{
	advance(s, t);
	return s->link ? fl__redis_link_fd(s->link) : -1;
}
