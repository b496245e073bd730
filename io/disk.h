/* Disk door: one folder (state or runtime), by system calls (disk_posix.c), and a twin in memory (disk_mem.c) that loses unsynced tails and tears
 * writes at a crash. A path is one name in the folder. Symbolic links are not followed. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

struct fl_disk;
struct fl_disk_file;
struct fl_disk_map {
	struct fl_span bytes; /* read-only */
	void *handle;
};
struct fl_disk_ops {
	/* Whole file appended to out. FL_ENOTFOUND, FL_EIO, FL_ELIMIT (over max). */
	int (*read)(struct fl_disk *d, const char *path, size_t max, struct fl_buf *out, struct fl_err *err);
	int (*map)(struct fl_disk *d, const char *path, struct fl_disk_map *out, struct fl_err *err);
	void (*unmap)(struct fl_disk *d, struct fl_disk_map *m);
	/* truncate: start empty; else append to what is there. Creates it. */
	int (*open)(struct fl_disk *d, const char *path, bool truncate, struct fl_disk_file **out, struct fl_err *err);
	/* All of it, or an error (FL_EIO, FL_ELIMIT when the disk is full); after an error the tail is unspecified. */
	int (*append)(struct fl_disk_file *f, struct fl_span bytes, struct fl_err *err);
	/* Cut the file to n octets: after a failed append. */
	int (*truncate)(struct fl_disk_file *f, uint64_t n, struct fl_err *err);
	int (*sync)(struct fl_disk_file *f, struct fl_err *err);
	void (*close_file)(struct fl_disk_file *f);
	/* Atomic replace; both in this folder. The folder is synced. */
	int (*rename)(struct fl_disk *d, const char *from, const char *to, struct fl_err *err);
	int (*remove)(struct fl_disk *d, const char *path, struct fl_err *err);
	/* Names of the regular files in the folder in byte order, NULL-ended, in arena. */
	int (*list)(struct fl_disk *d, struct fl_arena *arena, const char *const **out, struct fl_err *err);
	void (*close)(struct fl_disk *d);
};
struct fl_disk {
	const struct fl_disk_ops *ops;
};
/** Creates the folder (mode 0750) when it is missing. */
int fl_disk_posix_open(const char *folder, struct fl_disk **out, struct fl_err *err);
/** Write a whole small file so that after a crash it is the old one or the new one: temporary name, sync, rename. */
int fl_disk_replace(struct fl_disk *d, const char *path, struct fl_span bytes, struct fl_err *err);

struct fl_disk_mem;
struct fl_disk_mem *fl_disk_mem_new(void);
void fl_disk_mem_free(struct fl_disk_mem *w);
struct fl_disk *fl_disk_mem_open(struct fl_disk_mem *w);
/** kill -9: nothing that append took is lost. Doors opened before it, and their files, are dead: every call fails and changes nothing, but close. */
void fl_disk_mem_kill(struct fl_disk_mem *w);
/** Power cut: of each file's unsynced tail a part given by keep(ctx, unsynced bytes) stays. */
typedef size_t fl_disk_keep(void *ctx, size_t unsynced);
void fl_disk_mem_power_cut(struct fl_disk_mem *w, fl_disk_keep *keep, void *ctx);
/* 0, or the code the call fails with; an append that fails may have written a part. what: "append", "sync", "rename",
 * "open", "read", "map", "truncate", "remove", "list". */
typedef int fl_disk_fault_plan(void *ctx, const char *what, const char *path);
void fl_disk_mem_faults(struct fl_disk_mem *w, fl_disk_fault_plan *plan, void *ctx);
bool fl_disk_mem_corrupt(struct fl_disk_mem *w, const char *path, size_t bit);
