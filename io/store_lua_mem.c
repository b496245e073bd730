/* The twin's scripts: Lua 5.1 in the cage that Redis 7 puts it in. Conversions between Lua and replies, error texts and
 * the ban on globals are Redis' own, since what passes here must pass there. A script that fails keeps what it has
 * written.
 *
 * Chunks run with a proxy as their global table: reading goes on to the real one (where KEYS and ARGV are set for each
 * run), a name that is not there and any write are errors. Start at fl__mem_lua_eval. */
#include "io/store_mem.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

enum { DEPTH_MAX = 64, ERROR_TEXT_MAX = 480 };

static const char world_key, globals_key; /* their addresses are the registry keys */

static struct fl_store_mem *world_of(lua_State *L)
{
	struct fl_store_mem *w;

	lua_pushlightuserdata(L, (void *)&world_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	w = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return w;
}

static void push_globals(lua_State *L)
{
	lua_pushlightuserdata(L, (void *)&globals_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
}

static struct fl_span lua_span(lua_State *L, int i)
{
	size_t n;
	const char *s = lua_tolstring(L, i, &n);

	return fl_span(s, n);
}

/* ---- replies to Lua ---- */

static void push_field(lua_State *L, const char *field, struct fl_span s)
{
	lua_newtable(L);
	lua_pushstring(L, field);
	lua_pushlstring(L, (const char *)s.p, s.n);
	lua_rawset(L, -3);
}

static void push_reply(lua_State *L, const struct fl_reply *r)
{
	luaL_checkstack(L, 4, "reply");
	switch (r->type) {
	case FL_REPLY_NIL:
		lua_pushboolean(L, 0);
		return;
	case FL_REPLY_INT:
		lua_pushnumber(L, (lua_Number)r->i);
		return;
	case FL_REPLY_STRING:
		lua_pushlstring(L, (const char *)r->s.p, r->s.n);
		return;
	case FL_REPLY_STATUS:
		push_field(L, "ok", r->s);
		return;
	case FL_REPLY_ERROR:
		push_field(L, "err", r->s);
		return;
	case FL_REPLY_ARRAY:
		lua_createtable(L, r->n < INT32_MAX ? (int)r->n : 0, 0);
		for (size_t i = 0; i < r->n; i++) {
			push_reply(L, &r->v[i]);
			lua_rawseti(L, -2, (int)i + 1);
		}
		return;
	}
}

/* {err = "CODE text"}: a text that begins with '-' names its own code, any other is an ERR. */
static void push_error(lua_State *L, const char *text)
{
	const char *space = strchr(text, ' ');
	char buf[ERROR_TEXT_MAX];

	if (text[0] == '-' && space)
		snprintf(buf, sizeof(buf), "%s", text + 1);
	else
		snprintf(buf, sizeof(buf), "ERR %s", text[0] == '-' ? text + 1 : text);
	push_field(L, "err", fl_span_str(buf));
}

/* ---- redis.* ---- */

/* The arguments on the stack as Redis would send them; NULL when one is neither string nor number. */
static struct fl_span *call_args(lua_State *L, struct fl_arena *arena, int n)
{
	struct fl_span *argv = fl_arena_array(arena, (size_t)n, sizeof(*argv));

	for (int i = 0; argv && i < n; i++) {
		if (lua_type(L, i + 1) == LUA_TNUMBER) {
			const char *text = fl_arena_printf(arena, "%.17g", (double)lua_tonumber(L, i + 1));

			argv[i] = fl_span_str(text);
		} else if (lua_type(L, i + 1) == LUA_TSTRING) {
			argv[i] = lua_span(L, i + 1);
		} else {
			return NULL;
		}
	}
	return argv;
}

static int run_command(lua_State *L, bool raise)
{
	struct fl_store_mem *w = world_of(L);
	int n = lua_gettop(L);
	struct fl_reply r;
	struct fl_span *argv;

	if (n == 0) {
		push_error(L, "Please specify at least one argument for this redis lib call");
		return raise ? lua_error(L) : 1;
	}
	argv = call_args(L, &w->scratch, n);
	if (!argv) {
		push_error(L, "Lua redis lib command arguments must be strings or integers");
		return raise ? lua_error(L) : 1;
	}
	fl__mem_run(w, argv, (size_t)n, true, &w->scratch, &r);
	push_reply(L, &r);
	return raise && r.type == FL_REPLY_ERROR ? lua_error(L) : 1;
}

static int redis_call(lua_State *L)
{
	return run_command(L, true);
}

static int redis_pcall(lua_State *L)
{
	return run_command(L, false);
}

/* pcall as Redis wraps it: an error table of redis.call arrives as its text. */
static int plain_pcall(lua_State *L)
{
	luaL_checkany(L, 1);
	if (lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0) == 0) {
		lua_pushboolean(L, 1);
		lua_insert(L, 1);
		return lua_gettop(L);
	}
	if (lua_type(L, -1) == LUA_TTABLE) {
		lua_getfield(L, -1, "err");
		lua_remove(L, lua_isstring(L, -1) ? -2 : -1);
	}
	lua_pushboolean(L, 0);
	lua_insert(L, -2);
	return 2;
}

static bool one_string(lua_State *L)
{
	if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING)
		return true;
	push_error(L, "wrong number or type of arguments");
	return false;
}

static int redis_error_reply(lua_State *L)
{
	const char *text;
	char own[ERROR_TEXT_MAX];

	if (!one_string(L))
		return 1;
	text = lua_tostring(L, 1);
	snprintf(own, sizeof(own), "%s%s", text[0] == '-' ? "" : "-", text);
	push_error(L, own);
	return 1;
}

static int redis_status_reply(lua_State *L)
{
	if (one_string(L))
		push_field(L, "ok", lua_span(L, 1));
	return 1;
}

static int redis_log(lua_State *L)
{
	(void)L;
	return 0;
}

/* ---- the cage ---- */

static int no_write(lua_State *L)
{
	return luaL_error(L, "Attempt to modify a readonly table");
}

static int no_global(lua_State *L)
{
	push_globals(L);
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	if (lua_isnil(L, -1))
		return luaL_error(L, "Script attempted to access nonexistent global variable '%s'", lua_tostring(L, 2));
	return 1;
}

/* A table that reads through to the one on the top of the stack, in its place, and refuses writes. */
static void push_readonly(lua_State *L, lua_CFunction index)
{
	lua_newtable(L);
	lua_newtable(L);
	if (index)
		lua_pushcfunction(L, index);
	else
		lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, no_write);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_remove(L, -2);
}

static void open_libs(lua_State *L)
{
	static const struct {
		const char *name;
		lua_CFunction open;
	} libs[] = { { "", luaopen_base },
		     { LUA_TABLIBNAME, luaopen_table },
		     { LUA_STRLIBNAME, luaopen_string },
		     { LUA_MATHLIBNAME, luaopen_math } };
	/* What Redis has not, and randomness: a run must repeat itself. */
	static const char *const banned[] = { "dofile", "loadfile", "print", "newproxy", "module", "require", "_G" };

	for (size_t i = 0; i < sizeof(libs) / sizeof(libs[0]); i++) {
		lua_pushcfunction(L, libs[i].open);
		lua_pushstring(L, libs[i].name);
		lua_call(L, 1, 0);
	}
	for (size_t i = 0; i < sizeof(banned) / sizeof(banned[0]); i++) {
		lua_pushnil(L);
		lua_setglobal(L, banned[i]);
	}
	lua_pushcfunction(L, plain_pcall);
	lua_setglobal(L, "pcall");
	lua_getglobal(L, LUA_MATHLIBNAME);
	lua_pushnil(L);
	lua_setfield(L, -2, "random");
	lua_pushnil(L);
	lua_setfield(L, -2, "randomseed");
	lua_pop(L, 1);
	for (size_t i = 1; i < sizeof(libs) / sizeof(libs[0]); i++) {
		lua_getglobal(L, libs[i].name);
		push_readonly(L, NULL);
		lua_setglobal(L, libs[i].name);
	}
}

static void open_redis(lua_State *L)
{
	static const luaL_Reg fns[] = { { "call", redis_call },
					{ "pcall", redis_pcall },
					{ "error_reply", redis_error_reply },
					{ "status_reply", redis_status_reply },
					{ "log", redis_log },
					{ NULL, NULL } };
	static const char *const levels[] = { "LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING" };

	lua_newtable(L);
	for (const luaL_Reg *f = fns; f->name; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, -2, f->name);
	}
	for (int i = 0; i < 4; i++) {
		lua_pushinteger(L, i);
		lua_setfield(L, -2, levels[i]);
	}
	push_readonly(L, NULL);
	lua_setglobal(L, "redis");
}

void fl__mem_lua_init(struct fl_store_mem *w)
{
	lua_State *L = luaL_newstate();

	if (!L)
		abort();
	w->lua = L;
	lua_pushlightuserdata(L, (void *)&world_key);
	lua_pushlightuserdata(L, w);
	lua_rawset(L, LUA_REGISTRYINDEX);
	open_libs(L);
	open_redis(L);
	lua_pushlightuserdata(L, (void *)&globals_key);
	lua_pushvalue(L, LUA_GLOBALSINDEX);
	lua_rawset(L, LUA_REGISTRYINDEX);
	lua_pushvalue(L, LUA_GLOBALSINDEX);
	push_readonly(L, no_global);
	lua_replace(L, LUA_GLOBALSINDEX);
}

void fl__mem_lua_done(struct fl_store_mem *w)
{
	if (w->lua)
		lua_close(w->lua);
	w->lua = NULL;
}

/* ---- Lua to replies ---- */

static void *take(struct fl_arena *arena, size_t n, size_t size)
{
	void *p = fl_arena_array(arena, n, size);

	if (!p)
		abort();
	return p;
}

static void text_reply(struct fl_arena *arena, enum fl_reply_type type, struct fl_span s, struct fl_reply *out)
{
	uint8_t *p = take(arena, s.n + 1, 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	for (size_t i = 0; type != FL_REPLY_STRING && i < s.n; i++)
		if (p[i] == '\r' || p[i] == '\n')
			p[i] = ' '; /* one line on the wire */
	*out = (struct fl_reply){ .type = type, .s = fl_span(p, s.n) };
}

/* {err=} and {ok=}; false when the table on the top is neither. */
static bool field_reply(lua_State *L, struct fl_arena *arena, struct fl_reply *out)
{
	static const struct {
		const char *field;
		enum fl_reply_type type;
	} fields[] = { { "err", FL_REPLY_ERROR }, { "ok", FL_REPLY_STATUS } };

	for (size_t i = 0; i < 2; i++) {
		lua_pushstring(L, fields[i].field);
		lua_rawget(L, -2);
		if (lua_type(L, -1) == LUA_TSTRING) {
			text_reply(arena, fields[i].type, lua_span(L, -1), out);
			lua_pop(L, 1);
			return true;
		}
		lua_pop(L, 1);
	}
	return false;
}

/* What a 64-bit machine makes of a number that does not fit. */
static int64_t truncated(lua_Number x)
{
	return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
}

static void to_reply(lua_State *L, struct fl_arena *arena, int depth, struct fl_reply *out);

/* The table on the top as an array: up to its first nil. */
static void array_reply(lua_State *L, struct fl_arena *arena, int depth, struct fl_reply *out)
{
	size_t n = 0;

	for (bool more = true; more;) {
		lua_rawgeti(L, -1, (int)n + 1);
		more = !lua_isnil(L, -1);
		n += more;
		lua_pop(L, 1);
	}
	*out = (struct fl_reply){ .type = FL_REPLY_ARRAY, .v = take(arena, n, sizeof(*out)), .n = n };
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		to_reply(L, arena, depth + 1, &out->v[i]);
		lua_pop(L, 1);
	}
}

/* The value on the top, which stays there. */
static void to_reply(lua_State *L, struct fl_arena *arena, int depth, struct fl_reply *out)
{
	*out = (struct fl_reply){ .type = FL_REPLY_NIL };
	if (depth > DEPTH_MAX || !lua_checkstack(L, 4)) {
		text_reply(arena, FL_REPLY_ERROR, fl_span_str("ERR reached lua stack limit"), out);
		return;
	}
	switch (lua_type(L, -1)) {
	case LUA_TSTRING:
		text_reply(arena, FL_REPLY_STRING, lua_span(L, -1), out);
		return;
	case LUA_TBOOLEAN:
		if (lua_toboolean(L, -1))
			*out = (struct fl_reply){ .type = FL_REPLY_INT, .i = 1 };
		return;
	case LUA_TNUMBER:
		*out = (struct fl_reply){ .type = FL_REPLY_INT, .i = truncated(lua_tonumber(L, -1)) };
		return;
	case LUA_TTABLE:
		if (!field_reply(L, arena, out))
			array_reply(L, arena, depth, out);
		return;
	default:
		return;
	}
}

/* ---- running ---- */

/* Message handler: any error becomes a table with its text and the line that raised it. */
static int on_error(lua_State *L)
{
	lua_Debug ar;
	bool known = lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar);

	if (known && ar.what[0] == 'C')
		known = lua_getstack(L, 2, &ar) && lua_getinfo(L, "Sl", &ar);
	if (lua_type(L, 1) != LUA_TTABLE) {
		const char *text = lua_tostring(L, 1);

		push_field(L, "err",
			   fl_span_str(lua_pushfstring(L, "ERR %s", text ? text : "(error object is not a string)")));
	} else {
		lua_pushvalue(L, 1);
	}
	if (known) {
		lua_pushinteger(L, ar.currentline);
		lua_setfield(L, -2, "line");
	}
	return 1;
}

/* The error table on the top: its text, and where, with the script's name in place of Redis' digest. */
static void error_reply(lua_State *L, const struct fl_script *script, struct fl_arena *arena, struct fl_reply *out)
{
	const char *text = "ERR unknown error", *whole;

	if (lua_type(L, -1) != LUA_TTABLE) {
		whole = lua_tostring(L, -1) ? lua_tostring(L, -1) : text;
		text_reply(arena, FL_REPLY_ERROR, fl_span_str(whole), out);
		return;
	}
	lua_getfield(L, -1, "err");
	lua_getfield(L, -2, "line");
	if (lua_type(L, -2) == LUA_TSTRING)
		text = lua_tostring(L, -2);
	if (lua_isnumber(L, -1))
		whole = lua_pushfstring(L, "%s script: %s, on @user_script:%d.", text, script->name,
					(int)lua_tointeger(L, -1));
	else
		whole = text;
	text_reply(arena, FL_REPLY_ERROR, fl_span_str(whole), out);
}

static void set_strings(lua_State *L, const char *name, const struct fl_span *v, size_t n)
{
	push_globals(L);
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		lua_pushlstring(L, (const char *)v[i].p, v[i].n);
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

void fl__mem_lua_eval(struct fl_store_mem *w, const struct fl_script *script, const struct fl_span *keys, size_t n_keys,
		      const struct fl_span *args, size_t n_args, struct fl_arena *arena, struct fl_reply *out)
{
	lua_State *L = w->lua;
	int top = lua_gettop(L);

	set_strings(L, "KEYS", keys, n_keys);
	set_strings(L, "ARGV", args, n_args);
	lua_pushcfunction(L, on_error);
	if (luaL_loadbuffer(L, script->body, strlen(script->body), "@user_script") != 0) {
		const char *text =
			lua_pushfstring(L, "ERR Error compiling script (new function): %s", lua_tostring(L, -1));

		text_reply(arena, FL_REPLY_ERROR, fl_span_str(text), out);
	} else if (lua_pcall(L, 0, 1, -2) != 0) {
		error_reply(L, script, arena, out);
	} else {
		to_reply(L, arena, 0, out);
	}
	lua_settop(L, top);
	fl_arena_done(&w->scratch);
}
