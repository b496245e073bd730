/* --wire: each question also goes to a whole server on loopback, by UDP and by TCP, with the view that the enforcer has at that moment; its answer and the record that leaves by the log are
 * held to the same claims. The client's address is real, so it has to be of 127.0.0.0/8. The clock is the machine's: what depends on the virtual one is for the other way. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "scenario.h"

enum { WAIT_MS = 30000, DRAIN_MS = 10000 };

struct scn_wire {
	struct scn_role *role;
	struct fl_config cfg; /* the role's, with rings and cache of a size for tests */
	struct fl_server *server;
	struct sockaddr_in udp, tcp;
	char folder[300];
	pthread_mutex_t lock;
	pthread_cond_t came;
	unsigned records; /* since the question */
	char problem[80];
	struct scn_result record;
};

/* In the log thread. */
static void on_record(void *ctx, const struct fl_qlog *q, struct fl_span json)
{
	struct scn_wire *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->records++;
	memset(&w->record, 0, sizeof(w->record));
	scn_put_record(q, &w->record);
	fl_base32_40(fl_ref(q->enforcer, q->thread, q->seq), w->record.word);
	snprintf(w->problem, sizeof(w->problem), "%s", json.n && json.p[0] == '{' ? "" : "the record is no JSON object");
	pthread_cond_signal(&w->came);
	pthread_mutex_unlock(&w->lock);
}

static int bound(int type, struct sockaddr_in *at)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
	socklen_t len = sizeof(*at);

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (type == SOCK_DGRAM)
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof(*at)) < 0 || getsockname(fd, (struct sockaddr *)at, &len) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 16) < 0)) {
		perror("loopback");
		exit(77);
	}
	return fd;
}

static void take_config(struct scn_wire *w)
{
	w->cfg = *w->role->cfg;
	w->cfg.ring_bytes = FL__RING_BYTES_MIN;
}

struct scn_wire *scn_wire_open(struct scn_role *r)
{
	struct scn_wire *w = calloc(1, sizeof(*w));
	int udp = bound(SOCK_DGRAM, &w->udp), tcp = bound(SOCK_STREAM, &w->tcp);
	struct fl_server_config c = { .cfg = &w->cfg, .udp_fds = &udp, .n_udp = 1, .tcp_fds = &tcp, .n_tcp = 1, .upstream = fl_upstream_mem_open(scn_zone_answer, r->s),
				      .clock = fl_clock_sys(), .random = fl_random_sys(), .runtime = w->folder };
	struct fl_err err = { 0 };

	w->role = r;
	take_config(w);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->came, NULL);
	snprintf(w->folder, sizeof(w->folder), "%s/wire-XXXXXX", r->s->folder);
	if (!mkdtemp(w->folder) || fl_server_start(&c, &w->server, &err) < 0 || !fl_server_tap_add(w->server, on_record, w)) {
		fprintf(stderr, "%s: %s\n", w->folder, err.text);
		exit(70);
	}
	return w;
}

void scn_wire_show(struct scn_wire *w)
{
	struct fl_view *v = NULL;

	if (!w)
		return;
	if (fl_view_new(w->role->policy, w->role->image, w->role->grace, &v) < 0 || fl_bypasses_apply(&w->role->bypasses, v) < 0)
		abort();
	fl_server_set_view(w->server, v);
}

void scn_wire_reload(struct scn_wire *w)
{
	struct fl_err err;

	if (!w)
		return;
	take_config(w);
	if (fl_server_reload(w->server, &w->cfg, &err) < 0)
		abort();
}

void scn_wire_close(struct scn_wire *w)
{
	if (!w)
		return;
	fl_server_stop(w->server, DRAIN_MS);
	rmdir(w->folder);
	pthread_cond_destroy(&w->came);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* --- one question --- */

static ssize_t take(int fd, uint8_t *p, size_t n)
{
	struct pollfd f = { .fd = fd, .events = POLLIN };

	return poll(&f, 1, WAIT_MS) > 0 ? recv(fd, p, n, 0) : -1;
}

static size_t take_framed(int fd, uint8_t *buf, size_t cap)
{
	size_t have = 0, want = 2;

	while (have < want) {
		ssize_t n = take(fd, buf + have, want - have);

		if (n <= 0)
			return 0;
		have += (size_t)n;
		if (have == 2)
			want = 2u + fl__be16(buf);
		if (want > cap)
			return 0;
	}
	memmove(buf, buf + 2, have - 2);
	return have - 2;
}

/* Octets of the answer; 0: none. */
static size_t exchange(const struct scn_wire *w, const struct sockaddr_in *from, bool tcp, struct fl_span question, uint8_t *buf, size_t cap)
{
	int fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	const struct sockaddr_in *to = tcp ? &w->tcp : &w->udp;
	uint8_t framed[2 + 600];
	ssize_t n = 0;

	if (fd < 0 || question.n > 600 || bind(fd, (const struct sockaddr *)from, sizeof(*from)) < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0) {
		perror("loopback client");
		exit(77);
	}
	fl__put16(framed, (uint16_t)question.n);
	memcpy(framed + 2, question.p, question.n);
	if (send(fd, framed + (tcp ? 0 : 2), question.n + (tcp ? 2 : 0), 0) < 0)
		n = -1;
	else
		n = tcp ? (ssize_t)take_framed(fd, buf, cap) : take(fd, buf, cap);
	close(fd);
	return n > 0 ? (size_t)n : 0;
}

static const char *take_record(struct scn_wire *w, struct scn_result *out)
{
	struct timespec until;
	const char *why = NULL;
	int late = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&w->lock);
	while (w->records == 0 && late == 0)
		late = pthread_cond_timedwait(&w->came, &w->lock, &until);
	if (w->records != 1)
		why = "not one query-log record of the answer";
	else if (w->problem[0])
		why = w->problem;
	else if (strstr(out->text, "ref=") && !strstr(out->text, w->record.word))
		why = "the EDE and the query-log record have different references";
	for (size_t i = 0; !why && i < w->record.n; i++)
		scn_put(out, w->record.v[i].key, "%s", w->record.v[i].value);
	pthread_mutex_unlock(&w->lock);
	return why;
}

const char *scn_wire_ask(struct scn_wire *w, const struct scn_question *q, bool tcp, struct scn_result *out)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	static uint8_t buf[FL__MSG_MAX + 2];
	struct fl_buf packet = { 0 };
	const char *why = scn_write_question(q, &packet);
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	if (!why && (inet_pton(AF_INET, q->from, &from.sin_addr) != 1 || ntohl(from.sin_addr.s_addr) >> 24 != 127))
		why = "over the wire a client is of 127.0.0.0/8";
	pthread_mutex_lock(&w->lock);
	w->records = 0;
	pthread_mutex_unlock(&w->lock);
	if (!why)
		n = exchange(w, &from, tcp, fl_buf_span(&packet), buf, sizeof(buf));
	if (!why && n == 0)
		why = "no answer came";
	if (!why)
		why = scn_read_answer(fl_span(buf, n), fl_buf_span(&packet), out);
	if (!why)
		why = take_record(w, out);
	fl_buf_done(&packet);
	return why;
}
