/* Values that name something on the network: domain names (in canonical form, by normalize/), addresses, networks, URLs. */
#include "cli/config_table.h"

#include <arpa/inet.h>

#include "base/address.h"
#include "base/text.h"

/* The suffix list is opened when the first name is met; a file that cannot be read is said once. */
const struct fl_names *fl__load_names(struct fl__load *l)
{
	const struct fl_yaml_node *n = fl_yaml_get(l->root, "psl_file");
	struct fl_err err = { 0 };

	if (l->names || l->names_failed)
		return l->names;
	if (fl_names_open(n && n->kind == FL_YAML_SCALAR ? n->text : NULL, &l->names, &err) < 0) {
		l->names_failed = true;
		l->names = NULL;
		fl__load_error(l, n, "install the package publicsuffix, or set psl_file", "the public suffix list: %s", err.text);
	}
	return l->names;
}

/* "x.example", "*.x.example", "*": checked, and written back in canonical form. */
static const char *entry_text(struct fl__load *l, const struct fl_yaml_node *n, const char *what)
{
	const struct fl_names *names = fl__load_names(l);
	char name[FL_NAME_TEXT];
	struct fl_rkey key;
	uint8_t scope = 0;
	enum fl_drop why;

	if (!names)
		return NULL;
	why = fl_name_operator(names, fl_span_str(n->text), &scope, &key);
	if (why != FL_DROP_COUNT) {
		fl__load_error(l, n, why == FL_DROP_ADDRESS ? "lists hold names; networks belong in associations" : NULL, "'%.100s' is no %s: %s",
			       n->text, what, fl_drop_text(why));
		return NULL;
	}
	if (key.len == 0)
		return "*";
	fl_rkey_to_text(fl_rkey_span(&key), name);
	return fl__load_hint(l, "%s%s", scope & FL_SCOPE_EXACT ? "" : "*.", name);
}

static void store_names(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base, bool stars)
{
	const char **v;
	size_t i = 0;

	if (!fl__value_is_list(l, k, n) || !(v = fl__load_array(l, n->n, sizeof(*v))))
		return;
	for (const struct fl_yaml_node *c = n->first; c; c = c->next) {
		const char *s = entry_text(l, c, "domain name");

		if (s && s[0] == '*' && !stars)
			fl__load_error(l, c, s[1] ? fl__load_hint(l, "write \"%.100s\": it stands for what is below, too", s + 2) : "leave zones out for every name",
				       "a zone has no '*'");
		v[i++] = s ? fl__load_str(l, s) : "";
	}
	fl__value_store_array(l, k, n, base, v, i);
}

void fl__value_entries(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	store_names(l, k, n, base, true);
}

void fl__value_zones(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	store_names(l, k, n, base, false);
}

void fl__value_domain(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n) ? entry_text(l, n, "domain name") : NULL;

	if (!s)
		return;
	if (s[0] == '*')
		fl__load_error(l, n, NULL, "'%s' wants one name, not a pattern", fl__key_name(k));
	else
		fl__value_store_text(l, k, n, base, s);
}

/* "192.0.2.1", "192.0.2.1:53", "[2001:db8::1]:53", "2001:db8::1": canonical text with its port in out. port 0: one must be given. */
static bool address_text(const char *s, unsigned port, char *out, size_t cap)
{
	char host[INET6_ADDRSTRLEN + 1], text[INET6_ADDRSTRLEN];
	const char *colon = strrchr(s, ':'), *end = s + strlen(s);
	struct in6_addr a;
	uint64_t p = port;
	bool v6 = s[0] == '[' || (colon && strchr(s, ':') != colon);

	if (s[0] == '[') {
		end = strchr(s++, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return false;
		colon = end[1] ? end + 1 : NULL;
	} else if (v6) {
		colon = NULL;
	} else if (colon) {
		end = colon;
	}
	if (colon && !fl_u64_parse(fl_span_str(colon + 1), &p))
		return false;
	if (p == 0 || p > 65535 || end == s || (size_t)(end - s) >= sizeof(host))
		return false;
	memcpy(host, s, (size_t)(end - s));
	host[end - s] = '\0';
	if (inet_pton(v6 ? AF_INET6 : AF_INET, host, &a) != 1 || !inet_ntop(v6 ? AF_INET6 : AF_INET, &a, text, sizeof(text)))
		return false;
	snprintf(out, cap, v6 ? "[%s]:%u" : "%s:%u", text, (unsigned)p);
	return true;
}

void fl__value_address(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n);
	char out[80];

	if (!s)
		return;
	if (address_text(s, 0, out, sizeof(out)))
		fl__value_store_text(l, k, n, base, out);
	else
		fl__load_error(l, n, address_text(s, 53, out, sizeof(out)) ? fl__load_hint(l, "with its port: \"%s\"?", out) :
									      "as \"127.0.0.1:53\" or \"[::1]:53\"",
			       "'%.80s' is no address and port", s);
}

static const char *server_text(struct fl__load *l, const struct fl_yaml_node *n)
{
	char out[80];

	if (address_text(n->text, 53, out, sizeof(out)))
		return fl__load_str(l, out);
	if (strstr(n->text, "://"))
		fl__load_error(l, n, "plain DNS is spoken: an address, and a port if it is not 53", "'%.100s': encrypted upstreams belong to a later release",
			       n->text);
	else
		fl__load_error(l, n, "an address is wanted, not a name: \"192.0.2.53\" or \"[2001:db8::53]:53\"", "'%.80s' is no server address", n->text);
	return "";
}

void fl__value_servers(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char **v;
	size_t i = 0;

	if (!fl__value_is_list(l, k, n) || !(v = fl__load_array(l, n->n, sizeof(*v))))
		return;
	for (const struct fl_yaml_node *c = n->first; c; c = c->next)
		v[i++] = server_text(l, c);
	if (i == 0)
		fl__load_error(l, n, NULL, "'%s' is empty", fl__key_name(k));
	fl__value_store_array(l, k, n, base, v, i);
}

/* A bare address is a network of one. */
static bool network_parse(struct fl__load *l, const struct fl_yaml_node *n, struct fl_cfg_network *out)
{
	char host[INET6_ADDRSTRLEN + 1], text[INET6_ADDRSTRLEN];
	const char *slash = strchr(n->text, '/');
	size_t len = slash ? (size_t)(slash - n->text) : strlen(n->text);
	uint8_t masked[16];
	uint64_t prefix;
	int family;

	*out = (struct fl_cfg_network){ .v6 = memchr(n->text, ':', len) != NULL };
	family = out->v6 ? AF_INET6 : AF_INET;
	prefix = out->v6 ? 128 : 32;
	snprintf(host, sizeof(host), "%.*s", (int)(len < sizeof(host) ? len : sizeof(host) - 1), n->text);
	if (len >= sizeof(host) || inet_pton(family, host, out->addr) != 1) {
		fl__load_error(l, n, "as \"10.0.0.0/8\" or \"2001:db8::/32\"", "'%.80s' is no network", n->text);
		return false;
	}
	if (slash && (!fl_u64_parse(fl_span_str(slash + 1), &prefix) || prefix > (out->v6 ? 128 : 32))) {
		fl__load_error(l, n, out->v6 ? "0 to 128" : "0 to 32", "'%.80s' has a bad prefix length", n->text);
		return false;
	}
	out->prefix = (uint8_t)prefix;
	memcpy(masked, out->addr, 16);
	fl_address_mask(masked, out->prefix);
	if (memcmp(masked, out->addr, 16) != 0) {
		inet_ntop(family, masked, text, sizeof(text));
		fl__load_error(l, n, fl__load_hint(l, "did you mean '%s/%u'?", text, out->prefix), "'%.80s' has bits set behind its prefix", n->text);
		return false;
	}
	return true;
}

void fl__value_networks(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	struct fl_cfg_network *v;
	size_t i = 0;

	if (!fl__value_is_list(l, k, n) || !(v = fl__load_array(l, n->n, sizeof(*v))))
		return;
	for (const struct fl_yaml_node *c = n->first; c; c = c->next)
		if (!network_parse(l, c, &v[i++]))
			return;
	if (i == 0)
		fl__load_error(l, n, NULL, "'%s' is empty", fl__key_name(k));
	fl__value_store_array(l, k, n, base, v, i);
}

enum { ADDRESSES_MAX = 8 };

/* One, or a list. */
void fl__value_addresses(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	size_t count = n->kind == FL_YAML_SCALAR ? 1 : n->n, i = 0;
	struct fl_cfg_address *v;

	if ((n->kind != FL_YAML_SCALAR && !fl__value_is_list(l, k, n)) || !(v = fl__load_array(l, count, sizeof(*v))))
		return;
	for (const struct fl_yaml_node *c = n->kind == FL_YAML_SCALAR ? n : n->first; c; c = n->kind == FL_YAML_SCALAR ? NULL : c->next, i++) {
		v[i].v6 = strchr(c->text, ':') != NULL;
		if (inet_pton(v[i].v6 ? AF_INET6 : AF_INET, c->text, v[i].addr) != 1) {
			fl__load_error(l, c, "as \"192.0.2.80\" or \"2001:db8::80\"; a name belongs in block_override_domain", "'%.80s' is no address", c->text);
			break;
		}
	}
	if (count == 0 || count > ADDRESSES_MAX)
		fl__load_error(l, n, NULL, count ? "'%s' has more than %d addresses" : "'%s' is empty", fl__key_name(k), ADDRESSES_MAX);
	fl__value_store_array(l, k, n, base, v, i < count || count > ADDRESSES_MAX ? 0 : count); /* what is wrong is there all the same */
}

void fl__value_brokers(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	struct fl_buf all = { 0 };
	char *text;

	if (n->kind == FL_YAML_SCALAR && n->text[0] == '\0') { /* the default */
		fl__value_store_text(l, k, n, base, "");
		return;
	}
	if (!fl__value_is_list(l, k, n))
		return;
	for (const struct fl_yaml_node *c = n->first; c; c = c->next) {
		const char *colon = strrchr(c->text, ':');
		uint64_t port;

		if (!colon || colon == c->text || strpbrk(c->text, ", \t/") || !fl_u64_parse(fl_span_str(colon + 1), &port) || port == 0 || port > 65535)
			fl__load_error(l, c, "as \"kafka1.example:9092\"", "'%.80s' is no host:port", c->text);
		fl_buf_printf(&all, "%s%s", all.n ? "," : "", c->text);
	}
	fl_buf_str(&all, "");
	text = fl_buf_cstr(&all);
	fl__value_store_text(l, k, n, base, text ? text : "");
	fl_buf_done(&all);
}

/* Printable ASCII without spaces; secrets do not belong in URLs, so none is ever shown by status or log. */
static bool url_clean(const char *s)
{
	for (; *s; s++)
		if ((uint8_t)*s <= 0x20 || (uint8_t)*s >= 0x7f)
			return false;
	return true;
}

void fl__value_redis(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n);

	if (!s)
		return;
	if (strncmp(s, "rediss://", 9) == 0)
		fl__load_error(l, n, "use a Unix socket (unix:///run/redis/redis.sock), or redis:// through a TLS tunnel on this host",
			       "TLS to Redis is not in this build: its hiredis has none");
	else if (s[0] && strncmp(s, "redis://", 8) != 0 && strncmp(s, "unix:///", 8) != 0)
		fl__load_error(l, n, "as redis://host:6379/0 or unix:///path", "'%.80s' is no Redis URL", s);
	else if (strchr(s, '@'))
		fl__load_error(l, n, "use redis.username and redis.password_file", "credentials in a URL");
	else if (!url_clean(s))
		fl__load_error(l, n, NULL, "the URL has characters that must be escaped");
	else
		fl__value_store_text(l, k, n, base, s);
}

void fl__value_url(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n), *rest, *at;

	if (!s)
		return;
	rest = strncasecmp(s, "https://", 8) == 0 ? s + 8 : strncasecmp(s, "http://", 7) == 0 ? s + 7 : NULL;
	at = rest ? strchr(rest, '@') : NULL;
	if (s[0] == '\0') {
		fl__value_store_text(l, k, n, base, "");
		return;
	}
	if (!rest || *rest == '\0' || *rest == '/')
		fl__load_error(l, n, s[0] == '/' ? "did you mean 'path'?" : "as https://feeds.example/list.txt", "'%.100s' is no http or https URL", s);
	else if (at && (size_t)(at - rest) < strcspn(rest, "/?#"))
		fl__load_error(l, n, "use headers_file: {Authorization: /path/to/file}", "credentials in a URL");
	else if (!url_clean(s) || strlen(s) > 2000)
		fl__load_error(l, n, NULL, "the URL is too long, or has characters that must be escaped");
	fl__value_store_text(l, k, n, base, s);
}
