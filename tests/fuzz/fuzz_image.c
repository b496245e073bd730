/* Image files: whatever opens is walked. The first octet says whether the checksums are made right first, so that the checks behind
 * them are reached too. */
#include <stdlib.h>

#include "matcher/image_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend_sums(uint8_t *p, size_t n)
{
	uint64_t sum, bytes = n, sums, blocks;

	if (n < FL__IMAGE_HEADER + 16)
		return;
	memcpy(p + 8, &bytes, sizeof(bytes));
	sum = fl_checksum64(p, FL__IMAGE_SUMMED);
	memcpy(p + FL__IMAGE_SUMMED, &sum, sizeof(sum));
	blocks = (n + FL__IMAGE_BLOCK - 1) / FL__IMAGE_BLOCK;
	sums = n - 8 - blocks * 8;
	for (uint64_t i = 0; i < blocks && i * FL__IMAGE_BLOCK < sums; i++) {
		uint64_t at = i * FL__IMAGE_BLOCK, len = sums - at < FL__IMAGE_BLOCK ? sums - at : FL__IMAGE_BLOCK;

		sum = fl_checksum64(p + at, (size_t)len);
		memcpy(p + sums + i * 8, &sum, sizeof(sum));
	}
	sum = fl_checksum64(p + sums, (size_t)(n - 8 - sums));
	memcpy(p + n - 8, &sum, sizeof(sum));
}

static void walk_all(const struct fl_image *img, struct fl_span some)
{
	struct fl_match m[8];
	struct fl_walk w;

	if (some.n > FL_RKEY_MAX)
		some.n = FL_RKEY_MAX;
	fl_image_walk(img, some, &w);
	fl_walk_claims(img, &w, m, 8);
	for (int l = 0; l < 4; l++)
		fl_walk_list(img, &w, l, m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_image *img = NULL;
	uint8_t *p;

	if (size < 1 || size > 1 << 22)
		return 0;
	p = aligned_alloc(16, (size + 15) / 16 * 16);
	if (!p)
		return 0;
	memcpy(p, data + 1, size - 1);
	if (data[0] & 1)
		mend_sums(p, size - 1);
	if (fl_image_open(fl_span(p, size - 1), NULL, NULL, &img, NULL) == 0) {
		walk_all(img, fl_span("com\0example\0www", 16));
		walk_all(img, fl_span(data, size));
		fl_image_release(img);
	}
	free(p);
	return 0;
}
