/* Names of servers to addresses through resolvers that were named, and no others: a host that resolves for itself
 * cannot ask itself for what it needs to begin. A and AAAA side by side, each resolver in turn, twice; TCP on
 * truncation. No cache: a fetch asks once. Inside io/. */
#pragma once
#include <netinet/in.h>

#include "io/upstream.h"

enum { FL__RESOLVED_MAX = 16 };

struct fl__resolved {
	uint64_t id;
	bool absent; /* one said that the name does not exist; else without addresses: nobody answered */
	size_t n;
	char text[FL__RESOLVED_MAX][INET6_ADDRSTRLEN];
};
struct fl__resolver;

/** servers as in upstream.h; copied. FL_ENOMEM, or what the upstream door says. */
int fl__resolver_open(const char *const *servers, size_t n, struct fl__resolver **out, struct fl_err *err);
void fl__resolver_close(struct fl__resolver *r);
/** FL_EFORMAT: no name; FL_ENOMEM. Each id is asked for one name at a time. */
int fl__resolver_ask(struct fl__resolver *r, uint64_t id, const char *host, fl_mono_ns now, fl_mono_ns deadline);
/** 1 and what came of one of them, or 0. Never waits. */
int fl__resolver_poll(struct fl__resolver *r, fl_mono_ns now, struct fl__resolved *out);
void fl__resolver_cancel(struct fl__resolver *r, uint64_t id);
/** To wait on, with the answer's deadlines in mind. */
int fl__resolver_fd(const struct fl__resolver *r);
bool fl__resolver_idle(const struct fl__resolver *r);
