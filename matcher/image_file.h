/* The file form of an image (docs/formats/image.md). Integers are little-endian; sections follow each other, each padded to 16.
 *
 *   header | meta: lists, inputs | classes | index | rows | sums: XXH3-64 of each MiB before them, and of the sums themselves */
#pragma once
#include "matcher/root.h"

#define FL__IMAGE_MAGIC UINT32_C(0x4d494c46) /* "FLIM" */
enum {
	FL__IMAGE_FORMAT = 1,
	FL__IMAGE_HEADER = 96,
	FL__IMAGE_SUMMED = 88, /* octets of the header that its own checksum covers */
	FL__IMAGE_BLOCK = 1 << 20,
};

struct fl__image_header {
	uint64_t generation;
	struct fl_image_key key;
	uint64_t rows, meta_bytes, classes_bytes; /* without padding */
	uint32_t n_lists, n_inputs, n_classes, bits;
};
/* Where the sections stand. */
struct fl__image_layout {
	uint64_t meta, classes, index, rows, sums, bytes;
};

/* Rows and index are used where they lie. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the image is little-endian, and mapped as it is");
_Static_assert(sizeof(struct fl__row) == 16, "a row is 16 octets, without padding");

static inline uint64_t fl__image_pad(uint64_t n)
{
	return (n + 15) & ~UINT64_C(15);
}
/** The header's numbers must be below 2^40. */
void fl__image_layout(const struct fl__image_header *h, struct fl__image_layout *l);
