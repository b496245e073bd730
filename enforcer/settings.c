/* The settings of one configuration, as answers want them. Made off the answer path, swapped under RCU. */
#include "enforcer/server_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"

/* Who may ask when nothing is said: loopback, private, link-local and unique local addresses, and the shared ones behind a carrier's NAT. */
static const struct fl_cfg_network near[] = {
	{ .addr = { 127 }, .prefix = 8 },
	{ .addr = { 10 }, .prefix = 8 },
	{ .addr = { 172, 16 }, .prefix = 12 },
	{ .addr = { 192, 168 }, .prefix = 16 },
	{ .addr = { 169, 254 }, .prefix = 16 },
	{ .addr = { 100, 64 }, .prefix = 10 },
	{ .v6 = true, .addr = { [15] = 1 }, .prefix = 128 },
	{ .v6 = true, .addr = { 0xfc }, .prefix = 7 },
	{ .v6 = true, .addr = { 0xfe, 0x80 }, .prefix = 10 },
};

static bool keys_of(const char *const *names, size_t n, struct fl_rkey **out, size_t *count)
{
	*out = calloc(n + 1, sizeof(**out));
	for (size_t i = 0; *out && i < n; i++)
		if (fl_rkey_from_text(fl_span_str(names[i]), &(*out)[*count]))
			(*count)++;
	return *out;
}

static bool zones_of(const struct fl_config *c, struct fl__settings *s)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_upstreams; i++)
		n += c->upstreams[i].n_zones;
	s->zones = calloc(n + 1, sizeof(*s->zones));
	for (size_t i = 0; s->zones && i < c->n_upstreams; i++)
		for (size_t k = 0; k < c->upstreams[i].n_zones; k++)
			if (fl_rkey_from_text(fl_span_str(c->upstreams[i].zones[k]), &s->zones[s->n_zones]))
				s->n_zones++;
	return s->zones;
}

static bool read_secret(struct fl_span *rest, uint8_t out[16])
{
	const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	struct fl_span line = fl_span_trim(fl_span(rest->p, end ? (size_t)((const uint8_t *)end - rest->p) : rest->n));

	*rest = end ? fl_span((const uint8_t *)end + 1, rest->n - (size_t)((const uint8_t *)end + 1 - rest->p)) : fl_span(NULL, 0);
	return line.n == 32 && fl_unhex(line, out, 16);
}

/* One secret, or two: the one in use, and the one before (RFC 9018, 5). */
static int secrets_of(const char *path, struct fl__cookie_key *key, struct fl_err *err)
{
	uint8_t text[128];
	struct fl_span rest;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (n < 0) {
		int ret = fl_err_set(err, FL_ECONFIG, "cookies.secret_file '%s': %s", path, strerror(errno));

		if (fd >= 0)
			close(fd);
		return ret;
	}
	close(fd);
	rest = fl_span(text, (size_t)n);
	if (!read_secret(&rest, key->secret))
		return fl_err_set(err, FL_ECONFIG, "cookies.secret_file '%s': 32 hexadecimal digits a line are wanted", path);
	memcpy(key->before, key->secret, sizeof(key->before));
	if (fl_span_trim(rest).n && !read_secret(&rest, key->before))
		return fl_err_set(err, FL_ECONFIG, "cookies.secret_file '%s': its second line has not 32 hexadecimal digits", path);
	return 0;
}

static uint16_t keepalive_of(const struct fl_config *c)
{
	int64_t ms = 10000;

	for (size_t i = 0; i < c->n_listens; i++)
		if (c->listens[i].tcp && c->listens[i].idle_timeout_ms)
			ms = c->listens[i].idle_timeout_ms;
	return (uint16_t)(ms / 100 > UINT16_MAX ? UINT16_MAX : ms / 100 < 1 ? 1 : ms / 100);
}

static void scalars_of(const struct fl_config *c, struct fl__settings *s)
{
	snprintf(s->contact, sizeof(s->contact), "%s", c->ede_contact ? c->ede_contact : "");
	s->ede.text = c->ede_text;
	s->ede.contact = s->contact;
	s->drop_others = c->drop_others;
	s->per_client = c->rate.per_client;
	s->burst = c->rate.burst ? c->rate.burst : 2 * c->rate.per_client;
	s->prefix_v4 = c->rate.ipv4_prefix;
	s->prefix_v6 = c->rate.ipv6_prefix;
	s->cookies = c->cookies;
	s->keepalive = keepalive_of(c);
	s->special_names = c->special_names;
	s->doh_canary = c->doh_canary;
	s->rebinding = c->rebinding;
	s->prefetch = c->prefetch;
	s->block_ttl = c->block_ttl;
}

struct fl__settings *fl__settings_new(const struct fl_config *c, const uint8_t secret[16], struct fl_err *err)
{
	struct fl__settings *s = calloc(1, sizeof(*s));
	bool given = c->n_allowed_clients;

	if (!s) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		return NULL;
	}
	scalars_of(c, s);
	memcpy(s->cookie_key.secret, secret, 16);
	memcpy(s->cookie_key.before, secret, 16);
	if (!fl__ranges_init(&s->allowed, given ? c->allowed_clients : near, given ? c->n_allowed_clients : sizeof(near) / sizeof(near[0])) ||
	    !fl__ranges_init(&s->exempt, c->rate.exempt, c->rate.n_exempt) || !zones_of(c, s) ||
	    !keys_of(c->rebinding_allow, c->n_rebinding_allow, &s->inside, &s->n_inside)) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		goto fail;
	}
	if (c->cookies && c->cookie_secret_file && c->cookie_secret_file[0] && secrets_of(c->cookie_secret_file, &s->cookie_key, err) < 0)
		goto fail;
	return s;
fail:
	fl__settings_free(s);
	return NULL;
}

void fl__settings_free(struct fl__settings *s)
{
	if (!s)
		return;
	fl__ranges_done(&s->allowed);
	fl__ranges_done(&s->exempt);
	free(s->zones);
	free(s->inside);
	free(s);
}
