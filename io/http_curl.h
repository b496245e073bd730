/* One transfer of the HTTP door: what http_curl.c (the door) and http_transfer.c (what happens to one) share. */
#pragma once
#include <curl/curl.h>

#include "io/http.h"
#include "io/http_resolve.h"
#include "io/http_unpack.h"

enum { FL__OWN_ADDRESSES = 16 };

struct fl__transfer {
	struct fl__transfer *next;
	CURL *easy;
	struct curl_slist *sent; /* headers of this hop */
	struct fl_http_request req; /* its pointers lead into arena */
	struct fl_http_sigv4 sigv4; /* req.sigv4 leads here */
	struct fl_arena *arena;
	char port[8];		   /* of this hop */
	struct curl_slist *addresses; /* that its host was resolved to, when not by libcurl */
	char *url, *origin; /* of this hop; scheme, host and port of the first */
	bool seen_https;    /* some hop was https: all that follow have to be */
	const char *user_agent;
	int hops;
	uint8_t own[FL__OWN_ADDRESSES][16]; /* private ones of the server that the URL names */
	size_t n_own;
	fl_mono_ns deadline;
	struct fl__unpack *unpack;
	size_t header_bytes;
	bool chunked;
	bool refused;	     /* an address was; the reason says which */
	struct fl_err error; /* what a callback ended it with */
	char curl_error[CURL_ERROR_SIZE];
	struct fl_http_response r;
};

struct fl__transfer *fl__transfer_new(const struct fl_http_request *req, const char *user_agent, fl_mono_ns now, struct fl_err *err);
void fl__transfer_free(struct fl__transfer *t);
/** Make the handle ready for t->url. Also checks the URL: FL_EREFUSED. */
int fl__transfer_prepare(struct fl__transfer *t, fl_mono_ns now, struct fl_err *err);
/** Is the host of this hop a name, and not an address? */
bool fl__transfer_has_name(const struct fl__transfer *t);
/** The addresses of its host. False: there are none, or no memory; t->r tells how it ended. */
bool fl__transfer_resolved(struct fl__transfer *t, const struct fl__resolved *a);
/** It ends here. */
void fl__transfer_fail(struct fl__transfer *t, int code, const char *why);
/** libcurl is through with a hop. True: another follows, prepared; false: t->r tells how it ended. */
bool fl__transfer_hop_done(struct fl__transfer *t, CURLcode code, fl_mono_ns now);
