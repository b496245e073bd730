#include "cli/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

enum { UDP_BUFFER = 4 << 20, TCP_BACKLOG = 1024 };

bool fl_address_parse(const char *text, void *storage, unsigned *len)
{
	struct sockaddr_in *v4 = storage;
	struct sockaddr_in6 *v6 = storage;
	const char *colon = strrchr(text, ':');
	char host[64];
	uint64_t port;
	size_t n;

	memset(storage, 0, sizeof(struct sockaddr_storage));
	if (!colon || !fl_u64_parse(fl_span_str(colon + 1), &port) || port > 65535)
		return false;
	n = (size_t)(colon - text);
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		*len = sizeof(*v4);
		return true;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*len = sizeof(*v6);
		return true;
	}
	return false;
}

static int one(const char *address, bool tcp, bool shared, struct fl_err *err)
{
	struct sockaddr_storage ss;
	unsigned len = 0;
	int fd, on = 1, buffer = UDP_BUFFER;

	if (!fl_address_parse(address, &ss, &len))
		return fl_err_set(err, FL_ECONFIG, "listen address '%s' is not ADDRESS:PORT", address);
	fd = socket(ss.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fl_err_set(err, FL_EUNAVAIL, "listen %s: %s", address, strerror(errno));
	if (tcp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (!tcp) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
		if (ss.ss_family == AF_INET)
			setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
		else
			setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	}
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || (tcp && listen(fd, TCP_BACKLOG) < 0)) {
		int e = errno;

		close(fd);
		return fl_err_set(err, FL_EUNAVAIL, "listen %s %s: %s%s", tcp ? "tcp" : "udp", address, strerror(e),
				  e == EADDRINUSE ? " (another server holds the port)" : e == EACCES ? " (ports below 1024 need CAP_NET_BIND_SERVICE)" : "");
	}
	return fd;
}

void fl_sockets_close(struct fl_sockets *s)
{
	for (size_t i = 0; i < s->n_udp; i++)
		close(s->udp[i]);
	for (size_t i = 0; i < s->n_tcp; i++)
		close(s->tcp[i]);
	s->n_udp = s->n_tcp = 0;
}

int fl_sockets_open(const struct fl_config *cfg, struct fl_sockets *out, struct fl_err *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	*out = (struct fl_sockets){ 0 };
	for (size_t i = 0; i < cfg->n_listens; i++) {
		const struct fl_cfg_listen *l = &cfg->listens[i];
		size_t n = l->tcp ? 1 : l->workers ? l->workers : (size_t)(cores > 0 ? cores : 1);

		for (size_t k = 0; k < n; k++) {
			size_t *count = l->tcp ? &out->n_tcp : &out->n_udp;
			int fd = *count < FL_SOCKETS_MAX ? one(l->address, l->tcp, n > 1, err) : fl_err_set(err, FL_ELIMIT, "over %d sockets", FL_SOCKETS_MAX);

			if (fd < 0) {
				fl_sockets_close(out);
				return fd;
			}
			(l->tcp ? out->tcp : out->udp)[(*count)++] = fd;
		}
	}
	return 0;
}

static void export(const char *name, const int *fds, size_t n)
{
	char text[FL_SOCKETS_MAX * 12] = "";
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		fcntl(fds[i], F_SETFD, 0);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%d", i ? "," : "", fds[i]);
	}
	setenv(name, text, 1);
}

void fl_sockets_export(const struct fl_sockets *s)
{
	export("FIRELINE_UDP_FDS", s->udp, s->n_udp);
	export("FIRELINE_TCP_FDS", s->tcp, s->n_tcp);
}

static size_t import(const char *name, int *fds)
{
	const char *s = getenv(name);
	size_t n = 0;

	while (s && *s && n < FL_SOCKETS_MAX) {
		char *end;
		long fd = strtol(s, &end, 10);

		if (end == s || fd < 0 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
			break;
		fds[n++] = (int)fd;
		s = *end == ',' ? end + 1 : end;
	}
	unsetenv(name);
	return n;
}

bool fl_sockets_import(struct fl_sockets *out)
{
	bool given = getenv("FIRELINE_UDP_FDS") || getenv("FIRELINE_TCP_FDS");

	out->n_udp = import("FIRELINE_UDP_FDS", out->udp);
	out->n_tcp = import("FIRELINE_TCP_FDS", out->tcp);
	return given && (out->n_udp || out->n_tcp);
}
