/* Writer and reader of a ring. The reader trusts nothing: a killed writer leaves a whole frame or none behind head, but the file may come from anyone's memory. */
#include "enforcer/ring.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "enforcer/hash.h"

static const char magic[8] = "FLRING\r\n";

struct header {
	uint32_t len; /* whole, a multiple of 8 */
	uint32_t check;
	uint64_t seq;
	uint32_t body, flags;
};
enum { HEADER = sizeof(struct header), SKIP = 1 };

static uint64_t page_check(const struct fl__ring_page *p)
{
	return fl__hash(FL__RING_FORMAT, p, offsetof(struct fl__ring_page, check));
}

static uint32_t frame_check(const struct fl_ring *r, const struct header *h)
{
	uint64_t key = (uint64_t)r->page->boot << 32 | r->page->thread;

	return (uint32_t)fl__hash(key, &h->seq, HEADER - offsetof(struct header, seq) + h->body);
}

static uint64_t rounded(uint64_t n)
{
	return (n + 7) & ~UINT64_C(7);
}

int fl__ring_attach(void *bytes, size_t n, struct fl_ring *out, struct fl_err *err)
{
	struct fl__ring_page *p = bytes;
	uint64_t head, tail;

	if (n < FL__RING_PAGE + FL__RING_BYTES_MIN || memcmp(p->magic, magic, sizeof(magic)) != 0)
		return fl_err_set(err, FL_ECORRUPT, "not a query-log ring");
	if (p->format != FL__RING_FORMAT)
		return fl_err_set(err, FL_ECORRUPT, "query-log ring of format %u", p->format);
	if (p->check != page_check(p) || p->size != n - FL__RING_PAGE || p->size % 8 || p->enforcer[FL__RING_ENFORCER - 1])
		return fl_err_set(err, FL_ECORRUPT, "the header of a query-log ring is damaged");
	head = atomic_load_explicit(&p->head, memory_order_acquire);
	tail = atomic_load_explicit(&p->tail, memory_order_acquire);
	if (head < tail || head - tail > p->size || head % 8 || tail % 8)
		return fl_err_set(err, FL_ECORRUPT, "the positions of a query-log ring are damaged");
	out->page = p;
	out->data = (uint8_t *)bytes + FL__RING_PAGE;
	out->size = p->size;
	out->tail_seen = tail;
	return 0;
}

static void init_page(struct fl__ring_page *p, const char *enforcer, uint32_t boot, uint32_t thread, uint64_t size)
{
	memcpy(p->magic, magic, sizeof(magic));
	p->format = FL__RING_FORMAT;
	p->boot = boot;
	p->thread = thread;
	p->size = size;
	snprintf(p->enforcer, sizeof(p->enforcer), "%s", enforcer);
	p->check = page_check(p);
}

static int map_file(int fd, size_t n, int populate, void **out, struct fl_err *err)
{
	void *m = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | populate, fd, 0);

	if (m == MAP_FAILED)
		return fl_err_set(err, FL_EIO, "query-log ring: mmap: %s", strerror(errno));
	*out = m;
	return 0;
}

static struct fl_ring *ring_alloc(const char *path)
{
	struct fl_ring *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->fd = -1;
	snprintf(r->path, sizeof(r->path), "%s", path);
	return r;
}

uint32_t fl__ring_boot(const char *folder, uint32_t at_least)
{
	DIR *d = opendir(folder);
	const struct dirent *e;
	unsigned thread, boot;

	while (d && (e = readdir(d)))
		if (sscanf(e->d_name, "ring-%u.%u", &thread, &boot) == 2 && boot >= at_least && boot < UINT32_MAX)
			at_least = boot + 1;
	if (d)
		closedir(d);
	return at_least;
}

int fl__ring_create(const char *folder, const char *enforcer, uint32_t boot, uint32_t thread, uint64_t bytes, struct fl_ring **out, struct fl_err *err)
{
	uint64_t size = ((bytes < FL__RING_BYTES_MIN ? FL__RING_BYTES_MIN : bytes) + FL__RING_PAGE - 1) / FL__RING_PAGE * FL__RING_PAGE;
	char path[sizeof(((struct fl_ring *)0)->path)];
	struct fl_ring *r;
	void *m = NULL;
	int ret;

	if ((size_t)snprintf(path, sizeof(path), "%s/ring-%u.%u", folder, thread, boot) >= sizeof(path))
		return fl_err_set(err, FL_EUSAGE, "query-log ring: the path of the runtime folder is too long");
	r = ring_alloc(path);
	if (!r)
		return fl_err_set(err, FL_ENOMEM, "query-log ring: out of memory");
	r->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (r->fd < 0) {
		ret = fl_err_set(err, FL_EIO, "query-log ring '%s': %s", path, strerror(errno));
		goto out;
	}
	/* all pages now: on a full tmpfs a later store would be a SIGBUS */
	ret = posix_fallocate(r->fd, 0, (off_t)(FL__RING_PAGE + size));
	if (ret) {
		ret = fl_err_set(err, FL_EIO, "query-log ring '%s': %s", path, strerror(ret));
		goto out;
	}
	flock(r->fd, LOCK_EX | LOCK_NB); /* new and ours: cannot fail for want of the lock */
	ret = map_file(r->fd, FL__RING_PAGE + size, MAP_POPULATE, &m, err);
	if (ret < 0)
		goto out;
	init_page(m, enforcer, boot, thread, size);
	ret = fl__ring_attach(m, FL__RING_PAGE + size, r, err);
	if (ret < 0)
		goto out;
	*out = r;
	r = NULL;
out:
	fl__ring_close(r, true);
	return ret;
}

int fl__ring_open(const char *path, struct fl_ring **out, struct fl_err *err)
{
	struct fl_ring *r = ring_alloc(path);
	struct stat st;
	void *m = NULL;
	size_t n = 0;
	int ret;

	if (!r)
		return fl_err_set(err, FL_ENOMEM, "query-log ring: out of memory");
	r->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd < 0 || fstat(r->fd, &st) < 0) {
		ret = fl_err_set(err, FL_EIO, "query-log ring '%s': %s", path, strerror(errno));
		goto out;
	}
	if (flock(r->fd, LOCK_EX | LOCK_NB) < 0) {
		ret = fl_err_set(err, FL_EREFUSED, "query-log ring '%s' is in use by a living process", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size < FL__RING_PAGE + (off_t)FL__RING_BYTES_MIN || st.st_size > (off_t)1 << 34) {
		ret = fl_err_set(err, FL_ECORRUPT, "query-log ring '%s' has no size of a ring", path);
		goto out;
	}
	n = (size_t)st.st_size;
	ret = map_file(r->fd, n, 0, &m, err);
	if (ret < 0)
		goto out;
	ret = fl__ring_attach(m, n, r, err);
	if (ret < 0)
		goto out;
	*out = r;
	r = NULL;
	m = NULL;
out:
	if (m)
		munmap(m, n);
	fl__ring_close(r, false);
	return ret;
}

static void punch(const struct fl_ring *r, uint64_t at, uint64_t n)
{
	if (n)
		fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(FL__RING_PAGE + at), (off_t)n); /* where that cannot be, memory stays taken */
}

void fl__ring_shrink(struct fl_ring *r)
{
	uint64_t unused = r->size - fl__ring_used(r), at = atomic_load_explicit(&r->page->head, memory_order_relaxed) % r->size;
	uint64_t first = unused < r->size - at ? unused : r->size - at;

	punch(r, at, first);
	punch(r, 0, unused - first);
}

void fl__ring_close(struct fl_ring *r, bool unlink_file)
{
	if (!r)
		return;
	if (unlink_file && r->fd >= 0)
		unlink(r->path);
	if (r->page)
		munmap(r->page, FL__RING_PAGE + r->size);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

uint64_t fl__ring_number(struct fl_ring *r)
{
	uint64_t seq = atomic_load_explicit(&r->page->next_seq, memory_order_relaxed);

	atomic_store_explicit(&r->page->next_seq, seq + 1, memory_order_release);
	return seq;
}

/* Octets at the end of the data that a frame of `len` cannot use. */
static uint64_t skipped(const struct fl_ring *r, uint64_t head, uint64_t len)
{
	uint64_t left = r->size - head % r->size;

	return left < len ? left : 0;
}

static void write_skip(struct fl_ring *r, uint64_t head, uint64_t left)
{
	struct header *h = (struct header *)(r->data + head % r->size);

	if (left < HEADER) /* too short for a frame: the reader knows */
		return;
	*h = (struct header){ .len = (uint32_t)left, .flags = SKIP };
	h->check = frame_check(r, h);
}

uint8_t *fl__ring_begin(struct fl_ring *r, size_t n, bool keep)
{
	uint64_t head = atomic_load_explicit(&r->page->head, memory_order_relaxed), len = rounded(HEADER + n);
	uint64_t limit = keep ? r->size : r->size / 4 * 3, skip = skipped(r, head, len);

	if (n > FL__RING_BODY_MAX)
		return NULL;
	if (head + skip + len - r->tail_seen > limit) {
		r->tail_seen = atomic_load_explicit(&r->page->tail, memory_order_acquire);
		if (head + skip + len - r->tail_seen > limit)
			return NULL;
	}
	if (skip) {
		write_skip(r, head, skip);
		head += skip;
		atomic_store_explicit(&r->page->head, head, memory_order_release);
	}
	r->open_frame = r->data + head % r->size;
	return r->open_frame + HEADER;
}

void fl__ring_commit(struct fl_ring *r, uint64_t seq, size_t n)
{
	struct header *h = (struct header *)r->open_frame;
	uint64_t len = rounded(HEADER + n), head = atomic_load_explicit(&r->page->head, memory_order_relaxed);

	*h = (struct header){ .len = (uint32_t)len, .seq = seq, .body = (uint32_t)n };
	h->check = frame_check(r, h);
	atomic_store_explicit(&r->page->head, head + len, memory_order_release);
}

int fl__ring_next(const struct fl_ring *r, uint64_t *pos, struct fl__frame *out)
{
	uint64_t head = atomic_load_explicit(&r->page->head, memory_order_acquire), at = *pos;

	while (at < head) {
		uint64_t left = r->size - at % r->size;
		const struct header *h = (const struct header *)(r->data + at % r->size);

		if (left < HEADER) {
			at += left;
			continue;
		}
		if (h->len < HEADER || h->len % 8 || h->len > left || h->len > head - at)
			return FL_ECORRUPT;
		if (h->body > h->len - HEADER || h->check != frame_check(r, h))
			return FL_ECORRUPT;
		at += h->len;
		if (h->flags & SKIP)
			continue;
		*out = (struct fl__frame){ h->seq, fl_span((const uint8_t *)h + HEADER, h->body), at };
		*pos = at;
		return 1;
	}
	if (at != head)
		return FL_ECORRUPT;
	*pos = at;
	return 0;
}

void fl__ring_release(struct fl_ring *r, uint64_t pos)
{
	atomic_store_explicit(&r->page->tail, pos, memory_order_release);
}

uint64_t fl__ring_skip_all(struct fl_ring *r)
{
	uint64_t head = atomic_load_explicit(&r->page->head, memory_order_acquire);

	fl__ring_release(r, head);
	return head;
}

uint64_t fl__ring_used(const struct fl_ring *r)
{
	return atomic_load_explicit(&r->page->head, memory_order_acquire) - atomic_load_explicit(&r->page->tail, memory_order_relaxed);
}
