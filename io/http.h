/* HTTP door: libcurl multi (http_curl.c), and a twin in memory (http_mem.c). Transfers run side by side; start one, then poll. A transfer ends
 * exactly once. Only http and https, no redirect from https to http, at most max_redirects; each hop's address is checked: private, loopback,
 * link-local and metadata addresses are refused. allow_private opens private and loopback ones to the server that the URL names: a redirect goes to its
 * addresses or to public ones, never to another private host. Link-local and metadata addresses are never asked, but by a request that says so. */
#pragma once
#include "base/err.h"
#include "base/span.h"
#include "base/time.h"

/* AWS Signature Version 4 by libcurl. Signed are Host, X-Amz-Date and the request's own headers, so that no header is put beside them; a query has to be sorted. The time is
 * libcurl's, the system's clock. Secrets: never logged. */
struct fl_http_sigv4 {
	const char *region, *service; /* "eu-west-1", "sqs" */
	const char *access_key, *secret_key;
	const char *token; /* of temporary credentials: sent and signed; NULL or "": none */
};

struct fl_http_request {
	const char *url;
	const char *method;   /* NULL: GET, with a body POST */
	struct fl_span body;  /* p NULL: none */
	const struct fl_http_sigv4 *sigv4; /* NULL: not signed. Only the URL's own origin gets it */
	const char *etag, *last_modified; /* conditional GET; NULL or "": none */
	const char *const *headers;	  /* "Name: value", ended by NULL; NULL: none. Never logged. */
	uint64_t max_bytes;		  /* received, and after unpacking */
	uint32_t max_ratio;		  /* unpacked to received; 0: 100 */
	int connect_timeout_ms, timeout_ms, low_speed_s; /* under 100 octets a second for low_speed_s ends it */
	int max_redirects;
	bool allow_private;
	bool allow_metadata; /* for who asks the machine's own metadata service for credentials: its addresses, and no other link-local one */
	bool keep;	     /* keep the connection for the next request to this server, which is then not looked at again: for doors whose every request may go there */
	const char *ca_file; /* PEM; NULL or "": the system's authorities */
	const char *want_header; /* the name of one header whose value is wanted; a constant; NULL: none */
};

struct fl_http_response {
	uint64_t id;
	int code;	 /* 0: an answer came whole; FL_EUNAVAIL, FL_ELIMIT (too big, bomb, too slow), FL_EFORMAT (cut off, bad gzip), FL_EREFUSED */
	char reason[256]; /* why, for people, secrets redacted */
	long status;	  /* HTTP status, 0 when there was none */
	char etag[256], last_modified[64], content_type[128], effective_host[256];
	char wanted[128]; /* value of want_header; "" = it did not come */
	int64_t retry_after_s; /* -1: not given */
	fl_unix_us date;       /* what the server's clock says, to the second; 0: it does not say */
	struct fl_buf body;    /* unpacked; owned by the receiver: fl_http_response_done */
	uint64_t received_bytes;
	bool unframed; /* no length, no chunks, no packing: that it ended is all that says it is whole */
};
void fl_http_response_done(struct fl_http_response *r);

struct fl_http;
struct fl_http_ops {
	int (*start)(struct fl_http *h, const struct fl_http_request *req, uint64_t *id, struct fl_err *err);
	/* 1 and a finished transfer, 0 when none finished within timeout_ms. */
	int (*poll)(struct fl_http *h, int timeout_ms, struct fl_http_response *out);
	void (*cancel)(struct fl_http *h, uint64_t id);
	size_t (*running)(struct fl_http *h);
	/* Until something happens to a transfer, fd (-1: none) is readable, or timeout_ms passed. Polls nothing: poll does. */
	void (*wait)(struct fl_http *h, int timeout_ms, int fd);
	void (*close)(struct fl_http *h);
};
struct fl_http {
	const struct fl_http_ops *ops;
};
/** user_agent is sent with every request. */
int fl_http_curl_open(const char *user_agent, struct fl_http **out, struct fl_err *err);
/** Resolve the names of servers through these ("192.0.2.1:53") and by nothing else; before the first start. */
int fl_http_curl_bootstrap(struct fl_http *h, const char *const *servers, size_t n, struct fl_err *err);
/** What unpacks a body by its magic (gzip, zstd) when the server did not say so: `.gz` files. In place; FL_EFORMAT, FL_ELIMIT. */
int fl_http_unpack(struct fl_buf *body, uint64_t max_bytes, uint32_t max_ratio, struct fl_err *err);

/* The twin in memory: a table of URL -> answer, changed by tests. */
struct fl_http_mem;
struct fl_http_mem *fl_http_mem_new(void);
void fl_http_mem_free(struct fl_http_mem *w);
struct fl_http *fl_http_mem_open(struct fl_http_mem *w);
/** The answer to the next requests for url: status, body, etag ("" = none: then no 304 is ever given). With etag equal to the request's: 304. */
void fl_http_mem_set(struct fl_http_mem *w, const char *url, long status, struct fl_span body, const char *etag);
typedef int fl_http_fault_plan(void *ctx, const char *url); /* 0, or the code the transfer ends with */
void fl_http_mem_faults(struct fl_http_mem *w, fl_http_fault_plan *plan, void *ctx);
/** Asked for each transfer at each poll, before the table; what is not signed has no sigv4. True: *out is its answer (id is filled in, body is handed over). False with out->id
 * not 0: it is still under way. False else: the table answers. */
typedef bool fl_http_mem_serve(void *ctx, const struct fl_http_request *req, struct fl_http_response *out);
void fl_http_mem_server(struct fl_http_mem *w, fl_http_mem_serve *serve, void *ctx);
