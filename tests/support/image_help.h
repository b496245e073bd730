/* Images for tests: lists of in-memory sets, applied as an enforcer would. */
#pragma once
#include <stdlib.h>

#include "matcher/image.h"
#include "tests/support/setgen.h"

/* One input of an update, from what it holds to what it shall hold. */
struct help_input {
	const char *source;
	uint64_t number;
	const struct fl_set *from, *to;
	bool whole; /* as entries; else as changes */
	bool same;
};

static inline void help_add(struct fl_set *s, const char *name, uint8_t scope)
{
	struct fl_tuple t = { .scope = scope };
	struct fl_rkey k;

	if (!fl_rkey_from_text(fl_span_str(name), &k) || fl_set_add(s, fl_rkey_span(&k), &t) < 0)
		abort();
}

static inline void help_sort(struct fl_set *s)
{
	size_t folded;

	if (fl_set_sort(s, &folded) < 0)
		abort();
}

static inline struct fl_version_id help_id(uint64_t number)
{
	struct fl_version_id id = { .number = number };

	memset(id.epoch.b, 7, sizeof(id.epoch.b));
	memcpy(id.chain, &number, sizeof(number));
	return id;
}

/* The manifest of an update; inputs must be sorted by source. Returned storage is the caller's to free(). */
static inline struct fl_list_input *help_manifest(struct fl_list_version *v, const char *list, uint64_t number,
						  const struct help_input *in, uint32_t n)
{
	struct fl_list_input *m = calloc(n + 1, sizeof(*m));

	*v = (struct fl_list_version){ .id = help_id(number), .parent = number - 1, .inputs = m, .n_inputs = n };
	snprintf(v->list, sizeof(v->list), "%s", list);
	for (uint32_t i = 0; i < n; i++) {
		struct fl_digests d = gen_digests(in[i].to);

		snprintf(m[i].source, sizeof(m[i].source), "%s", in[i].source);
		m[i].id = help_id(in[i].number);
		m[i].digest = d.scope;
		m[i].entries = d.entries;
	}
	return m;
}

/* Apply; on success *img is replaced. */
static inline int help_apply(struct fl_image **img, const char *list, uint64_t number, const struct help_input *in, uint32_t n,
			     uint32_t *bad, struct fl_err *err)
{
	struct fl_list_version v;
	struct fl_list_input *m = help_manifest(&v, list, number, in, n);
	struct fl_image_input_update *u = calloc(n + 1, sizeof(*u));
	struct fl_change_iter **changes = calloc(n + 1, sizeof(*changes));
	struct fl_image *next = NULL;
	int ret;

	for (uint32_t i = 0; i < n; i++) {
		u[i].to = &m[i];
		u[i].same = in[i].same;
		if (in[i].whole) {
			u[i].take_entries = fl_set_iter(in[i].to);
		} else if (!in[i].same) {
			changes[i] = fl_diff_iter(in[i].from ? fl_set_iter(in[i].from) : fl_entries_empty(), fl_set_iter(in[i].to));
			u[i].take_changes = &changes[i];
			u[i].n_changes = 1;
		}
	}
	ret = fl_image_apply(*img, &(struct fl_image_update){ &v, u, 5 }, &next, bad, err);
	if (ret == 0) {
		fl_image_release(*img);
		*img = next;
	}
	free(changes);
	free(u);
	free(m);
	return ret;
}

/* Does the list cover the name? */
static inline bool help_covers(const struct fl_image *img, const char *list, const char *name, struct fl_match *out)
{
	struct fl_match m;
	struct fl_rkey k;
	struct fl_walk w;

	if (!fl_rkey_from_text(fl_span_str(name), &k))
		abort();
	fl_image_walk(img, fl_rkey_span(&k), &w);
	return fl_walk_list(img, &w, fl_image_list_index(img, list), out ? out : &m);
}

static inline int help_sink(void *ctx, struct fl_span bytes)
{
	struct fl_buf *b = ctx;

	fl_buf_add(b, bytes.p, bytes.n);
	return b->failed ? FL_ENOMEM : 0;
}

/* The file bytes, aligned as a mapping would be; *n octets, free() them. */
static inline uint8_t *help_bytes(const struct fl_image *img, size_t *n)
{
	struct fl_buf b = { 0 };
	uint8_t *p;

	if (fl_image_write(img, 9, help_sink, &b, NULL) < 0)
		abort();
	p = aligned_alloc(64, (b.n + 63) / 64 * 64);
	memcpy(p, b.p, b.n);
	*n = b.n;
	fl_buf_done(&b);
	return p;
}
