/* DNS sockets: opened by the parent and handed on, so that datagrams wait in the socket while enforce is started again; or by enforce itself. */
#pragma once
#include "base/err.h"
#include "model/config.h"

enum { FL_SOCKETS_MAX = 64 };
struct fl_sockets {
	int udp[FL_SOCKETS_MAX], tcp[FL_SOCKETS_MAX];
	size_t n_udp, n_tcp;
};
/** All listeners of the configuration; a UDP one once a worker (SO_REUSEPORT). On an error none stays open. */
int fl_sockets_open(const struct fl_config *cfg, struct fl_sockets *out, struct fl_err *err);
void fl_sockets_close(struct fl_sockets *s);
/** Hand on by FIRELINE_UDP_FDS and FIRELINE_TCP_FDS: clears close-on-exec, sets the variables (in a child, before exec). */
void fl_sockets_export(const struct fl_sockets *s);
/** What the parent handed on; false when it handed on nothing. */
bool fl_sockets_import(struct fl_sockets *out);
/** "192.0.2.1:53", "[::1]:53": a sockaddr_storage and its length. */
bool fl_address_parse(const char *text, void *sockaddr_storage, unsigned *len);
