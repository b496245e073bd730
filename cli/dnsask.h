/* A small DNS client for the demo: one question over UDP to a loopback address. */
#pragma once
#include "base/dname.h"

struct fl_dns_answer {
	int rcode;    /* -1: no answer */
	int ede;      /* INFO-CODE of RFC 8914, -1: none */
	char ede_text[256];
	uint16_t answers;
};
/** address "127.0.0.1:5353"; waits at most timeout_ms. False when nothing came. */
bool fl_dns_ask(const char *address, const char *name, uint16_t qtype, int timeout_ms, struct fl_dns_answer *out);
