/* The query-log ring of one answering thread (docs/formats/ring.md): a preallocated file in the runtime folder (tmpfs), mapped shared, so that what was written survives
 * kill -9 and never waits for a disk.
 *
 *   page 0: identity | next_seq | head | tail (each on a cache line of its own)        then `size` octets of frames
 *   frame:  length, checksum, number, body length, flags | body | up to 7 octets of padding
 *
 * One writer (the thread), one reader (the log thread). Numbers are given before any decision to drop. head and tail only grow; position modulo size is the place. A frame never
 * wraps: a skip frame fills the end. The writer stores next_seq, writes the frame, stores head (release); the reader load-acquires head and store-releases tail. */
#pragma once
#include <stdatomic.h>
#include "base/err.h"
#include "base/span.h"

enum { FL__RING_PAGE = 4096, FL__RING_FORMAT = 1, FL__RING_BODY_MAX = 16384, FL__RING_ENFORCER = 96 };
#define FL__RING_BYTES_MIN (UINT64_C(64) << 10)

struct fl__ring_page {
	char magic[8];
	uint32_t format, boot, thread, unused;
	uint64_t size;
	char enforcer[FL__RING_ENFORCER];
	uint64_t check; /* of all before it */
	_Alignas(64) _Atomic uint64_t next_seq;
	_Alignas(64) _Atomic uint64_t head;
	_Alignas(64) _Atomic uint64_t tail;
};
_Static_assert(offsetof(struct fl__ring_page, check) == 128 && offsetof(struct fl__ring_page, next_seq) == 192 &&
		       offsetof(struct fl__ring_page, head) == 256 && offsetof(struct fl__ring_page, tail) == 320,
	       "docs/formats/ring.md");
struct fl_ring {
	struct fl__ring_page *page;
	uint8_t *data;
	uint64_t size;
	int fd;
	char path[512];
	/* writer's own */
	uint64_t tail_seen;
	uint8_t *open_frame;
};

/** A boot number above those of the rings in the folder: a process killed within a second of its start has left some. */
uint32_t fl__ring_boot(const char *folder, uint32_t at_least);
/** Creates FOLDER/ring-THREAD.BOOT, faulted in and locked against another process. bytes is rounded up to pages. FL_EIO with the reason. */
int fl__ring_create(const char *folder, const char *enforcer, uint32_t boot, uint32_t thread, uint64_t bytes, struct fl_ring **out, struct fl_err *err);
/** An old one, left by a killed process. FL_EREFUSED: its process lives; FL_ECORRUPT. */
int fl__ring_open(const char *path, struct fl_ring **out, struct fl_err *err);
/** Over mapped bytes, for the two above and for tests: checks identity, size, head and tail. n: of the whole file. */
int fl__ring_attach(void *bytes, size_t n, struct fl_ring *out, struct fl_err *err);
/** Gives back the memory of what holds no frames: for a ring that nobody writes to any more. */
void fl__ring_shrink(struct fl_ring *r);
/** unlink: the file goes too. */
void fl__ring_close(struct fl_ring *r, bool unlink_file);

/** The next number. Every answered question takes one, written or dropped. Writer. */
uint64_t fl__ring_number(struct fl_ring *r);
/**
 * Room for a body of n octets, or NULL: then the record is dropped. keep: BLOCK and ALERT, dropped only when the ring is full; others above three quarters.
 * Writer; follow with commit (same n).
 */
uint8_t *fl__ring_begin(struct fl_ring *r, size_t n, bool keep);
void fl__ring_commit(struct fl_ring *r, uint64_t seq, size_t n);

struct fl__frame {
	uint64_t seq;
	struct fl_span body; /* borrowed from the ring until released */
	uint64_t end;	     /* release up to here when it is delivered */
};
/** 1 and the frame at *pos, *pos goes behind it; 0: none yet, *pos goes behind skip frames; FL_ECORRUPT: a bad frame ends the ring. Reader. */
int fl__ring_next(const struct fl_ring *r, uint64_t *pos, struct fl__frame *out);
void fl__ring_release(struct fl_ring *r, uint64_t pos);
uint64_t fl__ring_used(const struct fl_ring *r);
/** After a bad frame in a ring that is still written to: the position behind all that is there, released. What was between is lost. Reader. */
uint64_t fl__ring_skip_all(struct fl_ring *r);
