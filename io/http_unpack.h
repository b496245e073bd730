/* Unpacking of bodies as they arrive: gzip and zstd, bounded in size and ratio, and whole or not at all. Inside io/. */
#pragma once
#include "base/err.h"
#include "base/span.h"

enum fl__packing { FL__PACKING_NONE, FL__PACKING_GZIP, FL__PACKING_ZSTD };
struct fl__unpack;

/** NULL when out of memory. max_ratio 0: 100. */
struct fl__unpack *fl__unpack_new(enum fl__packing packing, uint64_t max_bytes, uint32_t max_ratio);
void fl__unpack_free(struct fl__unpack *u);
/** The next packed bytes, any cut; unpacked ones are appended to out. FL_EFORMAT, FL_ELIMIT, FL_ENOMEM. */
int fl__unpack_feed(struct fl__unpack *u, struct fl_span in, struct fl_buf *out, struct fl_err *err);
bool fl__unpack_packed(const struct fl__unpack *u);
/** All is there: 0, or FL_EFORMAT when it was cut off. */
int fl__unpack_end(const struct fl__unpack *u, struct fl_err *err);
/** By the first bytes. */
enum fl__packing fl__packing_of(struct fl_span body);
