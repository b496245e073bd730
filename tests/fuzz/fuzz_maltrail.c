/* Fuzz entry: Maltrail's trails. */
#include "tests/fuzz/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_feed(FL_FORMAT_MALTRAIL, data, size);
}
