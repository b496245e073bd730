/* RPZ (draft-vixie-dnsop-dns-rpz-00, 4.1.1 QNAME triggers): x CNAME . is x itself, *.x CNAME . is what is below, CNAME rpz-passthru. an exception.
 *
 * The zone is DNS, so a wildcard stops at any name that exists, and a name exists when anything below it does (RFC 4592, 2.2.2 and 3.3.1). With *.x and c.b.x in one
 * zone, b.x exists, has no data, and a.b.x meets no wildcard. So below a wildcard nothing is written that it covers already, and what must be written (an exception)
 * gets each name between made an owner of both records, as the wildcard would have it:
 *
 *   *.x CNAME .     b.x CNAME .  *.b.x CNAME .     c.b.x CNAME rpz-passthru.  *.c.b.x CNAME rpz-passthru.
 *
 * This also holds for servers that look for the wildcards of all ancestors in turn, or of one neighbour in sort order: every name on the path says its own. Owners
 * are relative, without $ORIGIN, so that the zone's name is the server's configuration. */
#include "publisher/export_int.h"

enum { OWNER_OCTETS_MAX = 255, STAR_OCTETS = 2 };

/* The serial is the version (RFC 1982 arithmetic on its low 32 bits): a rollback is a version too, so it goes up. */
void fl__rpz_head(struct fl_buf *out, const struct fl_list_version *v)
{
	fl_buf_str(out, "$TTL 30\n");
	fl_buf_printf(out, "@ IN SOA fireline.invalid. fireline.invalid. %u 3600 600 604800 30\n", (unsigned)(uint32_t)v->id.number);
	fl_buf_str(out, "@ IN NS fireline.invalid.\n");
}

/* The last label of a trigger that is no QNAME (draft 4.1.2 to 4.1.5): 24.0.2.0.192.rpz-ip speaks of addresses. */
static bool other_trigger(struct fl_span key)
{
	static const char *const tops[] = { "rpz-ip", "rpz-client-ip", "rpz-nsip", "rpz-nsdname" };

	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
		if (key.n > strlen(tops[i]) && memcmp(key.p, tops[i], strlen(tops[i]) + 1) == 0)
			return true;
	return false;
}

static void record(struct fl__out *o, struct fl_span key, bool below, bool block)
{
	const char *after = block ? " CNAME ." : " CNAME rpz-passthru.";

	if (key.n == 0) {
		fl_buf_printf(o->buf, "*%s\n", after);
		o->rules++;
	} else {
		fl__rule(o, key, below ? "*." : "", after);
	}
}

/* Owners that the key is not below are forgotten; it becomes the path that is_made speaks of. */
static void path_to(struct fl__out *o, struct fl_span key)
{
	size_t same = 0;

	while (same < key.n && same < o->made.len && key.p[same] == o->made.b[same])
		same++;
	memset(o->is_made + same + 1, 0, sizeof(o->is_made) - same - 1);
	/* "com\0a" and "com\0ab" share octets within a label, and no name ends there */
	fl_rkey_set(&o->made, key);
}

/* Each name between the nearest owner above and the key, top down. */
static void owners_between(struct fl__out *o, struct fl_span key)
{
	size_t at = fl_rkey_parent(key).n;

	while (at && !o->is_made[at])
		at = fl_rkey_parent(fl_span(key.p, at)).n;
	for (at++; at < key.n; at++) {
		struct fl_span name = fl_span(key.p, at);

		if (key.p[at - 1] != 0)
			continue;
		record(o, name, false, true);
		record(o, name, true, true);
		o->is_made[at] = 1;
	}
}

static uint8_t owner(struct fl__out *o, struct fl__node *n)
{
	bool star = n->key.n + STAR_OCTETS + o->zone_octets <= OWNER_OCTETS_MAX;

	path_to(o, n->key);
	if (n->inherited && n->key.n)
		owners_between(o, n->key);
	o->is_made[n->key.n] = 1;
	if (n->key.n && (n->want & FL__SELF || n->inherited))
		record(o, n->key, false, n->want & FL__SELF);
	if (star && (n->want & FL__BELOW || n->inherited))
		record(o, n->key, true, n->want & FL__BELOW);
	n->why = FL_LOST_LENGTH;
	return star ? n->want : n->want & FL__SELF;
}

uint8_t fl__rpz_node(struct fl__out *o, struct fl__node *n)
{
	n->why = other_trigger(n->key) ? FL_LOST_RESERVED : FL_LOST_LENGTH;
	if (n->why == FL_LOST_RESERVED || n->key.n + o->zone_octets > OWNER_OCTETS_MAX)
		return n->inherited;
	return owner(o, n);
}
