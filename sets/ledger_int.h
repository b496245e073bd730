/* Private to sets/: the ledger's file (ledger_file.c). */
#pragma once
#include "sets/ledger.h"

enum { FL_LEDGER_HEAD = 8, FL_LEDGER_FRAME = 4 + 4 + 8 + 2 };

struct fl__ledger_file {
	struct fl_disk *disk;
	const char *name;
	struct fl_disk_file *f;
	uint64_t bytes, records; /* good ones; header counted in bytes */
	uint64_t max;
	bool usable, dirty; /* dirty: behind `bytes` may stand what a failed append left */
	char problem[200];
};
/** Never fails: not usable, and why in problem. */
void fl__ledger_file_open(struct fl__ledger_file *f);
void fl__ledger_file_close(struct fl__ledger_file *f);
/** Whole frames; durable when it returns 0. FL_ELIMIT: over max; FL_EIO. */
int fl__ledger_file_append(struct fl__ledger_file *f, struct fl_span frames, uint64_t records, struct fl_err *err);
/** After a failed append: is the file itself again? */
void fl__ledger_file_mend(struct fl__ledger_file *f);
/** Cut to no record. */
int fl__ledger_file_cut(struct fl__ledger_file *f, struct fl_err *err);
int fl__ledger_file_replace(struct fl__ledger_file *f, struct fl_span frames, uint64_t records, struct fl_err *err);
/** One record as it stands in the file: magic, length, checksum, length of the key, key, value. */
void fl__ledger_frame(struct fl_span key, struct fl_span value, struct fl_buf *out);
/** 1 and the record at *pos, which moves behind it; 0 at the end; FL_EGAP: it runs past the end; FL_ECORRUPT. bytes: without the file's header. */
int fl__ledger_next(struct fl_span bytes, size_t *pos, struct fl_span *key, struct fl_span *value);
