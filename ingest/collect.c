/* A feed whose list is many documents: a MISP feed (a manifest, and a document an event) or a TAXII collection (pages of objects, asked for since the last one). What was fetched is kept
 * in a file, so that a poll fetches only what changed; the file saves work, and without it all is fetched again. The body handed on holds all documents, in order of their names: the same
 * documents are the same body.
 *
 *   MISP   manifest -> which events changed -> UUID.json, one after the other
 *   TAXII  objects/?added_after=T -> more? next page : done          once a day from the beginning, for what the server took away
 *
 * Start at fl__collect_take(). docs/formats/feed-cache.md has the file. */
#include "ingest/collect.h"

#include <stdlib.h>

#include "base/text.h"
#include "base/time.h"

enum { KEY_MAX = FL_TAXII_ID_MAX + 1, PAGE_OBJECTS = 1000, PAGES_MAX = 100000, WHOLE_EVERY_S = 86400, FILE_NAME = FL_SET_NAME + 16 };

struct doc {
	char key[KEY_MAX], stamp[KEY_MAX];
	char *json; /* one line */
	size_t n;
	bool wanted; /* MISP: the manifest names it */
};

struct fl__collect {
	const struct fl_cfg_feed *cfg;
	struct fl_disk *disk;
	bool misp;
	struct doc *v;
	size_t n, cap;
	uint32_t *slots; /* hash of the key -> index + 1 */
	size_t n_slots;
	uint64_t bytes;
	bool changed;
	char added_after[128], next[512], upto[128];
	fl_unix_us whole_at; /* when all of it was last asked for */
	uint32_t pages;
	/* MISP: what is to be fetched */
	struct fl_arena arena;
	struct fl_misp_event *events;
	size_t n_events, at;
	bool manifest; /* it is there */
};

/* --- documents --- */

/* The slot of a key: the one that holds it, or a free one. */
static uint32_t *slot_of(const struct fl__collect *c, const char *key)
{
	size_t i = fl_checksum64(key, strlen(key)) & (c->n_slots - 1);

	while (c->slots[i] && strcmp(c->v[c->slots[i] - 1].key, key) != 0)
		i = (i + 1) & (c->n_slots - 1);
	return &c->slots[i];
}

/* At most half of the slots are taken. */
static bool index_all(struct fl__collect *c, size_t n_slots)
{
	uint32_t *v = calloc(n_slots, sizeof(*v));

	if (!v)
		return false;
	free(c->slots);
	c->slots = v;
	c->n_slots = n_slots;
	for (size_t i = 0; i < c->n; i++)
		*slot_of(c, c->v[i].key) = (uint32_t)i + 1;
	return true;
}

static struct doc *doc_of(const struct fl__collect *c, const char *key)
{
	uint32_t at = c->n_slots ? *slot_of(c, key) : 0;

	return at ? &c->v[at - 1] : NULL;
}

static bool make_room(struct fl__collect *c)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		struct doc *v = realloc(c->v, cap * sizeof(*v));

		if (!v)
			return false;
		c->v = v;
		c->cap = cap;
	}
	return 2 * (c->n + 1) <= c->n_slots || index_all(c, c->n_slots ? 2 * c->n_slots : 256);
}

static int doc_put(struct fl__collect *c, const char *key, const char *stamp, struct fl_span json, struct fl_err *err)
{
	struct doc *d = doc_of(c, key);
	char *copy = malloc(json.n ? json.n : 1);

	if (!copy || (!d && !make_room(c))) {
		free(copy);
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	if (json.n)
		memcpy(copy, json.p, json.n);
	if (!d) {
		*slot_of(c, key) = (uint32_t)c->n + 1;
		d = &c->v[c->n++];
		memset(d, 0, sizeof(*d));
		snprintf(d->key, sizeof(d->key), "%s", key);
	}
	c->bytes += json.n - d->n;
	free(d->json);
	snprintf(d->stamp, sizeof(d->stamp), "%s", stamp);
	d->json = copy;
	d->n = json.n;
	c->changed = true;
	return c->bytes > c->cfg->max_bytes ? fl_err_set(err, FL_ELIMIT, "its documents are over %llu octets together", (unsigned long long)c->cfg->max_bytes) : 0;
}

static void forget_all(struct fl__collect *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].json);
	c->n = 0;
	c->bytes = 0;
	if (c->n_slots)
		memset(c->slots, 0, c->n_slots * sizeof(*c->slots));
}

/* --- the file --- */

static const char *file_name(const struct fl__collect *c, char out[FILE_NAME])
{
	snprintf(out, FILE_NAME, "%.*s.documents", FL_SET_NAME, c->cfg->name);
	return out;
}

/* One line, its newline taken off. */
static bool line_take(struct fl_span *s, struct fl_span *out)
{
	const uint8_t *nl = s->n ? memchr(s->p, '\n', s->n) : NULL;

	if (!nl)
		return false;
	*out = fl_span(s->p, (size_t)(nl - s->p));
	*s = fl_span(nl + 1, s->n - out->n - 1);
	return true;
}

/* "a b c rest": the words before the rest. */
static bool words_take(struct fl_span *s, struct fl_span *words, int n)
{
	for (int i = 0; i < n; i++) {
		const uint8_t *blank = s->n ? memchr(s->p, ' ', s->n) : NULL;

		if (!blank)
			return false;
		words[i] = fl_span(s->p, (size_t)(blank - s->p));
		*s = fl_span(blank + 1, s->n - words[i].n - 1);
	}
	return true;
}

static void text_put(struct fl_span from, char *to, size_t cap)
{
	size_t n = from.n < cap ? from.n : 0;

	memset(to, 0, cap);
	if (n)
		memcpy(to, from.p, n);
	if (to[0] == '-' && n == 1)
		to[0] = '\0';
}

/* The last line is the checksum of all before it. */
static bool intact(struct fl_span *s)
{
	char sum[17];
	uint64_t h;

	if (s->n < 17 || s->p[s->n - 1] != '\n')
		return false;
	h = fl_checksum64(s->p, s->n - 17);
	fl_hex(&h, sizeof(h), sum);
	if (memcmp(s->p + s->n - 17, sum, 16) != 0)
		return false;
	s->n -= 17;
	return true;
}

static int docs_load(struct fl__collect *c, struct fl_span s)
{
	struct fl_span line, w[2];
	char key[KEY_MAX], stamp[KEY_MAX];
	int ret = 0;

	while (ret == 0 && line_take(&s, &line)) {
		if (!words_take(&line, w, 2))
			return FL_ECORRUPT;
		text_put(w[0], key, sizeof(key));
		text_put(w[1], stamp, sizeof(stamp));
		ret = key[0] ? doc_put(c, key, stamp, line, NULL) : FL_ECORRUPT;
	}
	return ret;
}

/* Whatever is wrong with it, or if it is of another place: as if there were none. */
static void file_load(struct fl__collect *c)
{
	char name[FILE_NAME];
	struct fl_buf b = { 0 };
	struct fl_span s, head, w[4];
	uint64_t at = 0;
	int ret = c->disk ? c->disk->ops->read(c->disk, file_name(c, name), c->cfg->max_bytes + (64 << 20), &b, NULL) : FL_ENOTFOUND;

	s = fl_buf_span(&b);
	if (ret == 0 && (!intact(&s) || !line_take(&s, &head) || !words_take(&head, w, 4) || !fl_span_eqs(w[0], "FLDOCS1") ||
			 !fl_span_eqs(w[1], c->misp ? "misp" : "taxii2") || !fl_u64_parse(w[3], &at) || !fl_span_eqs(head, c->cfg->url)))
		ret = FL_ECORRUPT;
	if (ret == 0)
		ret = docs_load(c, s);
	if (ret == 0) {
		text_put(w[2], c->added_after, sizeof(c->added_after));
		c->whole_at = (fl_unix_us)at;
	} else
		forget_all(c);
	c->changed = false;
	fl_buf_done(&b);
}

static void file_save(struct fl__collect *c)
{
	char name[FILE_NAME], sum[17];
	struct fl_buf b = { 0 };
	uint64_t h;

	fl_buf_printf(&b, "FLDOCS1 %s %s %llu %s\n", c->misp ? "misp" : "taxii2", c->added_after[0] ? c->added_after : "-", (unsigned long long)c->whole_at, c->cfg->url);
	for (size_t i = 0; i < c->n; i++) {
		fl_buf_printf(&b, "%s %s ", c->v[i].key, c->v[i].stamp[0] ? c->v[i].stamp : "-");
		fl_buf_add(&b, c->v[i].json, c->v[i].n);
		fl_buf_u8(&b, '\n');
	}
	h = fl_checksum64(b.p, b.n);
	fl_buf_add(&b, fl_hex(&h, sizeof(h), sum), 16);
	fl_buf_u8(&b, '\n');
	if (!b.failed)
		fl_disk_replace(c->disk, file_name(c, name), fl_buf_span(&b), NULL); /* a full disk costs only work */
	fl_buf_done(&b);
}

/* --- asking --- */

bool fl__collect_is(const struct fl_cfg_feed *cfg)
{
	return cfg->url && cfg->url[0] && (cfg->format == FL_FORMAT_MISP || cfg->format == FL_FORMAT_TAXII2);
}

struct fl__collect *fl__collect_new(const struct fl_cfg_feed *cfg, struct fl_disk *disk, fl_unix_us now)
{
	struct fl__collect *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->cfg = cfg;
	c->disk = disk;
	c->misp = cfg->format == FL_FORMAT_MISP;
	file_load(c);
	if (!c->misp && now - c->whole_at > WHOLE_EVERY_S * FL_US_PER_S) {
		forget_all(c);
		c->added_after[0] = '\0';
	}
	if (!c->added_after[0])
		c->whole_at = now;
	return c;
}

void fl__collect_free(struct fl__collect *c)
{
	if (!c)
		return;
	if (c->disk && c->changed)
		file_save(c);
	forget_all(c);
	free(c->v);
	free(c->slots);
	fl_arena_done(&c->arena);
	free(c);
}

/* The folder of a MISP feed: its URL, or what stands before manifest.json. */
static size_t folder_of(const char *url)
{
	size_t n = strlen(url);

	if (n > 14 && strcmp(url + n - 14, "/manifest.json") == 0)
		n -= 14;
	while (n && url[n - 1] == '/')
		n--;
	return n;
}

static const char *taxii_url(struct fl__collect *c, struct fl_arena *a)
{
	struct fl_buf b = { 0 };
	const char *out, *url = c->cfg->url;
	size_t n = strlen(url);

	while (n && url[n - 1] == '/')
		n--;
	fl_buf_add(&b, url, n);
	if (n < 8 || memcmp(url + n - 8, "/objects", 8) != 0)
		fl_buf_str(&b, "/objects");
	fl_buf_printf(&b, "/?limit=%d&match%%5Btype%%5D=indicator", PAGE_OBJECTS);
	if (c->added_after[0]) {
		fl_buf_str(&b, "&added_after=");
		fl_percent_encode(&b, c->added_after);
	}
	if (c->next[0]) {
		fl_buf_str(&b, "&next=");
		fl_percent_encode(&b, c->next);
	}
	out = b.failed ? NULL : fl_arena_strn(a, (const char *)b.p, b.n);
	fl_buf_done(&b);
	return out;
}

const char *fl__collect_url(struct fl__collect *c, struct fl_arena *a)
{
	const char *url = c->cfg->url;

	if (!c->misp)
		return taxii_url(c, a);
	if (c->manifest)
		return fl_arena_printf(a, "%.*s/%s.json", (int)folder_of(url), url, c->events[c->at].uuid);
	return strlen(url) > 5 && strcmp(url + strlen(url) - 5, ".json") == 0 ? url : fl_arena_printf(a, "%.*s/manifest.json", (int)folder_of(url), url);
}

const char *fl__collect_accept(const struct fl__collect *c)
{
	return c->misp ? "Accept: application/json" : "Accept: application/taxii+json;version=2.1";
}

bool fl__collect_begun(const struct fl__collect *c)
{
	return c->manifest || c->pages > 0;
}

/* --- taking --- */

/* On to the next event whose document is not here, or is older. */
static bool next_event(struct fl__collect *c)
{
	char stamp[24];

	for (; c->at < c->n_events; c->at++) {
		struct doc *d = doc_of(c, c->events[c->at].uuid);

		snprintf(stamp, sizeof(stamp), "%u", c->events[c->at].timestamp_s);
		if (!d || strcmp(d->stamp, stamp) != 0)
			return true;
	}
	return false;
}

/* What the manifest names no more goes. */
static bool drop_unnamed(struct fl__collect *c)
{
	size_t to = 0;

	for (size_t i = 0; i < c->n_events; i++) {
		struct doc *d = doc_of(c, c->events[i].uuid);

		if (d)
			d->wanted = true;
	}
	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i].wanted)
			c->v[to++] = c->v[i];
		else {
			c->bytes -= c->v[i].n;
			free(c->v[i].json);
			c->changed = true;
		}
	}
	c->n = to;
	return !c->n_slots || index_all(c, c->n_slots);
}

/* A document is kept as one line: what white space there is between its values goes. */
static int put_event(struct fl__collect *c, struct fl_span body, struct fl_err *err)
{
	const struct fl_misp_event *e = &c->events[c->at];
	struct fl_buf line = { 0 };
	char stamp[24];
	int ret = fl_json_one_line(body, &line, err);

	snprintf(stamp, sizeof(stamp), "%u", e->timestamp_s);
	if (ret == 0)
		ret = doc_put(c, e->uuid, stamp, fl_buf_span(&line), err);
	else
		fl_err_set(err, ret, "%s.json: not a JSON document", e->uuid);
	fl_buf_done(&line);
	return ret;
}

static int take_misp(struct fl__collect *c, const struct fl_http_response *r, struct fl_err *err)
{
	int ret = 0;

	if (!c->manifest) {
		ret = fl_misp_manifest_parse(fl_buf_span(&r->body), &c->arena, &c->events, &c->n_events, NULL, err);
		c->manifest = ret == 0;
		if (ret == 0 && !drop_unnamed(c))
			ret = fl_err_set(err, FL_ENOMEM, "out of memory");
	} else {
		ret = put_event(c, fl_buf_span(&r->body), err);
		c->at++;
	}
	return ret < 0 ? ret : next_event(c);
}

/* By the later date, as text: RFC 3339 in UTC, which the standard asks for, sorts so. */
static int put_objects(struct fl__collect *c, const struct fl_taxii_page *p, struct fl_err *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < p->n; i++) {
		const struct doc *d = doc_of(c, p->v[i].id);

		if (strchr(p->v[i].id, ' ') || strchr(p->v[i].id, '\n') || strchr(p->v[i].modified, ' ') || strchr(p->v[i].modified, '\n'))
			continue; /* no identifier, and would not be read back */
		if (!d || strcmp(d->stamp, p->v[i].modified) < 0)
			ret = doc_put(c, p->v[i].id, p->v[i].modified, p->v[i].json, err);
	}
	return ret;
}

static int take_taxii(struct fl__collect *c, const struct fl_http_response *r, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_taxii_page p;
	char was[sizeof(c->next)];
	int ret = fl_taxii_page_parse(fl_buf_span(&r->body), &a, &p, err);

	memcpy(was, c->next, sizeof(was));
	if (ret == 0)
		ret = put_objects(c, &p, err);
	if (ret == 0 && (strlen(p.next) >= sizeof(c->next) || ++c->pages > PAGES_MAX))
		ret = fl_err_set(err, FL_ELIMIT, "TAXII: over %d pages, or a page's next is too long", PAGES_MAX);
	if (ret == 0) {
		snprintf(c->next, sizeof(c->next), "%s", p.next);
		if (r->wanted[0] && strcmp(r->wanted, c->upto) > 0)
			snprintf(c->upto, sizeof(c->upto), "%s", r->wanted);
		if (p.more && c->next[0])
			ret = strcmp(was, c->next) == 0 ? fl_err_set(err, FL_EFORMAT, "TAXII: the server gives the same page again and again") : 1;
		else if (p.more && c->upto[0] && strcmp(c->upto, c->added_after) != 0) {
			memcpy(c->added_after, c->upto, sizeof(c->added_after));
			ret = 1;
		} else if (p.more)
			ret = fl_err_set(err, FL_EFORMAT, "TAXII: the server has more, and does not say how to ask for it");
	}
	if (ret == 0 && c->upto[0] && strcmp(c->upto, c->added_after) != 0) {
		memcpy(c->added_after, c->upto, sizeof(c->added_after));
		c->changed = true;
	}
	fl_arena_done(&a);
	return ret;
}

int fl__collect_take(struct fl__collect *c, const struct fl_http_response *r, struct fl_err *err)
{
	return c->misp ? take_misp(c, r, err) : take_taxii(c, r, err);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct doc *)a)->key, ((const struct doc *)b)->key);
}

int fl__collect_body(struct fl__collect *c, struct fl_buf *out, struct fl_err *err)
{
	if (c->n)
		qsort(c->v, c->n, sizeof(*c->v), by_key);
	if (c->n_slots && !index_all(c, c->n_slots))
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	fl_buf_str(out, c->misp ? "{\"response\":[" : "{\"type\":\"bundle\",\"id\":\"bundle--fireline\",\"objects\":[");
	for (size_t i = 0; i < c->n; i++) {
		fl_buf_str(out, i ? ",\n" : "\n");
		fl_buf_add(out, c->v[i].json, c->v[i].n);
	}
	fl_buf_str(out, "\n]}\n");
	return out->failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;
}
