/* A drop folder: files appear, are read once, and put away: done/ or failed/ with the reason beside it, or deleted. Names that start with a dot or end in ".tmp" or
 * ".part" are someone's work in progress. (dropdir_posix.c; tests bring a table.) */
#pragma once
#include "base/err.h"
#include "base/span.h"
#include "base/time.h"

struct fl_drop_file {
	char name[256];
	fl_unix_us mtime; /* for judging half-written ones */
};
struct fl_drop_dir {
	/* The first files, at most max, of folder `path` whose names fit `glob` and stand behind `after` in byte order; in that order. Their number, or FL_ENOTFOUND, FL_EIO. One pass over the
	 * folder, however many there are. */
	int (*list)(void *ctx, const char *path, const char *glob, const char *after, struct fl_drop_file *v, size_t max, struct fl_err *err);
	int (*read)(void *ctx, const char *path, const char *name, size_t max, struct fl_buf *out, struct fl_err *err);
	int (*done)(void *ctx, const char *path, const char *name, bool move, struct fl_err *err);
	int (*failed)(void *ctx, const char *path, const char *name, const char *reason, struct fl_err *err);
};
/** System calls; ctx is not used. */
extern const struct fl_drop_dir fl_drop_dir_posix;
/** An inotify descriptor over these folders (created when missing), readable when a file was closed or moved in; -1 when none can be had (poll then). Read and drop its bytes. */
int fl_drop_dir_watch(const char *const *paths, size_t n);
