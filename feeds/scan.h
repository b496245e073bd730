/* Private to feeds/: JSON as text. A body of records may be large and may be hostile, so no tree is made of it: fl__json_check() proves the whole text
 * well-formed and bounded in depth, a walk finds the records in it, and each record alone becomes a tree (jansson). */
#pragma once
#include "base/err.h"
#include "base/span.h"

#include <jansson.h>

enum { FL__JSON_DEPTH = 64 };

/** One JSON value (RFC 8259) and nothing behind it? NULL, or what is wrong, and *at its offset. Says nothing of duplicate keys and of UTF-8. */
const char *fl__json_check(struct fl_span text, size_t *at);
/** The value at the start of text, white space before it off; an empty span when there is none. *end: the offset behind it. */
struct fl_span fl__json_first(struct fl_span text, size_t *end);

/* The members of an object or elements of an array, in text that was checked. Of any other value: none. */
struct fl__members {
	struct fl_span text;
	size_t pos;
	bool object;
	struct fl_span key, value; /* key: without its quotes, as it stands */
};
struct fl__members fl__members_of(struct fl_span container);
bool fl__members_next(struct fl__members *w);

/** The value at an RFC 6901 pointer in text that was checked: 1; 0: there is none; FL_EFORMAT: a key on the way stands twice in its object. */
int fl__json_at(struct fl_span text, const char *pointer, struct fl_span *out);
/** Does a key as it stands (maybe with escapes) mean this text? */
bool fl__key_is(struct fl_span key, struct fl_span text);
/** The same pointer in a tree; NULL. */
json_t *fl__tree_at(json_t *v, const char *pointer);
/** One record as a tree: bounded in size; duplicate keys, text that is not UTF-8 and U+0000 are refused. A new reference, or NULL. */
json_t *fl__tree_load(struct fl_span text);
/** The text of a string; an empty span when it is none. */
struct fl_span fl__json_text(const json_t *v);
/** The same of a member; an empty span when it is not there. */
static inline struct fl_span fl__json_member_text(const json_t *o, const char *key)
{
	return fl__json_text(json_object_get(o, key));
}
