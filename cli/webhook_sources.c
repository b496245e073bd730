#include "cli/webhook_sources.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/webhook.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/json.h"
#include "io/clock.h"
#include "model/digest.h"

enum { FILE_MAX = 64 << 10, RETRY_FULL_S = 1, RETRY_AGAIN_S = 2, CONFIRMATION_LOOK = 64 << 10 };

/* A source, by its name, for as long as the process: its counters go on over a reload. Shared by those who count. */
struct hook {
	struct hook *next;
	char name[FL_SET_NAME];
	_Atomic uint64_t n[FL_SOURCE_COUNT_COUNT], under_way;
	_Atomic int64_t last_at;
	/* under the lock */
	bool shown, enabled;
	char trouble[256];
	uint8_t secret_digest[32]; /* of its file, as it was read last */
};

/* What a row of the listener points to. */
struct use {
	struct hook *hook;
	const char *name;
	struct fl_cfg_finding_mapping mapping;
};

struct fl_hooks {
	struct fl_intake *intake;
	struct fl_webhook *listener;
	pthread_mutex_t lock;
	const struct fl_config *cfg;
	struct hook *hooks;
	_Atomic uint64_t unknown;
	_Atomic size_t refs; /* the owner, and what the intake has: counters outlive the end */
};

static void hooks_drop(struct fl_hooks *h)
{
	struct hook *next;

	if (atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	for (struct hook *k = h->hooks; k; k = next) {
		next = k->next;
		free(k);
	}
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static void count(struct hook *k, enum fl_source_count what, uint64_t n)
{
	atomic_fetch_add(&k->n[what], n);
}

/* --- a document's way --- */

struct sent {
	struct fl_intake_item item;
	struct fl_hooks *h;
	struct fl_webhook_request *req;
	struct hook *hook;
};

static void problem(struct fl_webhook_request *req, int status, const char *code, const char *text, const char *hint, unsigned retry_after_s)
{
	struct fl_webhook_reply reply = { .retry_after_s = retry_after_s };

	fl_webhook_problem(&reply, status, code, text, hint);
	fl_webhook_answer(req, &reply);
}

static void taken(struct sent *s)
{
	const struct fl_finding_outcome *o = &s->item.outcome;
	struct fl_webhook_reply reply = { .status = 202 };

	fl_buf_printf(&reply.body, "{\"findings\":%u,\"domains\":%u,\"accepted\":%u,\"withdrawn\":%u,\"duplicate\":%u,\"refused\":%u,\"reason\":", o->findings, o->domains,
		      o->accepted, o->withdrawn, o->duplicate, o->refused);
	fl_json_string(&reply.body, fl_span_str(o->reason));
	fl_buf_str(&reply.body, "}\n");
	count(s->hook, FL_SOURCE_N_TAKEN, 1);
	count(s->hook, FL_SOURCE_N_ACCEPTED, o->accepted);
	count(s->hook, FL_SOURCE_N_WITHDRAWN, o->withdrawn);
	count(s->hook, FL_SOURCE_N_DUPLICATE, o->duplicate);
	count(s->hook, FL_SOURCE_N_REFUSED, o->refused);
	fl_webhook_answer(s->req, &reply);
}

/* In the stage's thread. */
static void on_done(void *ctx, struct fl_intake_item *item)
{
	struct sent *s = ctx;
	struct fl_hooks *h = s->h;

	atomic_fetch_sub(&s->hook->under_way, 1);
	if (item->ret == 0) {
		taken(s);
	} else if (item->ret == FL_EFORMAT || item->ret == FL_ELIMIT) {
		count(s->hook, FL_SOURCE_N_UNREADABLE, 1);
		problem(s->req, 400, "FL2101", item->err.text, "it would be refused the next time too", 0);
	} else {
		count(s->hook, FL_SOURCE_N_AGAIN, 1);
		problem(s->req, 503, "FL3101", item->err.text[0] ? item->err.text : fl_code_text(item->ret), "it is not durable: send it again", RETRY_AGAIN_S);
	}
	free(s);
	hooks_drop(h);
}

/* Amazon SNS asks like this whether it may send. To follow the URL in it would be to ask what a stranger says. */
static bool is_confirmation(struct fl_span body)
{
	static const char word[] = "SubscriptionConfirmation";
	json_t *o = NULL;
	bool yes;

	if (body.n > CONFIRMATION_LOOK || !memmem(body.p, body.n, word, sizeof(word) - 1))
		return false;
	o = json_loadb((const char *)body.p, body.n, 0, NULL);
	yes = strcmp(fl_json_get_str(o, "Type", ""), word) == 0;
	json_decref(o);
	return yes;
}

static void handle(void *ctx, struct fl_webhook_request *req)
{
	struct fl_hooks *h = ctx;
	struct use *use = req->row->ctx;
	struct sent *s;
	int ret;

	count(use->hook, FL_SOURCE_N_RECEIVED, 1);
	atomic_store(&use->hook->last_at, fl_now_unix(fl_clock_sys()));
	if (is_confirmation(req->body)) {
		count(use->hook, FL_SOURCE_N_UNREADABLE, 1);
		problem(req, 400, "FL2112", "a SubscriptionConfirmation of SNS: its SubscribeURL is not followed", "subscribe an SQS queue to the topic, and read that (type: sqs)", 0);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		count(use->hook, FL_SOURCE_N_AGAIN, 1);
		problem(req, 503, "FL3101", "out of memory", "", RETRY_AGAIN_S);
		return;
	}
	*s = (struct sent){ .h = h, .req = req, .hook = use->hook };
	s->item = (struct fl_intake_item){ .source = use->name, .json = req->body, .actor = use->name, .received_at = fl_now_unix(fl_clock_sys()), .done = on_done, .ctx = s };
	if (use->mapping.domain[0])
		s->item.mapping = &use->mapping;
	atomic_fetch_add(&h->refs, 1);
	atomic_fetch_add(&use->hook->under_way, 1);
	ret = fl_intake_push(h->intake, &s->item);
	if (ret == 0)
		return;
	atomic_fetch_sub(&use->hook->under_way, 1);
	count(use->hook, FL_SOURCE_N_AGAIN, 1);
	problem(req, 503, "FL3101", ret == FL_ELIMIT ? "too much waits already" : "stopping", "send it again later", RETRY_FULL_S);
	free(s);
	hooks_drop(h);
}

static void refused(void *ctx, const struct fl_webhook_row *row, enum fl_webhook_refusal why)
{
	static const enum fl_source_count as[FL_WEBHOOK_REFUSAL_COUNT] = {
		[FL_WEBHOOK_METHOD] = FL_SOURCE_N_UNFIT,    [FL_WEBHOOK_ENCODING] = FL_SOURCE_N_UNFIT, [FL_WEBHOOK_UNSIGNED] = FL_SOURCE_N_UNSIGNED,
		[FL_WEBHOOK_TOO_LARGE] = FL_SOURCE_N_UNFIT, [FL_WEBHOOK_LIMITED] = FL_SOURCE_N_LIMITED, [FL_WEBHOOK_FULL] = FL_SOURCE_N_AGAIN,
		[FL_WEBHOOK_LATE] = FL_SOURCE_N_AGAIN,	    [FL_WEBHOOK_SHUT] = FL_SOURCE_N_AGAIN,
	};
	struct fl_hooks *h = ctx;

	if (row)
		count(((struct use *)row->ctx)->hook, as[why], 1);
	else
		atomic_fetch_add(&h->unknown, 1);
}

/* --- paths and secrets --- */

/* At most FILE_MAX octets, ended by a zero that is not counted. */
static int read_file(const char *path, struct fl_buf *out, struct fl_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = -1;

	if (fd >= 0 && fl_buf_reserve(out, FILE_MAX + 1))
		while ((n = read(fd, out->p + out->n, FILE_MAX + 1 - out->n)) > 0)
			out->n += (size_t)n;
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return fl_err_set(err, FL_ECONFIG, "'%.200s' cannot be read", path);
	if (out->n > FILE_MAX)
		return fl_err_set(err, FL_ECONFIG, "'%.200s' is over %d octets", path, FILE_MAX);
	return fl_buf_cstr(out) ? 0 : fl_err_set(err, FL_ENOMEM, "out of memory");
}

static void wipe(struct fl_buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	fl_buf_done(b);
}

/* One a line, surrounding space left out. */
static int secrets_of(struct fl_span text, struct fl_arena *arena, struct fl_webhook_row *row, struct fl_err *err)
{
	for (const uint8_t *at = text.p, *end = text.p + text.n, *line_end; at < end; at = line_end + 1) {
		struct fl_span line;

		line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			line_end = end;
		line = fl_span_trim(fl_span(at, (size_t)(line_end - at)));
		if (line.n == 0)
			continue;
		if (line.n < FL_WEBHOOK_SECRET_MIN)
			return fl_err_set(err, FL_ECONFIG, "a secret of fewer than %d octets", FL_WEBHOOK_SECRET_MIN);
		if (row->n_secrets == FL_WEBHOOK_SECRETS)
			return fl_err_set(err, FL_ECONFIG, "more than %d secrets", FL_WEBHOOK_SECRETS);
		row->secrets[row->n_secrets] = fl_span(fl_arena_dup(arena, line.p, line.n), line.n);
		if (!row->secrets[row->n_secrets].p)
			return fl_err_set(err, FL_ENOMEM, "out of memory");
		row->n_secrets++;
	}
	return row->n_secrets ? 0 : fl_err_set(err, FL_ECONFIG, "no secret in it");
}

static void read_secrets(struct hook *k, const char *path, struct fl_arena *arena, struct fl_webhook_row *row)
{
	struct fl_buf text = { 0 };
	struct fl_err err = { 0 };
	int ret = read_file(path, &text, &err);

	if (ret == 0)
		ret = secrets_of(fl_buf_span(&text), arena, row, &err);
	if (ret < 0)
		row->n_secrets = 0;
	fl_sha256_of(text.p, text.n, k->secret_digest);
	if (ret < 0 && !k->trouble[0])
		FL_LOG(FL_LOG_ERROR, "a webhook takes nothing", FL_F_STR("source", k->name), FL_F_STR("file", path), FL_F_STR("why", err.text));
	snprintf(k->trouble, sizeof(k->trouble), "%s%.200s", ret < 0 ? "hmac_secret_file: " : "", ret < 0 ? err.text : "");
	wipe(&text);
}

static struct hook *hook_of(struct fl_hooks *h, const char *name)
{
	struct hook *k = h->hooks;

	while (k && strcmp(k->name, name) != 0)
		k = k->next;
	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->next = h->hooks;
	h->hooks = k;
	return k;
}

static struct use *use_of(struct fl_arena *arena, struct hook *k, const struct fl_cfg_findings_source *s)
{
	struct use *u = fl_arena_alloc(arena, sizeof(*u));
	const char *const *from = (const char *const *)&s->mapping;
	const char **to;

	if (!u)
		return NULL;
	u->hook = k;
	u->name = fl_arena_str(arena, s->name);
	to = (const char **)&u->mapping;
	for (size_t i = 0; i < sizeof(s->mapping) / sizeof(*from); i++) {
		to[i] = fl_arena_str(arena, from[i] ? from[i] : "");
		if (!to[i])
			return NULL;
	}
	return u->name ? u : NULL;
}

/* Under the lock. */
static int build(struct fl_hooks *h, const struct fl_config *cfg)
{
	const struct fl_cfg_findings *f = &cfg->findings;
	struct fl_arena arena = { 0 };
	struct fl_webhook_row *rows = fl_arena_array(&arena, f->n_sources + 1, sizeof(*rows));
	size_t n = 0;
	int ret = rows ? 0 : FL_ENOMEM;

	for (struct hook *k = h->hooks; k; k = k->next)
		k->shown = false;
	for (size_t i = 0; ret == 0 && i < f->n_sources; i++) {
		const struct fl_cfg_findings_source *s = &f->sources[i];
		struct hook *k = s->type == FL_FINDINGS_WEBHOOK ? hook_of(h, s->name) : NULL;

		if (s->type != FL_FINDINGS_WEBHOOK)
			continue;
		rows[n].path = fl_arena_str(&arena, s->path);
		rows[n].ctx = k ? use_of(&arena, k, s) : NULL;
		if (!rows[n].path || !rows[n].ctx) {
			ret = FL_ENOMEM;
			break;
		}
		k->shown = true;
		k->enabled = s->enabled;
		if (s->enabled)
			read_secrets(k, s->hmac_secret_file, &arena, &rows[n++]);
	}
	if (ret == 0 && h->listener)
		return fl_webhook_rows(h->listener, arena, rows, n);
	fl_arena_done(&arena);
	return ret;
}

void fl_hooks_reload(struct fl_hooks *h, const struct fl_config *cfg)
{
	pthread_mutex_lock(&h->lock);
	h->cfg = cfg;
	if (build(h, cfg) < 0)
		FL_LOG(FL_LOG_ERROR, "webhooks: out of memory, the paths of before stay");
	pthread_mutex_unlock(&h->lock);
}

static bool file_changed(struct hook *k, const char *path)
{
	struct fl_buf text = { 0 };
	uint8_t digest[32];

	read_file(path, &text, NULL);
	fl_sha256_of(text.p, text.n, digest);
	wipe(&text);
	return memcmp(digest, k->secret_digest, sizeof(digest)) != 0;
}

void fl_hooks_look(struct fl_hooks *h)
{
	bool changed = false;

	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; !changed && i < h->cfg->findings.n_sources; i++) {
		const struct fl_cfg_findings_source *s = &h->cfg->findings.sources[i];
		struct hook *k = s->enabled && s->type == FL_FINDINGS_WEBHOOK ? hook_of(h, s->name) : NULL;

		changed = k && file_changed(k, s->hmac_secret_file);
	}
	if (changed && build(h, h->cfg) == 0)
		FL_LOG(FL_LOG_NOTICE, "secrets of webhooks are read again");
	pthread_mutex_unlock(&h->lock);
}

/* --- status --- */

size_t fl_hooks_status(struct fl_hooks *h, struct fl_source_status *out, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&h->lock);
	for (struct hook *k = h->hooks; k && n < max; k = k->next) {
		struct fl_source_status *s = &out[n];

		if (!k->shown)
			continue;
		*s = (struct fl_source_status){ .type = "webhook", .under_way = atomic_load(&k->under_way), .last_at = atomic_load(&k->last_at) };
		memcpy(s->name, k->name, sizeof(s->name));
		s->state = !k->enabled ? FL_SOURCE_DISABLED : k->trouble[0] || !h->listener ? FL_SOURCE_FAILED : FL_SOURCE_OK;
		snprintf(s->reason, sizeof(s->reason), "%s", !k->enabled ? "" : k->trouble[0] ? k->trouble : h->listener ? "" : "findings.webhook.address takes effect after a restart");
		for (int i = 0; i < FL_SOURCE_COUNT_COUNT; i++)
			s->n[i] = atomic_load(&k->n[i]);
		n++;
	}
	pthread_mutex_unlock(&h->lock);
	return n;
}

void fl_hooks_metrics(struct fl_hooks *h, struct fl_buf *out)
{
	fl_metric_family(out, "fireline_findings_webhook_unknown_path_total", FL_COUNTER, "Requests to a path that no webhook has.");
	fl_metric_u64(out, "fireline_findings_webhook_unknown_path_total", "", NULL, atomic_load(&h->unknown));
}

/* --- life --- */

static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0;
}

static int listen_for(struct fl_hooks *h, const struct fl_cfg_findings *f, struct fl_err *err)
{
	struct fl_webhook_config c = { .address = f->webhook_address, .max_bytes = f->webhook_max_bytes, .rate = f->webhook_rate, .handle = handle, .refused = refused, .ctx = h };
	struct fl_buf cert = { 0 }, key = { 0 };
	int ret = 0;

	if (f->webhook_cert_file[0]) {
		ret = read_file(f->webhook_cert_file, &cert, err);
		if (ret == 0)
			ret = read_file(f->webhook_key_file, &key, err);
		c.cert_pem = (const char *)cert.p;
		c.key_pem = (const char *)key.p;
	} else if (!is_loopback(f->webhook_address)) {
		FL_LOG(FL_LOG_WARN, "findings.webhook listens beyond this host without TLS: what is sent can be read on its way", FL_F_STR("address", f->webhook_address));
	}
	if (ret == 0)
		ret = fl_webhook_open(&c, &h->listener, err);
	fl_buf_done(&cert);
	wipe(&key);
	return ret;
}

int fl_hooks_open(const struct fl_config *cfg, struct fl_intake *intake, struct fl_hooks **out, struct fl_err *err)
{
	struct fl_hooks *h = calloc(1, sizeof(*h));
	int ret = 0;

	if (!h)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	pthread_mutex_init(&h->lock, NULL);
	h->intake = intake;
	h->cfg = cfg;
	atomic_store(&h->refs, 1);
	if (cfg->findings.webhook_address[0])
		ret = listen_for(h, &cfg->findings, err);
	if (ret < 0) {
		hooks_drop(h);
		return ret;
	}
	fl_hooks_reload(h, cfg);
	*out = h;
	return 0;
}

unsigned fl_hooks_port(const struct fl_hooks *h)
{
	return h->listener ? fl_webhook_port(h->listener) : 0;
}

void fl_hooks_close(struct fl_hooks *h)
{
	if (!h)
		return;
	fl_webhook_close(h->listener);
	hooks_drop(h);
}
