/* The HTTP door: transfers side by side on one libcurl multi handle, driven by poll alone: no thread of ours, no signal.
 * libcurl resolves names in threads of its own, unless bootstrap servers are given: then a hop is libcurl's once its host has addresses. What happens to one transfer is in http_transfer.c. Start at curl_poll(). */
#include "io/http_curl.h"

#include <pthread.h>
#include <stdlib.h>

#include "io/clock.h"

enum { ASKING_MS = 100 }; /* resolvers have deadlines that libcurl does not know of */

struct door {
	struct fl_http http;
	CURLM *multi;
	struct fl__transfer *first; /* running */
	size_t n;
	uint64_t last_id;
	char user_agent[128];
	struct fl__resolver *resolver; /* NULL: libcurl resolves */
};

static struct fl__transfer **place_of(struct door *d, uint64_t id)
{
	struct fl__transfer **at = &d->first;

	while (*at && (*at)->r.id != id)
		at = &(*at)->next;
	return at;
}

static void forget(struct door *d, struct fl__transfer **at)
{
	struct fl__transfer *t = *at;

	*at = t->next;
	d->n--;
	if (d->resolver)
		fl__resolver_cancel(d->resolver, t->r.id);
	curl_multi_remove_handle(d->multi, t->easy);
	fl__transfer_free(t);
}

/* A hop begins: in libcurl's hands, or with a question for its host. */
static bool begin(struct door *d, struct fl__transfer *t)
{
	fl_mono_ns now = fl_now_mono(fl_clock_sys());
	int ret = FL_ENOMEM;

	if (d->resolver && fl__transfer_has_name(t))
		ret = fl__resolver_ask(d->resolver, t->r.id, t->r.effective_host, now, t->deadline);
	else if (curl_multi_add_handle(d->multi, t->easy) == CURLM_OK)
		ret = 0;
	if (ret == FL_EFORMAT)
		fl__transfer_fail(t, FL_EREFUSED, "the host of the URL is no name");
	else if (ret < 0)
		fl__transfer_fail(t, FL_ELIMIT, "out of memory");
	return ret == 0;
}

static int curl_start(struct fl_http *h, const struct fl_http_request *req, uint64_t *id, struct fl_err *err)
{
	struct door *d = (struct door *)h;
	struct fl_err why = { 0 };
	struct fl__transfer *t = fl__transfer_new(req, d->user_agent, fl_now_mono(fl_clock_sys()), &why);

	if (!t)
		return fl_err_set(err, why.code, "%s", why.text);
	t->r.id = ++d->last_id;
	if (!begin(d, t)) {
		fl_err_set(err, t->r.code, "%s", t->r.reason);
		fl__transfer_free(t);
		return err ? err->code : FL_ENOMEM;
	}
	t->next = d->first;
	d->first = t;
	d->n++;
	*id = t->r.id;
	return 0;
}

/* One that is through for good, or NULL. */
static struct fl__transfer *next_done(struct door *d)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(d->multi, &left))) {
		struct fl__transfer *t = NULL;
		CURLcode code;

		if (m->msg != CURLMSG_DONE)
			continue;
		code = m->data.result; /* m dies with the removal */
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		curl_multi_remove_handle(d->multi, t->easy);
		if (!fl__transfer_hop_done(t, code, fl_now_mono(fl_clock_sys())))
			return t;
		if (!begin(d, t))
			return t;
	}
	return NULL;
}

/* Hosts that have their addresses now; one that has none and so is through, or NULL. */
static struct fl__transfer *next_resolved(struct door *d)
{
	struct fl__resolved a;

	while (d->resolver && fl__resolver_poll(d->resolver, fl_now_mono(fl_clock_sys()), &a) == 1) {
		struct fl__transfer *t = *place_of(d, a.id);

		if (!t)
			continue;
		if (!fl__transfer_resolved(t, &a))
			return t;
		if (curl_multi_add_handle(d->multi, t->easy) != CURLM_OK) {
			fl__transfer_fail(t, FL_ELIMIT, "out of memory");
			return t;
		}
	}
	return NULL;
}

/* For something to happen, or the time to pass. */
static void wait_for(struct door *d, int ms, int other_fd)
{
	bool asking = d->resolver && !fl__resolver_idle(d->resolver);
	struct curl_waitfd fds[2];
	unsigned n = 0;

	if (asking)
		fds[n++] = (struct curl_waitfd){ .fd = fl__resolver_fd(d->resolver), .events = CURL_WAIT_POLLIN };
	if (other_fd >= 0)
		fds[n++] = (struct curl_waitfd){ .fd = other_fd, .events = CURL_WAIT_POLLIN };
	curl_multi_poll(d->multi, n ? fds : NULL, n, asking && ms > ASKING_MS ? ASKING_MS : ms, NULL);
}

static void curl_wait(struct fl_http *h, int timeout_ms, int fd)
{
	wait_for((struct door *)h, timeout_ms > 0 ? timeout_ms : 0, fd);
}

static int curl_poll(struct fl_http *h, int timeout_ms, struct fl_http_response *out)
{
	struct door *d = (struct door *)h;
	fl_mono_ns end = fl_now_mono(fl_clock_sys()) + (timeout_ms > 0 ? timeout_ms : 0) * FL_NS_PER_MS;

	while (d->n) {
		struct fl__transfer *t;
		fl_mono_ns left;
		int running;

		t = next_resolved(d);
		curl_multi_perform(d->multi, &running);
		if (!t)
			t = next_done(d);
		if (t) {
			*out = t->r;
			t->r.body = (struct fl_buf){ 0 }; /* handed over */
			forget(d, place_of(d, t->r.id));
			return 1;
		}
		left = end - fl_now_mono(fl_clock_sys());
		if (left <= 0)
			return 0;
		wait_for(d, (int)((left + FL_NS_PER_MS - 1) / FL_NS_PER_MS), -1);
	}
	return 0;
}

static void curl_cancel(struct fl_http *h, uint64_t id)
{
	struct door *d = (struct door *)h;
	struct fl__transfer **at = place_of(d, id);

	if (*at)
		forget(d, at);
}

static size_t curl_running(struct fl_http *h)
{
	return ((struct door *)h)->n;
}

static void curl_close(struct fl_http *h)
{
	struct door *d = (struct door *)h;

	while (d->first)
		forget(d, &d->first);
	curl_multi_cleanup(d->multi);
	fl__resolver_close(d->resolver);
	free(d);
}

static const struct fl_http_ops curl_ops = { curl_start, curl_poll, curl_cancel, curl_running, curl_wait, curl_close };

static CURLcode global_result;

static void global_init(void)
{
	global_result = curl_global_init(CURL_GLOBAL_DEFAULT); /* never undone: the process ends with it */
}

int fl_http_curl_open(const char *user_agent, struct fl_http **out, struct fl_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct door *d = calloc(1, sizeof(*d));

	pthread_once(&once, global_init);
	if (d && global_result == CURLE_OK)
		d->multi = curl_multi_init();
	if (!d || !d->multi) {
		free(d);
		return fl_err_set(err, FL_ENOMEM, "http: libcurl cannot be started");
	}
	d->http.ops = &curl_ops;
	snprintf(d->user_agent, sizeof(d->user_agent), "%s", user_agent);
	*out = &d->http;
	return 0;
}

int fl_http_curl_bootstrap(struct fl_http *h, const char *const *servers, size_t n, struct fl_err *err)
{
	return n ? fl__resolver_open(servers, n, &((struct door *)h)->resolver, err) : 0;
}
