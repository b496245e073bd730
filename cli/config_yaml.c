/* libfyaml's event stream into our own tree. Events, not its documents: they carry the mark of every bracket, and aliases are refused before anything
 * expands them. Start at fl_yaml_parse. */
#include "cli/config_yaml.h"

#include <libfyaml.h>

#include "base/err.h"
#include "base/text.h"

struct builder {
	const struct fl_yaml_file *file;
	struct fl_arena *arena;
	struct fl_diag *diag;
	struct fl_yaml_node *root;
	struct {
		struct fl_yaml_node *node, *key; /* key: read, its value is not */
	} stack[FL_YAML_DEPTH];
	size_t depth, nodes, documents;
	int ret;
};

struct fl_diag_place fl_yaml_place(const struct fl_yaml_node *n)
{
	return (struct fl_diag_place){ n->file->name, n->file->text, n->line, n->column, n->width };
}

const char *fl_yaml_kind_word(enum fl_yaml_kind k)
{
	static const char *const words[] = { "nothing", "a single value", "a list", "a map" };

	return words[k];
}

void fl_yaml_append(struct fl_yaml_node *parent, struct fl_yaml_node *child)
{
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->n++;
}

struct fl_yaml_node *fl_yaml_get(const struct fl_yaml_node *map, const char *key)
{
	if (!map || map->kind != FL_YAML_MAP)
		return NULL;
	for (struct fl_yaml_node *v = map->first; v; v = v->next)
		if (strcmp(v->key->text, key) == 0)
			return v;
	return NULL;
}

/* Wrong, and the rest can still be read. */
static void complain(struct builder *b, const struct fl_yaml_node *at, const char *hint, const char *text)
{
	struct fl_diag_place place = fl_yaml_place(at);

	fl_diag_add(b->diag, false, &place, hint, "%s", text);
}

/* Wrong, and reading ends here. */
static bool refuse(struct builder *b, const struct fl_yaml_node *at, const char *hint, const char *text)
{
	complain(b, at, hint, text);
	b->ret = FL_ECONFIG;
	return false;
}

static struct fl_yaml_node *node_new(struct builder *b, enum fl_yaml_kind kind, struct fy_event *e)
{
	const struct fy_mark *m = fy_event_start_mark(e);
	struct fl_yaml_node *n = fl_arena_alloc(b->arena, sizeof(*n));

	if (!n) {
		b->ret = FL_ENOMEM;
		return NULL;
	}
	n->kind = kind;
	n->file = b->file;
	n->width = 1;
	if (m) {
		n->line = (uint32_t)m->line + 1;
		n->column = (uint32_t)m->column + 1;
	} else if (b->depth && b->stack[b->depth - 1].key) { /* an absent value: where its key stands */
		n->line = b->stack[b->depth - 1].key->line;
		n->column = b->stack[b->depth - 1].key->column;
		n->width = b->stack[b->depth - 1].key->width;
	} else {
		n->line = n->column = 1;
	}
	if (++b->nodes > FL_YAML_NODES) {
		refuse(b, n, NULL, "too many values in one file");
		return NULL;
	}
	return n;
}

/* A finished or opened node goes where the document is: a key, a value, an item, the root. */
static bool place_node(struct builder *b, struct fl_yaml_node *n)
{
	struct fl_yaml_node *top, **key;

	if (b->depth == 0) {
		b->root = n;
		return true;
	}
	top = b->stack[b->depth - 1].node;
	key = &b->stack[b->depth - 1].key;
	if (top->kind == FL_YAML_SEQ) {
		fl_yaml_append(top, n);
		return true;
	}
	if (*key) {
		n->key = *key;
		*key = NULL;
		fl_yaml_append(top, n);
		return true;
	}
	if (n->kind != FL_YAML_SCALAR)
		return refuse(b, n, NULL, "a key must be a plain word");
	for (struct fl_yaml_node *v = top->first; v; v = v->next)
		if (strcmp(v->key->text, n->text) == 0) {
			char hint[64];

			snprintf(hint, sizeof(hint), "it is set already on line %u", v->key->line);
			complain(b, n, hint, fl_arena_printf(b->arena, "duplicate key '%.80s'", n->text));
			break; /* read on: its value is checked like any other's */
		}
	if (top->n >= FL_YAML_KEYS)
		return refuse(b, n, NULL, "too many keys in one map");
	*key = n;
	return true;
}

static bool on_open(struct builder *b, struct fy_event *e, enum fl_yaml_kind kind)
{
	struct fl_yaml_node *n = node_new(b, kind, e);

	if (!n)
		return false;
	if (b->depth == FL_YAML_DEPTH)
		return refuse(b, n, NULL, "nested too deep");
	if (!place_node(b, n))
		return false;
	b->stack[b->depth].node = n;
	b->stack[b->depth].key = NULL;
	b->depth++;
	return true;
}

static bool is_null(const char *s, size_t n)
{
	return n == 0 || (n == 1 && s[0] == '~') || (n == 4 && memcmp(s, "null", 4) == 0);
}

static uint32_t characters(const char *s, size_t n)
{
	uint32_t c = 0;

	for (size_t i = 0; i < n && s[i] != '\n'; i++)
		c += ((uint8_t)s[i] & 0xc0) != 0x80;
	return c ? c : 1;
}

static bool on_scalar(struct builder *b, struct fy_event *e)
{
	size_t n = 0;
	const char *s = e->scalar.value ? fy_token_get_text(e->scalar.value, &n) : NULL;
	bool plain = fy_event_get_node_style(e) == FYNS_PLAIN;
	struct fl_yaml_node *node = node_new(b, FL_YAML_SCALAR, e);

	if (!node)
		return false;
	if (!s || (plain && is_null(s, n))) {
		node->kind = FL_YAML_NULL;
		return place_node(b, node);
	}
	if (memchr(s, '\0', n))
		return refuse(b, node, NULL, "a zero octet");
	node->text = fl_arena_strn(b->arena, s, n);
	node->width = characters(s, n);
	if (!node->text) {
		b->ret = FL_ENOMEM;
		return false;
	}
	return place_node(b, node);
}

static bool on_alias(struct builder *b, struct fy_event *e)
{
	struct fl_yaml_node *n = node_new(b, FL_YAML_SCALAR, e);
	const char *name = e->alias.anchor ? fy_token_get_text0(e->alias.anchor) : NULL;

	if (!n)
		return false;
	if (n->column > 1)
		n->column--; /* libfyaml marks the word behind the star */
	n->width = name ? characters(name, strlen(name)) + 1 : 1;
	n->text = fl_arena_printf(b->arena, "*%s", name ? name : "");
	if (!n->text)
		return false;
	complain(b, n, fl_arena_printf(b->arena, "quote it: \"%.80s\"", n->text), "an unquoted '*' starts a YAML alias, which fireline does not use");
	return place_node(b, n);
}

static bool on_event(struct builder *b, struct fy_event *e)
{
	if (fy_event_get_anchor_token(e) || fy_event_get_tag_token(e)) {
		struct fl_yaml_node *n = e->type == FYET_ALIAS ? NULL : node_new(b, FL_YAML_NULL, e);

		if (n)
			return refuse(b, n, "write the value out, and quote what begins with '&' or '!'", "YAML anchors and tags are not used here");
	}
	switch (e->type) {
	case FYET_DOCUMENT_START:
		if (b->documents++) {
			struct fl_yaml_node *n = node_new(b, FL_YAML_NULL, e);

			return n && refuse(b, n, "use files in conf.d/ instead", "a second document in one file");
		}
		return true;
	case FYET_MAPPING_START:
		return on_open(b, e, FL_YAML_MAP);
	case FYET_SEQUENCE_START:
		return on_open(b, e, FL_YAML_SEQ);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		if (b->depth)
			b->depth--;
		return true;
	case FYET_SCALAR:
		return on_scalar(b, e);
	case FYET_ALIAS:
		return on_alias(b, e);
	default:
		return true;
	}
}

/* libfyaml reads UTF-8; what is none, and control characters, are refused here with a place. */
static int check_text(const struct fl_yaml_file *file, struct fl_diag *diag)
{
	struct fl_diag_place at = { file->name, file->text, 1, 1, 1 };

	if (file->text.n > FL_YAML_BYTES) {
		at.line = 0;
		fl_diag_add(diag, false, &at, "names by the thousand belong in a feed", "the file is larger than %d MiB", FL_YAML_BYTES >> 20);
		return FL_ECONFIG;
	}
	for (size_t i = 0; i < file->text.n;) {
		uint8_t c = file->text.p[i];
		size_t len = fl_utf8_len(file->text.p + i, file->text.n - i);

		if (len == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
			fl_diag_add(diag, false, &at, "the file must be UTF-8 text", "octet 0x%02x is not text", c);
			return FL_ECONFIG;
		}
		at.line += c == '\n';
		at.column = c == '\n' ? 1 : at.column + 1;
		i += len;
	}
	return 0;
}

/* A tab in the indentation near the place of a syntax error: YAML's commonest trap, and no parser's message names it. */
static bool find_tab(const struct fl_yaml_file *file, uint32_t near, struct fl_diag_place *at)
{
	uint32_t line = 1;

	for (size_t i = 0; i < file->text.n; line++) {
		uint32_t column = 1;

		for (; i < file->text.n && file->text.p[i] == ' '; i++)
			column++;
		if (i < file->text.n && file->text.p[i] == '\t' && line + 1 >= near && line <= near + 1) {
			*at = (struct fl_diag_place){ file->name, file->text, line, column, 1 };
			return true;
		}
		while (i < file->text.n && file->text.p[i] != '\n')
			i++;
		i++;
	}
	return false;
}

static const char *syntax_hint(const char *msg)
{
	static const struct {
		const char *part, *hint;
	} hints[] = {
		{ "multiline plain key", "is the next line indented too far, or a ':' missing?" },
		{ "without a closing bracket", "a '[' or '{' is never closed" },
		{ "double-quoted", "is the closing quote missing?" },
		{ "single-quoted", "is the closing quote missing?" },
		{ "indent", "children stand deeper than their parent, brothers equally deep" },
	};

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strstr(msg, hints[i].part))
			return hints[i].hint;
	return NULL;
}

static void report_syntax(struct builder *b, struct fy_diag *fyd)
{
	struct fl_diag_place at = { b->file->name, b->file->text, 0, 0, 1 }, tab;
	struct fy_diag_error *e;
	void *it = NULL;
	size_t n = 0;

	b->ret = FL_ECONFIG;
	while ((e = fy_diag_errors_iterate(fyd, &it))) {
		at.line = e->line > 0 ? (uint32_t)e->line : 0;
		at.column = e->column > 0 ? (uint32_t)e->column : 1;
		n++;
		if (find_tab(b->file, at.line, &tab))
			fl_diag_add(b->diag, false, &tab, "YAML is indented with spaces", "a tab in the indentation");
		else
			fl_diag_add(b->diag, false, &at, syntax_hint(e->msg ? e->msg : ""), "%s", e->msg ? e->msg : "not YAML");
		break; /* what follows the first is its echo */
	}
	if (!n)
		fl_diag_add(b->diag, false, &at, NULL, "not YAML");
}

static void run(struct builder *b, struct fy_parser *p, struct fy_diag *fyd)
{
	struct fy_event *e;
	bool go = true;

	while (go && (e = fy_parser_parse(p))) {
		go = on_event(b, e);
		fy_parser_event_free(p, e);
	}
	if (go && fy_parser_get_stream_error(p))
		report_syntax(b, fyd);
	else if (!go && b->ret == 0)
		b->ret = FL_ENOMEM;
}

int fl_yaml_parse(const struct fl_yaml_file *file, struct fl_arena *arena, struct fl_diag *diag, struct fl_yaml_node **out)
{
	struct builder b = { .file = file, .arena = arena, .diag = diag };
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE };
	struct fy_diag_cfg dcfg;
	struct fy_parser *p = NULL;
	int ret = check_text(file, diag);

	*out = NULL;
	if (ret < 0 || file->text.n == 0)
		return ret;
	fy_diag_cfg_default(&dcfg);
	dcfg.fp = NULL;
	cfg.diag = fy_diag_create(&dcfg);
	if (!cfg.diag)
		return FL_ENOMEM;
	fy_diag_set_collect_errors(cfg.diag, true);
	p = fy_parser_create(&cfg);
	if (!p || fy_parser_set_string(p, (const char *)file->text.p, file->text.n) != 0)
		b.ret = FL_ENOMEM;
	else
		run(&b, p, cfg.diag);
	fy_parser_destroy(p);
	fy_diag_destroy(cfg.diag);
	if (b.ret == 0)
		*out = b.root;
	return b.ret;
}

/* One value. A variable's name is [A-Za-z_][A-Za-z0-9_]*. */
static int expand_text(struct fl_yaml_node *n, struct fl_arena *arena, struct fl_diag *diag)
{
	struct fl_diag_place at = fl_yaml_place(n);
	const char *s = n->text, *p;
	struct fl_buf out = { 0 };
	int ret = 0;

	while ((p = strstr(s, "${"))) {
		size_t len = strspn(p + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
		char name[128];
		const char *value = NULL;

		if (p > s && p[-1] == '$') {
			fl_buf_add(&out, s, (size_t)(p - 1 - s));
			fl_buf_str(&out, "${");
			s = p + 2;
			continue;
		}
		if (len == 0 || len >= sizeof(name) || p[2 + len] != '}') {
			fl_diag_add(diag, false, &at, "write $${ for the characters themselves", "'${' without a variable name and '}'");
			ret = FL_ECONFIG;
			break;
		}
		snprintf(name, sizeof(name), "%.*s", (int)len, p + 2);
		value = getenv(name);
		if (!value) {
			fl_diag_add(diag, false, &at, NULL, "environment variable %s is not set", name);
			ret = FL_ECONFIG;
			break;
		}
		fl_buf_add(&out, s, (size_t)(p - s));
		fl_buf_str(&out, value);
		s = p + 2 + len + 1;
	}
	if (ret == 0) {
		fl_buf_str(&out, s);
		n->text = out.failed ? NULL : fl_arena_strn(arena, (const char *)out.p, out.n);
		ret = n->text ? 0 : FL_ENOMEM;
	}
	n->broken = ret < 0;
	fl_buf_done(&out);
	return ret;
}

int fl_yaml_expand(struct fl_yaml_node *root, struct fl_arena *arena, struct fl_diag *diag)
{
	int ret = 0;

	if (root->kind == FL_YAML_SCALAR)
		return strstr(root->text, "${") ? expand_text(root, arena, diag) : 0;
	for (struct fl_yaml_node *c = root->first; c; c = c->next) {
		int one = fl_yaml_expand(c, arena, diag);

		if (one == FL_ENOMEM)
			return one;
		ret = one < 0 ? one : ret;
	}
	return ret;
}
