/* Fuzz entry: a JSON document, by pointers and by provider; and a pointer. */
#include "tests/fuzz/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char pointer[512] = "";
	size_t at = 0;

	if (size)
		memcpy(pointer, data, size < sizeof(pointer) - 1 ? size : sizeof(pointer) - 1);
	assert(fl_pointer_valid(pointer, &at) || at <= strlen(pointer));
	return fuzz_feed(FL_FORMAT_JSON, data, size);
}
