/* Lists and maps that are no structs of their own: group names, query types, pass-through options, header files, query-log sinks. */
#include "cli/config_table.h"

#include "base/text.h"

void fl__value_names(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char **v;
	size_t i = 0;

	if (!fl__value_is_list(l, k, n) || !(v = fl__load_array(l, n->n, sizeof(*v))))
		return;
	for (const struct fl_yaml_node *c = n->first; c; c = c->next)
		v[i++] = fl__load_str(l, c->text);
	fl__value_store_array(l, k, n, base, v, i);
}

static const char *const usual_types[] = { "A", "AAAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV", "SVCB", "TXT", "ANY", "CAA", "NAPTR" };

void fl__value_qtypes(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	uint16_t *v = (uint16_t *)((char *)base + k->off);
	size_t cap = k->size / sizeof(*v), i = 0;

	if (n->kind != FL_YAML_SCALAR && !fl__value_is_list(l, k, n))
		return;
	for (const struct fl_yaml_node *c = n->kind == FL_YAML_SCALAR ? n : n->first; c; c = n->kind == FL_YAML_SCALAR ? NULL : c->next) {
		uint16_t type;

		if (i == cap) {
			fl__load_error(l, c, "leave q_type out for all of them", "more than %zu query types", cap);
			return;
		}
		if (fl_qtype_parse(c->text, &type) && type && type < UINT16_MAX)
			v[i++] = type;
		else
			fl__load_error(l, c, fl__load_suggest(l, c->text, usual_types, sizeof(usual_types) / sizeof(usual_types[0])),
				       "'%.40s' is no query type", c->text);
	}
	if (i == 0 && n->kind == FL_YAML_SEQ && n->n == 0)
		fl__load_error(l, n, "leave q_type out for all of them", "'%s' is empty", fl__key_name(k));
	fl__value_store_array(l, k, n, base, v, i);
}

static bool is_map(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n)
{
	bool ok = true;

	if (n->kind != FL_YAML_MAP) {
		fl__load_error(l, n, NULL, "'%s' wants %s, not %s", fl__key_name(k), fl__value_type(k->type), fl_yaml_kind_word(n->kind));
		return false;
	}
	for (const struct fl_yaml_node *c = n->first; c; c = c->next)
		if (c->kind != FL_YAML_SCALAR) {
			fl__load_error(l, c, NULL, "'%.60s' wants a single value, not %s", c->key->text, fl_yaml_kind_word(c->kind));
			ok = false;
		}
	return ok;
}

/* Options that are fireline's own, or would put a secret into the file. */
static const char *option_refused(const char *name)
{
	static const struct {
		const char *name, *hint;
	} refused[] = {
		{ "bootstrap.servers", "use kafka.brokers" },	       { "metadata.broker.list", "use kafka.brokers" },
		{ "client.id", "fireline names its clients itself" },  { "enable.idempotence", "control events are always idempotent" },
		{ "transactional.id", "fireline uses no transactions" }, { "group.id", "enforcers read all partitions, without a group" },
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (strcmp(refused[i].name, name) == 0)
			return refused[i].hint;
	return NULL;
}

void fl__value_options(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char **v;
	size_t i = 0;

	if (!is_map(l, k, n) || !(v = fl__load_array(l, 2 * n->n + 1, sizeof(*v))))
		return;
	for (const struct fl_yaml_node *c = n->first; c; c = c->next) {
		const char *hint = option_refused(c->key->text);

		if (hint)
			fl__load_error(l, c->key, hint, "'%s' is not to be set here", c->key->text);
		v[i++] = fl__load_str(l, c->key->text);
		v[i++] = fl__load_str(l, c->text);
	}
	memcpy((char *)base + k->off, &v, sizeof(v));
}

static bool is_token(const char *s)
{
	return *s && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~") == strlen(s);
}

void fl__value_headers(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	struct fl_cfg_header *v;
	size_t i = 0;

	if (!is_map(l, k, n) || !(v = fl__load_array(l, n->n, sizeof(*v))))
		return;
	for (const struct fl_yaml_node *c = n->first; c; c = c->next) {
		if (!is_token(c->key->text))
			fl__load_error(l, c->key, NULL, "'%.60s' is no header name", c->key->text);
		if (c->text[0] != '/')
			fl__load_error(l, c, "the value is read from a file, so that no secret stands here: /etc/fireline/secret", "'%.60s' is no path",
				       c->text);
		v[i++] = (struct fl_cfg_header){ fl__load_str(l, c->key->text), fl__load_str(l, c->text) };
	}
	fl__value_store_array(l, k, n, base, v, i);
}

static bool sink_kafka(struct fl__load *l, const struct fl_yaml_node *sink)
{
	for (const struct fl_yaml_node *c = sink->first; c; c = c->next)
		if (strcmp(c->key->text, "type") != 0 && strcmp(c->key->text, "name") != 0)
			fl__key_unknown(l, "query_log.sinks[]", c->key);
	return true;
}

/* The keys of query_log.file, written in a sink. */
static void sink_file(struct fl__load *l, const struct fl_yaml_node *sink)
{
	if (!fl_yaml_get(sink, "path"))
		fl__load_error(l, sink, NULL, "'path' is missing in query_log.sinks[]");
	for (const struct fl_yaml_node *c = sink->first; c; c = c->next) {
		const struct fl_key *row = fl__key_find("query_log.file", c->key->text);

		if (row)
			fl__value_read(l, row, c, l->cfg);
		else if (strcmp(c->key->text, "type") != 0 && strcmp(c->key->text, "name") != 0)
			fl__key_unknown(l, fl__key_later("query_log.sinks[]", c->key->text) ? "query_log.sinks[]" : "query_log.file", c->key);
	}
}

void fl__value_sinks(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	static const char *const words[] = { "kafka", "file" };
	bool kafka = false, file = fl__load_node(l, &l->cfg->query_log_file) != NULL;

	(void)base;
	if (n->kind != FL_YAML_SEQ) {
		fl__load_error(l, n, NULL, "'%s' wants %s, not %s", fl__key_name(k), fl__value_type(k->type), fl_yaml_kind_word(n->kind));
		return;
	}
	for (const struct fl_yaml_node *sink = n->first; sink; sink = sink->next) {
		const struct fl_yaml_node *type = fl_yaml_get(sink, "type");

		if (!type || type->kind != FL_YAML_SCALAR) {
			fl__load_error(l, sink, "as {type: kafka}", "a sink without a type");
			kafka = true; /* one error is enough */
		} else if (strcmp(type->text, "kafka") == 0) {
			kafka = sink_kafka(l, sink);
		} else if (strcmp(type->text, "file") == 0) {
			if (file)
				fl__load_error(l, sink, NULL, "a second file for the query log");
			file = true;
			sink_file(l, sink);
		} else {
			fl__load_error(l, type, fl__load_suggest(l, type->text, words, 2), "'%.40s' is no type of sink", type->text);
			kafka = true;
		}
	}
	if (!kafka)
		fl__load_error(l, n, "add {type: kafka}; without brokers it does nothing", "query_log.sinks without kafka belong to a later release");
}
