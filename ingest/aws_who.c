/* Whose name calls are signed in: the chain of places that credentials are looked for in, as AWS's own programs have it.
 *
 *   credentials_file of the configuration, and nothing else; or
 *   environment -> shared file -> the container's endpoint -> the machine's metadata service (IMDSv2: a token, the role, its keys)
 *
 * Keys with an end are asked for anew five minutes before it, files are read anew every five minutes, and both when a call says that they are not good. Metadata services are at link-local addresses,
 * which the HTTP door opens to these requests alone. Nothing of a key is ever put into a text. Start at fl__who_get(). */
#include "ingest/aws_int.h"

#include <stdlib.h>

#include "ingest/feed_int.h"

enum { ANSWER_MAX = 64 * 1024, FILE_MAX = 1 << 20, METADATA_MS = 5000, METADATA_CONNECT_MS = 1000, RETRY_S = 10, EARLY_S = 300, FILE_S = 300 };
static const char machine_path[] = "/latest/meta-data/iam/security-credentials/";

static const char *env(const struct fl__who *w, const char *name)
{
	const char *v = w->c->env ? w->c->env(w->c->env_ctx, name) : getenv(name);

	return v ? v : "";
}

static int none(struct fl__who *w, fl_mono_ns now)
{
	w->phase = FL__WHO_IDLE;
	w->retry_at = now + RETRY_S * FL_NS_PER_S;
	return FL_ENOTFOUND;
}

/* Room for keys, or NULL. */
static struct fl_aws_credentials *room(struct fl__who *w)
{
	if (!w->now)
		w->now = calloc(1, sizeof(*w->now));
	return w->now;
}

static void drop(struct fl__who *w)
{
	if (w->now)
		explicit_bzero(w->now, sizeof(*w->now));
	free(w->now);
	w->now = NULL;
}

/* --- what is at hand --- */

/* 1, 0: nothing there, FL_ENOTFOUND. */
static int from_environment(struct fl__who *w, fl_mono_ns now)
{
	const char *key = env(w, "AWS_ACCESS_KEY_ID"), *secret = env(w, "AWS_SECRET_ACCESS_KEY");

	if (!key[0] && !secret[0])
		return 0;
	snprintf(w->from, sizeof(w->from), "environment");
	w->refresh_at = INT64_MAX;
	if (room(w) && fl_aws_credentials_set(w->now, fl_span_str(key), fl_span_str(secret), fl_span_str(env(w, "AWS_SESSION_TOKEN"))))
		return 1;
	drop(w);
	snprintf(w->problem, sizeof(w->problem), "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment are not both keys");
	return none(w, now);
}

static int from_file(struct fl__who *w, const char *path, bool must, fl_mono_ns now)
{
	const char *own = env(w, "AWS_PROFILE"), *profile = !must && strcmp(w->profile, "default") == 0 && own[0] ? own : w->profile;
	fl_read_file *read = w->c->read_file ? w->c->read_file : fl__read_system_file;
	struct fl_buf text = { 0 };
	struct fl_err err = { 0 };
	char validator[128];
	int ret = read(w->c->file_ctx, path, FILE_MAX, &text, validator, sizeof(validator), &err);

	if (ret == 0)
		ret = room(w) ? fl_aws_profile_parse(fl_buf_span(&text), profile, w->now, &err) : FL_ENOMEM;
	if (text.p)
		explicit_bzero(text.p, text.n);
	fl_buf_done(&text);
	if (ret == 0) {
		snprintf(w->from, sizeof(w->from), "profile %.40s of %.70s", profile, path);
		w->refresh_at = fl_now_unix(w->c->clock) + FILE_S * FL_US_PER_S;
		return 1;
	}
	drop(w);
	if (!must && ret == FL_ENOTFOUND)
		return 0;
	snprintf(w->problem, sizeof(w->problem), "credentials file %.80s: %.150s", path, err.text);
	return none(w, now);
}

static int from_usual_file(struct fl__who *w, fl_mono_ns now)
{
	const char *path = env(w, "AWS_SHARED_CREDENTIALS_FILE"), *home = env(w, "HOME");
	char usual[512];

	if (!path[0] && !home[0])
		return 0;
	snprintf(usual, sizeof(usual), "%.480s/.aws/credentials", home);
	return from_file(w, path[0] ? path : usual, false, now);
}

/* --- what is asked for --- */

static int ask(struct fl__who *w, enum fl__who_phase phase, const char *url, const char *method, const char *header, bool loopback, fl_mono_ns now)
{
	const char *const headers[] = { header, NULL };
	struct fl_http_request req = { .url = url, .method = method, .headers = header ? headers : NULL, .max_bytes = ANSWER_MAX, .timeout_ms = METADATA_MS,
				       .connect_timeout_ms = METADATA_CONNECT_MS, .allow_metadata = true, .allow_private = loopback };
	struct fl_err err = { 0 };

	if (method)
		req.body = fl_span_str("");
	if (w->c->http->ops->start(w->c->http, &req, &w->transfer, &err) < 0) {
		snprintf(w->problem, sizeof(w->problem), "credentials cannot be asked for: %.200s", err.text);
		return none(w, now);
	}
	w->phase = phase;
	return 0;
}

static const char *const locals[] = { "127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "169.254.169.254", "[fd00:ec2::254]" };
enum { LOOPBACKS = 3 };

bool fl__who_local(const char *url, bool *loopback)
{
	*loopback = false;
	if (strncmp(url, "http://", 7) != 0)
		return strncmp(url, "https://", 8) == 0;
	for (size_t i = 0; i < sizeof(locals) / sizeof(locals[0]); i++) {
		size_t n = strlen(locals[i]);

		if (strncmp(url + 7, locals[i], n) == 0 && (url[7 + n] == '\0' || strchr(":/?", url[7 + n]))) {
			*loopback = i < LOOPBACKS;
			return !strchr(url, '@');
		}
	}
	return false;
}

/* The token a container shows: from a file that is written anew, or as it is. Into a header. False: it cannot be had. */
static bool container_header(struct fl__who *w, struct fl_buf *out)
{
	const char *file = env(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), *token = env(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
	fl_read_file *read = w->c->read_file ? w->c->read_file : fl__read_system_file;
	struct fl_buf text = { 0 };
	struct fl_err err = { 0 };
	struct fl_span t = fl_span_str(token);
	char validator[128];
	bool ok = !file[0] || read(w->c->file_ctx, file, FL_AWS_TOKEN_MAX, &text, validator, sizeof(validator), &err) == 0;

	if (file[0])
		t = fl_span_trim(fl_buf_span(&text));
	if (ok && t.n) {
		fl_buf_str(out, "Authorization: ");
		fl_buf_add(out, t.p, t.n);
	}
	if (!ok)
		snprintf(w->problem, sizeof(w->problem), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %.180s", err.text);
	if (text.p)
		explicit_bzero(text.p, text.n);
	fl_buf_done(&text);
	return ok;
}

/* 1 never; 0: asked, or nothing there (phase says); FL_ENOTFOUND. */
static int from_container(struct fl__who *w, fl_mono_ns now)
{
	const char *relative = env(w, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), *full = env(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct fl_buf header = { 0 };
	char url[1024];
	bool loopback;
	int ret;

	if (!relative[0] && !full[0])
		return 0;
	snprintf(url, sizeof(url), relative[0] ? "http://169.254.170.2%.990s" : "%.1000s", relative[0] ? relative : full);
	if ((relative[0] && relative[0] != '/') || !fl__who_local(url, &loopback)) {
		snprintf(w->problem, sizeof(w->problem), "%s leads to a server that credentials are not asked of: only https, loopback, and 169.254.170.2 and .23",
			 relative[0] ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" : "AWS_CONTAINER_CREDENTIALS_FULL_URI");
		return none(w, now);
	}
	if (!container_header(w, &header))
		ret = none(w, now);
	else
		ret = ask(w, FL__WHO_CONTAINER, url, NULL, header.n ? fl_buf_cstr(&header) : NULL, loopback, now);
	if (header.p)
		explicit_bzero(header.p, header.n);
	fl_buf_done(&header);
	return ret;
}

static int ask_machine(struct fl__who *w, enum fl__who_phase phase, fl_mono_ns now)
{
	const char *base = env(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	char url[700], header[320];
	bool loopback = false;

	if (!base[0])
		base = "http://169.254.169.254";
	else if (!fl__who_local(base, &loopback)) {
		snprintf(w->problem, sizeof(w->problem), "AWS_EC2_METADATA_SERVICE_ENDPOINT leads to a server that credentials are not asked of");
		return none(w, now);
	}
	snprintf(url, sizeof(url), "%.*s%s%s", (int)strnlen(base, 300) - (base[strnlen(base, 300) - 1] == '/'), base, phase == FL__WHO_TOKEN ? "/latest/api/token" : machine_path,
		 phase == FL__WHO_MACHINE ? w->role : "");
	snprintf(header, sizeof(header), phase == FL__WHO_TOKEN ? "X-aws-ec2-metadata-token-ttl-seconds: 21600" : "X-aws-ec2-metadata-token: %s", w->machine_token);
	return ask(w, phase, url, phase == FL__WHO_TOKEN ? "PUT" : NULL, header, loopback, now);
}

/* --- the chain --- */

static int look(struct fl__who *w, fl_mono_ns now)
{
	int ret;

	w->problem[0] = '\0';
	if (w->file[0])
		return from_file(w, w->file, true, now);
	ret = from_environment(w, now);
	if (ret == 0)
		ret = from_usual_file(w, now);
	if (ret == 0)
		ret = from_container(w, now);
	if (ret == 0 && w->phase == FL__WHO_IDLE && strcasecmp(env(w, "AWS_EC2_METADATA_DISABLED"), "true") == 0) {
		snprintf(w->problem, sizeof(w->problem), "no AWS credentials: none in the environment, no profile '%.60s' in the usual file, no container's; the machine's are not asked for",
			 w->profile);
		return none(w, now);
	}
	return ret == 0 && w->phase == FL__WHO_IDLE ? ask_machine(w, FL__WHO_TOKEN, now) : ret;
}

int fl__who_get(struct fl__who *w, fl_mono_ns now)
{
	fl_unix_us at = fl_now_unix(w->c->clock);
	bool good = w->now && (!w->now->expires_at || at < w->now->expires_at);
	int ret;

	if (w->phase != FL__WHO_IDLE)
		return good;
	if (good && at < w->refresh_at)
		return 1;
	if (now < w->retry_at)
		return good ? 1 : FL_ENOTFOUND;
	ret = look(w, now);
	return ret <= 0 && good && w->now ? 1 : ret;
}

static void failed(struct fl__who *w, const struct fl_http_response *r, fl_mono_ns now)
{
	const char *who = w->phase == FL__WHO_CONTAINER ? "the container's endpoint" : "the machine's metadata service";

	if (r->code < 0)
		snprintf(w->problem, sizeof(w->problem), "no AWS credentials: none in the environment or in the usual file, and %s does not answer: %.120s", who, r->reason);
	else if (w->phase == FL__WHO_ROLE && r->status == 404)
		snprintf(w->problem, sizeof(w->problem), "no AWS credentials: this machine has no role");
	else
		snprintf(w->problem, sizeof(w->problem), "no AWS credentials: %s answers with %ld", who, r->status);
	none(w, now);
}

static void take_keys(struct fl__who *w, const struct fl_http_response *r, fl_mono_ns now)
{
	struct fl_aws_credentials *fresh = calloc(1, sizeof(*fresh));
	struct fl_err err = { 0 };
	fl_unix_us at = fl_now_unix(w->c->clock);

	if (!fresh || fl_aws_credentials_parse(fl_buf_span(&r->body), fresh, &err) < 0) {
		snprintf(w->problem, sizeof(w->problem), "no AWS credentials: %.200s", fresh ? err.text : "out of memory");
		free(fresh);
		none(w, now);
		return;
	}
	snprintf(w->from, sizeof(w->from), w->phase == FL__WHO_CONTAINER ? "container" : "role %.100s of this machine", w->role);
	w->phase = FL__WHO_IDLE;
	drop(w);
	w->now = fresh;
	w->refresh_at = fresh->expires_at ? fresh->expires_at - EARLY_S * FL_US_PER_S : at + FILE_S * FL_US_PER_S;
	w->retry_at = now + RETRY_S * FL_NS_PER_S; /* one that ends sooner than that is not asked for without pause */
}

/* A text that goes into a URL or a header: one line of plain characters, or nothing. */
static void keep_line(char *out, size_t cap, const struct fl_buf *body, const char *without)
{
	struct fl_span s = fl_span_trim(fl_buf_span(body));
	const uint8_t *end = s.n ? memchr(s.p, '\n', s.n) : NULL;
	size_t n = end ? (size_t)(end - s.p) : s.n;

	out[0] = '\0';
	if (n >= cap)
		return;
	for (size_t i = 0; i < n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || strchr(without, s.p[i]))
			n = 0;
	if (n) {
		memcpy(out, s.p, n);
		out[n] = '\0';
	}
}

bool fl__who_answer(struct fl__who *w, const struct fl_http_response *r, fl_mono_ns now)
{
	if (w->phase == FL__WHO_IDLE || r->id != w->transfer)
		return false;
	if (r->code < 0 || r->status != 200) {
		failed(w, r, now);
		return true;
	}
	switch (w->phase) {
	case FL__WHO_TOKEN:
		keep_line(w->machine_token, sizeof(w->machine_token), &r->body, "");
		ask_machine(w, FL__WHO_ROLE, now);
		break;
	case FL__WHO_ROLE:
		keep_line(w->role, sizeof(w->role), &r->body, "/?#\\%");
		if (w->role[0])
			ask_machine(w, FL__WHO_MACHINE, now);
		else {
			snprintf(w->problem, sizeof(w->problem), "no AWS credentials: this machine has no role");
			none(w, now);
		}
		break;
	default:
		take_keys(w, r, now);
	}
	return true;
}

void fl__who_refused(struct fl__who *w)
{
	if (w->phase == FL__WHO_IDLE)
		drop(w);
	w->retry_at = 0;
}

void fl__who_done(struct fl__who *w)
{
	if (w->phase != FL__WHO_IDLE)
		w->c->http->ops->cancel(w->c->http, w->transfer);
	w->phase = FL__WHO_IDLE;
	drop(w);
}
