/* A sender of webhooks over a plain socket, as careful or careless as a test wants. Needs cmocka.h before it. */
#pragma once
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/text.h"
#include "model/hmac.h"

static inline int dial(unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { 20, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static inline void put(int fd, const void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = send(fd, (const char *)p + at, n - at, MSG_NOSIGNAL);

		if (k <= 0)
			return; /* the other side has had enough */
		at += (size_t)k;
	}
}

static inline void put_text(int fd, const char *s)
{
	put(fd, s, strlen(s));
}

/* One response: its status, 0: none came. text: head and body. */
static inline int hear(int fd, char *text, size_t cap)
{
	size_t n = 0;
	char *end = NULL, *length;
	int status = 0;

	while (n + 1 < cap) {
		ssize_t k = recv(fd, text + n, cap - 1 - n, 0);

		if (k <= 0)
			break;
		n += (size_t)k;
		text[n] = '\0';
		end = strstr(text, "\r\n\r\n");
		length = end ? strcasestr(text, "content-length:") : NULL;
		if (end && n >= (size_t)(end + 4 - text) + (length ? strtoul(length + 15, NULL, 10) : 0))
			break;
	}
	text[n] = '\0';
	if (end)
		sscanf(text, "HTTP/1.1 %d", &status);
	return status;
}

static inline const char *sign(const char *secret, struct fl_span body, char out[128])
{
	uint8_t mac[32];
	char hex[65];

	fl_hmac_sha256(fl_span_str(secret), &body, 1, mac);
	snprintf(out, 128, "sha256=%s", fl_hex(mac, 32, hex));
	return out;
}

static inline void post(int fd, const char *path, const char *secret, const char *headers, struct fl_span body)
{
	char head[1024], sig[128];

	snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: x\r\nX-Fireline-Signature: %s\r\nContent-Length: %zu\r\n%s\r\n", path, sign(secret, body, sig), body.n, headers);
	put_text(fd, head);
	put(fd, body.p, body.n);
}
