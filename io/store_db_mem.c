/* The twin's keyspace: objects, their expiry, deep copies for snapshots. Expiry is by sweep: next_expire says when the
 * earliest key could go, and the first call after it drops all that have; so a key that is there is alive, for every
 * reader. */
#include "io/store_mem.h"

static void drop_str(struct fl__mem_item *it)
{
	free(it->str);
}

void fl__mem_stream_trim(struct fl__mem_stream *st, size_t from, size_t n)
{
	if (n == 0)
		return;
	for (size_t i = from; i < from + n; i++) {
		for (size_t k = 0; k < st->v[i]->n; k++)
			free(st->v[i]->fv[k]);
		free(st->v[i]);
	}
	memmove(st->v + from, st->v + from + n, (st->n - from - n) * sizeof(*st->v));
	st->n -= n;
}

static void obj_free(struct fl__mem_obj *o)
{
	if (!o)
		return;
	free(o->str);
	fl__mem_map_done(&o->map, o->type == FL__MEM_HASH ? drop_str : NULL);
	free(o->order);
	fl__mem_stream_trim(&o->stream, 0, o->stream.n);
	free(o->stream.v);
	free(o);
}

static void drop_obj(struct fl__mem_item *it)
{
	obj_free(it->obj);
}

static void map_copy(struct fl__mem_map *to, const struct fl__mem_map *from, bool with_str)
{
	bool added;

	for (size_t i = 0; i < from->n; i++) {
		struct fl__mem_item *it;

		if (!from->v[i])
			continue;
		it = fl__mem_map_put(to, fl__mem_item_key(from->v[i]), &added);
		it->score = from->v[i]->score;
		if (with_str)
			it->str = fl__mem_str(fl__mem_str_span(from->v[i]->str));
	}
}

static void stream_copy(struct fl__mem_stream *to, const struct fl__mem_stream *from)
{
	*to = *from;
	to->cap = from->n;
	to->v = fl__mem_alloc(from->n * sizeof(*to->v));
	for (size_t i = 0; i < from->n; i++) {
		const struct fl__mem_entry *e = from->v[i];

		to->v[i] = fl__mem_alloc(sizeof(*e) + e->n * sizeof(e->fv[0]));
		to->v[i]->id = e->id;
		to->v[i]->n = e->n;
		for (size_t k = 0; k < e->n; k++)
			to->v[i]->fv[k] = fl__mem_str(fl__mem_str_span(e->fv[k]));
	}
}

static struct fl__mem_obj *obj_copy(const struct fl__mem_obj *o)
{
	struct fl__mem_obj *c = fl__mem_alloc(sizeof(*c));

	c->type = o->type;
	c->expire_ms = o->expire_ms;
	if (o->str)
		c->str = fl__mem_str(fl__mem_str_span(o->str));
	map_copy(&c->map, &o->map, o->type == FL__MEM_HASH);
	if (o->type == FL__MEM_ZSET) {
		c->order_cap = o->map.live;
		c->order = fl__mem_alloc(o->map.live * sizeof(*c->order));
		for (size_t i = 0; i < o->map.live; i++)
			c->order[i] = fl__mem_map_get(&c->map, fl__mem_item_key(o->order[i]));
	}
	if (o->type == FL__MEM_STREAM)
		stream_copy(&c->stream, &o->stream);
	return c;
}

struct fl__mem_obj *fl__mem_db_get(struct fl_store_mem *w, struct fl_span key)
{
	struct fl__mem_item *it = fl__mem_map_get(&w->keys, key);

	return it ? it->obj : NULL;
}

struct fl__mem_obj *fl__mem_db_new(struct fl_store_mem *w, struct fl_span key, enum fl__mem_type type)
{
	struct fl__mem_obj *o = fl__mem_alloc(sizeof(*o));
	bool added;
	struct fl__mem_item *it = fl__mem_map_put(&w->keys, key, &added);

	if (!added)
		obj_free(it->obj);
	o->type = type;
	o->expire_ms = -1;
	it->obj = o;
	return o;
}

bool fl__mem_db_del(struct fl_store_mem *w, struct fl_span key)
{
	struct fl__mem_item *it = fl__mem_map_get(&w->keys, key);

	if (!it)
		return false;
	obj_free(it->obj);
	fl__mem_map_del(&w->keys, it);
	return true;
}

void fl__mem_db_expire(struct fl_store_mem *w, struct fl__mem_obj *o, int64_t ms)
{
	o->expire_ms = ms < 0 ? -1 : ms;
	if (ms >= 0 && ms < w->next_expire)
		w->next_expire = ms;
}

void fl__mem_db_tick(struct fl_store_mem *w)
{
	int64_t next = INT64_MAX;

	w->now_ms = fl_now_unix(w->clock) / 1000;
	if (w->now_ms <= w->next_expire)
		return;
	for (size_t i = 0; i < w->keys.n; i++) {
		struct fl__mem_item *it = w->keys.v[i];

		if (!it || it->obj->expire_ms < 0)
			continue;
		if (w->now_ms > it->obj->expire_ms) {
			size_t n = w->keys.n;

			fl__mem_db_del(w, fl__mem_item_key(it));
			if (w->keys.n != n)
				i = SIZE_MAX; /* squeezed: begin again, the rest has moved */
		} else if (it->obj->expire_ms < next) {
			next = it->obj->expire_ms;
		}
	}
	w->next_expire = next;
}

void fl__mem_db_copy(struct fl__mem_map *to, const struct fl__mem_map *from, struct fl_span prefix, bool begins)
{
	bool added;

	for (size_t i = 0; i < from->n; i++) {
		const struct fl__mem_item *it = from->v[i];

		if (it && (it->n >= prefix.n && (!prefix.n || memcmp(it->key, prefix.p, prefix.n) == 0)) == begins)
			fl__mem_map_put(to, fl__mem_item_key(it), &added)->obj = obj_copy(it->obj);
	}
}

void fl__mem_db_clear(struct fl__mem_map *keys)
{
	fl__mem_map_done(keys, drop_obj);
}

size_t fl__mem_obj_bytes(const struct fl__mem_obj *o)
{
	size_t n = o->str ? o->str->n : 0;

	for (size_t i = 0; i < o->map.n; i++)
		if (o->map.v[i])
			n += o->map.v[i]->n + (o->type == FL__MEM_HASH ? o->map.v[i]->str->n : sizeof(double));
	for (size_t i = 0; i < o->stream.n; i++) {
		n += sizeof(struct fl__mem_id);
		for (size_t k = 0; k < o->stream.v[i]->n; k++)
			n += o->stream.v[i]->fv[k]->n;
	}
	return n;
}
