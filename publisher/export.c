/* The joint verdict of a list's sources, name by name in sort order, and the account of what a format made of it.
 *
 * Sort order walks the tree of names from the top, parents first, so the listed ancestors of a name are a stack:
 *
 *   frame of a listed name: for each source, is what is below covered?   (the nearest entry with such a bit: DESIGN.md 1)
 *                           what the text says of what is below
 *
 * A list covers a part when any of its sources does. A name whose verdict the text already gives by an ancestor needs no line. */
#include "publisher/export_int.h"

#include <assert.h>
#include <stdlib.h>

#include "base/time.h"

struct input {
	struct fl_entry_iter *it;
	struct fl_entry e;
	bool live;
};

struct frame {
	uint8_t key_len;
	uint8_t said; /* below: FL__BOTH or 0 */
	int8_t level;
};

enum { FRAMES = FL_LABELS_MAX + 2 };
enum state { HEAD, BODY, FOOT, ENDED };

struct fl_export {
	const struct fl__format *f;
	const struct fl_list_version *v;
	struct fl__out o;
	struct fl_export_report report;
	enum state state;
	struct fl_rkey at; /* the name under way; frames are of prefixes of it */
	bool begun;
	struct frame frames[FRAMES];
	size_t depth;
	uint8_t *below; /* FRAMES rows of n octets: is it covered by source i? */
	size_t n;
	struct input in[];
};

static const struct fl__format formats[] = {
	{ "domains", "#", false, false, NULL, fl__domains_node },
	{ "hosts", "#", true, false, NULL, fl__hosts_node },
	{ "adblock", "!", false, false, fl__adblock_head, fl__adblock_node },
	{ "dnsmasq", "#", false, false, NULL, fl__dnsmasq_node },
	{ "unbound", "#", false, false, fl__unbound_head, fl__unbound_node },
	{ "rpz", ";", false, true, fl__rpz_head, fl__rpz_node },
};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

const char *const *fl_export_formats(void)
{
	static const char *names[FORMATS + 1];

	for (size_t i = 0; i < FORMATS; i++)
		names[i] = formats[i].name;
	return names;
}

static const struct {
	const char *word, *text;
} reasons[] = {
#define FL_X(name, word, text) [name] = { word, text },
	FL_EXPORT_REASONS(FL_X)
#undef FL_X
};

const char *fl_export_reason_word(enum fl_export_reason r)
{
	return reasons[r].word;
}

const char *fl_export_reason_text(enum fl_export_reason r)
{
	return reasons[r].text;
}

const char *fl_export_effect_word(enum fl_export_effect e)
{
	static const char *const words[] = { "widened", "narrowed", "dropped" };

	return words[e];
}

uint64_t fl_export_lost(const struct fl_export_report *r)
{
	uint64_t n = 0;

	for (int e = 0; e < FL_EXPORT_EFFECTS; e++)
		for (int w = 0; w < FL_LOST_COUNT; w++)
			n += r->lost[e][w].count;
	return n;
}

void fl__rule(struct fl__out *o, struct fl_span key, const char *before, const char *after)
{
	char name[FL_NAME_TEXT];

	fl_buf_str(o->buf, before);
	fl_buf_str(o->buf, fl_rkey_to_text(key, name));
	fl_buf_str(o->buf, after);
	fl_buf_u8(o->buf, '\n');
	o->rules++;
}

/* --- the joint verdict --- */

static uint8_t *row(struct fl_export *x, size_t frame)
{
	return x->below + frame * x->n;
}

/* Frames of names that `key` is not below leave; those left are its listed ancestors. The last one is its parent's say. */
static void unwind(struct fl_export *x, struct fl_span key)
{
	while (x->depth && !(x->frames[x->depth - 1].key_len < key.n && fl_rkey_below_or_at(key, fl_span(x->at.b, x->frames[x->depth - 1].key_len))))
		x->depth--;
}

/* One source's entry for the name: gives the parts it covers, and keeps what it says of what is below. bits 0: it has no entry. */
static uint8_t source_says(uint8_t bits, uint8_t *below)
{
	uint8_t inherited = *below;
	uint8_t self = bits & FL_SCOPE_EXCEPT_EXACT ? 0 : bits & FL_SCOPE_EXACT ? 1 : inherited;

	*below = bits & FL_SCOPE_EXCEPT_SUBDOMAINS ? 0 : bits & FL_SCOPE_SUBDOMAINS ? 1 : inherited;
	return (uint8_t)((self ? FL__SELF : 0) | (*below ? FL__BELOW : 0));
}

static int pull(struct input *in, struct fl_span at, struct fl_err *err)
{
	int ret = in->it->next(in->it, &in->e, err);

	in->live = ret == 1;
	if (ret == 1 && fl_rkey_cmp(in->e.key, at) <= 0)
		return fl_err_set(err, FL_ECORRUPT, "a source's names are out of order");
	return ret < 0 ? ret : 0;
}

/* All sources' entries for the name x->at: verdict of its parts, and in *speaks the parts that an entry speaks for. */
static int join(struct fl_export *x, uint8_t *want, uint8_t *speaks, struct fl_err *err)
{
	struct fl_span key = fl_rkey_span(&x->at);
	uint8_t *below = row(x, x->depth);

	if (x->depth)
		memcpy(below, row(x, x->depth - 1), x->n);
	else
		memset(below, 0, x->n);
	*want = *speaks = 0;
	for (size_t i = 0; i < x->n; i++) {
		uint8_t bits = 0;

		if (x->in[i].live && fl_span_eq(x->in[i].e.key, key)) {
			int ret;

			bits = x->in[i].e.t.scope;
			ret = pull(&x->in[i], key, err);
			if (ret < 0)
				return ret;
		}
		*want |= source_says(bits, &below[i]);
		*speaks |= (uint8_t)((bits & FL_SCOPE_SELF_BITS ? FL__SELF : 0) | (bits & FL_SCOPE_BELOW_BITS ? FL__BELOW : 0));
	}
	if (key.n == 0) /* no format has a rule for the name of the root; what it says of all names is said for both */
		*want = *want & FL__BELOW ? FL__BOTH : 0;
	return 0;
}

/* --- the account --- */

static void lose(struct fl_export *x, enum fl_export_effect e, enum fl_export_reason why)
{
	struct fl_export_loss *l = &x->report.lost[e][why];

	if (l->count < FL_EXPORT_EXAMPLES)
		l->example[l->count] = x->at;
	l->count++;
}

/* Parts that no entry of the name speaks for count only if a line of the name changed them: else they are an ancestor's loss. */
static void account(struct fl_export *x, const struct fl__node *n, uint8_t said, uint8_t speaks)
{
	uint8_t mine = speaks | (said ^ n->inherited), over = said & (uint8_t)~n->want & mine, under = n->want & (uint8_t)~said & mine;

	if (over)
		lose(x, FL_EXPORT_WIDENED, n->why);
	else if (under)
		lose(x, said == n->inherited ? FL_EXPORT_DROPPED : FL_EXPORT_NARROWED, n->why);
	else if (said == n->inherited)
		x->report.covered++;
	else
		x->report.said++;
}

static int name(struct fl_export *x, struct fl_span key, struct fl_err *err)
{
	struct fl__node n = { 0 };
	const struct frame *up;
	uint8_t speaks, said;
	int ret;

	unwind(x, key);
	fl_rkey_set(&x->at, key);
	x->report.names++;
	ret = join(x, &n.want, &speaks, err);
	if (ret < 0)
		return ret;
	up = x->depth ? &x->frames[x->depth - 1] : NULL;
	n.key = fl_rkey_span(&x->at);
	n.inherited = up && !x->f->flat ? up->said : 0;
	n.level = up ? up->level : -1;
	said = n.want == n.inherited ? n.inherited : x->f->node(&x->o, &n);
	account(x, &n, said, speaks);
	x->frames[x->depth++] = (struct frame){ x->at.len, said & FL__BELOW ? FL__BOTH : 0, n.level };
	return 0;
}

static struct input *lowest(struct fl_export *x)
{
	struct input *best = NULL;

	for (size_t i = 0; i < x->n; i++)
		if (x->in[i].live && (!best || fl_rkey_cmp(x->in[i].e.key, best->e.key) < 0))
			best = &x->in[i];
	return best;
}

/* --- head and foot --- */

static void head(struct fl_export *x, struct fl_buf *out)
{
	const struct fl_list_version *v = x->v;
	const char *c = x->f->comment;
	char when[FL_TIME_TEXT], chain[17];

	fl_buf_printf(out, "%s list %s@%llu as %s, by fireline\n", c, v->list, (unsigned long long)v->id.number, x->f->name);
	fl_buf_printf(out, "%s chain %s\n", c, fl_hex(v->id.chain, 8, chain));
	fl_buf_printf(out, "%s time %s\n", c, fl_time_format(v->at, when));
	fl_buf_printf(out, "%s entries %llu in %u sources\n", c, (unsigned long long)v->names, v->n_inputs);
	if (x->f->head)
		x->f->head(out, v);
}

/* A line stays under 1,024 octets: dnsmasq cuts longer ones in two, and reads the rest as an option. */
static void loss_line(struct fl_export *x, struct fl_buf *out, enum fl_export_effect e, enum fl_export_reason why)
{
	const struct fl_export_loss *l = &x->report.lost[e][why];
	char text[FL_NAME_TEXT];

	fl_buf_printf(out, "%s loss {\"effect\":\"%s\",\"reason\":\"%s\",\"count\":%llu,\"examples\":[", x->f->comment, fl_export_effect_word(e), fl_export_reason_word(why),
		      (unsigned long long)l->count);
	for (size_t i = 0; i < l->count && i < FL_EXPORT_EXAMPLES; i++)
		fl_buf_printf(out, "%s\"%s\"", i ? "," : "", fl_rkey_to_text(fl_rkey_span(&l->example[i]), text));
	fl_buf_str(out, "]}\n");
}

static void foot(struct fl_export *x, struct fl_buf *out)
{
	const struct fl_export_report *r = &x->report;

	for (int e = 0; e < FL_EXPORT_EFFECTS; e++)
		for (int w = 0; w < FL_LOST_COUNT; w++)
			if (r->lost[e][w].count)
				loss_line(x, out, (enum fl_export_effect)e, (enum fl_export_reason)w);
	fl_buf_printf(out, "%s end {\"list\":\"%s\",\"version\":%llu,\"format\":\"%s\",\"names\":%llu,\"said\":%llu,\"covered\":%llu,\"lost\":%llu,\"rules\":%llu}\n",
		      x->f->comment, x->v->list, (unsigned long long)x->v->id.number, x->f->name, (unsigned long long)r->names, (unsigned long long)r->said,
		      (unsigned long long)r->covered, (unsigned long long)fl_export_lost(r), (unsigned long long)r->rules);
}

/* --- the stream --- */

/* Names until one has written something. */
static int body(struct fl_export *x, struct fl_buf *out, struct fl_err *err)
{
	size_t before = out->n;
	struct input *in;

	while (out->n == before && (in = lowest(x))) {
		struct fl_rkey key;
		int ret;

		fl_rkey_set(&key, in->e.key); /* the span is its stream's, which moves on */
		ret = name(x, fl_rkey_span(&key), err);
		if (ret < 0)
			return ret;
	}
	x->report.rules = x->o.rules;
	return out->n != before;
}

int fl_export_next(struct fl_export *x, struct fl_buf *out, struct fl_err *err)
{
	int ret = 0;

	x->o.buf = out;
	if (x->state == HEAD) {
		head(x, out);
		x->state = BODY;
		ret = 1;
	} else if (x->state == BODY) {
		ret = body(x, out, err);
		if (ret == 0)
			x->state = FOOT;
	}
	if (ret == 0 && x->state == FOOT) {
		foot(x, out);
		x->state = ENDED;
		ret = 1;
	}
	if (ret >= 0 && out->failed)
		ret = fl_err_set(err, FL_ENOMEM, "out of memory");
	if (ret < 0)
		x->state = ENDED;
	return ret;
}

const struct fl_export_report *fl_export_report(const struct fl_export *x)
{
	return &x->report;
}

const char *fl_export_comment(const struct fl_export *x)
{
	return x->f->comment;
}

void fl_export_close(struct fl_export *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->n; i++)
		fl_entries_close(x->in[i].it);
	free(x->below);
	free(x);
}

/* --- beginning --- */

static const struct fl__format *format_named(const char *name, struct fl_err *err)
{
	for (size_t i = 0; name && i < FORMATS; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	fl_err_set(err, FL_EUSAGE, "no format '%s': domains, hosts, adblock, dnsmasq, unbound or rpz", name ? name : "");
	return NULL;
}

static int zone_octets(const struct fl__format *f, struct fl_span zone, unsigned *out, struct fl_err *err)
{
	struct fl_dname d;

	*out = FL_EXPORT_ZONE_DEFAULT_OCTETS;
	if (zone.n == 0)
		return 0;
	if (!f->takes_zone)
		return fl_err_set(err, FL_EUSAGE, "a zone is rpz's; %s has none", f->name);
	if (!fl_dname_from_text(zone, &d))
		return fl_err_set(err, FL_EUSAGE, "'%.*s' is no name of a zone", (int)(zone.n < 200 ? zone.n : 200), (const char *)zone.p);
	*out = d.len;
	return 0;
}

static struct fl_export *export_new(size_t n)
{
	struct fl_export *x = calloc(1, sizeof(*x) + n * sizeof(x->in[0]));

	if (x)
		x->below = malloc(FRAMES * (n ? n : 1));
	if (!x || !x->below) {
		free(x);
		return NULL;
	}
	x->n = n;
	return x;
}

/* The first name of each stream. The root is an empty key, so no key is below it to compare with: the first is taken as it comes. */
static int first_names(struct fl_export *x, struct fl_err *err)
{
	for (size_t i = 0; i < x->n; i++) {
		int ret = x->in[i].it->next(x->in[i].it, &x->in[i].e, err);

		if (ret < 0)
			return ret;
		x->in[i].live = ret == 1;
	}
	return 0;
}

int fl_export_open(const struct fl_export_config *c, struct fl_entry_iter *const *take_inputs, size_t n, struct fl_export **out, struct fl_err *err)
{
	struct fl_export *x = export_new(n);
	int ret = 0;

	if (!x) {
		for (size_t i = 0; i < n; i++)
			fl_entries_close(take_inputs[i]);
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n; i++)
		x->in[i].it = take_inputs[i];
	x->v = c->version;
	x->f = format_named(c->format, err);
	ret = x->f ? zone_octets(x->f, c->zone, &x->o.zone_octets, err) : FL_EUSAGE;
	if (ret == 0)
		ret = first_names(x, err);
	if (ret < 0) {
		fl_export_close(x);
		return ret;
	}
	*out = x;
	return 0;
}
