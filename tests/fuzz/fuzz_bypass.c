/* Fuzz entry: the file that keeps bypasses over a restart. What is accepted is encoded again and must come back the same, whole and within its bounds. */
#include "model/bypass.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fl_bypass v[FL_BYPASS_MAX], again[FL_BYPASS_MAX];
	struct fl_buf first = { 0 }, second = { 0 };
	struct fl_err err = { 0 };
	size_t n = 0, m = 0;
	int ret = fl_bypass_decode(fl_span(data, size), v, &n, &err);

	assert(ret == 0 || (ret == err.code && err.text[0]));
	if (ret == 0) {
		assert(n <= FL_BYPASS_MAX);
		for (size_t i = 0; i < n; i++)
			assert(v[i].until > v[i].since && v[i].ends == 0 && memchr(v[i].reason, 0, sizeof(v[i].reason)));
		fl_bypass_encode(v, n, &first);
		assert(!first.failed && fl_bypass_decode(fl_buf_span(&first), again, &m, NULL) == 0 && m == n);
		fl_bypass_encode(again, m, &second);
		assert(fl_span_eq(fl_buf_span(&first), fl_buf_span(&second)));
	}
	fl_buf_done(&first);
	fl_buf_done(&second);
	return 0;
}
