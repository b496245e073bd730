/* Which paths a disk door takes: one name, or names joined by "/", each without "." and "..", at most FL_DISK_PATH octets. */
#pragma once
#include <stdbool.h>
#include <string.h>

enum { FL_DISK_PATH = 255 };

static inline bool fl__disk_path_ok(const char *path)
{
	if (strlen(path) > FL_DISK_PATH)
		return false;
	for (;;) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[n] == '\0')
			return true;
		path += n + 1;
	}
}
