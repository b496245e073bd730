/* Private to admin/. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include <microhttpd.h>

#include "admin/admin.h"

/* A body that nobody may act on is read to its end, up to DRAIN, so that the sender sees the answer; it is never kept. */
enum { FL_ADMIN_BODY_MAX = 32 << 20, FL_ADMIN_DRAIN_MAX = 128 << 20, FL_ADMIN_CONNECTIONS = 64, FL_ADMIN_IDLE_S = 30, FL_ADMIN_STREAMS = 32 };

struct fl_admin_stream {
	struct fl_admin *admin;
	struct MHD_Connection *connection;
	ssize_t (*pull)(void *ctx, char *buf, size_t cap);
	void (*done)(void *ctx);
	void *ctx;
	bool suspended;
	struct fl_admin_stream *next;
};

struct fl_admin {
	struct fl_admin_config c; /* its texts are the caller's and may be gone: group below is ours */
	char group[64];
	struct MHD_Daemon *unix_daemon, *tcp_daemon;
	struct fl_admin_door {
		struct fl_admin *admin;
		bool tcp;
	} unix_door, tcp_door; /* what a daemon's thread is told: it may run before the pointers above are set */
	char unix_path[108];
	pthread_mutex_t lock; /* of streams */
	struct fl_admin_stream *streams;
	_Atomic uint64_t wakes;
	_Atomic uint32_t n_suspended, n_streams;
	_Atomic bool closing;
};

/* peer.c */
/** Who is at the other end of an AF_UNIX connection, and is it root, our own user, or of the group? */
void fl__admin_peer(int fd, const char *group, char actor[64], bool *may_change);
/** A listening AF_UNIX socket; an old file is replaced when nobody answers on it. */
int fl__admin_listen_unix(const char *path, unsigned mode, const char *group, struct fl_err *err);
int fl__admin_listen_tcp(const char *address, struct fl_err *err);
