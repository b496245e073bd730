/* Sockets of the admin server, and who is at their other end (SO_PEERCRED, SO_PEERGROUPS: unix(7), socket(7)). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/admin_int.h"
#include "base/text.h"

enum { GROUPS_MAX = 256, BACKLOG = 64 };

static bool group_id(const char *name, gid_t *out)
{
	struct group g, *found = NULL;
	char buf[4096];

	if (!name || !name[0] || getgrnam_r(name, &g, buf, sizeof(buf), &found) != 0 || !found)
		return false;
	*out = g.gr_gid;
	return true;
}

static bool in_group(int fd, gid_t primary, gid_t want)
{
	gid_t v[GROUPS_MAX];
	socklen_t len = sizeof(v);

	if (primary == want)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, v, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(v[0]); i++)
		if (v[i] == want)
			return true;
	return false;
}

void fl__admin_peer(int fd, const char *group, char actor[64], bool *may_change)
{
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(cred);
	struct passwd pw, *found = NULL;
	char buf[4096];
	gid_t gid;

	snprintf(actor, 64, "unknown");
	*may_change = false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid == (uid_t)-1)
		return;
	if (getpwuid_r(cred.uid, &pw, buf, sizeof(buf), &found) == 0 && found)
		snprintf(actor, 64, "%s", found->pw_name);
	else
		snprintf(actor, 64, "uid %u", (unsigned)cred.uid);
	*may_change = cred.uid == 0 || cred.uid == geteuid() || (group_id(group, &gid) && in_group(fd, cred.gid, gid));
}

static bool somebody_answers(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes = fd >= 0 && (connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno == EAGAIN); /* EAGAIN: a full backlog, yet alive */

	if (fd >= 0)
		close(fd);
	return yes;
}

int fl__admin_listen_unix(const char *path, unsigned mode, const char *group, struct fl_err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	gid_t gid;
	int fd, ret;

	if (strlen(path) >= sizeof(a.sun_path))
		return fl_err_set(err, FL_ECONFIG, "socket path '%s' is longer than %zu octets", path, sizeof(a.sun_path) - 1);
	memcpy(a.sun_path, path, strlen(path) + 1);
	if (somebody_answers(&a))
		return fl_err_set(err, FL_EUNAVAIL, "socket %s is in use: is another fireline running here?", path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fl_err_set(err, FL_ELIMIT, "socket: %s", strerror(errno));
	/* The socket's own mode limits that of its file (unix_bind): never, not for an instant, is it open to more than asked, and no umask of other threads is touched. */
	if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		ret = fl_err_set(err, FL_EIO, "socket %s: %s", path, strerror(errno));
		close(fd);
		return ret;
	}
	if ((group_id(group, &gid) && chown(path, (uid_t)-1, gid) < 0 && errno != EPERM) || chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0) {
		ret = fl_err_set(err, FL_EIO, "socket %s: %s", path, strerror(errno));
		close(fd);
		unlink(path);
		return ret;
	}
	return fd;
}

int fl__admin_listen_tcp(const char *address, struct fl_err *err)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	const char *colon = strrchr(address, ':');
	char host[64] = "";
	uint64_t port = 0;
	bool six = address[0] == '[';
	int fd, on = 1, ret;

	if (!colon || colon - address < 3 || (six && colon[-1] != ']') || !fl_u64_parse(fl_span_str(colon + 1), &port) || port > 65535 ||
	    (size_t)(colon - address) >= sizeof(host))
		return fl_err_set(err, FL_ECONFIG, "address '%s' is not ADDRESS:PORT", address);
	memcpy(host, address + six, (size_t)(colon - address) - 2 * six);
	v4.sin_port = v6.sin6_port = htons((uint16_t)port);
	if (inet_pton(six ? AF_INET6 : AF_INET, host, six ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
		return fl_err_set(err, FL_ECONFIG, "address '%s' is not ADDRESS:PORT", address);
	fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fl_err_set(err, FL_ELIMIT, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ret = bind(fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4, six ? sizeof(v6) : sizeof(v4));
	if (ret < 0 || listen(fd, BACKLOG) < 0) {
		ret = fl_err_set(err, FL_EUNAVAIL, "listen %s: %s", address, strerror(errno));
		close(fd);
		return ret;
	}
	return fd;
}
