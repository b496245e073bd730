#include "io/dropdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

static int next(void *ctx, const char *path, const char *glob, const char *after, char *name, size_t cap, fl_unix_us *mtime, struct fl_err *err)
{
	int fd = folder(path, err), found = 0;
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
		if (!in_progress(e->d_name) && strlen(e->d_name) < cap && fl_glob(glob, e->d_name) && strcmp(e->d_name, after) > 0 &&
		    (!found || strcmp(e->d_name, name) < 0) && fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
			memcpy(name, e->d_name, strlen(e->d_name) + 1);
			*mtime = (fl_unix_us)st.st_mtim.tv_sec * FL_US_PER_S + st.st_mtim.tv_nsec / 1000;
			found = 1;
		}
	closedir(d);
	return found;
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

const struct fl_drop_dir fl_drop_dir_posix = { next, read_file, done, failed };

int fl_drop_dir_watch(const char *const *paths, size_t n)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < n; i++) {
		mkdir(paths[i], 0750);
		inotify_add_watch(fd, paths[i], IN_CLOSE_WRITE | IN_MOVED_TO);
	}
	return fd;
}
