/* The disk door over a real folder. Everything is relative to the folder's descriptor, so that renaming or replacing the
 * folder by another never redirects a write; a symbolic link in place of a file is refused, never followed.
 *
 * What survives a power cut: what was in a file at its last sync, under the name it had then or was renamed to; a
 * new file's name is synced with its first sync, a rename at once. Start at posix_open(). */
#include "io/disk.h"
#include "io/disk_path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct door {
	struct fl_disk disk;
	int folder;
};

struct fl_disk_file {
	int fd, folder; /* the folder is the door's, which stays open longer */
	bool name_synced;
	char path[FL_DISK_PATH + 1];
};

static int fail(struct fl_err *err, const char *path, const char *what, int code)
{
	int ret = FL_EIO;

	if (code == ENOSPC || code == EFBIG || code == EDQUOT)
		ret = FL_ELIMIT;
	else if (code == ENOENT)
		ret = FL_ENOTFOUND;
	else if (code == ENOMEM)
		ret = FL_ENOMEM;
	return fl_err_set(err, ret, "file '%s': %s: %s", path, what, strerror(code));
}

static int check(const char *path, struct fl_err *err)
{
	return fl__disk_path_ok(path) ? 0 : fl_err_set(err, FL_EUSAGE, "file '%.200s': not a name in the folder", path);
}

/* O_NONBLOCK: a FIFO of this name must not stop us; it has no meaning for regular files, and nothing else passes. */
static int open_regular(const struct door *d, const char *path, int flags, struct stat *st, struct fl_err *err)
{
	int fd = openat(d->folder, path, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0640);

	if (fd < 0)
		return fail(err, path, "open", errno);
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	return fl_err_set(err, FL_EIO, "file '%s': not a regular file", path);
}

static int posix_read(struct fl_disk *disk, const char *path, size_t max, struct fl_buf *out, struct fl_err *err)
{
	struct stat st = { 0 };
	size_t start = out->n;
	int ret = check(path, err), fd;
	ssize_t got;

	if (ret < 0)
		return ret;
	fd = open_regular((struct door *)disk, path, O_RDONLY, &st, err);
	if (fd < 0)
		return fd;
	for (;;) { /* until its end: it may be longer than it was a moment ago */
		size_t want = max - (out->n - start);

		want = want < 65536 ? want + 1 : 65536; /* one more than allowed shows that there is more */
		if (!fl_buf_reserve(out, want)) {
			ret = fl_err_set(err, FL_ENOMEM, "file '%s': out of memory", path);
			break;
		}
		got = read(fd, out->p + out->n, want);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			ret = fail(err, path, "read", errno);
		if (got <= 0)
			break;
		if ((size_t)got > max - (out->n - start)) {
			ret = fl_err_set(err, FL_ELIMIT, "file '%s': over %zu octets", path, max);
			break;
		}
		out->n += (size_t)got;
	}
	close(fd);
	if (ret < 0)
		out->n = start;
	return ret;
}

static int posix_map(struct fl_disk *disk, const char *path, struct fl_disk_map *out, struct fl_err *err)
{
	struct stat st = { 0 };
	int ret = check(path, err), fd;
	void *p = NULL;

	if (ret < 0)
		return ret;
	fd = open_regular((struct door *)disk, path, O_RDONLY, &st, err);
	if (fd < 0)
		return fd;
	if (st.st_size > 0) { /* an empty file has no pages, and is an empty map */
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			ret = fail(err, path, "map", errno);
	}
	close(fd);
	if (ret == 0)
		*out = (struct fl_disk_map){ fl_span(p, (size_t)st.st_size), p };
	return ret;
}

static void posix_unmap(struct fl_disk *disk, struct fl_disk_map *m)
{
	(void)disk;
	if (m->handle)
		munmap(m->handle, m->bytes.n);
	*m = (struct fl_disk_map){ 0 };
}

static int posix_open(struct fl_disk *disk, const char *path, bool truncate, struct fl_disk_file **out, struct fl_err *err)
{
	struct door *d = (struct door *)disk;
	struct fl_disk_file *f;
	struct stat st = { 0 };
	int ret = check(path, err);

	if (ret < 0)
		return ret;
	f = calloc(1, sizeof(*f));
	if (!f)
		return fl_err_set(err, FL_ENOMEM, "file '%s': out of memory", path);
	f->fd = open_regular(d, path, O_WRONLY | O_APPEND | O_CREAT | (truncate ? O_TRUNC : 0), &st, err);
	if (f->fd < 0) {
		ret = f->fd;
		free(f);
		return ret;
	}
	f->folder = d->folder;
	memcpy(f->path, path, strlen(path));
	*out = f;
	return 0;
}

static int posix_append(struct fl_disk_file *f, struct fl_span bytes, struct fl_err *err)
{
	while (bytes.n) {
		ssize_t put = write(f->fd, bytes.p, bytes.n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return fail(err, f->path, "write", errno);
		bytes.p += put;
		bytes.n -= (size_t)put;
	}
	return 0;
}

static int posix_truncate(struct fl_disk_file *f, uint64_t n, struct fl_err *err)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return fail(err, f->path, "stat", errno);
	if (n > (uint64_t)st.st_size)
		return fl_err_set(err, FL_EUSAGE, "file '%s': cannot be cut to more than it holds", f->path);
	if (ftruncate(f->fd, (off_t)n) < 0)
		return fail(err, f->path, "truncate", errno);
	return 0;
}

static int posix_sync(struct fl_disk_file *f, struct fl_err *err)
{
	if (fdatasync(f->fd) < 0)
		return fail(err, f->path, "sync", errno);
	if (!f->name_synced && fsync(f->folder) < 0)
		return fail(err, f->path, "sync of its folder", errno);
	f->name_synced = true;
	return 0;
}

static void posix_close_file(struct fl_disk_file *f)
{
	if (!f)
		return;
	close(f->fd);
	free(f);
}

static int posix_rename(struct fl_disk *disk, const char *from, const char *to, struct fl_err *err)
{
	struct door *d = (struct door *)disk;
	int ret = check(from, err);

	if (ret == 0)
		ret = check(to, err);
	if (ret < 0)
		return ret;
	if (renameat(d->folder, from, d->folder, to) < 0)
		return fail(err, from, "rename", errno);
	if (fsync(d->folder) < 0)
		return fail(err, to, "sync of its folder", errno);
	return 0;
}

static int posix_remove(struct fl_disk *disk, const char *path, struct fl_err *err)
{
	int ret = check(path, err);

	if (ret == 0 && unlinkat(((struct door *)disk)->folder, path, 0) < 0)
		ret = fail(err, path, "remove", errno);
	return ret;
}

/* --- list --- */

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_regular(int folder, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_REG;
	return fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* The names, in arena; a NULL in the answer means out of memory. */
static int collect(DIR *dir, struct fl_arena *arena, const char ***names, size_t *n, struct fl_err *err)
{
	const char **v = NULL;
	size_t cap = 0;
	struct dirent *e;

	*n = 0;
	while (errno = 0, (e = readdir(dir))) {
		if (!is_regular(dirfd(dir), e))
			continue;
		if (*n + 1 >= cap) {
			const char **more = fl_arena_array(arena, cap ? 2 * cap : 64, sizeof(*v));

			if (!more)
				return fl_err_set(err, FL_ENOMEM, "folder: out of memory");
			if (v)
				memcpy(more, v, *n * sizeof(*v));
			cap = cap ? 2 * cap : 64;
			v = more;
		}
		v[*n] = fl_arena_str(arena, e->d_name);
		if (!v[(*n)++])
			return fl_err_set(err, FL_ENOMEM, "folder: out of memory");
	}
	if (errno)
		return fail(err, ".", "list", errno);
	*names = v ? v : fl_arena_array(arena, 1, sizeof(*v));
	return *names ? 0 : fl_err_set(err, FL_ENOMEM, "folder: out of memory");
}

static int posix_list(struct fl_disk *disk, struct fl_arena *arena, const char *const **out, struct fl_err *err)
{
	int ret, fd = openat(((struct door *)disk)->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* an offset of its own */
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const char **v = NULL;
	size_t n = 0;

	if (!dir) {
		ret = fail(err, ".", "list", errno);
		if (fd >= 0)
			close(fd);
		return ret;
	}
	ret = collect(dir, arena, &v, &n, err);
	closedir(dir);
	if (ret < 0)
		return ret;
	if (n)
		qsort(v, n, sizeof(*v), by_bytes);
	*out = v;
	return 0;
}

static void posix_close(struct fl_disk *disk)
{
	close(((struct door *)disk)->folder);
	free(disk);
}

static const struct fl_disk_ops posix_ops = {
	.read = posix_read,
	.map = posix_map,
	.unmap = posix_unmap,
	.open = posix_open,
	.append = posix_append,
	.truncate = posix_truncate,
	.sync = posix_sync,
	.close_file = posix_close_file,
	.rename = posix_rename,
	.remove = posix_remove,
	.list = posix_list,
	.close = posix_close,
};

int fl_disk_posix_open(const char *folder, struct fl_disk **out, struct fl_err *err)
{
	struct door *d;

	if (mkdir(folder, 0750) < 0 && errno != EEXIST)
		return fl_err_set(err, errno == EACCES || errno == EPERM ? FL_EPERM : FL_EIO, "folder '%s': cannot be made: %s", folder,
				  strerror(errno));
	d = calloc(1, sizeof(*d));
	if (!d)
		return fl_err_set(err, FL_ENOMEM, "folder '%s': out of memory", folder);
	d->disk.ops = &posix_ops;
	d->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->folder < 0) {
		int code = errno;

		free(d);
		return fl_err_set(err, code == EACCES ? FL_EPERM : FL_EIO, "folder '%s': cannot be opened: %s", folder, strerror(code));
	}
	*out = &d->disk;
	return 0;
}
