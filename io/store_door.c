/* The Redis door: connects lazily, at most every 100 ms, drops the link after any failure, and says of each failure
 * whether anything can have been carried out. Scripts go by digest, which SCRIPT LOAD tells once for each body. Not
 * thread-safe: one door a thread. Start at redis_call and redis_eval. */
#include "io/store.h"

#include "io/store_error.h"
#include "io/store_redis.h"

enum { SCRIPTS_MAX = 64, SHA_HEX = 40 };
#define RECONNECT_NS (100 * FL_NS_PER_MS)

struct known_script {
	char *body;
	size_t n;
	char sha[SHA_HEX + 1];
};

struct door {
	struct fl_store door;
	struct fl__redis_target target;
	struct fl__redis_link *link; /* NULL: not connected */
	fl_mono_ns next_try;
	struct fl_err why; /* what the last attempt to connect said */
	char *prefix;
	struct known_script scripts[SCRIPTS_MAX]; /* a ring: when full, the oldest gives way */
	size_t n_scripts, next_script;
	struct fl__redis_sub sub;
};

static struct door *door_of(struct fl_store *s)
{
	return (struct door *)s;
}

static void drop_link(struct door *d)
{
	fl__redis_link_free(d->link);
	d->link = NULL;
	fl_err_set(&d->why, FL_EUNAVAIL, "redis: %s: the connection was lost", d->target.shown);
}

/* ---- connecting ---- */

void fl__redis_hello_init(struct fl__redis_hello *h, const struct fl__redis_target *t)
{
	struct fl_span *a = h->argv;

	h->n = 0;
	if (t->password) {
		struct fl_span *begin = a;

		*a++ = fl_span_str("AUTH");
		if (t->username)
			*a++ = fl_span_str(t->username);
		*a++ = fl_span_str(t->password);
		h->cmds[h->n++] = (struct fl_cmd){ begin, (size_t)(a - begin) };
	}
	if (t->db) {
		snprintf(h->db, sizeof(h->db), "%u", t->db);
		a[0] = fl_span_str("SELECT");
		a[1] = fl_span_str(h->db);
		h->cmds[h->n++] = (struct fl_cmd){ a, 2 };
		a += 2;
	}
	a[0] = fl_span_str("PING");
	h->cmds[h->n++] = (struct fl_cmd){ a, 1 };
}

static bool begins(const struct fl_reply *r, const char *word)
{
	return r->type == FL_REPLY_ERROR && r->s.n >= strlen(word) && memcmp(r->s.p, word, strlen(word)) == 0;
}

/* Any error to AUTH and SELECT; to PING those that every command would get ("ERR": too many clients). */
static bool refuses(const struct fl_reply *r, bool ping)
{
	if (!ping)
		return r->type == FL_REPLY_ERROR;
	return begins(r, "LOADING ") || begins(r, "NOAUTH ") || begins(r, "ERR ");
}

/* The server's first words. The PING shows a server that is loading or full before it could swallow a real command; a
 * user who may not ping is fine. */
static int greet(struct door *d, struct fl__redis_link *l, struct fl_err *err)
{
	struct fl_reply r[FL__REDIS_HELLO_MAX];
	struct fl__redis_hello hello;
	struct fl_arena arena = { 0 };
	int ret;

	fl__redis_hello_init(&hello, &d->target);
	ret = fl__redis_link_exchange(l, hello.cmds, hello.n, d->target.connect_timeout_ms, &arena, r, err);
	if (ret < 0) {
		ret = fl_err_wrap(err, FL_EUNAVAIL, "redis: %s", d->target.shown);
		goto out;
	}
	for (size_t i = 0; i < hello.n; i++) {
		if (!refuses(&r[i], i + 1 == hello.n))
			continue;
		ret = fl_err_set(err, FL_EUNAVAIL, "redis: %s: %.*s refused: %.*s", d->target.shown,
				 (int)hello.cmds[i].argv[0].n, (const char *)hello.cmds[i].argv[0].p,
				 r[i].s.n > 300 ? 300 : (int)r[i].s.n, (const char *)r[i].s.p);
		break;
	}
out:
	fl_arena_done(&arena);
	return ret;
}

static int connect_now(struct door *d, struct fl_err *err)
{
	struct fl__redis_link *l;
	int fd, ret = fl__redis_connect(&d->target, &fd, err);

	if (ret < 0)
		return ret;
	l = fl__redis_link_new(fd);
	if (!l)
		return fl_err_set(err, FL_ENOMEM, "redis: out of memory");
	ret = greet(d, l, err);
	if (ret < 0)
		fl__redis_link_free(l);
	else
		d->link = l;
	return ret;
}

/* A link that the server has not closed meanwhile, or FL_EUNAVAIL. */
static int want_link(struct door *d, struct fl_err *err)
{
	int ret;

	if (d->link && fl__redis_link_is_stale(d->link))
		drop_link(d);
	if (d->link)
		return 0;
	if (fl__redis_now() >= d->next_try) {
		ret = connect_now(d, &d->why);
		d->next_try = fl__redis_now() + RECONNECT_NS;
		if (ret == 0)
			return 0;
	}
	return fl_err_set(err, d->why.code, "%s", d->why.text);
}

/* ---- calls ---- */

static int exchange(struct door *d, const struct fl_cmd *cmds, size_t n, struct fl_arena *arena, struct fl_reply *out,
		    struct fl_err *err)
{
	int ret = want_link(d, err);

	if (ret < 0)
		return ret;
	ret = fl__redis_link_exchange(d->link, cmds, n, d->target.timeout_ms, arena, out, err);
	if (ret < 0)
		drop_link(d);
	return ret;
}

/* A replica, or one without its master: the name may lead elsewhere by now, so the next call connects anew. */
static void leave_replica(struct door *d, const struct fl_reply *r)
{
	if (begins(r, "READONLY ") || begins(r, "MASTERDOWN "))
		drop_link(d);
}

static int redis_call(struct fl_store *s, const struct fl_cmd *cmds, size_t n, struct fl_arena *arena,
		      struct fl_reply **out, struct fl_err *err)
{
	struct door *d = door_of(s);
	struct fl_reply *v = fl_arena_array(arena, n, sizeof(*v));
	int ret;

	if (!v)
		return fl_err_set(err, FL_ENOMEM, "redis: out of memory");
	for (size_t i = 0; i < n; i++)
		if (cmds[i].argc == 0)
			return fl_err_set(err, FL_EUSAGE, "redis: an empty command");
	ret = n ? exchange(d, cmds, n, arena, v, err) : 0;
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < n; i++)
		leave_replica(d, &v[i]);
	*out = v;
	return 0;
}

/* ---- scripts ---- */

static const struct known_script *find_script(const struct door *d, struct fl_span body)
{
	for (size_t i = 0; i < d->n_scripts; i++)
		if (fl_span_eq(fl_span(d->scripts[i].body, d->scripts[i].n), body))
			return &d->scripts[i];
	return NULL;
}

static const struct known_script *keep_script(struct door *d, struct fl_span body, struct fl_span sha)
{
	struct known_script *k = &d->scripts[d->next_script];
	char *copy = malloc(body.n + 1);

	if (!copy)
		return NULL;
	memcpy(copy, body.p, body.n);
	free(k->body);
	k->body = copy;
	k->n = body.n;
	memcpy(k->sha, sha.p, SHA_HEX);
	k->sha[SHA_HEX] = '\0';
	d->next_script = (d->next_script + 1) % SCRIPTS_MAX;
	if (d->n_scripts < SCRIPTS_MAX)
		d->n_scripts++;
	return k;
}

/* *out NULL: not known by digest (no memory, or a user who may not load), so send the body. Nothing of the script has
 * run, whatever happens here. */
static int learn_script(struct door *d, struct fl_span body, struct fl_arena *arena, const struct known_script **out,
			struct fl_err *err)
{
	struct fl_span argv[] = { fl_span_str("SCRIPT"), fl_span_str("LOAD"), body };
	struct fl_cmd cmd = { argv, 3 };
	struct fl_reply r;
	int ret;

	*out = find_script(d, body);
	if (*out)
		return 0;
	ret = exchange(d, &cmd, 1, arena, &r, err);
	if (ret == FL_EUNKNOWN)
		return fl_err_wrap(err, FL_EUNAVAIL, "SCRIPT LOAD");
	if (ret == 0 && r.type == FL_REPLY_STRING && r.s.n == SHA_HEX)
		*out = keep_script(d, body, r.s);
	return ret;
}

static int redis_eval(struct fl_store *s, const struct fl_script *script, const struct fl_span *keys, size_t n_keys,
		      const struct fl_span *args, size_t n_args, struct fl_arena *arena, struct fl_reply *out,
		      struct fl_err *err)
{
	struct door *d = door_of(s);
	struct fl_span body = fl_span_str(script->body), *argv;
	const struct known_script *known;
	struct fl_reply r = { .type = FL_REPLY_NIL };
	struct fl_cmd cmd;
	char count[24];
	int ret;

	argv = n_keys > SIZE_MAX / 4 || n_args > SIZE_MAX / 4
		       ? NULL
		       : fl_arena_array(arena, 3 + n_keys + n_args, sizeof(*argv));
	if (!argv)
		return fl_err_set(err, FL_ENOMEM, "redis: out of memory");
	ret = learn_script(d, body, arena, &known, err);
	if (ret < 0)
		return ret;
	snprintf(count, sizeof(count), "%zu", n_keys);
	argv[0] = fl_span_str(known ? "EVALSHA" : "EVAL");
	argv[1] = known ? fl_span_str(known->sha) : body;
	argv[2] = fl_span_str(count);
	if (n_keys)
		memcpy(argv + 3, keys, n_keys * sizeof(*argv));
	if (n_args)
		memcpy(argv + 3 + n_keys, args, n_args * sizeof(*argv));
	cmd = (struct fl_cmd){ argv, 3 + n_keys + n_args };
	ret = exchange(d, &cmd, 1, arena, &r, err);
	if (ret == 0 && known && begins(&r, "NOSCRIPT")) { /* the server was started again: it has not run */
		argv[0] = fl_span_str("EVAL");
		argv[1] = body;
		ret = exchange(d, &cmd, 1, arena, &r, err);
	}
	if (ret < 0)
		return fl_err_wrap(err, ret, "%s", script->name);
	leave_replica(d, &r);
	if (r.type == FL_REPLY_ERROR)
		return fl__store_error(script->name, r.s, err);
	*out = r;
	return 0;
}

/* ---- the rest of the door ---- */

static int redis_wake_next(struct fl_store *s, char *name, size_t cap)
{
	return fl__redis_sub_next(&door_of(s)->sub, &door_of(s)->target, name, cap);
}

static int redis_wake_fd(struct fl_store *s)
{
	return fl__redis_sub_fd(&door_of(s)->sub, &door_of(s)->target);
}

static void redis_close(struct fl_store *s)
{
	struct door *d = door_of(s);

	drop_link(d);
	fl__redis_sub_done(&d->sub);
	fl__redis_target_done(&d->target);
	for (size_t i = 0; i < d->n_scripts; i++)
		free(d->scripts[i].body);
	free(d->prefix);
	free(d);
}

static const struct fl_store_ops redis_ops = { redis_call, redis_eval, redis_wake_next, redis_wake_fd, redis_close };

int fl_store_redis_open(const struct fl_store_redis_config *cfg, struct fl_store **out, struct fl_err *err)
{
	struct door *d = calloc(1, sizeof(*d));
	const char *prefix = cfg->prefix ? cfg->prefix : "{fl}:";
	int ret;

	if (!d)
		return fl_err_set(err, FL_ENOMEM, "redis: out of memory");
	ret = fl__redis_target_init(&d->target, cfg, err);
	if (ret < 0)
		goto out;
	d->prefix = strdup(prefix);
	if (!d->prefix || !fl__redis_sub_init(&d->sub, prefix)) {
		ret = fl_err_set(err, FL_ENOMEM, "redis: out of memory");
		goto out;
	}
	d->door = (struct fl_store){ &redis_ops, d->prefix };
	*out = &d->door;
	d = NULL; /* handed over */
out:
	if (d)
		redis_close(&d->door);
	return ret;
}
