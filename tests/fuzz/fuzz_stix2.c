/* Fuzz entry: a STIX 2 bundle and its patterns. */
#include "tests/fuzz/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_feed(FL_FORMAT_STIX2, data, size);
}
