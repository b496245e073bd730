/* Which paths a disk door takes: one name in its folder, at most FL_DISK_PATH octets. No "/": nothing leads out of it. */
#pragma once
#include <stdbool.h>
#include <string.h>

enum { FL_DISK_PATH = 255 };

static inline bool fl__disk_path_ok(const char *path)
{
	return path[0] && strlen(path) <= FL_DISK_PATH && !strchr(path, '/') && strcmp(path, ".") != 0 && strcmp(path, "..") != 0;
}
