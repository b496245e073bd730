/* The ledger: a queue of records that are not durable yet, the topic, and the file. */
#include "sets/ledger_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "base/text.h"
#include "model/digest.h"

enum { WAIT_MS = 1000, FILE_MAX = 256 << 20, BATCH_RECORDS = 5000, BATCH_BYTES = 8 << 20, RETRY_MS = 1000, RETRY_MAX_MS = 30000, MEND_MS = 1000, QUEUE_FULL_TRIES = 50 };
/* Tags of ours are told from others' by their top bit. Then: is it of a batch from the file, which queue or batch (a late report of an earlier one is nobody's), and which of its records. */
#define TAG_OURS (UINT64_C(1) << 63)
#define TAG_BATCH (UINT64_C(1) << 62)
#define TAG(kind, round, i) (TAG_OURS | (kind) | ((round) & 0x3fffffff) << 32 | (uint32_t)(i))

enum state { KEPT /* for the file: not handed to the bus */, OUT, DELIVERED, FAILED };

struct entry {
	size_t at, n; /* its frame in the queue's bytes */
	enum state state;
};

/* Records of the file that are being sent on. */
struct batch {
	uint64_t round, n, reported;
	bool failed;
	size_t end; /* where the next begins, in the file without its header */
};

struct fl_ledger {
	struct fl_ledger_config c;
	struct fl__ledger_file file;
	struct fl_buf bytes; /* frames of the queue */
	struct entry *v;
	size_t n, cap, n_out;
	uint64_t round;
	fl_mono_ns oldest_at;
	bool away;
	struct batch batch;
	size_t sent; /* of the file, without its header */
	fl_mono_ns retry_at, mend_at;
	int64_t retry_ms;
	struct fl_ledger_status s;
	int lost; /* of records that a step could not keep: the next flush says it */
	char trouble[200];
};

int fl_ledger_open(const struct fl_ledger_config *c, struct fl_ledger **out, struct fl_err *err)
{
	struct fl_ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return fl_err_set(err, FL_ENOMEM, "ledger: out of memory");
	l->c = *c;
	l->c.wait_ms = c->wait_ms ? c->wait_ms : WAIT_MS;
	l->retry_ms = RETRY_MS;
	l->file = (struct fl__ledger_file){ .disk = c->disk, .name = c->file, .max = c->file_max ? c->file_max : FILE_MAX };
	fl__ledger_file_open(&l->file);
	*out = l;
	return 0;
}

void fl_ledger_close(struct fl_ledger *l)
{
	if (!l)
		return;
	fl__ledger_file_close(&l->file);
	fl_buf_done(&l->bytes);
	free(l->v);
	free(l);
}

static bool by_topic(const struct fl_ledger *l)
{
	return l->c.bus && l->c.bus_keeps;
}

static uint64_t pending(const struct fl_ledger *l)
{
	return by_topic(l) ? l->file.records : 0;
}

/* --- the topic --- */

static int produce(struct fl_ledger *l, struct fl_span key, struct fl_span value, uint64_t tag, struct fl_err *err)
{
	char id[17], when[FL_TIME_TEXT], name[FL_LEDGER_KEY_MAX + 1];
	uint64_t sum = fl_checksum64(value.p, value.n);

	fl_hex(&sum, sizeof(sum), id);
	fl_time_format(fl_now_unix(l->c.clock), when);
	memcpy(name, key.p, key.n);
	name[key.n] = '\0';
	struct fl_bus_header headers[] = {
		{ "ce_specversion", fl_span_str("1.0") }, { "ce_id", fl_span_str(id) },	     { "ce_source", fl_span_str(l->c.source) },
		{ "ce_type", fl_span_str(l->c.type) },	  { "ce_time", fl_span_str(when) }, { "ce_subject", fl_span_str(name) },
		{ "content-type", fl_span_str("application/json") },
	};
	return fl_bus_produce(l->c.bus, FL_BUS_CONTROL, l->c.topic, key, value, headers, sizeof(headers) / sizeof(headers[0]), tag, err);
}

bool fl_ledger_report(struct fl_ledger *l, uint64_t tag, int code)
{
	struct batch *b = &l->batch;
	uint32_t i = (uint32_t)tag;

	if (!(tag & TAG_OURS))
		return false;
	if (tag & TAG_BATCH) {
		if (i < b->n && tag == TAG(TAG_BATCH, b->round, i)) {
			b->reported++;
			b->failed = b->failed || code < 0;
		}
	} else if (i < l->n && tag == TAG(0, l->round, i) && l->v[i].state == OUT) {
		l->v[i].state = code < 0 ? FAILED : DELIVERED;
		l->n_out--;
	}
	if (code == FL_EREFUSED)
		snprintf(l->trouble, sizeof(l->trouble), "Kafka refuses records of topic '%.60s' for good (too large for the topic, or no right to write)", l->c.topic);
	return true;
}

static void on_report(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset)
{
	struct fl_ledger *l = ctx;

	if (!fl_ledger_report(l, tag, code) && l->c.others)
		l->c.others(l->c.others_ctx, tag, code, partition, offset);
}

static void hand_over(struct fl_ledger *l, size_t i, struct fl_span key, struct fl_span value)
{
	int ret = FL_ELIMIT;

	for (int k = 0; k < QUEUE_FULL_TRIES && ret == FL_ELIMIT; k++) { /* the producer's own queue is full: let it drain */
		if (k)
			fl_bus_poll(l->c.bus, FL_BUS_CONTROL, 10, on_report, l);
		ret = produce(l, key, value, TAG(0, l->round, i), NULL);
	}
	l->v[i].state = ret < 0 ? FAILED : OUT;
	l->n_out += ret == 0;
}

static void await(struct fl_ledger *l)
{
	fl_mono_ns start = fl_now_mono(l->c.clock), until = start + l->c.wait_ms * FL_NS_PER_MS, now = start;

	while (l->n_out && now < until) {
		int n = fl_bus_poll(l->c.bus, FL_BUS_CONTROL, (int)((until - now + FL_NS_PER_MS - 1) / FL_NS_PER_MS), on_report, l);
		fl_mono_ns then = fl_now_mono(l->c.clock);

		if (n <= 0 && then == now)
			return; /* a clock that stands still: nothing more comes */
		now = then;
	}
}

/* --- the queue --- */

static int more(struct fl_ledger *l, struct fl_err *err)
{
	size_t cap = l->cap ? 2 * l->cap : 64;
	struct entry *v = reallocarray(l->v, cap, sizeof(*v));

	if (!v)
		return fl_err_set(err, FL_ENOMEM, "ledger: out of memory");
	l->v = v;
	l->cap = cap;
	return 0;
}

int fl_ledger_put(struct fl_ledger *l, struct fl_span key, struct fl_span value, struct fl_err *err)
{
	struct entry *e;

	if (key.n > FL_LEDGER_KEY_MAX || value.n > FL_LEDGER_RECORD_MAX)
		return fl_err_set(err, FL_ELIMIT, "ledger: a record of %zu octets is too long", value.n);
	if (l->n == l->cap && more(l, err) < 0)
		return FL_ENOMEM;
	e = &l->v[l->n];
	*e = (struct entry){ .at = l->bytes.n };
	fl__ledger_frame(key, value, &l->bytes);
	if (l->bytes.failed) {
		l->bytes.failed = false;
		l->bytes.n = e->at;
		return fl_err_set(err, FL_ENOMEM, "ledger: out of memory");
	}
	e->n = l->bytes.n - e->at;
	if (l->n++ == 0)
		l->oldest_at = fl_now_mono(l->c.clock);
	/* behind what waits in the file, so that records of one key stay in order */
	if (by_topic(l) && !l->away && !pending(l))
		hand_over(l, l->n - 1, key, value);
	else if (l->c.bus && !l->c.bus_keeps)
		produce(l, key, value, TAG_OURS | TAG_BATCH | UINT32_MAX, NULL);
	return 0;
}

static void drop_queue(struct fl_ledger *l)
{
	l->n = l->n_out = 0;
	l->round++;
	fl_buf_reset(&l->bytes);
	if (l->bytes.cap > 1 << 20)
		fl_buf_done(&l->bytes);
}

/* The first that the topic does not have. From there on all go into the file, also those it has: the order of one key's records is what compaction goes by. */
static size_t first_lacking(const struct fl_ledger *l)
{
	size_t i = 0;

	while (i < l->n && l->v[i].state == DELIVERED)
		i++;
	return i;
}

static int to_file(struct fl_ledger *l, size_t from, struct fl_err *err)
{
	size_t at = l->v[from].at;
	int ret;

	if (FL_MUTANT(FL_MUTANT_NO_LEDGER))
		return 0;
	if (!l->file.usable) { /* it is opened anew, and may be another then */
		l->sent = 0;
		l->batch.n = 0;
	}
	ret = fl__ledger_file_append(&l->file, fl_span(l->bytes.p + at, l->bytes.n - at), l->n - from, err);

	if (ret < 0)
		return ret;
	l->s.kept += l->n - from;
	if (by_topic(l) && !l->away) {
		l->away = true;
		l->retry_at = fl_now_mono(l->c.clock) + RETRY_MS * FL_NS_PER_MS;
	}
	return 0;
}

/* The file cannot have them. If the broker was not tried, since it did not answer before, it is now. */
static int last_resort(struct fl_ledger *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].state != KEPT)
			return FL_EUNAVAIL;
	for (size_t i = 0; i < l->n; i++) {
		struct fl_span frame = fl_span(l->bytes.p + l->v[i].at, l->v[i].n), key, value;
		size_t pos = 0;

		if (fl__ledger_next(frame, &pos, &key, &value) == 1)
			hand_over(l, i, key, value);
	}
	await(l);
	return first_lacking(l) == l->n ? 0 : FL_EUNAVAIL;
}

static int settle(struct fl_ledger *l, struct fl_err *err)
{
	size_t from = first_lacking(l);
	struct fl_err why = { 0 };
	int ret = 0;

	if (from < l->n)
		ret = to_file(l, from, &why);
	if (ret < 0 && by_topic(l) && !pending(l) && last_resort(l) == 0) {
		from = l->n;
		ret = 0;
	}
	if (ret < 0) {
		snprintf(l->trouble, sizeof(l->trouble), "nothing is acknowledged: %s%.150s", by_topic(l) ? "Kafka is away, and " : "", why.text);
		l->s.failed += l->n - from;
		ret = fl_err_set(err, ret == FL_ELIMIT ? FL_ELIMIT : FL_EUNAVAIL, "not acknowledged: %s%.300s", by_topic(l) ? "Kafka is away, and " : "", why.text);
	} else {
		l->s.delivered += from;
		l->trouble[0] = '\0';
	}
	drop_queue(l);
	return ret;
}

/* What a step could not keep is gone from the queue: the flush that comes says so, whatever was put since. */
static int lost_before(struct fl_ledger *l, struct fl_err *err)
{
	int ret = l->lost;

	l->lost = 0;
	return ret < 0 ? fl_err_set(err, ret, "not acknowledged: %.150s", l->trouble) : 0;
}

int fl_ledger_flush(struct fl_ledger *l, struct fl_err *err)
{
	int lost, ret = 0;

	if (l->n) {
		await(l);
		ret = settle(l, err);
	}
	lost = lost_before(l, ret < 0 ? NULL : err);
	return ret < 0 ? ret : lost;
}

/* --- sending on --- */

static void back_off(struct fl_ledger *l, fl_mono_ns now)
{
	l->retry_at = now + l->retry_ms * FL_NS_PER_MS;
	l->retry_ms = 2 * l->retry_ms < RETRY_MAX_MS ? 2 * l->retry_ms : RETRY_MAX_MS;
}

static void send_batch(struct fl_ledger *l, fl_mono_ns now)
{
	struct fl_disk_map m = { 0 };
	struct batch *b = &l->batch;
	size_t pos = l->sent, bytes = 0;
	struct fl_span all, key, value;
	int ret = l->c.disk->ops->map(l->c.disk, l->c.file, &m, NULL);

	*b = (struct batch){ .round = b->round + 1 };
	all = ret == 0 && m.bytes.n > FL_LEDGER_HEAD ? fl_span(m.bytes.p + FL_LEDGER_HEAD, m.bytes.n - FL_LEDGER_HEAD) : fl_span(NULL, 0);
	if (all.n > l->file.bytes - FL_LEDGER_HEAD)
		all.n = (size_t)(l->file.bytes - FL_LEDGER_HEAD); /* behind it: what a failed append left */
	while (ret == 0 && b->n < BATCH_RECORDS && bytes < BATCH_BYTES) {
		size_t from = pos;

		if (fl__ledger_next(all, &pos, &key, &value) != 1)
			break;
		ret = produce(l, key, value, TAG(TAG_BATCH, b->round, b->n), NULL);
		if (ret < 0) {
			pos = from;
			break;
		}
		b->n++;
		bytes += pos - from;
	}
	b->end = pos;
	if (m.handle)
		l->c.disk->ops->unmap(l->c.disk, &m);
	if (b->n == 0)
		back_off(l, now);
}

static void batch_reported(struct fl_ledger *l, fl_mono_ns now)
{
	struct batch *b = &l->batch;

	if (b->failed)
		back_off(l, now); /* from the same place: repeats are harmless */
	else {
		l->retry_ms = RETRY_MS;
		l->sent = b->end;
		l->s.sent_on += b->n;
	}
	b->n = 0;
}

/* Only when the topic has all of it: a crash before sends again, never loses. */
static void cut(struct fl_ledger *l, fl_mono_ns now)
{
	struct fl_err err = { 0 };

	if (fl__ledger_file_cut(&l->file, &err) < 0) {
		snprintf(l->file.problem, sizeof(l->file.problem), "ledger file: %.180s", err.text);
		l->retry_at = now + RETRY_MS * FL_NS_PER_MS;
		return;
	}
	l->file.problem[0] = '\0';
	l->sent = 0;
	l->away = false;
}

static void mend(struct fl_ledger *l)
{
	if (!l->file.usable) {
		l->sent = 0;
		l->batch.n = 0;
	}
	fl__ledger_file_mend(&l->file);
	if (!l->file.dirty && l->file.usable && l->n == 0)
		l->trouble[0] = '\0';
}

void fl_ledger_step(struct fl_ledger *l)
{
	fl_mono_ns now = fl_now_mono(l->c.clock);

	if (l->c.bus)
		fl_bus_poll(l->c.bus, FL_BUS_CONTROL, 0, on_report, l);
	if (l->n && (!by_topic(l) || first_lacking(l) == l->n || now - l->oldest_at >= l->c.wait_ms * FL_NS_PER_MS))
		l->lost = settle(l, NULL) < 0 ? FL_EUNAVAIL : l->lost;
	if (now >= l->mend_at) {
		l->mend_at = now + MEND_MS * FL_NS_PER_MS;
		mend(l);
	}
	if (!by_topic(l) || !l->file.usable)
		return;
	if (l->batch.n && l->batch.reported == l->batch.n)
		batch_reported(l, now);
	if (!l->batch.n && pending(l) && now >= l->retry_at) {
		if (l->sent + FL_LEDGER_HEAD >= l->file.bytes)
			cut(l, now);
		else
			send_batch(l, now);
	}
	if (l->away && !pending(l) && now >= l->retry_at)
		l->away = false;
}

/* --- reading, replacing --- */

int fl_ledger_local(struct fl_ledger *l, fl_ledger_read *read, void *ctx, struct fl_err *err)
{
	struct fl_disk_map m = { 0 };
	struct fl_span all, key, value;
	size_t pos = 0;
	int ret;

	if (!l->c.disk)
		return 0;
	ret = l->c.disk->ops->map(l->c.disk, l->c.file, &m, err);
	if (ret < 0)
		return ret == FL_ENOTFOUND ? 0 : ret;
	all = m.bytes.n > FL_LEDGER_HEAD ? fl_span(m.bytes.p + FL_LEDGER_HEAD, m.bytes.n - FL_LEDGER_HEAD) : fl_span(NULL, 0);
	while (ret == 0 && fl__ledger_next(all, &pos, &key, &value) == 1)
		ret = read(ctx, key, value);
	l->c.disk->ops->unmap(l->c.disk, &m);
	return ret;
}

int fl_ledger_rewrite(struct fl_ledger *l, fl_ledger_next *next, void *ctx, struct fl_err *err)
{
	struct fl_buf b = { 0 };
	struct fl_span key, value;
	uint64_t records = 0;
	int ret;

	if (by_topic(l) || !l->file.usable || l->n)
		return fl_err_set(err, FL_EREFUSED, "the ledger's file cannot be replaced now");
	while ((ret = next(ctx, &key, &value)) == 1) {
		fl__ledger_frame(key, value, &b);
		records++;
	}
	if (ret == 0)
		ret = fl__ledger_file_replace(&l->file, fl_buf_span(&b), records, err);
	if (ret < 0 && !l->file.f)
		l->file.usable = false; /* opened anew by the next append */
	fl_buf_done(&b);
	return ret;
}

void fl_ledger_status(const struct fl_ledger *l, struct fl_ledger_status *out)
{
	*out = l->s;
	out->bus_keeps = by_topic(l);
	out->away = l->away;
	out->pending = pending(l);
	out->file_bytes = l->file.bytes;
	snprintf(out->problem, sizeof(out->problem), "%s", l->trouble[0] ? l->trouble : l->file.problem);
}
