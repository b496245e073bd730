/* Which claims policy makes of a finding (docs/formats/findings.md). In this order, the first that fits decides:
 *
 *   sample                     never blocks: ignored, or an alert where the operator wants to see drills
 *   echo of our own export     ignored: a list must not confirm itself
 *   below min_severity         ignored, unless it withdraws
 *   not valid yet              ignored, unless it withdraws
 *   the operator's rules, then the table below, by type
 *
 * Types that nobody has heard of alert: a new detector is news, not yet a reason to break a name. The plain form, foreign JSON that was mapped, and STIX
 * indicators are somebody's own word on a name, so they block; never what is protected. Start at fl_finding_claims(). */
#include "normalize/normalize.h"

#include "base/text.h"

enum { SCOPE_AUTO, SCOPE_EXACT, SCOPE_REGISTRABLE, TYPE_MAX = 128 };

const char *fl_finding_action_word(enum fl_finding_action a)
{
	static const char *const words[] = { "block", "alert", "ignore" };

	return words[a];
}

/* '/' and '-' are one: Security Hub writes Backdoor:EC2-C&CActivity.B!DNS. */
static const struct fl_finding_rule builtin[] = {
	/* one label of thousands is no use: the registrable domain, and never blocked without a person's word */
	{ "*DNSDataExfiltration*", FL_FINDING_ALERT, SCOPE_REGISTRABLE, 0, NULL },
	/* a score, not a sighting */
	{ "*:*/SuspiciousDomainRequest.Reputation*", FL_FINDING_ALERT, SCOPE_EXACT, 0, NULL },
	{ "*:*/AbusedDomainRequest.Reputation*", FL_FINDING_ALERT, SCOPE_EXACT, 0, NULL },
	/* the answer is the evil, the name may be anyone's */
	{ "*:*/MetadataDNSRebind*", FL_FINDING_ALERT, SCOPE_EXACT, 0, NULL },
	/* sinkholed already */
	{ "*:*/BlackholeTraffic*", FL_FINDING_ALERT, SCOPE_EXACT, 0, NULL },
	{ "*:*/C&CActivity.*", FL_FINDING_BLOCK, SCOPE_EXACT, 0, NULL },
	{ "*:*/BitcoinTool.*", FL_FINDING_BLOCK, SCOPE_EXACT, 0, NULL },
	{ "*:*/BitcoinDomainRequest.*", FL_FINDING_BLOCK, SCOPE_EXACT, 0, NULL },
	{ "*:*/MaliciousDomainRequest.*", FL_FINDING_BLOCK, SCOPE_EXACT, 0, NULL },
	{ "*:*/DGADomainRequest.*", FL_FINDING_BLOCK, SCOPE_EXACT, 0, NULL },
	{ "*:*/DriveBySourceTraffic*", FL_FINDING_BLOCK, SCOPE_EXACT, 0, NULL },
	{ "*:*/DropPoint*", FL_FINDING_BLOCK, SCOPE_EXACT, 0, NULL },
	{ "*:*/PhishingDomainRequest*", FL_FINDING_BLOCK, SCOPE_EXACT, 0, NULL },
	{ "AttackSequence:*", FL_FINDING_BLOCK, SCOPE_EXACT, 0, NULL },
	/* what another firewall matched: its list may be a walled garden's, where every name is */
	{ "DNSFirewall:*", FL_FINDING_ALERT, SCOPE_EXACT, 0, NULL },
	{ "STIX:benign", FL_FINDING_IGNORE, SCOPE_EXACT, 0, NULL },
	{ "STIX:anomalous-activity", FL_FINDING_ALERT, SCOPE_EXACT, 0, NULL },
	{ "STIX:unknown", FL_FINDING_ALERT, SCOPE_EXACT, 0, NULL },
};
static const struct fl_finding_rule own_word = { "*", FL_FINDING_BLOCK, SCOPE_EXACT, 0, NULL };
static const struct fl_finding_rule unheard_of = { "*", FL_FINDING_ALERT, SCOPE_EXACT, 0, NULL };

static void fold(const char *s, char out[TYPE_MAX])
{
	size_t i;

	for (i = 0; i + 1 < TYPE_MAX && s[i]; i++)
		out[i] = s[i] == '/' ? '-' : s[i];
	out[i] = '\0';
}

static bool rule_fits(const struct fl_finding_rule *r, const char *folded_type)
{
	char glob[TYPE_MAX];

	fold(r->type, glob);
	return fl_glob(glob, folded_type);
}

static bool is_own_word(const struct fl_finding *f)
{
	static const char *const shapes[] = { "plain", "mapped", "stix" };

	for (size_t i = 0; f->shape && i < sizeof(shapes) / sizeof(*shapes); i++)
		if (strcmp(f->shape, shapes[i]) == 0)
			return true;
	return false;
}

static const struct fl_finding_rule *builtin_find(const struct fl_finding *f, const char *folded_type)
{
	for (size_t i = 0; i < sizeof(builtin) / sizeof(*builtin); i++)
		if (rule_fits(&builtin[i], folded_type))
			return &builtin[i];
	return is_own_word(f) ? &own_word : &unheard_of;
}

static const struct fl_finding_rule *rule_find(const struct fl_finding *f, const struct fl_finding_policy *p)
{
	char type[TYPE_MAX];

	fold(f->type ? f->type : "", type);
	for (size_t i = 0; i < p->n_rules; i++)
		if (rule_fits(&p->rules[i], type))
			return &p->rules[i];
	return builtin_find(f, type);
}

/* Of a rule that leaves it to the type, the scope is the type's own. */
static int rule_scope(const struct fl_finding *f, const struct fl_finding_rule *r)
{
	char type[TYPE_MAX];

	fold(f->type ? f->type : "", type);
	return r->scope == SCOPE_AUTO ? builtin_find(f, type)->scope : r->scope;
}

static bool is_echo(const struct fl_finding *f, const struct fl_finding_policy *p)
{
	for (uint32_t i = 0; i < f->n_threat_lists; i++)
		for (size_t k = 0; k < p->n_own_lists; k++)
			if (strcmp(f->threat_lists[i], p->own_lists[k]) == 0)
				return true;
	return false;
}

/* Why the whole finding makes no claim; FL_DROP_COUNT when it may. */
static enum fl_drop finding_refused(const struct fl_finding *f, const struct fl_finding_policy *p, const struct fl_finding_rule *rule, fl_unix_us now)
{
	struct fl_claim *c;

	if (!f->id || strlen(f->id) >= sizeof(c->finding))
		return FL_DROP_MALFORMED; /* cut short, two findings could become one */
	if (f->sample && p->ignore_samples)
		return FL_DROP_SAMPLE;
	if (is_echo(f, p))
		return FL_DROP_IGNORED;
	if (!f->archived && !(f->severity >= p->min_severity))
		return FL_DROP_LOW_SEVERITY;
	if (rule->action == FL_FINDING_IGNORE)
		return FL_DROP_IGNORED;
	if (f->n_domains == 0)
		return f->no_domain ? f->no_domain : FL_DROP_NO_DOMAIN;
	return !f->archived && f->not_before > now ? FL_DROP_NOT_YET : FL_DROP_COUNT;
}

/* Cuts at a whole character, so that what is stored stays UTF-8. */
static void text_copy(char *out, size_t cap, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n >= cap) {
		n = cap - 1;
		while (n && ((uint8_t)s[n] & 0xc0) == 0x80)
			n--;
	}
	if (n)
		memcpy(out, s, n);
	out[n] = '\0';
}

/* Canonical key and scope of one domain of the finding; the suffix rules of feeds hold here too. */
static enum fl_drop claim_name(const struct fl_names *n, const char *domain, int scope, struct fl_claim *c)
{
	struct fl_span text = fl_span_str(domain), top;
	bool narrowed;
	enum fl_drop why;

	c->scope = FL_SCOPE_EXACT;
	why = fl_name_claim(n, text, &c->scope, &narrowed, &c->key);
	if (why != FL_DROP_COUNT || scope != SCOPE_REGISTRABLE)
		return why;
	if (!fl_name_registrable(n, fl_rkey_span(&c->key), &top))
		return FL_DROP_PRIVATE_SUFFIX;
	c->key.len = (uint8_t)top.n;
	c->scope = FL_SCOPE_SUBTREE;
	return FL_DROP_COUNT;
}

static bool claim_known(const struct fl_finding_claims *out, const struct fl_claim *c)
{
	for (size_t i = 0; i < out->n; i++)
		if (strcmp(out->v[i].id, c->id) == 0)
			return true;
	return false;
}

static fl_unix_us claim_expiry(const struct fl_finding *f, const struct fl_finding_policy *p,
			       const struct fl_finding_rule *rule, fl_unix_us now)
{
	int64_t ttl_ms = rule->ttl_ms ? rule->ttl_ms : p->ttl_ms;

	if (f->expires_at)
		return f->expires_at;
	if (ttl_ms <= 0)
		return 0;
	return ttl_ms > (INT64_MAX - now) / 1000 ? INT64_MAX : now + ttl_ms * 1000;
}

static void claim_fill(struct fl_claim *c, const struct fl_finding *f, const char *source, fl_unix_us now,
		       fl_unix_us expires_at)
{
	text_copy(c->source, sizeof(c->source), source);
	text_copy(c->finding, sizeof(c->finding), f->id);
	text_copy(c->type, sizeof(c->type), f->type);
	text_copy(c->reason, sizeof(c->reason), f->reason);
	c->state = f->archived ? FL_CLAIM_WITHDRAWN : FL_CLAIM_ACTIVE;
	c->severity = f->severity;
	c->updated_at = f->updated_at;
	c->seen_at = now;
	c->expires_at = expires_at;
	fl_claim_id(c);
}

/* What is made of one finding, while it is made. */
struct making {
	const struct fl_names *names;
	const struct fl_finding *f;
	const struct fl_finding_policy *p;
	int scope;
	const char *source;
	fl_unix_us now, expires_at;
	struct fl_finding_claims made;
	struct fl_tally *tally;
};

static void hold(struct making *m, const char *domain, enum fl_drop why, const struct fl_claim *claim, const struct fl_protected_name *protects)
{
	struct fl_finding_held *h = &m->made.held[m->made.n_held++];

	h->domain = domain;
	h->why = m->made.why = why;
	if (protects) {
		h->claim = *claim;
		h->protects = protects;
	}
}

static void claim_make(struct making *m, const char *domain)
{
	const struct fl_finding *f = m->f;
	const struct fl_protected_name *protects = NULL;
	struct fl_claim c = { 0 };
	enum fl_drop why = claim_name(m->names, domain, m->scope, &c);

	if (why == FL_DROP_COUNT)
		claim_fill(&c, f, m->source, m->now, m->expires_at);
	if (why == FL_DROP_COUNT && claim_known(&m->made, &c))
		why = FL_DROP_DUPLICATE;
	if (why == FL_DROP_COUNT && !f->archived && m->expires_at && m->expires_at <= m->now)
		why = FL_DROP_EXPIRED;
	if (why == FL_DROP_COUNT && !f->archived && m->p->protect && m->made.action == FL_FINDING_BLOCK)
		protects = fl_protect_claim(m->p->protect, fl_rkey_span(&c.key), c.scope);
	if (protects)
		why = FL_DROP_PROTECTED;
	m->tally->in++;
	if (why != FL_DROP_COUNT) {
		m->tally->dropped[why]++;
		hold(m, domain, why, &c, protects);
		return;
	}
	m->tally->out++;
	m->made.domains[m->made.n] = domain;
	m->made.v[m->made.n++] = c;
}

int fl_finding_claims(const struct fl_names *n, const struct fl_finding *f, const struct fl_finding_policy *p,
		      const char *source, fl_unix_us now, struct fl_arena *arena, struct fl_finding_claims *out,
		      struct fl_tally *tally)
{
	const struct fl_finding_rule *rule = rule_find(f, p);
	struct making m = { .names = n, .f = f, .p = p, .scope = rule_scope(f, rule), .source = source, .now = now, .expires_at = claim_expiry(f, p, rule, now), .tally = tally };
	uint32_t domains = f->n_domains ? f->n_domains : 1;
	enum fl_drop why = finding_refused(f, p, rule, now);

	m.made.action = f->sample && rule->action == FL_FINDING_BLOCK ? FL_FINDING_ALERT : rule->action;
	m.made.into = m.made.action == FL_FINDING_BLOCK ? p->into : p->alert_into;
	if (rule->into && rule->into[0] && m.made.action == rule->action)
		m.made.into = rule->into;
	m.made.v = fl_arena_array(arena, domains, sizeof(*m.made.v));
	m.made.domains = fl_arena_array(arena, domains, sizeof(*m.made.domains));
	m.made.held = fl_arena_array(arena, domains, sizeof(*m.made.held));
	if (!m.made.v || !m.made.domains || !m.made.held)
		return FL_ENOMEM;
	if (why != FL_DROP_COUNT) {
		tally->in += domains;
		tally->dropped[why] += domains;
		hold(&m, NULL, why, NULL, NULL);
	} else
		for (uint32_t i = 0; i < f->n_domains; i++)
			claim_make(&m, f->domains[i]);
	if (m.made.n)
		m.made.why = FL_DROP_COUNT;
	*out = m.made;
	return 0;
}
