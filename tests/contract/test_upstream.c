/* What the upstream door promises, kept by sockets and by the twin. The other end of the sockets is a server in this
 * process and thread, asked to serve between the door's polls. */
#include <setjmp.h>
#include <stdarg.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/clock.h"
#include "io/upstream.h"

enum { PATIENCE_MS = 5000, CONNECTIONS = 8 };

struct world {
	struct fl_upstream *u;
	bool mem;
	int udp, tcp, connections[CONNECTIONS];
	size_t n_connections;
	char address[32];
	uint16_t last_port;	/* of the last datagram's sender */
	struct sockaddr_in from;
	fl_mono_ns now;
};

/* The server's manners are in the first octet: 'a' answers in upper case, 't' answers twice, 'm' is mute, 'd' answers in
 * dribs of one octet, 'c' closes. */
static int twin_answer(void *ctx, const char *address, bool tcp, struct fl_span query, struct fl_buf *reply)
{
	(void)ctx, (void)address, (void)tcp;
	if (query.n == 0 || query.p[0] == 'm')
		return FL_ELIMIT;
	if (query.p[0] == 'c')
		return FL_EUNAVAIL;
	fl_buf_u8(reply, 'A');
	fl_buf_add(reply, query.p + 1, query.n - 1);
	return 0;
}

static int up_mem(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->mem = true;
	w->udp = w->tcp = -1;
	w->now = FL_NS_PER_S;
	w->u = fl_upstream_mem_open(twin_answer, w);
	snprintf(w->address, sizeof(w->address), "192.0.2.1:53");
	*state = w;
	return 0;
}

static int up_net(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct world *w = calloc(1, sizeof(*w));
	socklen_t n = sizeof(a);

	*state = w;
	w->now = fl_now_mono(fl_clock_sys());
	w->tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	w->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(w->tcp, (struct sockaddr *)&a, n) < 0 || listen(w->tcp, 8) < 0 || getsockname(w->tcp, (struct sockaddr *)&a, &n) < 0 ||
	    bind(w->udp, (struct sockaddr *)&a, n) < 0)
		return -1;
	snprintf(w->address, sizeof(w->address), "127.0.0.1:%d", ntohs(a.sin_port));
	return fl_upstream_net_open(&w->u, NULL);
}

static int down(void **state)
{
	struct world *w = *state;

	w->u->ops->close(w->u);
	for (size_t i = 0; i < w->n_connections; i++)
		close(w->connections[i]);
	if (w->udp >= 0)
		close(w->udp);
	if (w->tcp >= 0)
		close(w->tcp);
	free(w);
	return 0;
}

static void serve_datagrams(struct world *w)
{
	socklen_t len = sizeof(w->from);
	uint8_t b[65536];
	ssize_t n;

	while ((n = recvfrom(w->udp, b, sizeof(b), 0, (struct sockaddr *)&w->from, &len)) > 0) {
		uint8_t how = b[0];

		w->last_port = ntohs(w->from.sin_port);
		b[0] = 'A';
		for (int i = how == 'm' ? 2 : how == 't' ? 0 : 1; i < 2; i++)
			sendto(w->udp, b, (size_t)n, 0, (struct sockaddr *)&w->from, len);
	}
}

static void serve_stream(struct world *w, size_t i)
{
	uint8_t b[65538];
	ssize_t n = recv(w->connections[i], b, sizeof(b), MSG_PEEK);

	if (n < 3 || n < 2 + (b[0] << 8 | b[1]))
		return;
	n = recv(w->connections[i], b, (size_t)n, 0);
	if (b[2] == 'm')
		return;
	if (b[2] == 'c') {
		shutdown(w->connections[i], SHUT_RDWR);
		return;
	}
	for (ssize_t at = 0, step = b[2] == 'd' ? 1 : n; at < n; at += step) {
		if (at <= 2 && at + step > 2)
			b[2] = 'A';
		assert_int_equal(send(w->connections[i], b + at, (size_t)step, MSG_NOSIGNAL), step);
		if (step == 1)
			usleep(200);
	}
}

static void serve(struct world *w)
{
	int c;

	if (w->mem)
		return;
	serve_datagrams(w);
	while (w->n_connections < CONNECTIONS && (c = accept4(w->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		w->connections[w->n_connections++] = c;
	for (size_t i = 0; i < w->n_connections; i++)
		serve_stream(w, i);
}

static int await(struct world *w, struct fl_upstream_reply *r)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		serve(w);
		if (w->u->ops->poll(w->u, w->now, r) == 1)
			return 1;
		if (w->mem)
			return 0;
		poll(&(struct pollfd){ w->u->ops->fd(w->u), POLLIN, 0 }, 1, 1);
	}
	return 0;
}

static void ask(struct world *w, const char *msg, bool tcp, uint64_t tag)
{
	struct fl_err err = { 0 };

	if (w->u->ops->send(w->u, w->address, tcp, fl_span_str(msg), w->now + 2 * FL_NS_PER_S, tag, &err) < 0)
		fail_msg("%s", err.text);
}

/* --- promises of both --- */

static void a_query_is_answered(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r;

	for (int tcp = 0; tcp < 2; tcp++) {
		ask(w, "answer me", tcp, 7 + (uint64_t)tcp);
		assert_int_equal(await(w, &r), 1);
		assert_int_equal(r.tag, 7 + tcp);
		assert_int_equal(r.code, 0);
		assert_true(fl_span_eqs(r.msg, "Answer me"));
		w->u->ops->cancel(w->u, r.tag);
		assert_int_equal(w->u->ops->poll(w->u, w->now + FL_NS_PER_S * 60, &r), 0);
	}
}

static void a_reply_leaves_the_query_open(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r;

	ask(w, "answer", false, 1);
	assert_int_equal(await(w, &r), 1);
	assert_int_equal(r.code, 0);
	assert_int_equal(w->u->ops->poll(w->u, w->now, &r), 0);
	assert_int_equal(w->u->ops->poll(w->u, w->now + 2 * FL_NS_PER_S, &r), 1);
	assert_int_equal(r.tag, 1);
	assert_int_equal(r.code, FL_ELIMIT);
	assert_int_equal(w->u->ops->poll(w->u, w->now + 9 * FL_NS_PER_S, &r), 0);
}

static void the_mute_end_at_their_deadline(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r;

	for (int tcp = 0; tcp < 2; tcp++) {
		ask(w, "mute", tcp, 1);
		ask(w, "mute too", tcp, 2);
		assert_int_equal(w->u->ops->poll(w->u, w->now + 2 * FL_NS_PER_S - 1, &r), 0);
		assert_int_equal(w->u->ops->poll(w->u, w->now + 2 * FL_NS_PER_S, &r), 1);
		assert_int_equal(r.code, FL_ELIMIT);
		assert_int_equal(w->u->ops->poll(w->u, w->now + 2 * FL_NS_PER_S, &r), 1);
		assert_int_equal(r.code, FL_ELIMIT);
		assert_int_equal(w->u->ops->poll(w->u, w->now + 2 * FL_NS_PER_S, &r), 0);
	}
}

static void the_cancelled_are_silent(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r;

	ask(w, "answer 1", false, 1);
	ask(w, "answer 2", false, 2);
	w->u->ops->cancel(w->u, 1);
	w->u->ops->cancel(w->u, 99);
	assert_int_equal(await(w, &r), 1);
	assert_int_equal(r.tag, 2);
	w->u->ops->cancel(w->u, 2);
	assert_int_equal(w->u->ops->poll(w->u, w->now + 60 * FL_NS_PER_S, &r), 0);
}

static void a_closed_door_is_unavailable(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r;

	ask(w, "close", true, 1);
	assert_int_equal(await(w, &r), 1);
	assert_int_equal(r.code, FL_EUNAVAIL);
	assert_int_equal(w->u->ops->poll(w->u, w->now + 60 * FL_NS_PER_S, &r), 0);
}

/* --- sockets alone --- */

static void bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = { "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "::1:53", "[::1]", "[::1:53",
					   "dns.example:53", "[127.0.0.1]:53", "127.0.0.1:53x", "[]:53", "1.2.3:53" };
	struct world *w = *state;
	struct fl_upstream_reply r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(w->u->ops->send(w->u, bad[i], false, fl_span_str("x"), w->now + 1, 1, NULL), FL_EUSAGE);
	assert_int_equal(w->u->ops->poll(w->u, w->now + FL_NS_PER_S, &r), 0);
}

static void each_query_has_a_port_of_its_own(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r;
	uint16_t ports[16];
	int step = 0;

	for (int i = 0; i < 16; i++) {
		ask(w, "answer", false, (uint64_t)i);
		assert_int_equal(await(w, &r), 1);
		ports[i] = w->last_port;
		for (int k = 0; k < i; k++)
			assert_int_not_equal(ports[i], ports[k]); /* those are open still */
		step += i && ports[i] - ports[i - 1] <= 2 && ports[i] > ports[i - 1];
	}
	assert_true(step < 8); /* and they are not counted up */
}

static void strangers_are_not_heard(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r;
	int stranger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ask(w, "mute", false, 1);
	for (int i = 0; i < PATIENCE_MS && !w->last_port; i++, usleep(1000))
		serve(w);
	assert_int_equal(sendto(stranger, "forged", 6, 0, (struct sockaddr *)&w->from, sizeof(w->from)), 6);
	for (int i = 0; i < 20; i++, usleep(1000))
		assert_int_equal(w->u->ops->poll(w->u, w->now, &r), 0);
	close(stranger);
}

static void bad_replies_do_not_end_the_wait(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r;

	ask(w, "twice", false, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(await(w, &r), 1);
		assert_int_equal(r.tag, 1);
		assert_true(fl_span_eqs(r.msg, "Awice"));
	}
}

static void a_refusal_is_told(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r = { 0 };
	int ret;

	close(w->udp);
	close(w->tcp);
	w->udp = w->tcp = -1;
	for (int tcp = 0; tcp < 2; tcp++) {
		ret = w->u->ops->send(w->u, w->address, tcp, fl_span_str("x"), w->now + 60 * FL_NS_PER_S, 5, NULL);
		for (int i = 0; ret == 0 && i < PATIENCE_MS && r.tag != 5; i++, usleep(1000))
			w->u->ops->poll(w->u, w->now, &r);
		assert_int_equal(ret < 0 ? ret : r.code, FL_EUNAVAIL);
		r.tag = 0;
	}
}

static void streams_come_in_any_pieces(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r;
	char *large = malloc(65536);

	memset(large, 'z', 65535);
	large[65535] = '\0';
	ask(w, "dribble", true, 1);
	assert_int_equal(await(w, &r), 1);
	assert_true(fl_span_eqs(r.msg, "Aribble"));
	large[0] = 'a';
	ask(w, large, true, 2);
	assert_int_equal(await(w, &r), 1);
	assert_int_equal(r.msg.n, 65535);
	assert_int_equal(r.msg.p[65534], 'z');
	assert_int_equal(w->u->ops->send(w->u, w->address, true, fl_span(large, 65536), w->now, 3, NULL), FL_EUSAGE);
	free(large);
}

static void too_many_are_refused_until_some_end(void **state)
{
	struct world *w = *state;
	struct fl_upstream_reply r;
	struct fl_err err;
	uint64_t n = 0;
	int ret;

	do
		ret = w->u->ops->send(w->u, w->address, false, fl_span_str("mute"), w->now + FL_NS_PER_S, n++, &err);
	while (ret == 0);
	assert_int_equal(ret, FL_ELIMIT); /* our bound, or the process' on descriptors */
	w->u->ops->cancel(w->u, 0);
	assert_int_equal(w->u->ops->send(w->u, w->address, false, fl_span_str("mute"), w->now + FL_NS_PER_S, n, NULL), 0);
	for (uint64_t i = 0; i < n - 1; i++)
		assert_int_equal(w->u->ops->poll(w->u, w->now + FL_NS_PER_S, &r), 1);
	assert_int_equal(w->u->ops->poll(w->u, w->now + FL_NS_PER_S, &r), 0);
}

#define OF_BOTH(up)                                                                       \
	cmocka_unit_test_setup_teardown(a_query_is_answered, up, down),                   \
		cmocka_unit_test_setup_teardown(a_reply_leaves_the_query_open, up, down), \
		cmocka_unit_test_setup_teardown(the_mute_end_at_their_deadline, up, down), \
		cmocka_unit_test_setup_teardown(the_cancelled_are_silent, up, down),      \
		cmocka_unit_test_setup_teardown(a_closed_door_is_unavailable, up, down)

int main(void)
{
	const struct CMUnitTest mem[] = { OF_BOTH(up_mem) };
	const struct CMUnitTest net[] = {
		OF_BOTH(up_net),
		cmocka_unit_test_setup_teardown(bad_addresses_are_refused, up_net, down),
		cmocka_unit_test_setup_teardown(each_query_has_a_port_of_its_own, up_net, down),
		cmocka_unit_test_setup_teardown(strangers_are_not_heard, up_net, down),
		cmocka_unit_test_setup_teardown(bad_replies_do_not_end_the_wait, up_net, down),
		cmocka_unit_test_setup_teardown(a_refusal_is_told, up_net, down),
		cmocka_unit_test_setup_teardown(streams_come_in_any_pieces, up_net, down),
		cmocka_unit_test_setup_teardown(too_many_are_refused_until_some_end, up_net, down),
	};

	return cmocka_run_group_tests_name("twin", mem, NULL, NULL) + cmocka_run_group_tests_name("sockets", net, NULL, NULL);
}
