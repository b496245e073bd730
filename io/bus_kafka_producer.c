/* One Kafka producer that can be replaced under its messages. Before librdkafka 2.3 a disconnect at the wrong moment can
 * leave an idempotent producer dead ("fatal"), and some brokers' hiccups leave one that waits for ever. In both cases it
 * is destroyed and made anew, and what was in flight is reported with FL_EUNKNOWN: it may have been stored. For that
 * every message has a slot of ours while librdkafka holds it.
 *
 * Nothing here waits but poll, for as long as it is told (and PROBE_MS after a long silence). Start at fl__kafka_producer_poll(). */
#include "io/bus_kafka.h"

#include <stdlib.h>

#include "io/clock.h"

#define SILENCE_NS (20 * FL_NS_PER_S) /* with messages in flight, and a broker that answers */
enum { FLIGHTS_FIRST = 256, PROBE_MS = 100 };

/* --- the slots --- */

static bool more_flights(struct fl__kafka_producer *p)
{
	uint32_t n = p->n_flights ? 2 * p->n_flights : FLIGHTS_FIRST;
	struct fl__kafka_flight *v = n > p->n_flights ? reallocarray(p->flights, n, sizeof(*v)) : NULL;

	if (!v)
		return false;
	for (uint32_t i = p->n_flights ? p->n_flights : 1; i < n; i++)
		v[i] = (struct fl__kafka_flight){ .next = i + 1 < n ? i + 1 : 0 };
	p->free_first = p->n_flights ? p->n_flights : 1;
	p->flights = v;
	p->n_flights = n;
	return true;
}

static uint32_t flight_take(struct fl__kafka_producer *p, uint64_t tag)
{
	uint32_t i;

	if (!p->free_first && !more_flights(p))
		return 0;
	i = p->free_first;
	p->free_first = p->flights[i].next;
	p->flights[i] = (struct fl__kafka_flight){ tag, fl_now_mono(fl_clock_sys()), p->newest, 0 };
	if (p->newest)
		p->flights[p->newest].next = i;
	else
		p->oldest = i;
	p->newest = i;
	p->out++;
	return i;
}

static void flight_give(struct fl__kafka_producer *p, uint32_t i)
{
	struct fl__kafka_flight *f = &p->flights[i];

	if (f->prev)
		p->flights[f->prev].next = f->next;
	else
		p->oldest = f->next;
	if (f->next)
		p->flights[f->next].prev = f->prev;
	else
		p->newest = f->prev;
	*f = (struct fl__kafka_flight){ .next = p->free_first };
	p->free_first = i;
	p->out--;
}

/* --- reports --- */

/* There is always room: done grows with the flights, before they are sent. */
static bool room_for_report(struct fl__kafka_producer *p)
{
	struct fl__kafka_report *v;
	size_t n;

	if (p->n_done + p->out < p->cap_done)
		return true;
	n = p->cap_done ? 2 * p->cap_done : FLIGHTS_FIRST;
	v = reallocarray(p->done, n, sizeof(*v));
	if (!v)
		return false;
	p->done = v;
	p->cap_done = n;
	return true;
}

static void land(struct fl__kafka_producer *p, uint32_t i, int code, int32_t partition, int64_t offset)
{
	p->done[p->n_done++] = (struct fl__kafka_report){ p->flights[i].tag, code, partition, offset };
	flight_give(p, i);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct fl__kafka_producer *p = opaque; /* its client is its first member */
	int code = 0;

	(void)rk;
	if (m->err)
		code = rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED ? fl__kafka_code(m->err) : FL_EUNKNOWN;
	if (m->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || m->err == RD_KAFKA_RESP_ERR__TRANSPORT)
		snprintf(p->client.error, sizeof(p->client.error), "%s", rd_kafka_err2str(m->err));
	p->last_sign = fl_now_mono(fl_clock_sys());
	land(p, (uint32_t)(uintptr_t)m->_private, code, m->partition, code == 0 ? m->offset : -1);
}

/* --- open, close, replace --- */

static int open_client(struct fl__kafka_producer *p, struct fl_err *err)
{
	rd_kafka_queue_t *q;
	int ret = fl__kafka_client_open(&p->client, p->door, p->kind, on_delivery, err);

	if (ret < 0)
		return ret;
	q = rd_kafka_queue_get_main(p->client.rk);
	fl__kafka_wake_by(p->door, q);
	rd_kafka_queue_destroy(q); /* our reference */
	p->last_sign = fl_now_mono(fl_clock_sys());
	return 0;
}

int fl__kafka_producer_open(struct fl__kafka_producer *p, struct fl__kafka_door *d, enum fl__kafka_kind kind, struct fl_err *err)
{
	p->door = d;
	p->kind = kind;
	return p->client.rk ? 0 : open_client(p, err);
}

static void close_client(struct fl__kafka_producer *p)
{
	if (p->client.rk)
		rd_kafka_purge(p->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	fl__kafka_client_close(&p->client);
}

void fl__kafka_producer_close(struct fl__kafka_producer *p)
{
	close_client(p);
	free(p->flights);
	free(p->done);
	*p = (struct fl__kafka_producer){ 0 };
}

static bool broker_answers(struct fl__kafka_producer *p)
{
	const struct rd_kafka_metadata *md = NULL;

	if (rd_kafka_metadata(p->client.rk, 0, NULL, &md, PROBE_MS))
		return false;
	rd_kafka_metadata_destroy(md);
	return true;
}

/* Silence alone proves nothing: the broker may be away. */
static bool is_dead(struct fl__kafka_producer *p)
{
	fl_mono_ns now = fl_now_mono(fl_clock_sys()), before = now - SILENCE_NS;
	char why[256] = "";

	if (rd_kafka_fatal_error(p->client.rk, why, sizeof(why)))
		return true;
	if (!p->oldest || p->flights[p->oldest].at >= before || p->last_sign >= before)
		return false;
	p->last_sign = now; /* so that a broker that is away is asked once in a while only */
	return broker_answers(p);
}

/* The new one may fail to come (no memory, no thread): then the next poll or produce tries again. */
static void replace(struct fl__kafka_producer *p)
{
	close_client(p);
	while (p->oldest)
		land(p, p->oldest, FL_EUNKNOWN, -1, -1);
	open_client(p, NULL);
}

/* --- produce, poll --- */

static int refused(struct fl__kafka_producer *p, const char *topic, rd_kafka_resp_err_t e, struct fl_err *err)
{
	int code = fl__kafka_code(e);

	if (e == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		code = FL_ELIMIT;
	return fl_err_set(err, code, "topic '%s': %s", topic,
			  e == RD_KAFKA_RESP_ERR__FATAL && p->client.error[0] ? p->client.error : rd_kafka_err2str(e));
}

static rd_kafka_resp_err_t hand_over(struct fl__kafka_producer *p, const char *topic, struct fl_span key, struct fl_span value,
				     const struct fl_bus_header *headers, size_t n_headers, uint32_t flight)
{
	rd_kafka_vu_t vus[5 + FL_BUS_HEADERS_MAX];
	rd_kafka_error_t *error;
	rd_kafka_resp_err_t e;
	size_t n = 0;

	vus[n++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic };
	vus[n++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY };
	vus[n++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)flight };
	vus[n++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { (void *)value.p, value.n } };
	vus[n++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { (void *)key.p, key.n } };
	for (size_t i = 0; i < n_headers; i++)
		vus[n++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_HEADER,
					    .u.header = { headers[i].key, headers[i].value.p, (ssize_t)headers[i].value.n } };
	error = rd_kafka_produceva(p->client.rk, vus, n);
	if (!error)
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	e = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	return e;
}

int fl__kafka_produce(struct fl__kafka_producer *p, const char *topic, struct fl_span key, struct fl_span value,
		      const struct fl_bus_header *headers, size_t n_headers, uint64_t tag, struct fl_err *err)
{
	rd_kafka_resp_err_t e;
	uint32_t i;
	int ret;

	if (n_headers > FL_BUS_HEADERS_MAX)
		return fl_err_set(err, FL_EUSAGE, "topic '%s': over %d headers", topic, FL_BUS_HEADERS_MAX);
	if (!p->client.rk) {
		ret = open_client(p, err);
		if (ret < 0)
			return ret;
	}
	i = room_for_report(p) ? flight_take(p, tag) : 0;
	if (!i)
		return fl_err_set(err, FL_ENOMEM, "topic '%s': out of memory", topic);
	e = hand_over(p, topic, key, value, headers, n_headers, i);
	if (e) {
		flight_give(p, i);
		return refused(p, topic, e, err);
	}
	return 0;
}

/* report may produce, but not poll. */
int fl__kafka_producer_poll(struct fl__kafka_producer *p, int timeout_ms, fl_bus_report *report, void *ctx)
{
	size_t n;

	if (!p->client.rk && p->door)
		open_client(p, NULL);
	if (p->client.rk) {
		rd_kafka_poll(p->client.rk, p->n_done ? 0 : timeout_ms);
		if (is_dead(p))
			replace(p);
	}
	n = p->n_done;
	for (size_t i = 0; i < n; i++) {
		struct fl__kafka_report r = p->done[i]; /* what report produces may move the array */

		report(ctx, r.tag, r.code, r.partition, r.offset);
	}
	p->n_done = 0; /* only rd_kafka_poll adds */
	return (int)n;
}
