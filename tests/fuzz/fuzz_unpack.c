/* Hostile packed bodies: never over the limits, and the same answer whole or octet by octet. */
#include "io/http.h"
#include "io/http_unpack.h"

#include <stdlib.h>

enum { MAX_BYTES = 3 << 20, MAX_RATIO = 50 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* In pieces; 0 or a code, and what came out. */
static int in_pieces(enum fl__packing packing, struct fl_span in, size_t piece, struct fl_buf *out)
{
	struct fl__unpack *u = fl__unpack_new(packing, MAX_BYTES, MAX_RATIO);
	int ret = 0;

	check(u != NULL);
	while (ret == 0 && in.n) {
		size_t n = in.n < piece ? in.n : piece;

		ret = fl__unpack_feed(u, fl_span(in.p, n), out, NULL);
		in.p += n;
		in.n -= n;
	}
	if (ret == 0)
		ret = fl__unpack_end(u, NULL);
	fl__unpack_free(u);
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum fl__packing packing = fl__packing_of(fl_span(data, size));
	struct fl_buf whole = { 0 }, pieces = { 0 };
	int a, b;

	fl_buf_add(&whole, data, size);
	a = fl_http_unpack(&whole, MAX_BYTES, MAX_RATIO, NULL);
	check(a == 0 || a == FL_EFORMAT || a == FL_ELIMIT);
	if (a == 0)
		check(whole.n <= MAX_BYTES);
	else
		check(fl_span_eq(fl_buf_span(&whole), fl_span(data, size))); /* left as it was */
	b = in_pieces(packing, fl_span(data, size), 7, &pieces);
	check(pieces.n <= MAX_BYTES);
	check((a == 0) == (b == 0) || a == FL_ELIMIT || b == FL_ELIMIT); /* the ratio is judged as it goes */
	if (a == 0 && b == 0)
		check(fl_span_eq(fl_buf_span(&whole), fl_buf_span(&pieces)));
	fl_buf_done(&whole);
	fl_buf_done(&pieces);
	return 0;
}
