/* What an error reply means to the caller, for both doors of the store. Private to io/. */
#pragma once
#include "base/err.h"
#include "base/span.h"

/** An error reply that says "not now, nothing was carried out": the same work again later is right. */
static inline bool fl__store_error_passes(struct fl_span text)
{
	static const char *const words[] = { "OOM",        "MISCONF",    "LOADING",     "READONLY", "BUSY",
					     "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "NOAUTH" };
	const uint8_t *space = text.n ? memchr(text.p, ' ', text.n) : NULL;
	struct fl_span word = fl_span(text.p, space ? (size_t)(space - text.p) : text.n);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (fl_span_eqs(word, words[i]))
			return true;
	return false;
}

/** FL_EUNAVAIL for the words above, else FL_ECORRUPT; the text is "WHAT: the server's words". */
static inline int fl__store_error(const char *what, struct fl_span text, struct fl_err *err)
{
	int n = text.n > 400 ? 400 : (int)text.n;
	int code = fl__store_error_passes(text) ? FL_EUNAVAIL : FL_ECORRUPT;

	return fl_err_set(err, code, "%s: %.*s", what, n, text.n ? (const char *)text.p : "");
}
