/* The matcher alone: bytes a name, time to build, write, open, look up and apply, over synthetic names (a third of them random
 * characters, the rest of syllables). Prints one line a figure. CPU time of this process, one thread.
 *
 *   bench-matcher [NAMES [APPLIES]]       default 1000000 names, 50 updates of 1,000 names each */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/delta.h"
#include "tests/support/image_help.h"

static uint64_t rng = UINT64_C(0x853c49e6748fea9b);
static uint32_t draw(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng * UINT64_C(0x2545f4914f6cdd1d) >> 32) * n >> 32);
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t put_label(char *out)
{
	static const char syllables[] = "bacodufegihajoklumenopiqurasetivowaxyz";
	size_t n = 0, want = 4 + draw(10);
	bool random = draw(3) == 0;

	while (n < want)
		if (random) {
			out[n++] = "abcdefghijklmnopqrstuvwxyz0123456789"[draw(36)];
		} else {
			uint32_t at = draw(19) * 2;

			out[n++] = syllables[at];
			out[n++] = syllables[at + 1];
		}
	return n;
}

/* `mark` keeps names of different calls apart. */
static struct fl_set names_make(size_t n, unsigned mark)
{
	static const char *const tlds[] = { "com", "net", "org", "ru", "xyz", "info", "top", "co.uk" };
	struct fl_set s = { 0 };

	for (size_t i = 0; i < n; i++) {
		char name[FL_NAME_TEXT];
		size_t at = 0;

		for (unsigned l = draw(3); l > 0; l--) {
			at += put_label(name + at);
			name[at++] = '.';
		}
		at += put_label(name + at);
		if (mark)
			at += (size_t)snprintf(name + at, sizeof(name) - at, "-%u", mark);
		snprintf(name + at, sizeof(name) - at, ".%s", tlds[draw(8)]);
		help_add(&s, name, 3);
	}
	help_sort(&s);
	return s;
}

/* ns a lookup of names that are listed, children of such, and names that are not. */
static void lookups(const struct fl_image *img, const struct fl_set *s, const struct fl_set *other, int kind, const char *what)
{
	enum { N = 1000000 };
	uint32_t *order = malloc(N * sizeof(*order));
	size_t hits = 0;
	double t;

	for (size_t i = 0; i < N; i++)
		order[i] = draw((uint32_t)(kind == 2 ? other->n : s->n));
	t = cpu_s();
	for (size_t i = 0; i < N; i++) {
		struct fl_span key = fl_set_key(kind == 2 ? other : s, order[i]);
		struct fl_walk w;
		struct fl_match m;
		uint8_t child[FL_RKEY_MAX + 8];

		if (kind == 1) {
			memcpy(child, key.p, key.n);
			memcpy(child + key.n, "www", 4);
			key = fl_span(child, key.n + 4);
		}
		fl_image_walk(img, key, &w);
		hits += fl_walk_list(img, &w, 0, &m);
	}
	printf("lookup %-5s %8.1f ns   (%zu of %d covered)\n", what, (cpu_s() - t) * 1e9 / N, hits, N);
	free(order);
}

static struct fl_image *build(const struct fl_set *s)
{
	struct help_input in = { "s", 1, NULL, s, true, false };
	struct fl_image *img = NULL;
	struct fl_image_stats st;
	double t, digest;

	if (fl_image_new(&(struct fl_image_key){ { 1 } }, &img) < 0)
		abort();
	t = cpu_s();
	help_digests(s); /* help_apply computes it once for the manifest */
	digest = cpu_s() - t;
	t = cpu_s();
	if (help_apply(&img, "l", 1, &in, 1, NULL, NULL) < 0)
		abort();
	t = cpu_s() - t;
	fl_image_stats(img, &st);
	printf("build       %8.3f s    %.2f octets a name, %llu names\n", t - digest, (double)st.bytes / (double)st.names,
	       (unsigned long long)st.names);
	return img;
}

static void store(const struct fl_image *img)
{
	struct fl_image *opened = NULL;
	double t = cpu_s();
	size_t n;
	uint8_t *p = help_bytes(img, &n);

	printf("write       %8.3f s    %zu octets (with copies of the bench's own)\n", cpu_s() - t, n);
	t = cpu_s();
	if (fl_image_open(fl_span(p, n), free, p, &opened, NULL) < 0)
		abort();
	printf("open        %8.3f s\n", cpu_s() - t);
	fl_image_release(opened);
}

/* One update of 1,000 new names, as an encoded delta; the digest follows. */
static void update_once(struct fl_image **img, uint64_t number, struct fl_digests *d, double *spent)
{
	struct fl_delta_writer *w = fl_delta_writer_new();
	struct fl_set add = names_make(1000, (unsigned)number);
	struct fl_list_input m = { .source = "s" };
	struct fl_list_version v = { .list = "l", .id = help_id(number), .inputs = &m, .n_inputs = 1 };
	struct fl_image_input_update u = { .to = &m, .n_changes = 1 };
	struct fl_image *next = NULL;
	struct fl_change_iter *it;
	struct fl_delta_meta meta;
	struct fl_buf b = { 0 };
	bool kept;
	double t;

	for (size_t i = 0; i < add.n; i++) {
		struct fl_change c = { .key = fl_set_key(&add, i), .new = add.v[i].t };

		fl_delta_writer_add(w, &c);
		fl_digests_change(d, &c);
	}
	fl_delta_writer_finish(w, &b, &kept, &meta);
	m.id = help_id(number);
	m.digest = d->scope;
	m.entries = d->entries;
	t = cpu_s();
	if (fl_delta_open(fl_buf_span(&b), &it, NULL) < 0)
		abort();
	u.take_changes = &it;
	if (fl_image_apply(*img, &(struct fl_image_update){ &v, &u, 0 }, &next, NULL, NULL) < 0)
		abort();
	fl_image_release(*img);
	*spent += cpu_s() - t;
	*img = next;
	fl_delta_writer_free(w);
	fl_buf_done(&b);
	fl_set_done(&add);
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	unsigned applies = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 50;
	struct fl_set s = names_make(n, 0), other = names_make(n < 1000000 ? n : 1000000, 1);
	struct fl_digests d = help_digests(&s);
	struct fl_image *img = build(&s);
	struct fl_image_stats st;
	double spent = 0;

	lookups(img, &s, &other, 0, "hit");
	lookups(img, &s, &other, 1, "child");
	lookups(img, &s, &other, 2, "miss");
	store(img);
	for (unsigned i = 0; i < applies; i++)
		update_once(&img, 2 + i, &d, &spent);
	fl_image_stats(img, &st);
	printf("apply       %8.1f us   an update of 1,000 names, mean of %u (%u runs, %llu overlay rows)\n", spent * 1e6 / applies, applies,
	       st.runs, (unsigned long long)st.overlay_rows);
	lookups(img, &s, &other, 2, "miss");
	fl_image_release(img);
	fl_set_done(&s);
	fl_set_done(&other);
	return 0;
}
