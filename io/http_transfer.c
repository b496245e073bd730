/* What happens to one transfer. Redirects are followed here and not by libcurl, because each hop has rules of its own: no
 * step from https down to http, the caller's headers (they carry keys) only to the origin they were meant for, and a
 * deadline for the whole. Bodies are unpacked here too: http_unpack.c says why.
 *
 *   prepare -> (libcurl) -> hop_done -> prepare ... -> end: exactly one response
 *
 * Reasons are for people and logs: they name hosts, never a path, a query or a header. Start at fl__transfer_hop_done(). */
#include "io/http_curl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"
#include "io/http_address.h"

enum { HEADERS_MAX_BYTES = 64 * 1024, LOW_SPEED_OCTETS = 100, RETRY_AFTER_MAX_S = 31 * 86400 };

/* --- the URL of a hop --- */

static bool part(CURLU *u, CURLUPart what, char **out)
{
	return curl_url_get(u, what, out, what == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) == CURLUE_OK;
}

/* scheme://host:port, in arena: whom the caller's headers are for. */
static int origin_of(struct fl__transfer *t, const char *url, char **out, struct fl_err *err)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	int ret = 0;

	*out = NULL;
	if (!u || curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK || !part(u, CURLUPART_SCHEME, &scheme))
		ret = fl_err_set(err, FL_EREFUSED, "not a URL that can be fetched");
	else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		ret = fl_err_set(err, FL_EREFUSED, "only http and https are fetched, not %.40s", scheme);
	else if (!part(u, CURLUPART_HOST, &host) || !part(u, CURLUPART_PORT, &port))
		ret = fl_err_set(err, FL_EREFUSED, "not a URL that can be fetched");
	else {
		snprintf(t->r.effective_host, sizeof(t->r.effective_host), "%s", host);
		snprintf(t->port, sizeof(t->port), "%s", port);
		*out = fl_arena_printf(t->arena, "%s://%s:%s", scheme, host, port);
		if (!*out)
			ret = fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return ret;
}

static bool is_https(const char *origin)
{
	return strncmp(origin, "https:", 6) == 0;
}

/* --- what libcurl calls --- */

/* Private addresses are for the first hop, if at all, and then for those that lead back to its server: a server that may be asked in here is
 * not one that may send us round in here. */
static bool may_connect(struct fl__transfer *t, const struct sockaddr *sa)
{
	uint8_t octets[16];

	if (fl__address_public(sa))
		return true;
	if (t->req.allow_metadata && !t->hops && fl__address_metadata(sa))
		return true;
	if (!t->req.allow_private || fl__address_never(sa) || !fl__address_octets(sa, octets))
		return false;
	for (size_t i = 0; i < t->n_own; i++)
		if (memcmp(t->own[i], octets, 16) == 0)
			return true;
	if (t->hops || t->n_own == FL__OWN_ADDRESSES)
		return false;
	memcpy(t->own[t->n_own++], octets, 16);
	return true;
}

/* Called for each address that is about to be connected to, also after a redirect or a changed answer of the DNS. */
static curl_socket_t open_checked(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct fl__transfer *t = ctx;
	char text[INET6_ADDRSTRLEN] = "?";

	if (purpose != CURLSOCKTYPE_IPCXN)
		return CURL_SOCKET_BAD;
	if (!may_connect(t, &a->addr)) {
		if (a->family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)&a->addr)->sin_addr, text, sizeof(text));
		else if (a->family == AF_INET6)
			inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&a->addr)->sin6_addr, text, sizeof(text));
		t->refused = true;
		fl_err_set(&t->error, FL_EREFUSED, "%.140s is at %s, which is not a public address%s", t->r.effective_host, text,
			   t->req.allow_private && t->hops ? ", nor the feed's own server: a redirect does not lead there" : "");
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* A validator cut short would be a wrong one, so it is kept whole or not at all. */
static void keep_whole(char *out, size_t cap, struct fl_span v)
{
	out[0] = '\0';
	if (v.n < cap) {
		memcpy(out, v.p, v.n);
		out[v.n] = '\0';
	}
}

static int64_t retry_after(struct fl_span v)
{
	char text[64];
	uint64_t s;
	time_t at;

	if (fl_u64_parse(v, &s))
		return s < RETRY_AFTER_MAX_S ? (int64_t)s : RETRY_AFTER_MAX_S;
	keep_whole(text, sizeof(text), v);
	at = text[0] ? curl_getdate(text, NULL) : -1;
	if (at < 0)
		return -1;
	at -= time(NULL);
	return at < 0 ? 0 : at < RETRY_AFTER_MAX_S ? at : RETRY_AFTER_MAX_S;
}

static fl_unix_us date_of(struct fl_span v)
{
	char text[64];
	fl_unix_us at;

	keep_whole(text, sizeof(text), v);
	return fl_time_parse_http(text, &at) ? at : 0;
}

static bool header_is(struct fl_span line, const char *name, struct fl_span *value)
{
	size_t n = strlen(name);

	if (line.n <= n || line.p[n] != ':' || strncasecmp((const char *)line.p, name, n) != 0)
		return false;
	*value = fl_span_trim(fl_span(line.p + n + 1, line.n - n - 1));
	return !memchr(value->p, '\0', value->n);
}

static int begin_unpacking(struct fl__transfer *t, enum fl__packing packing)
{
	fl__unpack_free(t->unpack);
	t->unpack = fl__unpack_new(packing, t->req.max_bytes, t->req.max_ratio);
	return t->unpack ? 0 : fl_err_set(&t->error, FL_ENOMEM, "out of memory");
}

static int take_encoding(struct fl__transfer *t, struct fl_span v)
{
	char word[16];

	keep_whole(word, sizeof(word), v);
	if (strcasecmp(word, "gzip") == 0 || strcasecmp(word, "x-gzip") == 0)
		return begin_unpacking(t, FL__PACKING_GZIP);
	if (strcasecmp(word, "zstd") == 0)
		return begin_unpacking(t, FL__PACKING_ZSTD);
	if (v.n == 0 || strcasecmp(word, "identity") == 0)
		return 0;
	return fl_err_set(&t->error, FL_EFORMAT, "%.200s packs its answer in a way that was not asked for", t->r.effective_host);
}

/* Of the last answer only: an interim one (100, 103) or a redirect is forgotten when the next begins. */
static void forget_headers(struct fl__transfer *t)
{
	t->r.etag[0] = t->r.last_modified[0] = t->r.content_type[0] = t->r.wanted[0] = '\0';
	t->chunked = false;
	t->r.retry_after_s = -1;
	t->r.date = 0;
}

static size_t take_header(char *p, size_t size, size_t n, void *ctx)
{
	struct fl__transfer *t = ctx;
	struct fl_span line = fl_span(p, n *= size), v;
	int ret = 0;

	t->header_bytes += n;
	if (t->header_bytes > HEADERS_MAX_BYTES)
		ret = fl_err_set(&t->error, FL_ELIMIT, "%.200s sends over %d octets of headers", t->r.effective_host, HEADERS_MAX_BYTES);
	else if (n > 5 && memcmp(p, "HTTP/", 5) == 0) {
		forget_headers(t);
		ret = begin_unpacking(t, FL__PACKING_NONE);
	} else if (t->req.want_header && header_is(line, t->req.want_header, &v))
		keep_whole(t->r.wanted, sizeof(t->r.wanted), v);
	else if (header_is(line, "etag", &v))
		keep_whole(t->r.etag, sizeof(t->r.etag), v);
	else if (header_is(line, "last-modified", &v))
		keep_whole(t->r.last_modified, sizeof(t->r.last_modified), v);
	else if (header_is(line, "content-type", &v))
		keep_whole(t->r.content_type, sizeof(t->r.content_type), v);
	else if (header_is(line, "transfer-encoding", &v))
		t->chunked = true;
	else if (header_is(line, "date", &v))
		t->r.date = date_of(v);
	else if (header_is(line, "retry-after", &v))
		t->r.retry_after_s = retry_after(v);
	else if (header_is(line, "content-encoding", &v))
		ret = take_encoding(t, v);
	return ret < 0 ? 0 : n;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static size_t take_body(char *p, size_t size, size_t n, void *ctx)
{
	struct fl__transfer *t = ctx;
	long status = 0;

	n *= size;
	t->r.received_bytes += n;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (t->r.received_bytes > t->req.max_bytes) { /* packed octets may unpack to nothing, without an end */
		fl_err_set(&t->error, FL_ELIMIT, "the body is over %llu octets", (unsigned long long)t->req.max_bytes);
		return 0;
	}
	if (is_redirect(status)) /* nobody reads it */
		return n;
	return fl__unpack_feed(t->unpack, fl_span(p, n), &t->r.body, &t->error) < 0 ? 0 : n;
}

/* --- making ready --- */

static bool add_header(struct fl__transfer *t, const char *line)
{
	struct curl_slist *more = curl_slist_append(t->sent, line);

	if (more)
		t->sent = more;
	return more != NULL;
}

static bool add_conditional(struct fl__transfer *t, const char *name, const char *value)
{
	char line[512];
	int n;

	if (!value || !value[0])
		return true;
	n = snprintf(line, sizeof(line), "%s: %s", name, value);
	if (n < 0 || (size_t)n >= sizeof(line) || strpbrk(value, "\r\n"))
		return true; /* unconditional then: never wrong */
	return add_header(t, line);
}

static bool add_token(struct fl__transfer *t)
{
	const char *token = t->sigv4.token;
	char *line;

	if (!token || !token[0] || strpbrk(token, "\r\n"))
		return true; /* refused by the other side then */
	line = fl_arena_printf(t->arena, "X-Amz-Security-Token: %s", token);
	return line && add_header(t, line);
}

static bool add_headers(struct fl__transfer *t, bool own_origin)
{
	bool ok = add_conditional(t, "If-None-Match", t->req.etag) && add_conditional(t, "If-Modified-Since", t->req.last_modified);

	/* libcurl signs every header that it is given, and what lies between may change this one */
	if (ok && !t->req.sigv4)
		ok = add_header(t, "Accept-Encoding: gzip, zstd");
	if (ok && own_origin && t->req.sigv4)
		ok = add_token(t);
	for (const char *const *h = own_origin ? t->req.headers : NULL; ok && h && *h; h++)
		ok = strpbrk(*h, "\r\n") || add_header(t, *h);
	return ok;
}

static int remaining_ms(const struct fl__transfer *t, fl_mono_ns now)
{
	fl_mono_ns left = (t->deadline - now) / FL_NS_PER_MS;

	return left < 1 ? 1 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Of the first hop: what follows a redirect is a plain GET. */
static bool set_body(struct fl__transfer *t)
{
	CURL *e = t->easy;
	bool ok = true;

	if (t->req.body.p) {
		ok = curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->req.body.n) == CURLE_OK;
		ok = ok && curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->req.body.p) == CURLE_OK; /* not copied: it lives in arena */
	}
	if (ok && t->req.method)
		ok = curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, t->req.method) == CURLE_OK;
	return ok;
}

static bool set_signing(struct fl__transfer *t)
{
	const char *how = fl_arena_printf(t->arena, "aws:amz:%s:%s", t->sigv4.region, t->sigv4.service);

	return how && curl_easy_setopt(t->easy, CURLOPT_AWS_SIGV4, how) == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_USERNAME, t->sigv4.access_key) == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_PASSWORD, t->sigv4.secret_key) == CURLE_OK;
}

static void set_options(struct fl__transfer *t, fl_mono_ns now)
{
	CURL *e = t->easy;
	int connect_ms = t->req.connect_timeout_ms > 0 ? t->req.connect_timeout_ms : 10000;

	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, t->user_agent);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* the environment's: addresses could not be checked behind it */
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->sent);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)remaining_ms(t, now));
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, (long)LOW_SPEED_OCTETS);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)t->req.low_speed_s);
	curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)(t->req.max_bytes < INT64_MAX ? t->req.max_bytes : INT64_MAX));
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_checked);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	/* a kept connection would be used again without asking about its address */
	curl_easy_setopt(e, CURLOPT_FORBID_REUSE, t->req.allow_private && !t->req.keep ? 1L : 0L);
	if (t->req.ca_file && t->req.ca_file[0])
		curl_easy_setopt(e, CURLOPT_CAINFO, t->req.ca_file);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->curl_error);
}

int fl__transfer_prepare(struct fl__transfer *t, fl_mono_ns now, struct fl_err *err)
{
	char *origin = NULL;
	bool own_origin;
	int ret = origin_of(t, t->url, &origin, err);

	if (ret < 0)
		return ret;
	if (t->seen_https && !is_https(origin))
		return fl_err_set(err, FL_EREFUSED, "redirected from https to http");
	curl_easy_reset(t->easy);
	curl_slist_free_all(t->sent);
	curl_slist_free_all(t->addresses);
	t->sent = t->addresses = NULL;
	own_origin = !t->origin || strcmp(origin, t->origin) == 0;
	if (!add_headers(t, own_origin))
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (!t->origin)
		t->origin = origin;
	t->seen_https = t->seen_https || is_https(origin);
	set_options(t, now);
	if ((t->hops == 0 && !set_body(t)) || (t->req.sigv4 && own_origin && !set_signing(t)))
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	t->header_bytes = 0;
	t->refused = false;
	t->error = (struct fl_err){ 0 };
	t->r.received_bytes = 0;
	fl_buf_reset(&t->r.body);
	forget_headers(t);
	if (curl_easy_setopt(t->easy, CURLOPT_URL, t->url) != CURLE_OK)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	return begin_unpacking(t, FL__PACKING_NONE);
}

static const char *kept(struct fl__transfer *t, const char *s)
{
	return fl_arena_str(t->arena, s ? s : "");
}

static bool copy_signing(struct fl__transfer *t, const struct fl_http_sigv4 *s)
{
	t->sigv4 = (struct fl_http_sigv4){ kept(t, s->region), kept(t, s->service), kept(t, s->access_key), kept(t, s->secret_key), kept(t, s->token) };
	t->req.sigv4 = &t->sigv4;
	return t->sigv4.region && t->sigv4.service && t->sigv4.access_key && t->sigv4.secret_key && t->sigv4.token;
}

static bool copy_request(struct fl__transfer *t, const struct fl_http_request *req)
{
	size_t n = 0;
	const char **headers;

	t->req = *req;
	t->url = fl_arena_str(t->arena, req->url);
	t->req.etag = kept(t, req->etag);
	t->req.last_modified = kept(t, req->last_modified);
	t->req.ca_file = kept(t, req->ca_file);
	t->req.method = req->method ? fl_arena_str(t->arena, req->method) : NULL;
	if ((req->method && !t->req.method) || (req->sigv4 && !copy_signing(t, req->sigv4)))
		return false;
	if (req->body.p) {
		t->req.body = fl_span(fl_arena_dup(t->arena, req->body.p, req->body.n), req->body.n);
		if (!t->req.body.p)
			return false;
	}
	while (req->headers && req->headers[n])
		n++;
	headers = fl_arena_array(t->arena, n + 1, sizeof(*headers));
	if (!t->url || !t->req.etag || !t->req.last_modified || !t->req.ca_file || !headers)
		return false;
	for (size_t i = 0; i < n; i++) {
		headers[i] = fl_arena_str(t->arena, req->headers[i]);
		if (!headers[i])
			return false;
	}
	t->req.headers = headers;
	t->req.url = t->url;
	return true;
}

struct fl__transfer *fl__transfer_new(const struct fl_http_request *req, const char *user_agent, fl_mono_ns now, struct fl_err *err)
{
	struct fl__transfer *t = calloc(1, sizeof(*t));
	int ms = req->timeout_ms > 0 ? req->timeout_ms : 60000;

	if (!t)
		goto fail;
	t->arena = calloc(1, sizeof(*t->arena));
	t->easy = curl_easy_init();
	t->user_agent = user_agent;
	t->deadline = now + ms * FL_NS_PER_MS;
	t->r.retry_after_s = -1;
	if (!t->arena || !t->easy || !copy_request(t, req))
		goto fail;
	if (fl__transfer_prepare(t, now, err) < 0) {
		fl__transfer_free(t);
		return NULL;
	}
	return t;
fail:
	fl__transfer_free(t);
	fl_err_set(err, FL_ENOMEM, "out of memory");
	return NULL;
}

void fl__transfer_free(struct fl__transfer *t)
{
	if (!t)
		return;
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->sent);
	curl_slist_free_all(t->addresses);
	fl__unpack_free(t->unpack);
	fl_http_response_done(&t->r);
	if (t->arena)
		fl_arena_done(t->arena);
	free(t->arena);
	free(t);
}

/* --- the end of a hop --- */

/* Our code for libcurl's, when no callback has said more. */
static int code_of(struct fl__transfer *t, CURLcode code)
{
	curl_off_t connected = 0;

	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_FILESIZE_EXCEEDED:
	case CURLE_OUT_OF_MEMORY: /* also libcurl's word for one header over 100 KiB */
		return FL_ELIMIT;
	case CURLE_PARTIAL_FILE:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL: /* schemes are checked before: this is HTTP/0.9 */
	case CURLE_BAD_CONTENT_ENCODING:
		return FL_EFORMAT;
	case CURLE_URL_MALFORMAT:
		return FL_EREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected);
		return connected > 0 && t->r.status ? FL_ELIMIT : FL_EUNAVAIL;
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return t->r.status ? FL_EFORMAT : FL_EUNAVAIL; /* cut off, or never there */
	case CURLE_WRITE_ERROR: /* take_body on a redirect's endless body; else t->error says it */
		return FL_ELIMIT;
	default:
		return FL_EUNAVAIL;
	}
}

static void end_with(struct fl__transfer *t, int code, const char *why)
{
	t->r.code = code;
	snprintf(t->r.reason, sizeof(t->r.reason), "%.*s", (int)sizeof(t->r.reason) - 1, why);
	if (code < 0)
		fl_buf_done(&t->r.body);
}

void fl__transfer_fail(struct fl__transfer *t, int code, const char *why)
{
	end_with(t, code, why);
}

bool fl__transfer_has_name(const struct fl__transfer *t)
{
	uint8_t a[16];

	return t->r.effective_host[0] != '[' && inet_pton(AF_INET, t->r.effective_host, a) != 1;
}

/* Given to libcurl for as long as it keeps what it resolves itself, "+": a later fetch brings its own. */
bool fl__transfer_resolved(struct fl__transfer *t, const struct fl__resolved *a)
{
	struct fl_buf b = { 0 };
	char why[320];
	bool ok;

	if (a->n == 0) {
		snprintf(why, sizeof(why), "%.200s: %s", t->r.effective_host, a->absent ? "no such name, say the bootstrap servers" : "no address from the bootstrap servers");
		end_with(t, FL_EUNAVAIL, why);
		return false;
	}
	fl_buf_printf(&b, "+%s:%s:", t->r.effective_host, t->port);
	for (size_t i = 0; i < a->n; i++)
		fl_buf_printf(&b, strchr(a->text[i], ':') ? "%s[%s]" : "%s%s", i ? "," : "", a->text[i]);
	t->addresses = fl_buf_cstr(&b) ? curl_slist_append(NULL, (const char *)b.p) : NULL;
	ok = t->addresses && curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->addresses) == CURLE_OK;
	fl_buf_done(&b);
	if (!ok)
		end_with(t, FL_ELIMIT, "out of memory");
	return ok;
}

static bool end_with_error(struct fl__transfer *t, const struct fl_err *e)
{
	end_with(t, e->code == FL_ENOMEM ? FL_ELIMIT : e->code, e->text);
	return false;
}

static bool fail_hop(struct fl__transfer *t, CURLcode code)
{
	char why[256];

	if (t->error.code < 0 && (!t->refused || code == CURLE_COULDNT_CONNECT))
		return end_with_error(t, &t->error);
	snprintf(why, sizeof(why), "%.100s: %.140s", t->r.effective_host, t->curl_error[0] ? t->curl_error : curl_easy_strerror(code));
	end_with(t, code_of(t, code), why);
	return false;
}

static bool follow(struct fl__transfer *t, fl_mono_ns now)
{
	struct fl_err err = { 0 };
	char *to = NULL;

	curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
	if (!to) { /* a redirect that does not say where */
		end_with(t, 0, "a redirect without a place to go");
		return false;
	}
	if (++t->hops > t->req.max_redirects)
		fl_err_set(&err, FL_ELIMIT, "over %d redirects", t->req.max_redirects);
	else if (now >= t->deadline)
		fl_err_set(&err, FL_ELIMIT, "%.200s: too slow", t->r.effective_host);
	else {
		t->url = fl_arena_str(t->arena, to); /* before the handle, which owns `to`, is reset */
		if (!t->url)
			fl_err_set(&err, FL_ENOMEM, "out of memory");
		else if (fl__transfer_prepare(t, now, &err) == 0)
			return true;
	}
	return end_with_error(t, &err);
}

/* No octet at all is a packed body only if the server says that its length is 0. */
static bool has_packed_body(const struct fl__transfer *t)
{
	curl_off_t length = -1;

	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	return t->r.received_bytes || (t->r.status == 200 && length < 0);
}

/* Up to HTTP/1.1 a body may end with its connection, and so does one that is cut off. */
static bool is_unframed(const struct fl__transfer *t)
{
	curl_off_t length = -1;
	long version = 0;

	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
	return t->r.received_bytes && length < 0 && !t->chunked && version <= CURL_HTTP_VERSION_1_1 && !fl__unpack_packed(t->unpack);
}

bool fl__transfer_hop_done(struct fl__transfer *t, CURLcode code, fl_mono_ns now)
{
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->r.status);
	if (code != CURLE_OK)
		return fail_hop(t, code);
	if (is_redirect(t->r.status) && t->req.max_redirects > 0)
		return follow(t, now);
	if (has_packed_body(t) && fl__unpack_end(t->unpack, &t->error) < 0)
		return end_with_error(t, &t->error);
	t->r.unframed = is_unframed(t);
	end_with(t, 0, "");
	return false;
}
