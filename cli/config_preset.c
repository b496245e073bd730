/* feeds[].preset: a definition that is shipped stands where the feed has none of its own. A key that is set wins, always. */
#include "cli/config_table.h"

#include "feeds/catalog.h"

enum { PRESETS_MAX = 128 };

static const struct fl_preset *preset_named(struct fl__load *l, const struct fl_cfg_feed *f)
{
	const struct fl_preset *p = fl_preset_find(f->preset);
	const char *names[PRESETS_MAX], *hint;
	size_t n = 0;

	if (p)
		return p;
	for (; n < PRESETS_MAX && fl_preset_at(n); n++)
		names[n] = fl_preset_at(n)->name;
	hint = fl__load_suggest(l, f->preset, names, n);
	fl__load_error(l, fl__load_node(l, &f->preset), hint ? hint : "`fireline feed presets` lists them", "there is no preset '%.80s'", f->preset);
	return NULL;
}

/* A key that stands in the URL itself; the word for it is no key. */
static void want_key(struct fl__load *l, const struct fl_yaml_node *at, const struct fl_preset *p)
{
	fl__load_error(l, at, fl__load_hint(l, "url: \"%s\", with your key for %s", p->url, FL_PRESET_KEY), "the provider of '%s' wants a key in the url", p->name);
}

static void fill_url(struct fl__load *l, struct fl_cfg_feed *f, const struct fl_preset *p)
{
	if (fl__load_node(l, &f->url) || fl__load_node(l, &f->path)) /* a copy at another place, or on disk */
		return;
	f->url = fl__load_str(l, p->url);
	if (fl_preset_keyed_url(p))
		want_key(l, fl__load_node(l, &f->preset), p);
	else if (p->terms == FL_TERMS_KEY && !f->n_headers)
		fl__load_error(l, fl__load_node(l, &f->preset), "headers_file: {Auth-Key: /path/to/file}", "the provider of '%s' wants a key", p->name);
}

static void fill_format(struct fl__load *l, struct fl_cfg_feed *f, const struct fl_preset *p)
{
	enum fl_format format;

	if (fl__load_node(l, &f->format))
		return;
	if (fl_preset_format(p, &format))
		f->format = (int)format;
	else
		fl__load_error(l, fl__load_node(l, &f->preset), NULL, "preset '%s' has the format %s, which this build does not read", p->name, p->format);
}

/* A provider that is asked too often shuts the door. */
static void check_every(struct fl__load *l, const struct fl_cfg_feed *f, const struct fl_preset *p)
{
	char every[16];

	if (f->path[0] || f->every_ms >= (int64_t)p->every_s * 1000 || strcmp(f->url, p->url) != 0)
		return;
	fl__load_warn(l, fl__load_node(l, &f->every_ms), fl__load_hint(l, "every: %s", fl_preset_every(p, every)), "feed '%s' is asked more often than its provider wishes",
		      f->name);
}

void fl__preset_fill(struct fl__load *l, struct fl_cfg_feed *f)
{
	const struct fl_preset *p = f->preset[0] ? preset_named(l, f) : NULL, *of_url = f->url[0] ? fl_preset_of_url(f->url) : NULL;

	if (of_url && fl_preset_keyed_url(of_url))
		want_key(l, fl__load_node(l, &f->url), of_url);
	if (!p)
		return;
	fill_url(l, f, p);
	fill_format(l, f, p);
	if (!fl__load_node(l, &f->scope))
		f->scope = p->scope;
	if (!fl__load_node(l, &f->every_ms))
		f->every_ms = (int64_t)p->every_s * 1000;
	if (!fl__load_node(l, &f->category))
		f->category = p->category;
	if (!fl__load_node(l, &f->min_names))
		f->min_names = p->min_names;
	if (!fl__load_node(l, &f->licence))
		f->licence = fl__load_str(l, p->licence);
	check_every(l, f, p);
}
