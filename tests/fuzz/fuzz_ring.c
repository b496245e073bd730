/* A ring file that a killed process left, or that anyone wrote: opened, read, decoded, formatted. So that mutations reach behind the checksums, an input that starts with 'F' is the
 * body of one frame, framed by the writer; a body that is a record is written again and has to come out the same. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "enforcer/server_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WHOLE = FL__RING_PAGE + (64 << 10) };
static char folder[] = "/tmp/fl-fuzz-XXXXXX";
static struct fl_ring *ring;
static uint64_t ring_pos;

static void leave(void)
{
	fl__ring_close(ring, true);
	rmdir(folder);
}

static void init(void)
{
	if (!mkdtemp(folder) || fl__ring_create(folder, "ns1", fl__ring_boot(folder, 1), 0, 64 << 10, &ring, NULL) < 0)
		abort();
	atexit(leave);
}

static bool format(const struct fl_ring *r, struct fl_span body, struct fl_qlog *q)
{
	struct fl_buf json = { 0 };

	if (!fl__record_read(body, q))
		return false;
	q->account_id = q->region = "";
	q->enforcer = r->page->enforcer;
	fl_qlog_format(q, fl__answers_json, &json);
	fl_buf_done(&json);
	return true;
}

static void read_all(const struct fl_ring *r)
{
	uint64_t pos = atomic_load(&r->page->tail);
	struct fl__frame f;
	struct fl_qlog q;

	while (fl__ring_next(r, &pos, &f) == 1) {
		if (f.body.p < r->data || f.body.p + f.body.n > r->data + r->size)
			abort();
		if (!format(r, f.body, &q))
			break;
	}
}

/* The newest frame. */
static struct fl__frame newest(void)
{
	struct fl__frame f = { 0 };

	if (fl__ring_next(ring, &ring_pos, &f) != 1)
		abort();
	return f;
}

static void write_again(const struct fl_qlog *q)
{
	struct fl_question question = { .qtype = q->qtype, .qclass = q->qclass, .has_name = true, .name = q->qname };
	struct fl_client client = { .v6 = q->client_v6 };
	struct fl_decision d = { .action = q->action, .response = q->block_response, .rule_group = q->rule_group, .rule_name = q->rule, .list = q->list,
				 .association = q->association, .list_version = q->list_version, .entry_scope = q->entry_scope, .hop = q->hop };
	struct fl__record r = { .at = q->ts_us, .duration_us = q->duration_us, .q = &question, .client = &client, .client_port = q->client_port, .d = &d,
				.entry = fl_rkey_span(&q->entry), .rcode = q->rcode, .tcp = q->tcp, .cached = q->cached, .upstream = q->upstream,
				.n_sources = q->n_sources, .response = q->response };
	struct fl_qlog back;
	struct fl__frame f;

	memcpy(question.raw, q->qname.b, q->qname.len);
	memcpy(client.addr, q->client, 16);
	memcpy(r.sources, q->sources, sizeof(r.sources));
	if (!fl__record_write(ring, fl__ring_number(ring), &r))
		return;
	f = newest();
	if (!fl__record_read(f.body, &back) || back.action != q->action || back.n_sources != q->n_sources || back.qname.len != q->qname.len ||
	    memcmp(back.qname.b, q->qname.b, q->qname.len) != 0 || back.entry.len != q->entry.len)
		abort();
	fl__ring_release(ring, f.end);
}

static void framed(const uint8_t *data, size_t size)
{
	uint8_t *to = fl__ring_begin(ring, size, size & 1), *copy;
	struct fl__frame f;
	struct fl_qlog q;

	if (!to)
		return;
	memcpy(to, data, size);
	fl__ring_commit(ring, fl__ring_number(ring), size);
	f = newest();
	copy = malloc(size ? size : 1); /* of just its size, for the sanitizer */
	memcpy(copy, f.body.p, size);
	if (format(ring, fl_span(copy, size), &q))
		write_again(&q);
	free(copy);
	fl__ring_release(ring, ring_pos);
}

/* As a file that lies in the folder at start. */
static void as_file(const uint8_t *data, size_t size)
{
	struct fl_ring *r = NULL;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/ring-1.1", folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || (size > 16 && ftruncate(fd, WHOLE) < 0))
		abort();
	close(fd);
	if (fl__ring_open(path, &r, NULL) == 0) {
		read_all(r);
		fl__ring_shrink(r); /* what is read stays as it was */
		read_all(r);
		fl__ring_close(r, true);
	}
	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!ring)
		init();
	if (size && data[0] == 'F')
		framed(data + 1, size - 1);
	else if (size)
		as_file(data + 1, size - 1 < WHOLE ? size - 1 : WHOLE);
	return 0;
}
