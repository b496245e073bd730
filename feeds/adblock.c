/* Adblock filters, resolved. In the format an exception wins at any depth, a rule with $important wins over those without,
 * $denyallow holds a rule off below some names, and $badfilter switches a rule off. A set knows one rule only: the nearest
 * entry decides, an exception in its own entry. So the reader finds out, for every name that a rule speaks of, what the
 * format would answer there, for the name and for what is below it, and gives on only the claims that say so:
 *
 *   1 badfilter rules remove their likes
 *   2 the rest is sorted by name, parents first, and walked with the stack of open ancestors; a frame counts the rules
 *     of each class that hold below its name
 *   3 important exception > important block > exception > block: a claim that loses at its name is dropped as disabled
 *   4 each name of a $denyallow takes its rule off the count, and becomes an exception where nothing else blocks it
 *
 * Why nearest-wins then agrees: a rule that loses at its name loses to one that holds there from above, so the nearest
 * entry that is left above gives the same answer. O(n log n), one record a rule. A body without '$' and '@@' has nothing
 * to resolve, and is streamed. Start at fl__adblock_read(). */
#include "feeds/reader.h"

enum class { BLOCK, EXCEPTION, IMPORTANT_BLOCK, IMPORTANT_EXCEPTION, CLASSES };

struct record {
	struct fl_span text, name; /* in the body */
	uint64_t identity;
	uint32_t key_off, line;
	uint8_t key_len, scope, class;
	bool mark; /* a name of the rule's $denyallow */
};

struct filter {
	struct fl__reader *r;
	struct record *v;
	size_t n, cap;
	struct fl_buf keys;
	uint64_t *bad; /* identities of badfilter rules */
	size_t bad_n, bad_cap;
};

/* What holds below one open ancestor. */
struct frame {
	struct fl_span key;
	int64_t below[CLASSES];
};

static struct fl_span record_key(const struct filter *f, const struct record *rec)
{
	return fl_span(f->keys.p + rec->key_off, rec->key_len);
}

static bool grow(void *pv, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? *cap * 2 : 256;
	void *v;

	if (n < *cap)
		return true;
	v = reallocarray(*(void **)pv, more, size);
	if (!v)
		return false;
	*(void **)pv = v;
	*cap = more;
	return true;
}

static int record_add(struct filter *f, const struct record *rec, const struct fl_rkey *key)
{
	if (f->keys.n > UINT32_MAX - FL_RKEY_MAX)
		return fl_err_set(f->r->err, FL_ELIMIT, "line %u: more names than a reader can hold", rec->line);
	if (!grow(&f->v, &f->cap, f->n, sizeof(*f->v)))
		return fl_err_set(f->r->err, FL_ENOMEM, "out of memory");
	f->v[f->n] = *rec;
	f->v[f->n].key_off = (uint32_t)f->keys.n;
	f->v[f->n].key_len = key->len;
	fl_buf_add(&f->keys, key->b, key->len);
	if (f->keys.failed)
		return fl_err_set(f->r->err, FL_ENOMEM, "out of memory");
	f->n++;
	return 0;
}

/* The caller's canonical form, or lower case for ASCII; *as_is: no key, but normalize/ may know what to do with it. */
static enum fl_drop canon(const struct fl_feed_options *opt, struct fl_span name, struct fl_rkey *out, bool *as_is)
{
	uint8_t text[FL_DNAME_MAX];

	*as_is = false;
	if (opt->canon)
		return opt->canon(opt->canon_ctx, name, out);
	*as_is = true;
	if (name.n > sizeof(text))
		return FL_DROP_TOO_LONG;
	for (size_t i = 0; i < name.n; i++)
		text[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 32 : name.p[i];
	return fl_rkey_from_text(fl_span(text, name.n), out) && out->len ? FL_DROP_COUNT : FL_DROP_BAD_LABEL;
}

/* The keys of a $denyallow, sorted, without those below another one: each takes the rule off once. A text that is no
 * name (lists put remarks there) matches nothing. Returns their number. */
struct denied {
	struct fl_rkey key;
	struct fl_span name;
};

static int denied_cmp(const void *a, const void *b)
{
	return fl_rkey_cmp(fl_rkey_span(&((const struct denied *)a)->key), fl_rkey_span(&((const struct denied *)b)->key));
}

static size_t denied_read(const struct fl_feed_options *opt, struct fl_span list, struct denied *out)
{
	size_t n = 0, kept = 0;
	bool as_is;

	while (list.n) {
		const uint8_t *bar = memchr(list.p, '|', list.n);
		struct fl_span one = fl_span(list.p, bar ? (size_t)(bar - list.p) : list.n);

		list = bar ? fl_span(bar + 1, list.n - one.n - 1) : fl_span(NULL, 0);
		out[n].name = one;
		if (one.n && canon(opt, one, &out[n].key, &as_is) == FL_DROP_COUNT)
			n++;
	}
	qsort(out, n, sizeof(*out), denied_cmp);
	for (size_t i = 0; i < n; i++)
		if (!kept || !fl_rkey_below_or_at(fl_rkey_span(&out[i].key), fl_rkey_span(&out[kept - 1].key)))
			out[kept++] = out[i];
	return kept;
}

/* Marks for the names that a rule does not hold for; *void_rule when that is all of it. */
static int denyallow_add(struct filter *f, const struct record *rule, const struct fl_rkey *key, struct fl_span list,
			 bool *void_rule)
{
	struct denied *d = calloc(list.n / 2 + 1, sizeof(*d));
	struct fl_span top = fl_rkey_span(key);
	size_t n;
	int ret = 0;

	if (!d)
		return fl_err_set(f->r->err, FL_ENOMEM, "out of memory");
	n = denied_read(f->r->opt, list, d);
	for (size_t i = 0; i < n && !*void_rule; i++)
		*void_rule = fl_rkey_below_or_at(top, fl_rkey_span(&d[i].key));
	for (size_t i = 0; i < n && ret == 0 && !*void_rule && (rule->scope & FL_SCOPE_SUBDOMAINS); i++) {
		struct record mark = *rule;

		if (!fl_rkey_below_or_at(fl_rkey_span(&d[i].key), top))
			continue;
		mark.mark = true;
		mark.name = d[i].name;
		ret = record_add(f, &mark, &d[i].key);
	}
	free(d);
	return ret;
}

static uint8_t scope_bits(enum class c, uint8_t scope)
{
	return c == EXCEPTION || c == IMPORTANT_EXCEPTION ? (uint8_t)(scope << 2) : scope;
}

/* One rule into the records; a name without a key goes on as it stands, unresolved. */
static int rule_add(struct filter *f, struct fl_span text, const struct fl__rule *rule)
{
	struct record rec = { .text = text, .name = rule->name, .identity = rule->identity, .line = f->r->line,
			      .scope = rule->scope,
			      .class = (uint8_t)((rule->exception ? EXCEPTION : BLOCK) +
						 (rule->important ? IMPORTANT_BLOCK : 0)) };
	struct fl_rkey key;
	bool as_is, void_rule = false;
	enum fl_drop why = canon(f->r->opt, rule->name, &key, &as_is);
	int ret;

	if (why != FL_DROP_COUNT && as_is) {
		f->r->result->lines.out++;
		return fl__reader_claim(f->r, f->r->line, rule->name, scope_bits(rec.class, rule->scope));
	}
	if (why != FL_DROP_COUNT) {
		fl__reader_drop(f->r, f->r->line, text, why);
		return 0;
	}
	ret = rule->denyallow.n ? denyallow_add(f, &rec, &key, rule->denyallow, &void_rule) : 0;
	if (ret < 0)
		return ret;
	if (void_rule) {
		fl__reader_drop(f->r, f->r->line, text, FL_DROP_DISABLED);
		return 0;
	}
	return record_add(f, &rec, &key);
}

static int bad_add(struct filter *f, uint64_t identity)
{
	if (!grow(&f->bad, &f->bad_cap, f->bad_n, sizeof(*f->bad)))
		return fl_err_set(f->r->err, FL_ENOMEM, "out of memory");
	f->bad[f->bad_n++] = identity;
	return 0;
}

static int u64_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void bad_remove(struct filter *f)
{
	size_t kept = 0;

	if (!f->bad_n)
		return;
	qsort(f->bad, f->bad_n, sizeof(*f->bad), u64_cmp);
	for (size_t i = 0; i < f->n; i++) {
		const struct record *rec = &f->v[i];

		if (!bsearch(&rec->identity, f->bad, f->bad_n, sizeof(*f->bad), u64_cmp))
			f->v[kept++] = *rec;
		else if (!rec->mark)
			fl__reader_drop(f->r, rec->line, rec->text, FL_DROP_DISABLED);
	}
	f->n = kept;
}

static int record_cmp(const void *a, const void *b, void *ctx)
{
	const struct record *x = a, *y = b;
	int c = fl_rkey_cmp(record_key(ctx, x), record_key(ctx, y));

	if (c == 0)
		c = (x->line > y->line) - (x->line < y->line);
	return c ? c : (int)x->mark - (int)y->mark;
}

static bool blocks(const int64_t count[CLASSES])
{
	if (count[IMPORTANT_EXCEPTION] > 0)
		return false;
	return count[IMPORTANT_BLOCK] > 0 || (count[EXCEPTION] <= 0 && count[BLOCK] > 0);
}

static bool is_block_class(uint8_t c)
{
	return c == BLOCK || c == IMPORTANT_BLOCK;
}

/* What the records of one name add to the counts for the name itself and for what is below. */
static void node_count(const struct record *v, size_t n, int64_t self[CLASSES], int64_t below[CLASSES])
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].mark) {
			self[v[i].class]--;
			below[v[i].class]--;
			continue;
		}
		self[v[i].class] += (v[i].scope & FL_SCOPE_EXACT) != 0;
		below[v[i].class] += (v[i].scope & FL_SCOPE_SUBDOMAINS) != 0;
	}
}

static int record_emit(struct filter *f, const struct record *rec, bool self_blocked, bool below_blocked)
{
	uint8_t blocked = (uint8_t)((self_blocked ? FL_SCOPE_EXACT : 0) | (below_blocked ? FL_SCOPE_SUBDOMAINS : 0));
	uint8_t open = (uint8_t)(FL_SCOPE_SUBTREE & ~blocked), scope;
	bool block = is_block_class(rec->class);

	if (rec->mark) /* the other way round: off a block it is an exception, off an exception a block */
		scope = block ? (uint8_t)(open << 2) : blocked;
	else
		scope = scope_bits(rec->class, rec->scope & (block ? blocked : open));
	if (scope == 0) {
		if (!rec->mark)
			fl__reader_drop(f->r, rec->line, rec->text, FL_DROP_DISABLED);
		return 0;
	}
	f->r->result->lines.out += !rec->mark;
	return fl__reader_claim(f->r, rec->line, rec->name, scope);
}

/* Sorted records, name by name, parents first. */
static int walk(struct filter *f)
{
	struct frame stack[FL_LABELS_MAX + 2];
	size_t depth = 0, i = 0;

	while (i < f->n) {
		struct fl_span key = record_key(f, &f->v[i]);
		struct frame *top;
		int64_t self[CLASSES] = { 0 };
		size_t j = i;
		int ret = 0;

		while (depth && !fl_rkey_below_or_at(key, stack[depth - 1].key))
			depth--;
		if (depth)
			memcpy(self, stack[depth - 1].below, sizeof(self));
		top = &stack[depth++];
		top->key = key;
		memcpy(top->below, self, sizeof(self));
		while (j < f->n && fl_span_eq(record_key(f, &f->v[j]), key))
			j++;
		node_count(f->v + i, j - i, self, top->below);
		for (; i < j && ret == 0; i++)
			ret = record_emit(f, &f->v[i], blocks(self), blocks(top->below));
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int collect(struct filter *f, bool stream)
{
	struct fl__reader *r = f->r;
	struct fl_span text;
	int ret = 0;

	while (ret == 0 && fl__reader_line(r, &text)) {
		struct fl__rule rule;
		enum fl_drop why = fl__adblock_rule(text, r->opt->scope, &rule);

		if (why != FL_DROP_COUNT) {
			fl__reader_drop(r, r->line, text, why);
			if (rule.badfilter)
				ret = bad_add(f, rule.identity);
		} else if (stream) {
			r->result->lines.out++;
			ret = fl__reader_claim(r, r->line, rule.name, rule.scope);
		} else
			ret = rule_add(f, text, &rule);
	}
	return ret;
}

int fl__adblock_read(struct fl__reader *r)
{
	struct filter f = { .r = r };
	bool stream = !memchr(r->body.p, '$', r->body.n) && !memmem(r->body.p, r->body.n, "@@", 2);
	int ret = collect(&f, stream);

	if (ret == 0 && !stream) {
		bad_remove(&f);
		if (f.n)
			qsort_r(f.v, f.n, sizeof(*f.v), record_cmp, &f);
		ret = walk(&f);
	}
	free(f.v);
	free(f.bad);
	fl_buf_done(&f.keys);
	return ret;
}
