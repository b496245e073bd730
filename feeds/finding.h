/* Private to feeds/: the document side (finding.c) and the field side (finding_fields.c) of the findings decoder. */
#pragma once
#include "feeds/feeds.h"

#include <jansson.h>

/** Member by name without case; NULL when absent or obj is no object. */
json_t *fl__finding_member(const json_t *obj, const char *key, size_t n);
enum { FL__JSON_DEPTH_MAX = 64 };
/** Is the text nested deeper than that? jansson recurses as deep as the text says, up to a limit of its own; ours comes first. */
bool fl__json_too_deep(struct fl_span text);
/** Bounded in size and depth; NULL and *err otherwise. */
json_t *fl__finding_load(struct fl_span text, struct fl_err *err);
/** One finding of a known shape. Strings are copied into arena. */
int fl__finding_read(const json_t *obj, const char *shape, struct fl_arena *arena, struct fl_finding *out,
		     struct fl_err *err);
