/* The timer is the monotonic clock: the wall clock is asked once, at the start, what is left, and then may jump. */
#include "enforcer/bypass.h"

#include "base/text.h"

static const char file[] = "bypass.json";

static int save(struct fl_bypasses *b, struct fl_err *err)
{
	struct fl_buf text = { 0 };
	int ret;

	fl_bypass_encode(b->v, b->n, &text);
	ret = text.failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : fl_disk_replace(b->state, file, fl_buf_span(&text), err);
	fl_buf_done(&text);
	if (ret == 0)
		b->problem[0] = '\0';
	return ret;
}

static void remove_at(struct fl_bypasses *b, size_t i)
{
	b->n--;
	memmove(&b->v[i], &b->v[i + 1], (b->n - i) * sizeof(b->v[0]));
}

/* A clock that went back while we were away must not prolong it: what is left is never more than the whole. */
static void start_timers(struct fl_bypasses *b)
{
	fl_unix_us wall = fl_now_unix(b->clock);
	fl_mono_ns now = fl_now_mono(b->clock);

	for (size_t i = 0; i < b->n; i++) {
		fl_unix_us left = b->v[i].until - wall, whole = b->v[i].until - b->v[i].since, most = FL_BYPASS_LONGEST_MS * INT64_C(1000);

		whole = whole > most ? most : whole;
		left = left > whole ? whole : left;
		b->v[i].ends = left > 0 ? now + left * 1000 : now;
	}
}

void fl_bypasses_open(struct fl_bypasses *b, struct fl_disk *state, struct fl_clock *clock)
{
	struct fl_buf text = { 0 };
	struct fl_err err = { 0 };
	int ret;

	*b = (struct fl_bypasses){ .state = state, .clock = clock };
	ret = state->ops->read(state, file, FL_BYPASS_FILE_MAX, &text, &err);
	if (ret == 0)
		ret = fl_bypass_decode(fl_buf_span(&text), b->v, &b->n, &err);
	fl_buf_done(&text);
	if (ret == FL_EFORMAT || ret == FL_ELIMIT)
		state->ops->rename(state, file, "bypass.json.bad", NULL);
	if (ret < 0) {
		b->n = 0;
		if (ret != FL_ENOTFOUND)
			snprintf(b->problem, sizeof(b->problem), "%s%s: %.100s", file, ret == FL_EIO ? "" : " set aside", err.text);
	}
	start_timers(b);
}

static const struct fl_bypass *find(const struct fl_bypasses *b, const char *association)
{
	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->v[i].association, association) == 0)
			return &b->v[i];
	return NULL;
}

static bool configured(const struct fl_config *c, const char *association)
{
	for (size_t i = 0; i < c->n_associations; i++)
		if (strcmp(c->associations[i].name, association) == 0)
			return true;
	return association[0] == '\0';
}

int fl_bypasses_on(struct fl_bypasses *b, const struct fl_config *cfg, const char *association, int64_t for_ms, const char *actor, const char *reason,
		   const struct fl_bypass **out, struct fl_err *err)
{
	const struct fl_bypass *old = find(b, association);
	size_t at = old ? (size_t)(old - b->v) : b->n;
	struct fl_bypass was;
	int ret;

	if (!configured(cfg, association))
		return fl_err_set(err, FL_ENOTFOUND, "there is no association '%.80s'", association);
	if (for_ms < FL_BYPASS_LEAST_MS || for_ms > FL_BYPASS_LONGEST_MS)
		return fl_err_set(err, FL_EUSAGE, "a bypass ends by itself: 1s to 7d");
	if (!reason[0] || strlen(reason) >= FL_BYPASS_REASON)
		return fl_err_set(err, FL_EUSAGE, "a reason of 1 to %d octets is wanted", FL_BYPASS_REASON - 1);
	if (at == FL_BYPASS_MAX)
		return fl_err_set(err, FL_ELIMIT, "more than %d bypasses at once; end one, or bypass every client", FL_BYPASS_MAX);
	was = b->v[at];
	b->v[at] = (struct fl_bypass){ .since = fl_now_unix(b->clock), .ends = fl_now_mono(b->clock) + for_ms * FL_NS_PER_MS };
	b->v[at].until = b->v[at].since + for_ms * 1000;
	snprintf(b->v[at].association, sizeof(b->v[at].association), "%s", association);
	snprintf(b->v[at].actor, sizeof(b->v[at].actor), "%s", actor);
	snprintf(b->v[at].reason, sizeof(b->v[at].reason), "%s", reason);
	b->n += !old;
	ret = save(b, err);
	if (ret < 0) {
		b->n -= !old;
		b->v[at] = was;
		return ret;
	}
	*out = &b->v[at];
	return 0;
}

static void forget(struct fl_bypasses *b, size_t i)
{
	struct fl_err err = { 0 };

	remove_at(b, i);
	if (save(b, &err) < 0)
		snprintf(b->problem, sizeof(b->problem), "%s: %.60s; a bypass that was ended would come back with a restart, until its end", file, err.text);
}

int fl_bypasses_off(struct fl_bypasses *b, const char *association, struct fl_bypass *was, struct fl_err *err)
{
	const struct fl_bypass *old = find(b, association);

	if (!old)
		return fl_err_set(err, FL_ENOTFOUND, association[0] ? "no bypass of association '%.80s' is on" : "no bypass of every client is on%.0s", association);
	*was = *old;
	forget(b, (size_t)(old - b->v));
	return 0;
}

bool fl_bypasses_end(struct fl_bypasses *b, const struct fl_config *cfg, fl_mono_ns now, struct fl_bypass *ended)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].ends <= now || !configured(cfg, b->v[i].association)) {
			*ended = b->v[i];
			forget(b, i);
			return true;
		}
	return false;
}

fl_mono_ns fl_bypasses_next(const struct fl_bypasses *b)
{
	fl_mono_ns next = FL_MONO_NEVER;

	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].ends < next)
			next = b->v[i].ends;
	return next;
}

int fl_bypasses_apply(const struct fl_bypasses *b, struct fl_view *v)
{
	int ret = 0;

	for (size_t i = 0; i < b->n && ret == 0; i++)
		ret = fl_view_bypass(v, b->v[i].association);
	return ret;
}

const struct fl_bypass *fl_bypasses_of(const struct fl_bypasses *b, const char *association)
{
	const struct fl_bypass *own = association ? find(b, association) : NULL, *all = find(b, "");

	return own && all ? (own->ends > all->ends ? own : all) : own ? own : all;
}

void fl_bypasses_metrics(const struct fl_bypasses *b, const struct fl_config *cfg, struct fl_buf *out)
{
	fl_metric_family(out, "fireline_policy_bypass_active", FL_GAUGE, "1 while a bypass is on; association \"*\": of every client.");
	fl_metric_u64(out, "fireline_policy_bypass_active", "", FL_LABELS("association", "*"), find(b, "") != NULL);
	for (size_t i = 0; i < cfg->n_associations; i++)
		fl_metric_u64(out, "fireline_policy_bypass_active", "", FL_LABELS("association", cfg->associations[i].name), find(b, cfg->associations[i].name) != NULL);
}
