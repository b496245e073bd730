#include "io/dropdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

static int folder(const char *path, struct fl_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fl_err_set(err, errno == ENOENT ? FL_ENOTFOUND : FL_EIO, "folder '%s': %s", path, strerror(errno));
	return fd;
}

static bool in_progress(const char *name)
{
	size_t n = strlen(name);

	return name[0] == '.' || (n > 4 && strcmp(name + n - 4, ".tmp") == 0) || (n > 5 && strcmp(name + n - 5, ".part") == 0);
}

static bool is_file(int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_REG;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* v[0..n-1] is a heap with the last name of all at its root, from which `at` may stand out of order. */
static void sift(struct fl_drop_file *v, size_t n, size_t at)
{
	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		struct fl_drop_file tmp;

		if (child + 1 < n && strcmp(v[child + 1].name, v[child].name) > 0)
			child++;
		if (strcmp(v[at].name, v[child].name) >= 0)
			return;
		tmp = v[at];
		v[at] = v[child];
		v[child] = tmp;
	}
}

/* One more name: the first max of all that were ever put are kept. */
static void keep(struct fl_drop_file *v, size_t *n, size_t max, const char *name)
{
	if (*n == max && strcmp(name, v[0].name) >= 0)
		return;
	if (*n < max) {
		memcpy(v[*n].name, name, strlen(name) + 1);
		if (++*n == max)
			for (size_t i = max / 2; i-- > 0;)
				sift(v, max, i);
		return;
	}
	memcpy(v[0].name, name, strlen(name) + 1);
	sift(v, max, 0);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct fl_drop_file *)a)->name, ((const struct fl_drop_file *)b)->name);
}

static int list(void *ctx, const char *path, const char *glob, const char *after, struct fl_drop_file *v, size_t max, struct fl_err *err)
{
	int fd = folder(path, err);
	size_t n = 0, k = 0;
	struct dirent *e;
	struct stat st;
	DIR *d;

	(void)ctx;
	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return fl_err_set(err, FL_EIO, "folder '%s': %s", path, strerror(errno));
	}
	while ((e = readdir(d)))
		if (!in_progress(e->d_name) && strlen(e->d_name) < sizeof(v->name) && strcmp(e->d_name, after) > 0 && fl_glob(glob, e->d_name) && is_file(fd, e))
			keep(v, &n, max, e->d_name);
	for (size_t i = 0; i < n; i++)
		if (fstatat(fd, v[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0) { /* else it left meanwhile */
			v[i].mtime = (fl_unix_us)st.st_mtim.tv_sec * FL_US_PER_S + st.st_mtim.tv_nsec / 1000;
			v[k++] = v[i];
		}
	closedir(d);
	qsort(v, k, sizeof(*v), by_name);
	return (int)k;
}

static int read_file(void *ctx, const char *path, const char *name, size_t max, struct fl_buf *out, struct fl_err *err)
{
	int dir = folder(path, err), fd, ret = 0;
	ssize_t n = 1;

	(void)ctx;
	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	close(dir);
	if (fd < 0)
		return fl_err_set(err, errno == ENOENT ? FL_ENOTFOUND : FL_EIO, "%s/%s: %s", path, name, strerror(errno));
	while (ret == 0 && n > 0) {
		if (!fl_buf_reserve(out, 65536)) {
			ret = FL_ENOMEM;
			break;
		}
		n = read(fd, out->p + out->n, 65536);
		if (n < 0)
			ret = errno == EINTR ? (n = 1, 0) : fl_err_set(err, FL_EIO, "%s/%s: %s", path, name, strerror(errno));
		else
			out->n += (size_t)n;
		if (out->n > max)
			ret = fl_err_set(err, FL_ELIMIT, "%s/%s: over %zu octets", path, name, max);
	}
	close(fd);
	return ret;
}

static int move_to(const char *path, const char *name, const char *sub, const char *reason, struct fl_err *err)
{
	int dir = folder(path, err), to = -1, ret = 0;
	char note[300];

	if (dir < 0)
		return dir;
	mkdirat(dir, sub, 0750);
	to = openat(dir, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (to < 0 || renameat(dir, name, to, name) < 0)
		ret = fl_err_set(err, errno == ENOENT ? FL_ENOTFOUND : FL_EIO, "%s/%s to %s: %s", path, name, sub, strerror(errno));
	if (ret == 0 && reason) {
		int fd;

		snprintf(note, sizeof(note), "%.250s.reason", name);
		fd = openat(to, note, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
		if (fd >= 0) {
			dprintf(fd, "%s\n", reason);
			close(fd);
		}
	}
	if (to >= 0)
		close(to);
	close(dir);
	return ret;
}

static int done(void *ctx, const char *path, const char *name, bool move, struct fl_err *err)
{
	int dir, ret = 0;

	(void)ctx;
	if (move)
		return move_to(path, name, "done", NULL, err);
	dir = folder(path, err);
	if (dir < 0)
		return dir;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		ret = fl_err_set(err, FL_EIO, "%s/%s: %s", path, name, strerror(errno));
	close(dir);
	return ret;
}

static int failed(void *ctx, const char *path, const char *name, const char *reason, struct fl_err *err)
{
	(void)ctx;
	return move_to(path, name, "failed", reason, err);
}

const struct fl_drop_dir fl_drop_dir_posix = { list, read_file, done, failed };

int fl_drop_dir_watch(const char *const *paths, size_t n)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < n; i++) {
		mkdir(paths[i], 0750);
		inotify_add_watch(fd, paths[i], IN_CLOSE_WRITE | IN_MOVED_TO);
	}
	return fd;
}
