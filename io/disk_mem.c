/* The disk's twin: a folder in memory that can be killed, lose power, fill up and rot.
 *
 *   world -> names -> nodes [ content ........|synced|....tail ]     a node lives as long as a name or a handle holds it
 *      \ life: a door, handle or map made in an earlier life is dead: it fails, changes nothing, and can still be closed
 *
 * What rename and sync promise on the real disk is what survives fl_disk_mem_power_cut() here: of each file the synced
 * part, and of its tail what keep() says. Out of memory ends the process: this is for tests. Start at node_of(). */
#include "io/disk.h"
#include "io/disk_path.h"

#include <stdlib.h>
#include <string.h>

struct node {
	struct fl_buf content;
	size_t synced;
	unsigned refs;
};

struct name {
	char *path;
	struct node *node;
};

struct fl_disk_mem {
	struct name *v; /* sorted by path */
	size_t n, cap;
	uint64_t life;
	uint64_t faults; /* fired so far: spreads the torn prefixes */
	fl_disk_fault_plan *plan;
	void *plan_ctx;
};

struct door {
	struct fl_disk disk;
	struct fl_disk_mem *w;
	uint64_t life;
};

struct fl_disk_file {
	struct fl_disk_mem *w;
	uint64_t life;
	struct node *node;
	char *path;
};

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

static void node_drop(struct node *node)
{
	if (--node->refs)
		return;
	fl_buf_done(&node->content);
	free(node);
}

/* Where path is, or belongs. */
static size_t index_of(const struct fl_disk_mem *w, const char *path, bool *found)
{
	size_t lo = 0, hi = w->n;

	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = strcmp(w->v[mid].path, path);

		if (d == 0) {
			*found = true;
			return mid;
		}
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct node *node_of(const struct fl_disk_mem *w, const char *path)
{
	bool found;
	size_t i = index_of(w, path, &found);

	return found ? w->v[i].node : NULL;
}

static void name_remove(struct fl_disk_mem *w, size_t i)
{
	node_drop(w->v[i].node);
	free(w->v[i].path);
	memmove(&w->v[i], &w->v[i + 1], (w->n - i - 1) * sizeof(w->v[0]));
	w->n--;
}

/* Takes one reference of node. */
static void name_put(struct fl_disk_mem *w, const char *path, struct node *node)
{
	bool found;
	size_t i = index_of(w, path, &found);

	if (found) {
		node_drop(w->v[i].node);
		w->v[i].node = node;
		return;
	}
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 16;
		w->v = need(reallocarray(w->v, w->cap, sizeof(w->v[0])));
	}
	memmove(&w->v[i + 1], &w->v[i], (w->n - i) * sizeof(w->v[0]));
	w->v[i] = (struct name){ need(strdup(path)), node };
	w->n++;
}

/* --- faults --- */

static int plan(struct fl_disk_mem *w, const char *what, const char *path, struct fl_err *err)
{
	int ret = w->plan ? w->plan(w->plan_ctx, what, path) : 0;

	if (ret == 0)
		return 0;
	w->faults++;
	return fl_err_set(err, ret, "file '%s': %s: %s", path, what, fl_code_text(ret));
}

static int enter(struct fl_disk *d, const char *what, const char *path, struct fl_err *err)
{
	struct door *door = (struct door *)d;

	if (!fl__disk_path_ok(path))
		return fl_err_set(err, FL_EUSAGE, "file '%.200s': not a name in the folder", path);
	if (door->life != door->w->life)
		return fl_err_set(err, FL_EIO, "file '%s': the process that opened this door is dead", path);
	return what ? plan(door->w, what, path, err) : 0;
}

static int enter_file(struct fl_disk_file *f, const char *what, struct fl_err *err)
{
	if (f->life != f->w->life)
		return fl_err_set(err, FL_EIO, "file '%s': the process that opened it is dead", f->path);
	return what ? plan(f->w, what, f->path, err) : 0;
}

/* --- the operations --- */

static int mem_read(struct fl_disk *d, const char *path, size_t max, struct fl_buf *out, struct fl_err *err)
{
	struct node *node;
	int ret = enter(d, "read", path, err);

	if (ret < 0)
		return ret;
	node = node_of(((struct door *)d)->w, path);
	if (!node)
		return fl_err_set(err, FL_ENOTFOUND, "file '%s': not there", path);
	if (node->content.n > max)
		return fl_err_set(err, FL_ELIMIT, "file '%s': over %zu octets", path, max);
	fl_buf_add(out, node->content.p, node->content.n);
	return out->failed ? fl_err_set(err, FL_ENOMEM, "file '%s': out of memory", path) : 0;
}

/* A copy: appends after the map are not seen through it, as nobody may rely on them. */
static int mem_map(struct fl_disk *d, const char *path, struct fl_disk_map *out, struct fl_err *err)
{
	struct node *node;
	int ret = enter(d, "map", path, err);

	if (ret < 0)
		return ret;
	node = node_of(((struct door *)d)->w, path);
	if (!node)
		return fl_err_set(err, FL_ENOTFOUND, "file '%s': not there", path);
	/* as aligned as a page, since what is mapped casts into it, and exactly as long, so that a sanitizer sees a read past it */
	if (posix_memalign(&out->handle, 4096, node->content.n ? node->content.n : 1) != 0)
		abort();
	if (node->content.n)
		memcpy(out->handle, node->content.p, node->content.n);
	out->bytes = fl_span(out->handle, node->content.n);
	return 0;
}

static void mem_unmap(struct fl_disk *d, struct fl_disk_map *m)
{
	(void)d;
	free(m->handle);
	*m = (struct fl_disk_map){ 0 };
}

static int mem_open(struct fl_disk *d, const char *path, bool truncate, struct fl_disk_file **out, struct fl_err *err)
{
	struct fl_disk_mem *w = ((struct door *)d)->w;
	struct fl_disk_file *f;
	struct node *node;
	int ret = enter(d, "open", path, err);

	if (ret < 0)
		return ret;
	node = node_of(w, path);
	if (!node) {
		node = need(calloc(1, sizeof(*node)));
		node->refs = 1;
		name_put(w, path, node);
	} else if (truncate)
		node->content.n = node->synced = 0;
	f = need(calloc(1, sizeof(*f)));
	*f = (struct fl_disk_file){ w, w->life, node, need(strdup(path)) };
	node->refs++;
	*out = f;
	return 0;
}

static int mem_append(struct fl_disk_file *f, struct fl_span bytes, struct fl_err *err)
{
	int ret = enter_file(f, NULL, err);

	if (ret < 0)
		return ret;
	ret = plan(f->w, "append", f->path, err);
	if (ret < 0) /* a part: any length from nothing to all, another each time */
		bytes.n = (size_t)((f->w->faults * UINT64_C(0x9e3779b97f4a7c15) >> 11) % (bytes.n + 1));
	fl_buf_add(&f->node->content, bytes.p, bytes.n);
	if (f->node->content.failed)
		abort();
	return ret;
}

static int mem_truncate(struct fl_disk_file *f, uint64_t n, struct fl_err *err)
{
	int ret = enter_file(f, "truncate", err);

	if (ret < 0)
		return ret;
	if (n > f->node->content.n)
		return fl_err_set(err, FL_EUSAGE, "file '%s': cannot be cut to more than it holds", f->path);
	f->node->content.n = (size_t)n;
	if (f->node->synced > n)
		f->node->synced = (size_t)n;
	return 0;
}

static int mem_sync(struct fl_disk_file *f, struct fl_err *err)
{
	int ret = enter_file(f, "sync", err);

	if (ret == 0)
		f->node->synced = f->node->content.n;
	return ret;
}

static void mem_close_file(struct fl_disk_file *f)
{
	if (!f)
		return;
	node_drop(f->node);
	free(f->path);
	free(f);
}

static int mem_rename(struct fl_disk *d, const char *from, const char *to, struct fl_err *err)
{
	struct fl_disk_mem *w = ((struct door *)d)->w;
	struct node *node;
	bool found;
	size_t i;
	int ret = enter(d, NULL, from, err);

	if (ret == 0)
		ret = enter(d, "rename", to, err);
	if (ret < 0)
		return ret;
	i = index_of(w, from, &found);
	if (!found)
		return fl_err_set(err, FL_ENOTFOUND, "file '%s': not there", from);
	if (strcmp(from, to) == 0)
		return 0;
	node = w->v[i].node;
	node->refs++;
	name_remove(w, i);
	name_put(w, to, node);
	return 0;
}

static int mem_remove(struct fl_disk *d, const char *path, struct fl_err *err)
{
	struct fl_disk_mem *w = ((struct door *)d)->w;
	bool found;
	size_t i;
	int ret = enter(d, "remove", path, err);

	if (ret < 0)
		return ret;
	i = index_of(w, path, &found);
	if (!found)
		return fl_err_set(err, FL_ENOTFOUND, "file '%s': not there", path);
	name_remove(w, i);
	return 0;
}

static int mem_list(struct fl_disk *d, struct fl_arena *arena, const char *const **out, struct fl_err *err)
{
	struct fl_disk_mem *w = ((struct door *)d)->w;
	const char **v;
	int ret = enter(d, "list", "folder", err);

	if (ret < 0)
		return ret;
	v = fl_arena_array(arena, w->n + 1, sizeof(*v));
	for (size_t i = 0; v && i < w->n; i++) {
		v[i] = fl_arena_str(arena, w->v[i].path);
		if (!v[i])
			v = NULL;
	}
	if (!v)
		return fl_err_set(err, FL_ENOMEM, "folder: out of memory");
	*out = v;
	return 0;
}

static void mem_close(struct fl_disk *d)
{
	free(d);
}

static const struct fl_disk_ops mem_ops = {
	.read = mem_read,
	.map = mem_map,
	.unmap = mem_unmap,
	.open = mem_open,
	.append = mem_append,
	.truncate = mem_truncate,
	.sync = mem_sync,
	.close_file = mem_close_file,
	.rename = mem_rename,
	.remove = mem_remove,
	.list = mem_list,
	.close = mem_close,
};

/* --- the world --- */

struct fl_disk_mem *fl_disk_mem_new(void)
{
	return need(calloc(1, sizeof(struct fl_disk_mem)));
}

void fl_disk_mem_free(struct fl_disk_mem *w)
{
	if (!w)
		return;
	while (w->n)
		name_remove(w, w->n - 1);
	free(w->v);
	free(w);
}

struct fl_disk *fl_disk_mem_open(struct fl_disk_mem *w)
{
	struct door *door = need(calloc(1, sizeof(*door)));

	*door = (struct door){ { &mem_ops }, w, w->life };
	return &door->disk;
}

void fl_disk_mem_kill(struct fl_disk_mem *w)
{
	w->life++;
}

void fl_disk_mem_power_cut(struct fl_disk_mem *w, fl_disk_keep *keep, void *ctx)
{
	w->life++;
	for (size_t i = 0; i < w->n; i++) {
		struct node *node = w->v[i].node;
		size_t unsynced = node->content.n - node->synced, kept = unsynced ? keep(ctx, unsynced) : 0;

		node->synced += kept < unsynced ? kept : unsynced;
		node->content.n = node->synced;
	}
}

void fl_disk_mem_faults(struct fl_disk_mem *w, fl_disk_fault_plan *fault_plan, void *ctx)
{
	w->plan = fault_plan;
	w->plan_ctx = ctx;
}

bool fl_disk_mem_corrupt(struct fl_disk_mem *w, const char *path, size_t bit)
{
	struct node *node = node_of(w, path);

	if (!node || bit / 8 >= node->content.n)
		return false;
	node->content.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	return true;
}
