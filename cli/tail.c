#include "cli/tail.h"

#include <pthread.h>
#include <stdlib.h>
#include <arpa/inet.h>

#include "base/text.h"
#include "cli/json.h"

enum { TAIL_BUFFER = 1 << 20 };

struct tail {
	struct fl_server *server;
	struct fl_admin *admin;
	uint64_t handle;
	char action[16], list[FL_SET_NAME], client[64], name[256];
	uint16_t qtype;
	pthread_mutex_t lock;
	struct fl_buf buf;
	uint64_t missed;
};

static bool wanted(const struct tail *t, const struct fl_qlog *q)
{
	char text[FL_NAME_TEXT];
	size_t n;

	if (t->action[0] && strcasecmp(t->action, fl_action_word(q->action)) != 0)
		return false;
	if (t->list[0] && (!q->list || strcmp(t->list, q->list) != 0))
		return false;
	if (t->qtype && t->qtype != q->qtype)
		return false;
	if (t->client[0] && (!inet_ntop(q->client_v6 ? AF_INET6 : AF_INET, q->client, text, sizeof(text)) || strcmp(text, t->client) != 0))
		return false;
	if (!t->name[0])
		return true;
	fl_dname_to_text(&q->qname, text);
	n = strlen(text);
	if (n > 1 && text[n - 1] == '.')
		text[n - 1] = '\0';
	return fl_glob(t->name, text);
}

static void on_record(void *ctx, const struct fl_qlog *q, struct fl_span json)
{
	struct tail *t = ctx;

	if (!wanted(t, q))
		return;
	pthread_mutex_lock(&t->lock);
	if (t->buf.n + json.n + 80 > TAIL_BUFFER)
		t->missed++;
	else {
		if (t->missed) {
			fl_buf_printf(&t->buf, "{\"gap\":%llu}\n", (unsigned long long)t->missed);
			t->missed = 0;
		}
		fl_buf_add(&t->buf, json.p, json.n);
		fl_buf_u8(&t->buf, '\n');
	}
	pthread_mutex_unlock(&t->lock);
	fl_admin_stream_wake(t->admin);
}

static ssize_t pull(void *ctx, char *out, size_t cap)
{
	struct tail *t = ctx;
	size_t n;

	pthread_mutex_lock(&t->lock);
	n = t->buf.n < cap ? t->buf.n : cap;
	if (n) {
		memcpy(out, t->buf.p, n);
		memmove(t->buf.p, t->buf.p + n, t->buf.n - n);
		t->buf.n -= n;
	}
	pthread_mutex_unlock(&t->lock);
	return (ssize_t)n;
}

static void end(void *ctx)
{
	struct tail *t = ctx;

	fl_server_tap_remove(t->server, t->handle);
	pthread_mutex_destroy(&t->lock);
	fl_buf_done(&t->buf);
	free(t);
}

static void take(const struct fl_admin_request *req, const char *key, char *out, size_t cap)
{
	const char *v = req->query(req, key);

	if (v)
		snprintf(out, cap, "%s", v);
}

void fl_tail_start(struct fl_server *s, struct fl_admin *a, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct tail *t = calloc(1, sizeof(*t));
	char qtype[24] = "";

	if (!t) {
		fl_json_problem(res, FL_ENOMEM, "");
		return;
	}
	t->server = s;
	t->admin = a;
	pthread_mutex_init(&t->lock, NULL);
	take(req, "action", t->action, sizeof(t->action));
	take(req, "list", t->list, sizeof(t->list));
	take(req, "client", t->client, sizeof(t->client));
	take(req, "name", t->name, sizeof(t->name));
	take(req, "qtype", qtype, sizeof(qtype));
	if (qtype[0] && !fl_qtype_parse(qtype, &t->qtype)) {
		fl_json_problem(res, FL_EUSAGE, "qtype is not a record type");
		pthread_mutex_destroy(&t->lock);
		free(t);
		return;
	}
	t->handle = fl_server_tap_add(s, on_record, t);
	if (!t->handle) {
		fl_json_problem(res, FL_ELIMIT, "too many tails are open");
		pthread_mutex_destroy(&t->lock);
		free(t);
		return;
	}
	res->status = 200;
	res->content_type = "application/x-ndjson";
	res->stream = pull;
	res->stream_done = end;
	res->stream_ctx = t;
}
