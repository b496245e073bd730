/* Names a second from the bytes of a feed to a sorted source set, on one core: reader, canonical form, suffix rules,
 * sort. Beside it, over the same bytes in the same run, readers that do less: they split lines, pass comments over,
 * lower-case each name and hash it, one octet by octet (FNV-1a), one with XXH3; and one also puts the hashes into a
 * table, and so knows each name once, as the set does. None of them asks whether it is a name at all.
 *
 *   bench-parse [--json FILE] [--reps N] [FORMAT:FILE ...]      default: real files of FL_SHARED, 7 repetitions
 *
 * CPU time of this process, one thread; medians. Start reading at measure(). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/heap.h"
#include "ingest/ingest.h"

enum { REPS_MAX = 101, SMALLEST_NS = 50000000 };

struct body {
	const char *format, *file;
	const char *dress; /* NULL, or what each name of a plain list is put into: "0.0.0.0 %s" */
};

/* No real list of a million is published as hosts or adblock among the shared files: the names of the big one, dressed.
 */
static const struct body shared[] = {
	{ "domains", "plain/tweetfeed-domains.txt", NULL },
	{ "domains", "plain/adfilt-antimalware-domains.txt", NULL },
	{ "domains", "big/malicious-domains-aa.txt.zst", NULL },
	{ "domains", "big/shadowwhisperer-tracking.txt.zst", NULL },
	{ "hosts", "hosts/tweetfeed-hosts.txt", NULL },
	{ "hosts", "hosts/fademind-add.2o7net.txt", NULL },
	{ "adblock", "adblock/tweetfeed-adguard.txt", NULL },
	{ "adblock", "adblock/adfilt-antimalware-adguardhome.txt", NULL },
	{ "domains", "big/maltrail-2026-08-23.txt.zst", NULL },
	{ "hosts", "big/maltrail-2026-08-23.txt.zst", "0.0.0.0 %s" },
	{ "adblock", "big/maltrail-2026-08-23.txt.zst", "||%s^" },
};

struct figures {
	uint64_t lines, names;
	double whole_s, octet_s, hash_s, table_s; /* for one reading of the body */
	long peak_kib;
};

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- the simple readers --- */

struct simple {
	bool hosts, by_octet;
	uint64_t *table; /* of hashes; 0: free */
	size_t mask;
	uint64_t sum;
};

static void remember(struct simple *s, uint64_t h)
{
	size_t at = h & s->mask;

	while (s->table[at] && s->table[at] != h)
		at = (at + 1) & s->mask;
	s->table[at] = h;
}

static uint64_t hash_of(const uint8_t *p, size_t n, bool by_octet)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	if (!by_octet)
		return XXH3_64bits(p, n);
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void simple_name(struct simple *s, const uint8_t *p, const uint8_t *end)
{
	uint8_t lower[512];
	size_t n = (size_t)(end - p) < sizeof(lower) ? (size_t)(end - p) : sizeof(lower);
	uint64_t h;

	for (size_t i = 0; i < n; i++)
		lower[i] = p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 32 : p[i];
	h = hash_of(lower, n, s->by_octet);
	s->sum ^= h;
	if (s->table)
		remember(s, h | 1);
}

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* A line is a name; in hosts, what follows its first word; in adblock, as it stands. */
static void simple_read(struct fl_span body, struct simple *s)
{
	const uint8_t *p = body.p, *end = body.p + body.n;

	while (p < end) {
		const uint8_t *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end, *line = p;

		p = stop + 1;
		while (line < stop && blank(*line))
			line++;
		while (stop > line && blank(stop[-1]))
			stop--;
		if (line == stop || *line == '#' || *line == '!')
			continue;
		if (s->hosts) {
			while (line < stop && !blank(*line))
				line++;
			while (line < stop && blank(*line))
				line++;
		}
		if (line < stop)
			simple_name(s, line, stop);
	}
}

/* --- the four things that are timed --- */

struct job {
	const struct fl_names *names;
	struct fl_feed_options opt;
	struct fl_span body;
	uint64_t lines, found;
	volatile uint64_t sink;
};

static void read_whole(struct job *j)
{
	struct fl_feed_trial t;
	struct fl_err err = { 0 };
	struct fl_set set = { 0 };

	if (fl_feed_try(j->names, &j->opt, j->body, 0, NULL, NULL, &set, &t, &err) < 0) {
		fprintf(stderr, "bench-parse: %s\n", err.text);
		exit(1);
	}
	j->lines = t.parsed.lines.in;
	j->found = set.n;
	fl_set_done(&set);
}

static void read_octets(struct job *j)
{
	struct simple s = { .hosts = j->opt.format == FL_FORMAT_HOSTS, .by_octet = true };

	simple_read(j->body, &s);
	j->sink = s.sum;
}

static void read_hashing(struct job *j)
{
	struct simple s = { .hosts = j->opt.format == FL_FORMAT_HOSTS };

	simple_read(j->body, &s);
	j->sink = s.sum;
}

static void read_into_table(struct job *j)
{
	struct simple s = { .hosts = j->opt.format == FL_FORMAT_HOSTS, .mask = 1023 };

	while (s.mask < 2 * j->lines)
		s.mask = 2 * s.mask + 1;
	s.table = calloc(s.mask + 1, sizeof(*s.table));
	if (!s.table)
		abort();
	simple_read(j->body, &s);
	j->sink = s.sum;
	free(s.table);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* How many readings take long enough to be timed. */
static unsigned how_many(void (*read)(struct job *), struct job *j)
{
	double t = cpu_s();

	read(j);
	t = cpu_s() - t;
	return t > 0 && SMALLEST_NS / 1e9 / t < 100000 ? (unsigned)(SMALLEST_NS / 1e9 / t) + 1 : 100000;
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

/* Medians of `reps` rounds; the readers take turns, so that a noisy minute meets all of them. */
static struct figures measure(struct job *j, unsigned reps)
{
	void (*const readers[])(struct job *) = { read_whole, read_octets, read_hashing, read_into_table };
	enum { READERS = sizeof(readers) / sizeof(*readers) };
	static double v[READERS][REPS_MAX];
	unsigned many[READERS];
	struct rusage u;

	for (int i = 0; i < READERS; i++) {
		many[i] = how_many(readers[i], j);
		if (i == 0)
			getrusage(RUSAGE_SELF, &u);
	}
	for (unsigned r = 0; r < reps; r++) {
		for (int i = 0; i < READERS; i++) {
			double t = cpu_s();

			for (unsigned k = 0; k < many[i]; k++)
				readers[i](j);
			v[i][r] = (cpu_s() - t) / many[i];
		}
	}
	return (struct figures){ .lines = j->lines, .names = j->found, .whole_s = median(v[0], reps), .octet_s = median(v[1], reps),
				 .hash_s = median(v[2], reps), .table_s = median(v[3], reps), .peak_kib = u.ru_maxrss };
}

/* --- bodies --- */

static bool load(const char *path, struct fl_buf *out)
{
	FILE *f = fopen(path, "re");
	struct fl_err err = { 0 };
	size_t n = 1;

	while (f && n && fl_buf_reserve(out, 1 << 20)) {
		n = fread(out->p + out->n, 1, 1 << 20, f);
		out->n += n;
	}
	if (f)
		fclose(f);
	return f && !out->failed && fl_http_unpack(out, (uint64_t)1 << 32, 1000, &err) == 0;
}

/* The lines of a plain list that are one word, each in its dress. */
static void dress(struct fl_buf *body, const char *how)
{
	struct fl_buf out = { 0 };
	const char *mark = strstr(how, "%s");
	const uint8_t *p = body->p, *end = body->p + body->n;

	while (p < end) {
		const uint8_t *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
		struct fl_span text = fl_span_trim(fl_span(p, (size_t)(stop - p)));

		p = stop + 1;
		if (text.n == 0 || text.p[0] == '#' || memchr(text.p, ' ', text.n))
			continue;
		fl_buf_add(&out, how, (size_t)(mark - how));
		fl_buf_add(&out, text.p, text.n);
		fl_buf_str(&out, mark + 2);
		fl_buf_u8(&out, '\n');
	}
	fl_buf_done(body);
	*body = out;
}

static void say(const struct body *b, const struct figures *f, FILE *json, bool first)
{
	double rate = (double)f->names / f->whole_s / 1e6;
	bool wanted = strcmp(b->format, "adblock") != 0;

	printf("%-8s %-44.44s %9llu %9llu %7.2f %6.0f %7.2fx %7.2fx %7.2fx %7ld  %s\n", b->format, b->file,
	       (unsigned long long)f->lines, (unsigned long long)f->names, rate, f->whole_s * 1e9 / (double)f->lines,
	       f->whole_s / f->octet_s, f->whole_s / f->hash_s, f->whole_s / f->table_s, f->peak_kib / 1024, b->dress ? "(dressed)" : "");
	if (json)
		fprintf(json,
			"%s\n  {\"format\": \"%s\", \"file\": \"%s\", \"dressed\": %s, \"lines\": %llu, \"names\": "
			"%llu, \"seconds\": %.6f, \"names_a_second\": %.0f, "
			"\"octet_seconds\": %.6f, \"hash_seconds\": %.6f, \"table_seconds\": %.6f, \"peak_kib\": %ld, "
			"\"target_names_a_second\": %s}",
			first ? "" : ",", b->format, b->file, b->dress ? "true" : "false", (unsigned long long)f->lines,
			(unsigned long long)f->names, f->whole_s, rate * 1e6, f->octet_s, f->hash_s, f->table_s, f->peak_kib,
			wanted ? "2000000" : "null");
	fflush(stdout);
}

static bool run(const struct body *b, const char *path, const struct fl_names *names, unsigned reps, FILE *json,
		bool first)
{
	struct job j = { .names = names, .opt = { .scope = FL_SCOPE_EXACT } };
	struct fl_buf body = { 0 };
	struct figures f;

	if (!fl_format_parse(b->format, &j.opt.format) || !load(path, &body)) {
		fprintf(stderr, "bench-parse: %s: not there, or not readable\n", path);
		fl_buf_done(&body);
		return false;
	}
	if (b->dress)
		dress(&body, b->dress);
	j.body = fl_buf_span(&body);
	f = measure(&j, reps);
	say(b, &f, json, first);
	fl_buf_done(&body);
	return true;
}

static bool run_named(char *arg, const struct fl_names *names, unsigned reps, FILE *json, bool first)
{
	char *colon = strchr(arg, ':');
	struct body b = { .format = arg, .file = colon ? colon + 1 : "" };

	if (colon)
		*colon = '\0';
	return run(&b, b.file, names, reps, json, first);
}

static unsigned run_shared(const struct fl_names *names, unsigned reps, FILE *json)
{
	const char *root = getenv("FL_SHARED");
	unsigned done = 0;

	for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/feeds/%s", root ? root : FL_SHARED, shared[i].file);
		done += run(&shared[i], path, names, reps, json, done == 0);
	}
	return done;
}

int main(int argc, char **argv)
{
	struct fl_names *names;
	struct fl_err err = { 0 };
	unsigned reps = 7, done = 0;
	FILE *json = NULL;
	int at = 1;

	for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
		if (strcmp(argv[at], "--json") == 0)
			json = fopen(argv[at + 1], "we");
		else if (strcmp(argv[at], "--reps") == 0)
			reps = (unsigned)strtoul(argv[at + 1], NULL, 10);
	}
	reps = reps < 1 ? 1 : reps > REPS_MAX ? REPS_MAX : reps;
	fl_heap_keep(); /* as the role does */
	if (fl_names_open(NULL, &names, &err) < 0) {
		fprintf(stderr, "bench-parse: %s\n", err.text);
		return 1;
	}
	printf("%-8s %-44s %9s %9s %7s %6s %8s %8s %8s %7s\n", "format", "file", "lines", "names", "M/s", "ns/ln", "/octet",
	       "/hash", "/table", "MiB");
	if (json)
		fputs("[", json);
	for (int i = at; i < argc; i++)
		done += run_named(argv[i], names, reps, json, done == 0);
	if (at == argc)
		done = run_shared(names, reps, json);
	if (json) {
		fputs("\n]\n", json);
		fclose(json);
	}
	fl_names_close(names);
	return done ? 0 : 77;
}
