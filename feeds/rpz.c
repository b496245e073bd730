/* A response policy zone as text (docs/formats/feeds.md): a master file (RFC 1035, 5.1) whose owners are triggers.
 *
 *   x       CNAME .                x itself           *.x   CNAME .     what is below x
 *   x       CNAME rpz-passthru.    an exception       32.1.2.0.192.rpz-ip CNAME .   about addresses: counted
 *
 * The file is cut into entries here, and ldns reads the names and data of one entry at a time: given the file, it would
 * take one parenthesis that nobody closed for the rest of it. An entry that cannot be read costs its first line, no
 * more. The owner of the SOA is the top of the zone, else the first $ORIGIN, else the root: published lists have no
 * SOA, and often no origin. Start at fl__rpz_read(). */
#include "feeds/reader.h"

#include <ldns/ldns.h>

struct entry {
	size_t len, end; /* of the text; where the next one starts in the body */
	uint32_t lines;
	bool owner; /* it has one of its own */
};

struct zone {
	struct fl__reader *r;
	ldns_rdf *origin, *top, *owner; /* owner: of the last record, NULL when that could not be read */
	bool top_known;
	char text[FL__LINE_MAX + 1]; /* of the entry: no comment, no parenthesis, one line */
};

static const struct action {
	const char *target;
	uint8_t shift; /* of the scope: 0 a block, 2 an exception */
	enum fl_drop why;
} actions[] = {
	{ ".", 0, FL_DROP_COUNT },                      /* NXDOMAIN */
	{ "*.", 0, FL_DROP_COUNT },                     /* NODATA */
	{ "rpz-drop.", 0, FL_DROP_COUNT },              /* no answer */
	{ "rpz-passthru.", 2, FL_DROP_COUNT },          /* the rules end here */
	{ "rpz-tcp-only.", 0, FL_DROP_NOT_APPLICABLE }, /* asked again over TCP, and answered */
};
static const char *const other_triggers[] = { "rpz-ip", "rpz-client-ip", "rpz-nsip", "rpz-nsdname" };
/* Types that are part of any zone, and no rules. */
static const char *const zone_types[] = { "SOA", "NS",     "DNAME",      "RRSIG", "NSEC",    "NSEC3",
					  "DS",  "DNSKEY", "NSEC3PARAM", "CDS",   "CDNSKEY", "ZONEMD" };

static bool one_of(struct fl_span word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fl__word_is(word, words[i]))
			return true;
	return false;
}

/* The entry at the reader's place into z->text. False when it does not end: e then is its first line. */
static enum fl_drop entry_cut(struct zone *z, struct entry *e)
{
	const struct fl_span body = z->r->body;
	bool open = false, quoted = false;
	size_t i = z->r->pos, n = 0;
	enum fl_drop why = FL_DROP_SYNTAX;

	*e = (struct entry){ .lines = 1, .owner = body.p[i] != ' ' && body.p[i] != '\t' };
	for (; i < body.n && n < FL__LINE_MAX; i++) {
		char c = (char)body.p[i];

		if (c == '\n' && !open) {
			why = quoted ? FL_DROP_SYNTAX : FL_DROP_COUNT;
			break;
		}
		if (c == '\0' || (c == '\n' && quoted) || (c == '(' && open && !quoted) ||
		    (c == ')' && !open && !quoted))
			goto out;
		if (c == ';' && !quoted) {
			while (i + 1 < body.n && body.p[i + 1] != '\n')
				i++;
			continue;
		}
		e->lines += c == '\n';
		if (c == '"')
			quoted = !quoted;
		if (!quoted && (c == '(' || c == ')'))
			open = c == '(';
		z->text[n++] = !quoted && strchr("()\r\n", c) ? ' ' : c;
		if (c == '\\' && i + 1 < body.n && body.p[i + 1] != '\n' && body.p[i + 1] && n < FL__LINE_MAX)
			z->text[n++] = (char)body.p[++i];
	}
	if (i == body.n && !open && !quoted)
		why = FL_DROP_COUNT;
	else if (n == FL__LINE_MAX && e->lines == 1)
		why = FL_DROP_LINE_TOO_LONG;
out:
	z->text[n] = '\0';
	e->len = n;
	e->end = i < body.n ? i + 1 : i;
	return why;
}

/* Gives up all but the first line of an entry. */
static void entry_first_line(const struct zone *z, struct entry *e)
{
	const uint8_t *start = z->r->body.p + z->r->pos, *nl = memchr(start, '\n', z->r->body.n - z->r->pos);

	e->lines = 1;
	e->end = nl ? (size_t)(nl + 1 - z->r->body.p) : z->r->body.n;
}

static enum fl_drop status_drop(ldns_status s)
{
	switch (s) {
	case LDNS_STATUS_DOMAINNAME_OVERFLOW:
		return FL_DROP_TOO_LONG;
	case LDNS_STATUS_LABEL_OVERFLOW:
	case LDNS_STATUS_EMPTY_LABEL:
	case LDNS_STATUS_DDD_OVERFLOW:
		return FL_DROP_BAD_LABEL;
	default:
		return FL_DROP_SYNTAX;
	}
}

/* A name of the file, absolute; *out is the caller's to free. */
static enum fl_drop name_read(const struct zone *z, struct fl_span tok, ldns_rdf **out)
{
	char text[FL__LINE_MAX + 1];
	ldns_status s;

	*out = NULL;
	if (tok.n == 0 || tok.n >= sizeof(text))
		return FL_DROP_SYNTAX;
	memcpy(text, tok.p, tok.n);
	text[tok.n] = '\0';
	if (strcmp(text, "@") == 0) {
		*out = ldns_rdf_clone(z->origin);
		return *out ? FL_DROP_COUNT : FL_DROP_SYNTAX;
	}
	s = ldns_str2rdf_dname(out, text);
	if (s == LDNS_STATUS_OK && !ldns_dname_str_absolute(text))
		s = ldns_dname_cat(*out, z->origin);
	if (s == LDNS_STATUS_OK)
		return FL_DROP_COUNT;
	ldns_rdf_deep_free(*out);
	*out = NULL;
	return status_drop(s);
}

/* The labels of an owner in front of the zone's, with dots between; "" for the top itself. */
static enum fl_drop trigger_text(const struct zone *z, const ldns_rdf *owner, char out[256])
{
	uint8_t labels = ldns_dname_label_count(owner), top = ldns_dname_label_count(z->top);
	const uint8_t *p = ldns_rdf_data(owner);
	size_t n = 0;

	out[0] = '\0';
	if (ldns_dname_compare(owner, z->top) != 0 && !ldns_dname_is_subdomain(owner, z->top))
		return FL_DROP_OUT_OF_ZONE;
	for (uint8_t i = top; i < labels; i++, p += 1 + *p) {
		if (memchr(p + 1, '.', *p) || memchr(p + 1, '\0', *p))
			return FL_DROP_BAD_LABEL; /* one label that reads like two */
		if (n)
			out[n++] = '.';
		memcpy(out + n, p + 1, *p);
		n += *p;
		out[n] = '\0';
	}
	return FL_DROP_COUNT;
}

/* Is any label of it the mark of a trigger on addresses or name servers? */
static bool is_other_trigger(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, ".");

		if (one_of(fl_span(text, n), other_triggers, sizeof(other_triggers) / sizeof(*other_triggers)))
			return true;
		text += n + (text[n] == '.');
	}
	return false;
}

/* Name and scope of a QNAME trigger. */
static enum fl_drop trigger_read(const char *text, struct fl_span *name, uint8_t *scope)
{
	*scope = FL_SCOPE_EXACT;
	if (!*text)
		return FL_DROP_NOT_APPLICABLE; /* the top of the zone */
	if (is_other_trigger(text))
		return FL_DROP_TRIGGER;
	*name = fl_span_str(text);
	if (name->n > 2 && text[0] == '*' && text[1] == '.') {
		*name = fl_span_str(text + 2);
		*scope = FL_SCOPE_SUBDOMAINS;
	}
	return fl__token_judge(*name);
}

/* A CNAME of its own name is how exceptions were written first. */
static bool is_own_name(const ldns_rdf *target, const char *trigger)
{
	ldns_rdf *own = NULL;
	bool same = ldns_str2rdf_dname(&own, trigger) == LDNS_STATUS_OK && ldns_dname_compare(target, own) == 0;

	ldns_rdf_deep_free(own);
	return same;
}

static enum fl_drop cname_read(const struct zone *z, struct fl_span rdata, const char *trigger, uint8_t *scope)
{
	ldns_rdf *target = NULL;
	struct fl_span tok, more;
	enum fl_drop why = FL_DROP_MAPPING, said;
	char *text;

	if (!fl__token(&rdata, &tok) || fl__token(&rdata, &more))
		return FL_DROP_SYNTAX;
	said = name_read(z, tok, &target);
	if (said != FL_DROP_COUNT)
		return said;
	text = ldns_rdf2str(target);
	for (size_t i = 0; text && i < sizeof(actions) / sizeof(*actions); i++) {
		if (strcasecmp(text, actions[i].target) != 0)
			continue;
		why = actions[i].why;
		*scope = (uint8_t)(*scope << actions[i].shift);
	}
	if (why == FL_DROP_MAPPING && is_own_name(target, trigger)) {
		why = FL_DROP_COUNT;
		*scope = (uint8_t)(*scope << 2);
	}
	free(text);
	ldns_rdf_deep_free(target);
	return why;
}

/* The first SOA settles where the zone begins. */
static void top_set(struct zone *z, const ldns_rdf *name)
{
	ldns_rdf *top = z->top_known ? NULL : ldns_rdf_clone(name);

	if (!top)
		return;
	ldns_rdf_deep_free(z->top);
	z->top = top;
}

/* What a record behind its owner says: FL_DROP_COUNT and a claim, or why none. */
static enum fl_drop record_read(struct zone *z, struct fl_span rest, char trigger[256], struct fl_span *name,
				uint8_t *scope)
{
	struct fl_span type;
	char word[32];
	enum fl_drop why;

	if (!fl__record_type(&rest, &type) || type.n >= sizeof(word))
		return FL_DROP_SYNTAX;
	memcpy(word, type.p, type.n);
	word[type.n] = '\0';
	if (ldns_get_rr_type_by_name(word) == 0)
		return FL_DROP_SYNTAX;
	if (fl__word_is(type, "SOA")) {
		top_set(z, z->owner);
		z->top_known = true;
	}
	if (one_of(type, zone_types, sizeof(zone_types) / sizeof(*zone_types)))
		return FL_DROP_NOT_APPLICABLE;
	why = trigger_text(z, z->owner, trigger);
	if (why == FL_DROP_COUNT)
		why = trigger_read(trigger, name, scope);
	if (why != FL_DROP_COUNT)
		return why;
	if (fl__word_is(type, "CNAME"))
		return cname_read(z, rest, trigger, scope);
	return fl__record_is_sinkhole(type, rest) ? FL_DROP_COUNT : FL_DROP_MAPPING;
}

static enum fl_drop directive_read(struct zone *z, struct fl_span rest)
{
	struct fl_span word, value, more;
	bool first = !z->owner && ldns_dname_label_count(z->top) == 0;
	ldns_rdf *origin;
	enum fl_drop why;

	fl__token(&rest, &word);
	if (fl__word_is(word, "$GENERATE"))
		return FL_DROP_PATTERN;
	if (fl__word_is(word, "$TTL"))
		return FL_DROP_NOT_APPLICABLE;
	if (!fl__word_is(word, "$ORIGIN") || !fl__token(&rest, &value) || fl__token(&rest, &more))
		return FL_DROP_SYNTAX;
	why = name_read(z, value, &origin);
	if (why != FL_DROP_COUNT)
		return why;
	ldns_rdf_deep_free(z->origin);
	z->origin = origin;
	if (first)
		top_set(z, origin);
	return FL_DROP_NOT_APPLICABLE;
}

static enum fl_drop owner_read(struct zone *z, struct fl_span *rest)
{
	struct fl_span tok;
	ldns_rdf *owner;
	enum fl_drop why;

	fl__token(rest, &tok);
	why = name_read(z, tok, &owner);
	ldns_rdf_deep_free(z->owner);
	z->owner = owner;
	return why;
}

/* One entry: FL_DROP_COUNT and a claim, or why none. */
static enum fl_drop entry_read(struct zone *z, const struct entry *e, char trigger[256], struct fl_span *name,
			       uint8_t *scope)
{
	struct fl_span rest = fl_span_trim(fl_span(z->text, e->len));
	enum fl_drop why;

	if (rest.n == 0)
		return FL_DROP_COMMENT;
	if (rest.p[0] == '$')
		return directive_read(z, rest);
	if (e->owner) {
		why = owner_read(z, &rest);
		if (why != FL_DROP_COUNT)
			return why;
	}
	return z->owner ? record_read(z, rest, trigger, name, scope) : FL_DROP_SYNTAX;
}

/* Every line of an entry shares its fate. */
static int entry_account(struct zone *z, const struct entry *e, enum fl_drop why, struct fl_span name, uint8_t scope)
{
	struct fl__reader *r = z->r;
	const uint8_t *start = r->body.p + r->pos, *nl = memchr(start, '\n', e->end - r->pos);
	struct fl_span first = fl_span_trim(fl_span(start, nl ? (size_t)(nl - start) : e->end - r->pos));
	uint32_t line = r->line + 1;
	int ret = 0;

	r->pos = e->end;
	r->line += e->lines;
	r->result->lines.in += e->lines;
	if (why == FL_DROP_COUNT) {
		ret = fl__reader_claim(r, line, name, scope);
		r->result->lines.out += ret == 0 ? e->lines : 0;
		return ret;
	}
	fl__reader_drop(r, line, first, why);
	for (uint32_t i = 1; i < e->lines; i++)
		r->result->lines.dropped[why]++;
	return 0;
}

bool fl__rpz_looks(struct fl_span text)
{
	struct fl_span owner, type, data;

	if (!fl__token(&text, &owner) || owner.p[0] == '$' || !fl__record_type(&text, &type) ||
	    !fl__token(&text, &data))
		return false;
	return fl__word_is(type, "CNAME") || fl__word_is(type, "SOA") || fl__word_is(type, "NS");
}

int fl__rpz_read(struct fl__reader *r)
{
	struct zone z = { .r = r };
	char trigger[256];
	int ret = 0;

	z.origin = ldns_dname_new_frm_str(".");
	z.top = ldns_dname_new_frm_str(".");
	if (!z.origin || !z.top)
		ret = fl_err_set(r->err, FL_ENOMEM, "out of memory");
	while (ret == 0 && r->pos < r->body.n && !r->over) {
		struct fl_span name = { 0 };
		struct entry e;
		uint8_t scope = 0;
		enum fl_drop why = entry_cut(&z, &e);

		if (why == FL_DROP_COUNT)
			why = entry_read(&z, &e, trigger, &name, &scope);
		if (why == FL_DROP_SYNTAX || why == FL_DROP_LINE_TOO_LONG)
			entry_first_line(&z, &e);
		ret = entry_account(&z, &e, why, name, scope);
		r->over = r->pos < r->body.n && r->line >= FL__LINES_MAX;
	}
	ldns_rdf_deep_free(z.origin);
	ldns_rdf_deep_free(z.top);
	ldns_rdf_deep_free(z.owner);
	return ret;
}
