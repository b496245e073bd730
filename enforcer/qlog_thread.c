/* The log thread: reads the rings of all answering threads, formats, and hands to Kafka, the local file, and taps. A ring's tail moves on delivery reports, in order, so what a killed process
 * left in its rings is delivered by the next. What the broker did not take is produced again from the ring; the resolver never waits: a full ring drops, by the writer, counted. */
#include "enforcer/server_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 16384, RINGS_MAX = 64, TAPS_MAX = 16, REFS = 65536, IDLE_US = 2000, RETRY_MS = 500, FRAMES_A_ROUND = 512 };

enum entry_state { FLYING, DONE, FAILED };

struct source {
	struct fl_ring *ring;
	bool old;     /* of an earlier process: unlinked when it is empty */
	bool bad;
	uint64_t pos; /* next frame to read */
	uint64_t first, next; /* window of entries: numbers */
	struct {
		uint64_t start, end;
		uint8_t state;
	} *window;
};

struct tap {
	uint64_t handle;
	fl_server_tap *fn;
	void *ctx;
};

struct fl__log {
	struct fl_server *s;
	pthread_t id;
	bool up;
	_Atomic bool stop;
	fl_mono_ns deadline, retry_at;
	struct source v[RINGS_MAX];
	uint32_t n;
	struct fl_buf json;
	pthread_mutex_t lock; /* taps, refs */
	struct tap taps[TAPS_MAX];
	uint64_t next_handle;
	struct {
		uint64_t ref;
		char *json;
	} *refs;
	uint32_t next_ref;
	/* the file's settings, copied: a reload may free the configuration */
	char path[512];
	uint64_t rotate_bytes;
	uint32_t keep;
	int file;
	uint64_t file_bytes;
	fl_mono_ns file_retry_at;
	_Atomic uint64_t delivered, failed, file_failed;
	_Atomic uint64_t set_aside, unreadable, surplus; /* rings; records of sound frames; old rings that were too many */
};

/* --- the local file: NDJSON, rotated by size --- */

static void file_try(struct fl__log *l)
{
	struct stat st;

	l->file = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	l->file_bytes = l->file >= 0 && fstat(l->file, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* A file that could not be opened is tried again: its folder or its disk may come back. */
static bool file_ready(struct fl__log *l)
{
	fl_mono_ns now;

	if (l->file >= 0)
		return true;
	now = fl_now_mono(l->s->c.clock);
	if (now < l->file_retry_at)
		return false;
	l->file_retry_at = now + FL_NS_PER_S;
	file_try(l);
	return l->file >= 0;
}

static void file_rotate(struct fl__log *l)
{
	char from[600], to[600];

	if (l->file >= 0)
		close(l->file);
	for (uint32_t i = l->keep; i-- > 0;) {
		snprintf(from, sizeof(from), i ? "%s.%u" : "%s", l->path, i);
		snprintf(to, sizeof(to), "%s.%u", l->path, i + 1);
		rename(from, to);
	}
	if (l->keep == 0)
		unlink(l->path);
	file_try(l);
}

/* A line stands whole or not at all: what a full disk cut off goes. */
static bool file_line(struct fl__log *l)
{
	ssize_t n = write(l->file, l->json.p, l->json.n);

	if (n == (ssize_t)l->json.n) {
		l->file_bytes += l->json.n;
		return true;
	}
	if (n > 0 && ftruncate(l->file, (off_t)l->file_bytes) < 0)
		l->file_bytes += (uint64_t)n;
	return false;
}

static void file_write(struct fl__log *l)
{
	if (!l->path[0])
		return;
	if (l->file >= 0 && l->rotate_bytes && l->file_bytes && l->file_bytes + l->json.n >= l->rotate_bytes)
		file_rotate(l);
	fl_buf_u8(&l->json, '\n'); /* the last use of this text */
	if (l->json.failed || !file_ready(l) || !file_line(l))
		atomic_fetch_add(&l->file_failed, 1);
}

static void file_open(struct fl__log *l)
{
	const struct fl_config *c = l->s->c.cfg;

	l->file = -1;
	if (!c->query_log_file || !c->query_log_file[0])
		return;
	snprintf(l->path, sizeof(l->path), "%s", c->query_log_file);
	l->rotate_bytes = c->query_log_file_rotate;
	l->keep = c->query_log_file_keep;
	file_try(l);
}

/* --- one record --- */

static bool format(struct fl__log *l, const struct source *src, const struct fl__frame *f, struct fl_qlog *q)
{
	if (!fl__record_read(f->body, q))
		return false;
	q->account_id = l->s->account_id;
	q->region = l->s->region;
	q->enforcer = src->ring->page->enforcer;
	q->boot = src->ring->page->boot;
	q->thread = src->ring->page->thread;
	q->seq = f->seq;
	fl_buf_reset(&l->json);
	fl_qlog_format(q, fl__answers_json, &l->json);
	return !l->json.failed;
}

static void keep_ref(struct fl__log *l, const struct fl_qlog *q)
{
	char *copy = malloc(l->json.n + 1);

	if (!copy)
		return;
	memcpy(copy, l->json.p, l->json.n);
	copy[l->json.n] = '\0';
	free(l->refs[l->next_ref].json);
	l->refs[l->next_ref].json = copy;
	l->refs[l->next_ref].ref = fl_ref(q->enforcer, q->thread, q->seq);
	l->next_ref = (l->next_ref + 1) % REFS;
}

static void show(struct fl__log *l, const struct fl_qlog *q)
{
	pthread_mutex_lock(&l->lock);
	if (q->action == FL_ACTION_BLOCK)
		keep_ref(l, q);
	for (int i = 0; i < TAPS_MAX; i++)
		if (l->taps[i].handle)
			l->taps[i].fn(l->taps[i].ctx, q, fl_buf_span(&l->json));
	pthread_mutex_unlock(&l->lock);
	file_write(l);
}

static uint64_t tag_of(const struct fl__log *l, const struct source *src, uint64_t number)
{
	return (uint64_t)(src - l->v) << 48 | (number & ((UINT64_C(1) << 48) - 1));
}

static int produce(struct fl__log *l, uint64_t tag)
{
	return fl_bus_produce(l->s->c.bus, FL_BUS_QUERY_LOG, FL_TOPIC_QUERY_LOG, fl_span(NULL, 0), fl_buf_span(&l->json), NULL, 0, tag, NULL);
}

/* --- rings --- */

static void release_done(struct source *src)
{
	while (src->first < src->next && src->window[src->first % WINDOW].state == DONE) {
		fl__ring_release(src->ring, src->window[src->first % WINDOW].end);
		src->first++;
	}
}

static bool is_bad(const char *name)
{
	size_t n = strlen(name);

	return strncmp(name, "ring-", 5) == 0 && n > 4 && strcmp(name + n - 4, ".bad") == 0;
}

/* The folder is memory: of what was set aside the newest stays, to be looked at, and the rest goes. */
static void keep_one_bad(struct fl__log *l, const char *keep)
{
	DIR *dir = opendir(l->s->c.runtime);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (is_bad(e->d_name) && strcmp(e->d_name, keep) != 0)
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
}

static void put_aside(struct fl__log *l, const char *path)
{
	char bad[560];

	atomic_fetch_add(&l->set_aside, 1);
	snprintf(bad, sizeof(bad), "%s.bad", path);
	if (rename(path, bad) == 0)
		keep_one_bad(l, strrchr(bad, '/') + 1);
}

/* A bad frame: nothing behind it can be found. An old ring ends there; one that is still written to goes on behind what is in it now, and the gap in the numbers says what is missing. */
static void bad_frame(struct fl__log *l, struct source *src)
{
	if (!src->old) {
		atomic_fetch_add(&l->set_aside, 1);
		src->pos = fl__ring_skip_all(src->ring);
		src->first = src->next; /* reports of what is out come too late to matter */
		return;
	}
	src->bad = true;
	put_aside(l, src->ring->path);
}

/* Frames that are there, up to a bound. Returns how many. */
static int read_ring(struct fl__log *l, struct source *src)
{
	int n = 0;

	while (!src->bad && n < FRAMES_A_ROUND && src->next - src->first < WINDOW) {
		uint64_t start = src->pos, number = src->next;
		struct fl__frame f;
		struct fl_qlog q = { 0 };
		int ret = fl__ring_next(src->ring, &src->pos, &f);
		bool readable;

		if (ret == 0) {
			if (src->first == src->next && fl__ring_used(src->ring)) /* nothing is out: a skip frame at the end goes too */
				fl__ring_release(src->ring, src->pos);
			break;
		}
		if (ret < 0) {
			bad_frame(l, src);
			break;
		}
		readable = format(l, src, &f, &q);
		if (readable && l->s->c.bus && produce(l, tag_of(l, src, number)) < 0) { /* its queue is full: the ring waits */
			src->pos = start;
			break;
		}
		src->window[number % WINDOW].start = start;
		src->window[number % WINDOW].end = f.end;
		src->window[number % WINDOW].state = readable && l->s->c.bus ? FLYING : DONE;
		src->next++;
		n++;
		if (readable)
			show(l, &q);
		else
			atomic_fetch_add(&l->unreadable, 1);
	}
	release_done(src);
	return n;
}

static void report(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset)
{
	struct fl__log *l = ctx;
	struct source *src = &l->v[tag >> 48 & (RINGS_MAX - 1)];
	uint64_t number = tag & ((UINT64_C(1) << 48) - 1);

	(void)partition, (void)offset;
	if (!src->ring || number < src->first || number >= src->next)
		return;
	if (code == FL_EREFUSED || code == 0)
		src->window[number % WINDOW].state = DONE;
	else
		src->window[number % WINDOW].state = FAILED;
	atomic_fetch_add(code == 0 ? &l->delivered : &l->failed, 1);
	release_done(src);
}

/* What the broker did not take is still in the ring: produce it again. */
static void retry(struct fl__log *l, struct source *src)
{
	for (uint64_t k = src->first; k < src->next; k++) {
		struct fl__frame f;
		struct fl_qlog q = { 0 };
		uint64_t pos = src->window[k % WINDOW].start;

		if (src->window[k % WINDOW].state != FAILED)
			continue;
		if (fl__ring_next(src->ring, &pos, &f) != 1 || !format(l, src, &f, &q)) {
			src->window[k % WINDOW].state = DONE;
			continue;
		}
		if (produce(l, tag_of(l, src, k)) < 0)
			return;
		src->window[k % WINDOW].state = FLYING;
	}
	release_done(src);
}

static void forget_old(struct source *src)
{
	if (src->ring && src->old && src->first == src->next && (src->bad || fl__ring_used(src->ring) == 0)) {
		fl__ring_close(src->ring, !src->bad);
		src->ring = NULL;
	}
}

static bool all_empty(const struct fl__log *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i].ring && !l->v[i].bad && (l->v[i].first != l->v[i].next || fl__ring_used(l->v[i].ring)))
			return false;
	return true;
}

static void *log_main(void *arg)
{
	struct fl__log *l = arg;

	for (;;) {
		fl_mono_ns now = fl_now_mono(l->s->c.clock);
		int n = 0;

		for (uint32_t i = 0; i < l->n; i++)
			if (l->v[i].ring)
				n += read_ring(l, &l->v[i]);
		if (l->s->c.bus)
			n += fl_bus_poll(l->s->c.bus, FL_BUS_QUERY_LOG, 0, report, l);
		if (l->s->c.bus && now >= l->retry_at) {
			l->retry_at = now + RETRY_MS * FL_NS_PER_MS;
			for (uint32_t i = 0; i < l->n; i++)
				if (l->v[i].ring)
					retry(l, &l->v[i]);
		}
		for (uint32_t i = 0; i < l->n; i++)
			forget_old(&l->v[i]);
		if (atomic_load(&l->stop) && (all_empty(l) || now > l->deadline))
			return NULL;
		if (n <= 0)
			usleep(IDLE_US);
	}
}

/* --- life --- */

static int add_source(struct fl__log *l, struct fl_ring *ring, bool old)
{
	struct source *src = &l->v[l->n];

	if (l->n == RINGS_MAX)
		return FL_ELIMIT;
	src->window = calloc(WINDOW, sizeof(*src->window));
	if (!src->window)
		return FL_ENOMEM;
	src->ring = ring;
	src->old = old;
	src->pos = atomic_load(&ring->page->tail);
	l->n++;
	return 0;
}

static unsigned boot_of(const struct dirent *e)
{
	unsigned thread, boot;

	return sscanf(e->d_name, "ring-%u.%u", &thread, &boot) == 2 ? boot : 0;
}
static int newest_first(const struct dirent **a, const struct dirent **b)
{
	unsigned x = boot_of(*a), y = boot_of(*b);

	return (x < y) - (x > y);
}
static int is_ring(const struct dirent *e)
{
	return strncmp(e->d_name, "ring-", 5) == 0 && !is_bad(e->d_name);
}

static void take_old(struct fl__log *l, const char *path)
{
	struct fl_ring *ring = NULL;
	int ret = fl__ring_open(path, &ring, NULL);

	if (ret == FL_ECORRUPT || ret == FL_EFORMAT)
		put_aside(l, path);
	if (ret < 0)
		return;
	fl__ring_shrink(ring);
	if (add_source(l, ring, true) == 0)
		return;
	fl__ring_close(ring, true);
	atomic_fetch_add(&l->surplus, 1);
}

/* Rings that a killed process left. One whose process lives is locked. The folder is memory, and a process that is killed again and again while the broker is away leaves rings each time:
 * the newest are kept, what is over goes. */
static void find_old(struct fl__log *l)
{
	struct dirent **v = NULL;
	int n = scandir(l->s->c.runtime, &v, is_ring, newest_first);

	for (int i = 0; i < n; i++) {
		char path[512];

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", l->s->c.runtime, v[i]->d_name) < sizeof(path))
			take_old(l, path);
		free(v[i]);
	}
	free(v);
}

int fl__log_open(struct fl_server *s, struct fl_err *err)
{
	struct fl__log *l = calloc(1, sizeof(*l));
	int ret = 0;

	if (!l)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	s->log = l;
	l->s = s;
	pthread_mutex_init(&l->lock, NULL);
	l->refs = calloc(REFS, sizeof(*l->refs));
	l->next_handle = 1;
	file_open(l);
	for (uint32_t i = 0; ret == 0 && i < s->n_threads; i++)
		ret = add_source(l, s->threads[i].ring, false);
	find_old(l);
	if (ret < 0 || !l->refs || pthread_create(&l->id, NULL, log_main, l) != 0)
		return fl_err_set(err, FL_ENOMEM, "query log: out of memory or threads");
	l->up = true;
	return 0;
}

void fl__log_close(struct fl_server *s, int drain_ms)
{
	struct fl__log *l = s->log;

	if (!l)
		return;
	if (l->up) {
		l->deadline = fl_now_mono(s->c.clock) + drain_ms * FL_NS_PER_MS;
		atomic_store(&l->stop, true);
		pthread_join(l->id, NULL);
	}
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->v[i].ring && l->v[i].old)
			fl__ring_close(l->v[i].ring, false);
		free(l->v[i].window);
	}
	for (uint32_t i = 0; l->refs && i < REFS; i++)
		free(l->refs[i].json);
	free(l->refs);
	if (l->file >= 0)
		close(l->file);
	fl_buf_done(&l->json);
	pthread_mutex_destroy(&l->lock);
	free(l);
	s->log = NULL;
}

uint64_t fl_server_tap_add(struct fl_server *s, fl_server_tap *tap, void *ctx)
{
	struct fl__log *l = s->log;
	uint64_t handle = 0;

	pthread_mutex_lock(&l->lock);
	for (int i = 0; i < TAPS_MAX && !handle; i++)
		if (!l->taps[i].handle) {
			handle = l->next_handle++;
			l->taps[i] = (struct tap){ handle, tap, ctx };
		}
	pthread_mutex_unlock(&l->lock);
	return handle;
}

void fl_server_tap_remove(struct fl_server *s, uint64_t handle)
{
	struct fl__log *l = s->log;

	pthread_mutex_lock(&l->lock);
	for (int i = 0; i < TAPS_MAX; i++)
		if (l->taps[i].handle == handle)
			l->taps[i] = (struct tap){ 0 };
	pthread_mutex_unlock(&l->lock);
}

int fl_server_ref(struct fl_server *s, uint64_t ref, struct fl_buf *out)
{
	struct fl__log *l = s->log;
	int ret = FL_ENOTFOUND;

	pthread_mutex_lock(&l->lock);
	for (uint32_t i = 0; i < REFS && ret < 0; i++) /* newest first */
		if (l->refs[(l->next_ref + REFS - 1 - i) % REFS].json && l->refs[(l->next_ref + REFS - 1 - i) % REFS].ref == ref) {
			fl_buf_str(out, l->refs[(l->next_ref + REFS - 1 - i) % REFS].json);
			ret = 0;
		}
	pthread_mutex_unlock(&l->lock);
	return ret;
}

void fl__log_stats(struct fl_server *s, struct fl_server_stats *out)
{
	out->qlog_delivered = atomic_load(&s->log->delivered);
	out->qlog_failed = atomic_load(&s->log->failed);
	out->qlog_rings_damaged = atomic_load(&s->log->set_aside);
	out->qlog_rings_surplus = atomic_load(&s->log->surplus);
}

void fl__log_metrics(struct fl_server *s, struct fl_buf *out)
{
	fl_metric_u64(out, "fireline_querylog_records_total", "", FL_LABELS("sink", "kafka", "result", "delivered"), atomic_load(&s->log->delivered));
	fl_metric_u64(out, "fireline_querylog_records_total", "", FL_LABELS("sink", "kafka", "result", "failed"), atomic_load(&s->log->failed));
	fl_metric_u64(out, "fireline_querylog_records_total", "", FL_LABELS("sink", "file", "result", "failed"), atomic_load(&s->log->file_failed));
	fl_metric_u64(out, "fireline_querylog_records_total", "", FL_LABELS("sink", "ring", "result", "failed"), atomic_load(&s->log->unreadable));
	fl_metric_family(out, "fireline_querylog_rings_lost_total", FL_COUNTER, "Rings whose rest is lost: damaged, or too many left by killed processes.");
	fl_metric_u64(out, "fireline_querylog_rings_lost_total", "", FL_LABELS("reason", "damaged"), atomic_load(&s->log->set_aside));
	fl_metric_u64(out, "fireline_querylog_rings_lost_total", "", FL_LABELS("reason", "surplus"), atomic_load(&s->log->surplus));
}
