/* Local lists: a file, or a folder, whose files are one list together. */
#include "ingest/feed_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 10000, CHUNK = 1 << 16 };

static int io_error(struct fl_err *err, const char *path, const char *why)
{
	return fl_err_set(err, errno == ENOENT ? FL_ENOTFOUND : FL_EIO, "file '%s': %s", path, why);
}

/* All of fd behind what out holds. */
static int read_all(int fd, const char *path, uint64_t max, struct fl_buf *out, struct fl_err *err)
{
	ssize_t n = 1;

	while (n > 0) {
		if (!fl_buf_reserve(out, CHUNK))
			return fl_err_set(err, FL_ENOMEM, "file '%s': out of memory", path);
		n = read(fd, out->p + out->n, CHUNK);
		if (n < 0)
			return io_error(err, path, strerror(errno));
		out->n += (size_t)n;
		if (out->n > max)
			return fl_err_set(err, FL_ELIMIT, "file '%s': over %llu octets", path, (unsigned long long)max);
	}
	return 0;
}

static void stamp_of(const struct stat *st, char *out, size_t cap)
{
	snprintf(out, cap, "file %lld.%09ld %lld %llu", (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (long long)st->st_size, (unsigned long long)st->st_ino);
}

/* --- folders --- */

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

struct folder {
	int fd;
	const char *path;
	uint64_t max;
	struct fl_buf *out, stamps;
	unsigned files;
};

/* One entry: its stamp, and its content where that is wanted, closed by a newline. What is no regular file is passed over. */
static int take_entry(struct folder *d, const char *name, struct fl_err *err)
{
	int fd = openat(d->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret = 0;
	char stamp[128], path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%.250s/%.250s", d->path, name);
	if (fd < 0 && errno == ENOENT)
		return 0; /* gone meanwhile */
	if (fd < 0 || fstat(fd, &st) < 0)
		ret = io_error(err, path, strerror(errno));
	else if (S_ISREG(st.st_mode)) {
		stamp_of(&st, stamp, sizeof(stamp));
		fl_buf_printf(&d->stamps, "%s %s\n", name, stamp);
		d->files++;
		if (d->out) {
			ret = read_all(fd, path, d->max, d->out, err);
			fl_buf_u8(d->out, '\n');
		}
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

static int read_folder(int fd, const char *path, uint64_t max, struct fl_buf *out, char *validator, size_t cap, struct fl_err *err)
{
	struct folder d = { .fd = fd, .path = path, .max = max, .out = out };
	struct dirent **v = NULL;
	int n = scandir(path, &v, visible, alphasort), ret = 0;

	if (n < 0)
		return io_error(err, path, strerror(errno));
	if (n > FILES_MAX)
		ret = fl_err_set(err, FL_ELIMIT, "folder '%s': over %d files", path, FILES_MAX);
	for (int i = 0; i < n; i++) {
		if (ret == 0)
			ret = take_entry(&d, v[i]->d_name, err);
		free(v[i]);
	}
	free(v);
	if (ret == 0 && (d.stamps.failed || (out && out->failed)))
		ret = fl_err_set(err, FL_ENOMEM, "folder '%s': out of memory", path);
	snprintf(validator, cap, "folder %u %016llx", d.files, (unsigned long long)fl_checksum64(d.stamps.p, d.stamps.n));
	fl_buf_done(&d.stamps);
	return ret;
}

bool fl__is_folder(const char *validator)
{
	return strncmp(validator, "folder ", 7) == 0;
}

int fl__read_system_file(void *ctx, const char *path, uint64_t max, struct fl_buf *out, char *validator, size_t cap, struct fl_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret = 0;
	struct stat st;

	(void)ctx;
	if (fd < 0 || fstat(fd, &st) < 0)
		ret = io_error(err, path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		ret = read_folder(fd, path, max, out, validator, cap, err);
	else if (!S_ISREG(st.st_mode))
		ret = fl_err_set(err, FL_EIO, "file '%s': neither a file nor a folder", path);
	else {
		stamp_of(&st, validator, cap);
		ret = out ? read_all(fd, path, max, out, err) : 0;
	}
	if (fd >= 0)
		close(fd);
	return ret;
}
