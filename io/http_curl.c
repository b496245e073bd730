/* The HTTP door: transfers side by side on one libcurl multi handle, driven by poll alone: no thread of ours, no signal.
 * libcurl resolves names in threads of its own. What happens to one transfer is in http_transfer.c. Start at curl_poll(). */
#include "io/http_curl.h"

#include <pthread.h>
#include <stdlib.h>

#include "io/clock.h"

struct door {
	struct fl_http http;
	CURLM *multi;
	struct fl__transfer *first; /* running */
	size_t n;
	uint64_t last_id;
	char user_agent[128];
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
	curl_multi_remove_handle(d->multi, t->easy);
	fl__transfer_free(t);
}

static int curl_start(struct fl_http *h, const struct fl_http_request *req, uint64_t *id, struct fl_err *err)
{
	struct door *d = (struct door *)h;
	struct fl_err why = { 0 };
	struct fl__transfer *t = fl__transfer_new(req, d->user_agent, fl_now_mono(fl_clock_sys()), &why);

	if (!t)
		return fl_err_set(err, why.code, "%s", why.text);
	if (curl_multi_add_handle(d->multi, t->easy) != CURLM_OK) {
		fl__transfer_free(t);
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	t->r.id = ++d->last_id;
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
		if (curl_multi_add_handle(d->multi, t->easy) != CURLM_OK) {
			t->r.code = FL_ELIMIT;
			snprintf(t->r.reason, sizeof(t->r.reason), "out of memory");
			return t;
		}
	}
	return NULL;
}

static int curl_poll(struct fl_http *h, int timeout_ms, struct fl_http_response *out)
{
	struct door *d = (struct door *)h;
	fl_mono_ns end = fl_now_mono(fl_clock_sys()) + (timeout_ms > 0 ? timeout_ms : 0) * FL_NS_PER_MS;

	while (d->n) {
		struct fl__transfer *t;
		fl_mono_ns left;
		int running;

		curl_multi_perform(d->multi, &running);
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
		curl_multi_poll(d->multi, NULL, 0, (int)((left + FL_NS_PER_MS - 1) / FL_NS_PER_MS), NULL);
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
	free(d);
}

static const struct fl_http_ops curl_ops = { curl_start, curl_poll, curl_cancel, curl_running, curl_close };

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
