/* Fuzz entry: MISP events, warning lists and manifests. */
#include "tests/fuzz/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_arena arena = { 0 };
	struct fl_misp_event *v;
	size_t n;

	if (fl_misp_manifest_parse(fl_span(data, size), &arena, &v, &n, NULL, NULL) == 0)
		for (size_t i = 0; i < n; i++)
			assert(strlen(v[i].uuid) == 36 && v[i].timestamp_s);
	fl_arena_done(&arena);
	return fuzz_feed(FL_FORMAT_MISP, data, size);
}
