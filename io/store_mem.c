/* The twin in memory: a world (one server) and its doors (clients). Commands are in store_cmd_mem.c and the families it
 * names, scripts in store_lua_mem.c. Faults are asked of the plan before the lock is taken, so that a plan may look at
 * the world or move it. */
#include "io/store_mem.h"

#include <assert.h>
#include <ctype.h>

#include "io/store_error.h"

enum { WAKES_MAX = 1024, WHAT_MAX = 32 };

struct fl__mem_door {
	struct fl_store door;
	struct fl_store_mem *w; /* NULL: the world is gone */
	struct fl__mem_door *next;
	char *prefix;
	bool listening;                       /* since the first question for wakes, as the real door subscribes then */
	struct fl__mem_str *wakes[WAKES_MAX]; /* a ring; the oldest gives way */
	size_t head, count;
};

static struct fl__mem_door *door_of(struct fl_store *s)
{
	return (struct fl__mem_door *)s;
}

/* ---- wakes ---- */

static void wake_put(struct fl__mem_door *d, struct fl_span payload)
{
	if (d->count == WAKES_MAX) {
		free(d->wakes[d->head]);
		d->head = (d->head + 1) % WAKES_MAX;
		d->count--;
	}
	d->wakes[(d->head + d->count++) % WAKES_MAX] = fl__mem_str(payload);
}

size_t fl__mem_publish(struct fl_store_mem *w, struct fl_span channel, struct fl_span payload)
{
	size_t n = 0;

	for (struct fl__mem_door *d = w->doors; d; d = d->next) {
		size_t len = strlen(d->prefix);

		if (!d->listening || channel.n != len + 4 || memcmp(channel.p, d->prefix, len) != 0 ||
		    memcmp(channel.p + len, "wake", 4) != 0)
			continue;
		wake_put(d, payload);
		n++;
	}
	return n;
}

static int mem_wake_next(struct fl_store *s, char *name, size_t cap)
{
	struct fl__mem_door *d = door_of(s);
	struct fl__mem_str *str = NULL;
	int ret = 0;

	if (!d->w)
		return 0;
	pthread_mutex_lock(&d->w->lock);
	d->listening = true;
	while (ret == 0 && d->count) {
		str = d->wakes[d->head];
		d->head = (d->head + 1) % WAKES_MAX;
		d->count--;
		if (str->n < cap && !memchr(str->p, '\0', str->n)) { /* no set has such a name */
			memcpy(name, str->p, str->n);
			name[str->n] = '\0';
			ret = 1;
		}
		free(str);
	}
	pthread_mutex_unlock(&d->w->lock);
	return ret;
}

static int mem_wake_fd(struct fl_store *s)
{
	(void)s;
	return -1;
}

/* ---- calls ---- */

/* What the plan says of this call; 0, or the failure to return before anything is done. */
static int ask_plan(const struct fl__mem_door *d, const char *what, enum fl_fault *fault, struct fl_err *err)
{
	*fault = FL_FAULT_NONE;
	if (!d->w)
		return fl_err_set(err, FL_EUNAVAIL, "redis: %s: the server is gone", what);
	if (d->w->plan)
		*fault = d->w->plan(d->w->plan_ctx, what);
	return *fault == FL_FAULT_BEFORE ? fl_err_set(err, FL_EUNAVAIL, "redis: %s: not reachable", what) : 0;
}

static int lost(const char *what, struct fl_err *err)
{
	return fl_err_set(err, FL_EUNKNOWN, "redis: %s: the reply was lost", what);
}

static int mem_call(struct fl_store *s, const struct fl_cmd *cmds, size_t n, struct fl_arena *arena,
		    struct fl_reply **out, struct fl_err *err)
{
	struct fl__mem_door *d = door_of(s);
	struct fl_reply *v = fl_arena_array(arena, n, sizeof(*v));
	char what[WHAT_MAX] = "";
	enum fl_fault fault;
	int ret;

	if (!v)
		return fl_err_set(err, FL_ENOMEM, "redis: out of memory");
	for (size_t i = 0; i < n; i++)
		if (cmds[i].argc == 0)
			return fl_err_set(err, FL_EUSAGE, "redis: an empty command");
	for (size_t i = 0; n && i < cmds[0].argv[0].n && i + 1 < sizeof(what); i++)
		what[i] = (char)toupper(cmds[0].argv[0].p[i]);
	ret = ask_plan(d, what, &fault, err);
	if (ret < 0)
		return ret;
	pthread_mutex_lock(&d->w->lock);
	for (size_t i = 0; i < n; i++) {
		fl__mem_db_tick(d->w);
		fl__mem_run(d->w, cmds[i].argv, cmds[i].argc, false, arena, &v[i]);
	}
	pthread_mutex_unlock(&d->w->lock);
	if (fault == FL_FAULT_AFTER)
		return lost(what, err);
	*out = v;
	return 0;
}

static int mem_eval(struct fl_store *s, const struct fl_script *script, const struct fl_span *keys, size_t n_keys,
		    const struct fl_span *args, size_t n_args, struct fl_arena *arena, struct fl_reply *out,
		    struct fl_err *err)
{
	struct fl__mem_door *d = door_of(s);
	enum fl_fault fault;
	struct fl_reply r;
	int ret = ask_plan(d, script->name, &fault, err);

	if (ret < 0)
		return ret;
	pthread_mutex_lock(&d->w->lock);
	fl__mem_db_tick(d->w);
	fl__mem_lua_eval(d->w, script, keys, n_keys, args, n_args, arena, &r);
	pthread_mutex_unlock(&d->w->lock);
	if (fault == FL_FAULT_AFTER)
		return lost(script->name, err);
	if (r.type == FL_REPLY_ERROR)
		return fl__store_error(script->name, r.s, err);
	*out = r;
	return 0;
}

/* ---- doors and world ---- */

static void mem_close(struct fl_store *s)
{
	struct fl__mem_door *d = door_of(s);

	if (d->w) {
		pthread_mutex_lock(&d->w->lock);
		for (struct fl__mem_door **at = &d->w->doors; *at; at = &(*at)->next) {
			if (*at == d) {
				*at = d->next;
				break;
			}
		}
		pthread_mutex_unlock(&d->w->lock);
	}
	for (; d->count; d->count--, d->head = (d->head + 1) % WAKES_MAX)
		free(d->wakes[d->head]);
	free(d->prefix);
	free(d);
}

static const struct fl_store_ops mem_ops = { mem_call, mem_eval, mem_wake_next, mem_wake_fd, mem_close };

struct fl_store_mem *fl_store_mem_new(struct fl_clock *clock)
{
	struct fl_store_mem *w = fl__mem_alloc(sizeof(*w));

	pthread_mutex_init(&w->lock, NULL);
	w->clock = clock;
	w->next_expire = INT64_MAX;
	fl__mem_lua_init(w);
	return w;
}

void fl_store_mem_free(struct fl_store_mem *w)
{
	if (!w)
		return;
	for (struct fl__mem_door *d = w->doors; d; d = d->next)
		d->w = NULL;
	fl__mem_lua_done(w);
	fl__mem_db_clear(&w->keys);
	fl__mem_db_clear(&w->saved);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

struct fl_store *fl_store_mem_open(struct fl_store_mem *w, const char *prefix)
{
	struct fl__mem_door *d = fl__mem_alloc(sizeof(*d));

	d->prefix = strdup(prefix ? prefix : "");
	if (!d->prefix)
		abort();
	d->door = (struct fl_store){ &mem_ops, d->prefix };
	d->w = w;
	pthread_mutex_lock(&w->lock);
	d->next = w->doors;
	w->doors = d;
	pthread_mutex_unlock(&w->lock);
	return &d->door;
}

void fl_store_mem_faults(struct fl_store_mem *w, fl_fault_plan *plan, void *ctx)
{
	w->plan = plan;
	w->plan_ctx = ctx;
}

void fl_store_mem_flush(struct fl_store_mem *w)
{
	pthread_mutex_lock(&w->lock);
	fl__mem_db_clear(&w->keys);
	pthread_mutex_unlock(&w->lock);
}

void fl_store_mem_snapshot(struct fl_store_mem *w)
{
	pthread_mutex_lock(&w->lock);
	fl__mem_db_clear(&w->saved);
	fl__mem_db_copy(&w->saved, &w->keys, fl_span(NULL, 0), true);
	w->has_saved = true;
	pthread_mutex_unlock(&w->lock);
}

void fl_store_mem_restore(struct fl_store_mem *w, const char *prefix)
{
	struct fl_span front = fl_span_str(prefix);
	struct fl__mem_map next = { 0 };

	pthread_mutex_lock(&w->lock);
	assert(w->has_saved);
	fl__mem_db_copy(&next, &w->keys, front, false);
	fl__mem_db_copy(&next, &w->saved, front, true);
	fl__mem_db_clear(&w->keys);
	w->keys = next;
	w->next_expire = -1; /* sweep at the next call */
	pthread_mutex_unlock(&w->lock);
}

/* ---- looking in from outside ---- */

static bool has_expired(const struct fl_store_mem *w, const struct fl__mem_obj *o)
{
	return o->expire_ms >= 0 && fl_now_unix(w->clock) / 1000 > o->expire_ms;
}

size_t fl_store_mem_keys(const struct fl_store_mem *w, const char *prefix)
{
	size_t n = 0, len = strlen(prefix);

	for (size_t i = 0; i < w->keys.n; i++) {
		const struct fl__mem_item *it = w->keys.v[i];

		n += it && !has_expired(w, it->obj) && it->n >= len && memcmp(it->key, prefix, len) == 0;
	}
	return n;
}

size_t fl_store_mem_bytes(const struct fl_store_mem *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->keys.n; i++) {
		const struct fl__mem_item *it = w->keys.v[i];

		if (it && !has_expired(w, it->obj))
			n += it->n + fl__mem_obj_bytes(it->obj);
	}
	return n;
}

bool fl_store_mem_corrupt(struct fl_store_mem *w, const char *key, size_t bit)
{
	struct fl__mem_obj *o;
	bool there;

	pthread_mutex_lock(&w->lock);
	o = fl__mem_db_get(w, fl_span_str(key));
	there = o && o->str && bit / 8 < o->str->n;
	if (there)
		o->str->p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	pthread_mutex_unlock(&w->lock);
	return there;
}
