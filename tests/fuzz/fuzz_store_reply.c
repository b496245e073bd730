/* What a Redis server may say, and what a configuration may call its URL: any bytes. Even lengths are replies, odd ones
 * a URL. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/store_redis.h"

enum { INPUT_MAX = 60000 }; /* a socket's buffer takes it whole */

static void replies(const uint8_t *data, size_t size)
{
	struct fl_arena arena = { 0 };
	struct fl__redis_link *l;
	struct fl_reply r;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		return;
	l = fl__redis_link_new(fd[0]);
	if (l && send(fd[1], data, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size) {
		fl__redis_link_fill(l);
		while (fl__redis_link_next(l, &arena, &r) == 1)
			;
	}
	fl__redis_link_free(l);
	close(fd[1]);
	fl_arena_done(&arena);
}

static void url(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	const struct fl_store_redis_config cfg = { .url = text };
	struct fl__redis_target t;
	struct fl_err err;

	if (text && fl__redis_target_init(&t, &cfg, &err) == 0)
		fl__redis_target_done(&t);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > INPUT_MAX)
		return 0;
	if (data[0] >= 'a' && data[0] <= 'z')
		url(data, size);
	else
		replies(data, size);
	return 0;
}
