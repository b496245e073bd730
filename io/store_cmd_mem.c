/* The twin's commands: dispatch, replies, arguments. The commands stand by family in store_key_mem.c,
 * store_server_mem.c, store_string_mem.c, store_hash_mem.c, store_zset_mem.c, store_stream_mem.c; error texts are those
 * of Redis 7.0. Start at fl__mem_run. */
#include "io/store_mem.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <strings.h>

static const struct fl__mem_cmd *const families[] = { fl__mem_key_cmds,   fl__mem_server_cmds, fl__mem_string_cmds,
						      fl__mem_hash_cmds,  fl__mem_set_cmds,    fl__mem_zset_cmds,
						      fl__mem_stream_cmds };

/* ---- replies ---- */

static void *take(struct fl_arena *arena, size_t n, size_t size)
{
	void *p = fl_arena_array(arena, n, size);

	if (!p)
		abort();
	return p;
}

void fl__mem_put_bulk(struct fl__mem_call *c, struct fl_reply *r, struct fl_span s)
{
	uint8_t *p = take(c->arena, s.n + 1, 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	*r = (struct fl_reply){ .type = FL_REPLY_STRING, .s = fl_span(p, s.n) };
}

void fl__mem_put_double(struct fl__mem_call *c, struct fl_reply *r, double d)
{
	char text[64];

	if (isinf(d))
		snprintf(text, sizeof(text), "%s", d > 0 ? "inf" : "-inf");
	else
		snprintf(text, sizeof(text), "%.17g", d);
	fl__mem_put_bulk(c, r, fl_span_str(text));
}

struct fl_reply *fl__mem_array_in(struct fl__mem_call *c, struct fl_reply *r, size_t n)
{
	*r = (struct fl_reply){ .type = FL_REPLY_ARRAY, .v = take(c->arena, n, sizeof(*r)), .n = n };
	return r->v;
}

struct fl_reply *fl__mem_array(struct fl__mem_call *c, size_t n)
{
	return fl__mem_array_in(c, c->out, n);
}

void fl__mem_int(struct fl__mem_call *c, int64_t i)
{
	*c->out = (struct fl_reply){ .type = FL_REPLY_INT, .i = i };
}

void fl__mem_nil(struct fl__mem_call *c)
{
	*c->out = (struct fl_reply){ .type = FL_REPLY_NIL };
}

void fl__mem_ok(struct fl__mem_call *c)
{
	*c->out = (struct fl_reply){ .type = FL_REPLY_STATUS, .s = fl_span_str("OK") };
}

void fl__mem_bulk(struct fl__mem_call *c, struct fl_span s)
{
	fl__mem_put_bulk(c, c->out, s);
}

void fl__mem_error(struct fl__mem_call *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fl__mem_put_bulk(c, c->out, fl_span_str(text));
	c->out->type = FL_REPLY_ERROR;
}

void fl__mem_syntax(struct fl__mem_call *c)
{
	fl__mem_error(c, "ERR syntax error");
}

void fl__mem_not_int(struct fl__mem_call *c)
{
	fl__mem_error(c, "ERR value is not an integer or out of range");
}

void fl__mem_arity(struct fl__mem_call *c)
{
	fl__mem_error(c, "ERR wrong number of arguments for '%s' command", c->name);
}

/* ---- arguments ---- */

bool fl__mem_is(struct fl_span s, const char *word)
{
	return s.n == strlen(word) && strncasecmp((const char *)s.p, word, s.n) == 0;
}

bool fl__mem_ll(struct fl_span s, int64_t *out)
{
	bool negative = s.n && s.p[0] == '-';
	uint64_t v = 0, max = (uint64_t)INT64_MAX + (negative ? 1 : 0);
	size_t i = negative ? 1 : 0;

	if (s.n == 1 && s.p[0] == '0') {
		*out = 0;
		return true;
	}
	if (i >= s.n || s.n > 20 || s.p[i] < '1' || s.p[i] > '9')
		return false;
	for (; i < s.n; i++) {
		unsigned digit = (unsigned)s.p[i] - '0';

		if (digit > 9 || v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool fl__mem_ll_arg(struct fl__mem_call *c, size_t i, int64_t *out)
{
	if (fl__mem_ll(c->argv[i], out))
		return true;
	fl__mem_not_int(c);
	return false;
}

bool fl__mem_double(struct fl_span s, double *out)
{
	char text[128], *end;
	double d;

	if (s.n == 0 || s.n >= sizeof(text) || isspace(s.p[0]))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	d = strtod(text, &end);
	if (end != text + s.n || isnan(d))
		return false;
	*out = d;
	return true;
}

/* One [...] of a pattern at *p (behind the bracket); moves *p behind it. An unclosed one ends with the pattern, as in
 * Redis. */
static bool match_class(struct fl_span pat, size_t *p, uint8_t ch)
{
	bool negate = *p < pat.n && pat.p[*p] == '^', hit = false;

	if (negate)
		(*p)++;
	for (; *p < pat.n && pat.p[*p] != ']'; (*p)++) {
		if (pat.p[*p] == '\\' && *p + 1 < pat.n) {
			(*p)++;
			hit |= pat.p[*p] == ch;
		} else if (*p + 2 < pat.n && pat.p[*p + 1] == '-') {
			uint8_t lo = pat.p[*p], hi = pat.p[*p + 2];

			hit |= lo <= hi ? ch >= lo && ch <= hi : ch >= hi && ch <= lo;
			*p += 2;
		} else {
			hit |= pat.p[*p] == ch;
		}
	}
	if (*p < pat.n)
		(*p)++;
	return hit != negate;
}

/* Does one pattern element at *p take ch? Moves *p behind it. */
static bool match_one(struct fl_span pat, size_t *p, uint8_t ch)
{
	uint8_t e = pat.p[(*p)++];

	if (e == '?')
		return true;
	if (e == '[')
		return match_class(pat, p, ch);
	if (e == '\\' && *p < pat.n)
		e = pat.p[(*p)++];
	return e == ch;
}

bool fl__mem_match(struct fl_span pat, struct fl_span s)
{
	size_t p = 0, i = 0, star = SIZE_MAX, star_i = 0; /* the last '*', and where it lets go */

	while (i < s.n) {
		if (p < pat.n && pat.p[p] == '*') {
			star = ++p;
			star_i = i;
			continue;
		}
		if (p < pat.n && match_one(pat, &p, s.p[i])) {
			i++;
			continue;
		}
		if (star == SIZE_MAX)
			return false;
		p = star;
		i = ++star_i;
	}
	while (p < pat.n && pat.p[p] == '*')
		p++;
	return p == pat.n;
}

bool fl__mem_want(struct fl__mem_call *c, size_t i, enum fl__mem_type type, struct fl__mem_obj **out)
{
	*out = fl__mem_db_get(c->w, c->argv[i]);
	if (!*out || (*out)->type == type)
		return true;
	fl__mem_error(c, "WRONGTYPE Operation against a key holding the wrong kind of value");
	return false;
}

bool fl__mem_make(struct fl__mem_call *c, size_t i, enum fl__mem_type type, struct fl__mem_obj **out)
{
	if (!fl__mem_want(c, i, type, out))
		return false;
	if (!*out)
		*out = fl__mem_db_new(c->w, c->argv[i], type);
	return true;
}

void fl__mem_drop_empty(struct fl__mem_call *c, size_t i, const struct fl__mem_obj *o)
{
	if (o->map.live == 0)
		fl__mem_db_del(c->w, c->argv[i]);
}

/* ---- dispatch ---- */

static const struct fl__mem_cmd *find_cmd(struct fl_span name)
{
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
		for (const struct fl__mem_cmd *cmd = families[f]; cmd->name; cmd++)
			if (fl__mem_is(name, cmd->name))
				return cmd;
	return NULL;
}

static void unknown(struct fl__mem_call *c, bool in_script)
{
	char args[160] = "";
	size_t n = 0;

	if (in_script) {
		fl__mem_error(c, "ERR Unknown Redis command called from script");
		return;
	}
	for (size_t i = 1; i < c->argc && n < 128; i++)
		n += (size_t)snprintf(args + n, sizeof(args) - n, "'%.*s' ",
				      (int)(c->argv[i].n < 128 - n ? c->argv[i].n : 128 - n),
				      (const char *)c->argv[i].p);
	fl__mem_error(c, "ERR unknown command '%.*s', with args beginning with: %s", fl__mem_shown(c->argv[0]),
		      (const char *)c->argv[0].p, args);
}

void fl__mem_run(struct fl_store_mem *w, const struct fl_span *argv, size_t argc, bool in_script,
		 struct fl_arena *arena, struct fl_reply *out)
{
	struct fl__mem_call c = { w, arena, argv, argc, out, "" };
	const struct fl__mem_cmd *cmd = find_cmd(argv[0]);

	*out = (struct fl_reply){ .type = FL_REPLY_NIL };
	if (!cmd) {
		unknown(&c, in_script);
		return;
	}
	c.name = cmd->name;
	if (cmd->arity > 0 ? argc != (size_t)cmd->arity : argc < (size_t)-cmd->arity) {
		if (in_script)
			fl__mem_error(&c, "ERR Wrong number of args calling Redis command from script");
		else
			fl__mem_arity(&c);
		return;
	}
	if (in_script && (cmd->flags & FL__MEM_NOSCRIPT)) {
		fl__mem_error(&c, "ERR This Redis command is not allowed from script");
		return;
	}
	cmd->run(&c);
}
