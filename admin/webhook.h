/* Webhooks: the listener that takes signed documents from other systems, over HTTP/1.1 on TCP, with TLS when it is given a certificate (libmicrohttpd, GnuTLS).
 *
 *   head -> may it be a webhook at all? -> body, bounded -> signature -> handle() ... fl_webhook_answer() -> response
 *                                                                        (the connection is suspended)
 *
 * What a request says goes to handle() only when its signature is right, and its sender is answered only by fl_webhook_answer: that is where "202" means durable. No thread waits for a request.
 * docs/findings-webhook.md is the sender's page. Start reading at webhook.c. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/time.h"

enum {
	FL_WEBHOOK_SECRETS = 4,	     /* of a path: the one in use, and others while it is being changed */
	FL_WEBHOOK_SECRET_MIN = 16,  /* octets; a shorter one can be guessed */
	FL_WEBHOOK_CONNECTIONS = 512, FL_WEBHOOK_CONNECTIONS_EACH = 256, /* in all, and of one address */
	FL_WEBHOOK_HELD = 64 << 20,  /* octets of bodies in memory, in all */
	FL_WEBHOOK_DRAIN = 1 << 20,  /* of a body that is refused so much is read and dropped, so that its sender sees the answer */
	FL_WEBHOOK_APART_S = 300,    /* a signed time is believed within this */
};

/* Where documents are posted to. Not signed, not known, not now: what refuses one is counted under its path. */
struct fl_webhook_row {
	const char *path; /* as it stands in the request line, nothing decoded */
	struct fl_span secrets[FL_WEBHOOK_SECRETS];
	size_t n_secrets; /* 0: nobody can sign, and all are told SHUT, so that they send again */
	void *ctx;
};

#define FL_WEBHOOK_REFUSALS(X)                                                                     \
	X(UNKNOWN, 404, "FL2103", "no such path")                                                  \
	X(METHOD, 405, "FL2103", "a webhook is sent by POST")                                      \
	X(ENCODING, 415, "FL2110", "the body must not be packed: Content-Encoding is not taken")   \
	X(UNSIGNED, 401, "FL1303", "no signature, or not one that is right for this path and body") \
	X(SHUT, 503, "FL3103", "this path has no secret that can be used: its operator has to mend that") \
	X(TOO_LARGE, 413, "FL2102", "the body is over findings.webhook.max_bytes")                 \
	X(LIMITED, 429, "FL2111", "too many requests from this address")                           \
	X(FULL, 503, "FL3101", "too much waits already; send it again later")                      \
	X(LATE, 503, "FL3102", "not durable in time; send it again: what is known already is taken once")

enum fl_webhook_refusal {
#define FL_X(name, status, code, text) FL_WEBHOOK_##name,
	FL_WEBHOOK_REFUSALS(FL_X)
#undef FL_X
		FL_WEBHOOK_REFUSAL_COUNT
};

/* A request whose signature is right. It is the handler's until fl_webhook_answer, whatever becomes of its connection. */
struct fl_webhook_request {
	const struct fl_webhook_row *row;
	struct fl_span body;
	char client[48]; /* address */
};

struct fl_webhook_reply {
	int status;
	const char *content_type; /* NULL: application/json; a constant text */
	struct fl_buf body;
	unsigned retry_after_s; /* 0: no such header */
};

struct fl_webhook_config {
	const char *address; /* "127.0.0.1:8454", "[::1]:0" (any free port) */
	const char *cert_pem, *key_pem; /* contents; NULL: no TLS */
	uint64_t max_bytes;
	uint32_t rate; /* requests a second from one address (IPv6: one /64), as many at once */
	int64_t durable_ms, request_ms, idle_ms; /* to an answer of the handler; to the last octet of a request; between two pieces. 0: 10 s, 30 s, 10 s */
	/* In the listener's thread: must not wait. Takes the request over. */
	void (*handle)(void *ctx, struct fl_webhook_request *take_req);
	/* Something was refused here, without the handler. row NULL: no path. Any thread of the listener. */
	void (*refused)(void *ctx, const struct fl_webhook_row *row, enum fl_webhook_refusal why);
	void *ctx;
};

struct fl_webhook;
/** FL_EUNAVAIL: the address is taken; FL_ECONFIG: an address, certificate or key that is none. Nothing is taken before fl_webhook_rows. */
int fl_webhook_open(const struct fl_webhook_config *c, struct fl_webhook **out, struct fl_err *err);
/** What can be posted to from now on. The arena owns rows and all that they point to, and is freed when the last request that came under them was answered. FL_ENOMEM: the rows of before stay. */
int fl_webhook_rows(struct fl_webhook *w, struct fl_arena take_arena, const struct fl_webhook_row *rows, size_t n);
/** Any thread, once a request; take_reply's body is freed here. The request is gone. Whoever sent it may be gone, or have been told LATE: then nobody hears it. */
void fl_webhook_answer(struct fl_webhook_request *take_req, struct fl_webhook_reply *take_reply);
/** JSON problem (RFC 9457) into an empty reply. */
void fl_webhook_problem(struct fl_webhook_reply *reply, int status, const char *code, const char *detail, const char *hint);
unsigned fl_webhook_port(const struct fl_webhook *w);
/** Ends all connections; who waits is told LATE. Requests that the handler has may be answered later still. */
void fl_webhook_close(struct fl_webhook *w);
