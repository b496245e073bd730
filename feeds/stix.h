/* Private to feeds/: STIX patterns. */
#pragma once
#include "feeds/fields.h"

/* One name or URL that a pattern asks for, unescaped; borrowed for the call. A negative return ends it. */
typedef int fl__stix_sink(void *ctx, enum fl__kind kind, struct fl_span text);
/**
 * The names and URLs of a pattern that is a list of them. Nothing is given unless the whole pattern is understood.
 * @return FL_DROP_COUNT; FL_DROP_NOT_APPLICABLE: it speaks of neither; FL_DROP_PATTERN: it says more than a list can; FL_DROP_SYNTAX: it is none.
 * *ret: 0, or what the sink said.
 */
enum fl_drop fl__stix_pattern(struct fl_span text, fl__stix_sink *sink, void *ctx, int *ret);
