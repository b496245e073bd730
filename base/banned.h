/* Calls that have hurt others. Force-included in every translation unit of ours; a better name stands beside each. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if __has_include(<luaconf.h>) /* only where Lua is a library of the module: its macros name sprintf */
#include <luaconf.h>
#endif
#pragma GCC poison strcpy   /* memcpy with a known length, fl_arena_str */
#pragma GCC poison strcat   /* fl_buf_str */
#pragma GCC poison strncpy  /* memcpy */
#pragma GCC poison sprintf  /* snprintf, fl_buf_printf */
#pragma GCC poison vsprintf /* vsnprintf */
#pragma GCC poison strtok   /* fl_span */
#pragma GCC poison gmtime   /* gmtime_r */
#pragma GCC poison localtime /* fl_time_format */
#pragma GCC poison asctime ctime /* fl_time_format */
#pragma GCC poison gets atoi atol /* fl_u64_parse */
