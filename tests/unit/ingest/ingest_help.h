/* Ingest over the in-memory store and an http door whose answers the test gives, one by one, when it likes. */
#pragma once
#include "ingest/ingest.h"
#include "tests/support/sets_help.h"

enum { TRANSFERS_MAX = 16 };

/* A transfer under way: what was asked. */
struct asked {
	uint64_t id; /* 0: free */
	char url[400], etag[256], last_modified[64], header[128];
	struct fl_http_response answer;
	bool answered;
};

static struct {
	struct fl_http door;
	struct asked v[TRANSFERS_MAX];
	uint64_t last_id, started;
	int refuse; /* what start gives */
} web;

static struct fl_config cfg;
static struct fl_cfg_feed feeds[4];
static struct fl_names *names_lib;
static struct fl_err why;

static inline int web_start(struct fl_http *h, const struct fl_http_request *req, uint64_t *id, struct fl_err *err)
{
	(void)h;
	if (web.refuse)
		return fl_err_set(err, web.refuse, "no");
	for (size_t i = 0; i < TRANSFERS_MAX; i++) {
		struct asked *a = &web.v[i];

		if (a->id)
			continue;
		memset(a, 0, sizeof(*a));
		*id = a->id = ++web.last_id;
		web.started++;
		snprintf(a->url, sizeof(a->url), "%s", req->url);
		snprintf(a->etag, sizeof(a->etag), "%s", req->etag ? req->etag : "");
		snprintf(a->last_modified, sizeof(a->last_modified), "%s", req->last_modified ? req->last_modified : "");
		snprintf(a->header, sizeof(a->header), "%s", req->headers && req->headers[0] ? req->headers[0] : "");
		return 0;
	}
	return fl_err_set(err, FL_ELIMIT, "too many transfers");
}

static inline int web_poll(struct fl_http *h, int timeout_ms, struct fl_http_response *out)
{
	(void)h, (void)timeout_ms;
	for (size_t i = 0; i < TRANSFERS_MAX; i++)
		if (web.v[i].id && web.v[i].answered) {
			*out = web.v[i].answer;
			out->id = web.v[i].id;
			web.v[i].id = 0;
			return 1;
		}
	return 0;
}

static inline void web_cancel(struct fl_http *h, uint64_t id)
{
	(void)h;
	for (size_t i = 0; i < TRANSFERS_MAX; i++)
		if (web.v[i].id == id) {
			if (web.v[i].answered)
				fl_http_response_done(&web.v[i].answer);
			web.v[i].id = 0;
		}
}

static inline size_t web_running(struct fl_http *h)
{
	size_t n = 0;

	(void)h;
	for (size_t i = 0; i < TRANSFERS_MAX; i++)
		n += web.v[i].id != 0;
	return n;
}

static inline void web_wait(struct fl_http *h, int timeout_ms, int fd)
{
	(void)h, (void)timeout_ms, (void)fd;
}

static inline void web_close(struct fl_http *h)
{
	(void)h;
}

static const struct fl_http_ops web_ops = { web_start, web_poll, web_cancel, web_running, web_wait, web_close };

/* The transfer of a URL that is under way and not yet answered. */
static inline struct asked *asked_for(const char *url)
{
	for (size_t i = 0; i < TRANSFERS_MAX; i++)
		if (web.v[i].id && !web.v[i].answered && strcmp(web.v[i].url, url) == 0)
			return &web.v[i];
	return NULL;
}

struct answer {
	long status;
	const char *body, *etag, *last_modified, *wanted;
	size_t body_n; /* 0: strlen */
	int code;
	const char *reason;
	int64_t retry_after_s;
	bool unframed;
};

static inline void web_answer(const char *url, struct answer a)
{
	struct asked *t = asked_for(url);

	if (!t)
		fail_msg("%s was not asked for", url);
	t->answer = (struct fl_http_response){ .code = a.code, .status = a.code ? 0 : a.status ? a.status : 200, .retry_after_s = a.retry_after_s ? a.retry_after_s : -1,
						 .unframed = a.unframed };
	snprintf(t->answer.etag, sizeof(t->answer.etag), "%s", a.etag ? a.etag : "");
	snprintf(t->answer.last_modified, sizeof(t->answer.last_modified), "%s", a.last_modified ? a.last_modified : "");
	snprintf(t->answer.wanted, sizeof(t->answer.wanted), "%s", a.wanted ? a.wanted : "");
	snprintf(t->answer.reason, sizeof(t->answer.reason), "%s", a.reason ? a.reason : "");
	if (a.body)
		fl_buf_add(&t->answer.body, a.body, a.body_n ? a.body_n : strlen(a.body));
	t->answered = true;
}

#define URL_A "http://one.example/a"
#define URL_B "http://one.example/b"
#define URL_C "http://two.example/c"

static inline void ingest_config(void)
{
	static const struct fl_cfg_list lists[] = { { .name = "mal", .description = "" }, { .name = "gar", .description = "" },
						    { .name = FL_LIST_OPERATOR_BLOCK, .description = "", .builtin = true },
						    { .name = FL_LIST_FINDINGS_BLOCK, .description = "", .builtin = true },
						    { .name = FL_LIST_FINDINGS_ALERT, .description = "", .builtin = true } };
	static const char *const url[] = { URL_A, URL_B, URL_C }, *const name[] = { "fa", "fb", "fc" };

	memset(&cfg, 0, sizeof(cfg));
	memset(feeds, 0, sizeof(feeds));
	for (size_t i = 0; i < 3; i++)
		feeds[i] = (struct fl_cfg_feed){ .name = name[i], .url = url[i], .path = "", .format = FL_FORMAT_DOMAINS, .scope = FL_SCOPE_SUBTREE, .into = "mal",
						 .every_ms = 600000, .stale_after_ms = 86400000, .timeout_ms = 30000, .max_bytes = 1 << 20, .min_names = 0,
						 .remove_after_absent = 1, .enabled = i == 0, .licence = "", .guard = { 1.0, 0.3 } };
	cfg.lists = lists;
	cfg.n_lists = 5;
	cfg.feeds = feeds;
	cfg.n_feeds = 3;
	cfg.node_name = "test";
	cfg.findings = (struct fl_cfg_findings){ .into = FL_LIST_FINDINGS_BLOCK, .alert_into = FL_LIST_FINDINGS_ALERT, .min_severity = 4, .ttl_ms = 86400000,
						 .ignore_samples = true };
}

static inline int ingest_world(void)
{
	if (!world_open(&w, STORE_MEM) || (!names_lib && fl_names_open(NULL, &names_lib, NULL) < 0))
		return -1;
	memset(&web, 0, sizeof(web));
	memset(&why, 0, sizeof(why));
	web.door.ops = &web_ops;
	ingest_config();
	return 0;
}

static inline int ingest_world_end(void)
{
	for (size_t i = 0; i < TRANSFERS_MAX; i++)
		if (web.v[i].id && web.v[i].answered)
			fl_http_response_done(&web.v[i].answer);
	world_close(&w);
	return 0;
}

static inline int names_free(void **state)
{
	(void)state;
	fl_names_close(names_lib);
	return 0;
}

static inline void store_away(bool away)
{
	w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, away, UINT32_MAX - 1, FL_FAULT_BEFORE };
}

static inline uint64_t version_of(const char *source, struct fl_source_version *v)
{
	struct fl_source_version mine;
	struct fl_head head;

	if (fl_set_head(&w.s, FL_SOURCE, source, &head, NULL) < 0)
		return 0;
	assert_int_equal(fl_source_version_get(&w.s, source, head.id.number, v ? v : &mine, NULL), 0);
	return head.id.number;
}

/* Exactly these names in the newest version, whatever their attributes. */
static inline bool holds(const char *source, const char *names)
{
	struct fl_set want = { 0 }, got = { 0 };
	bool ok;

	names_set(names, &want);
	ok = content_of(&w.s, source, version_of(source, NULL), &got) == 0 && got.n == want.n;
	for (size_t i = 0; ok && i < got.n; i++)
		ok = fl_span_eq(fl_set_key(&got, i), fl_set_key(&want, i));
	fl_set_done(&want);
	fl_set_done(&got);
	return ok;
}
