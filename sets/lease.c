/* Leases: who writes a set now. Taking one draws a random fence into the head (a counter would repeat after a failover); a commit under another fence is refused. */
#include <stdio.h>

#include "sets/sets_int.h"

int fl_lease_take(struct fl_sets *s, enum fl_set_kind kind, const char *name, int64_t ttl_ms, struct fl_lease *lease, struct fl_err *err)
{
	bool ours = lease->fence[0] && lease->kind == kind && strcmp(lease->name, name) == 0;
	const struct fl_script *script = FL_MUTANT(FL_MUTANT_COUNTER_FENCE) ? &fl__script_lease_counter : &fl__script_lease;
	struct fl_arena a = { 0 };
	struct fl_span keys[2], args[2];
	struct fl_reply r;
	char fence[33];
	int ret;

	if (ours)
		memcpy(fence, lease->fence, sizeof(fence));
	else {
		fl__random_hex(s, fence);
		lease->kind = kind;
		snprintf(lease->name, sizeof(lease->name), "%s", name);
	}
	keys[0] = fl__key(s, &a, kind, name, ":lease");
	keys[1] = fl__key(s, &a, kind, name, ":head");
	args[0] = fl_span_str(fence);
	args[1] = fl__num(&a, ttl_ms);
	ret = fl_store_eval(s->store, script, keys, 2, args, 2, &a, &r, err);
	if (ret == 0 && fl_span_eqs(r.s, "held"))
		ret = fl_err_set(err, FL_EFENCED, "%s '%s' is being written by another", fl__kind_word(kind), name);
	/* A lost reply may have been a yes: the next try comes with the same fence, else we would wait for ourselves until the lease runs out. */
	if (ret == FL_EFENCED)
		lease->fence[0] = '\0';
	else if (!FL_MUTANT(FL_MUTANT_COUNTER_FENCE))
		memcpy(lease->fence, fence, sizeof(fence));
	if (ret == 0) {
		if (FL_MUTANT(FL_MUTANT_COUNTER_FENCE))
			snprintf(lease->fence, sizeof(lease->fence), "%.*s", (int)(r.s.n < 32 ? r.s.n : 32), (const char *)r.s.p);
		lease->until = fl_now_mono(s->clock) + ttl_ms * FL_NS_PER_MS;
	}
	fl_arena_done(&a);
	return ret;
}

int fl_lease_release(struct fl_sets *s, struct fl_lease *lease, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_span key, arg = fl_span_str(lease->fence);
	struct fl_reply r;
	int ret = 0;

	if (lease->fence[0]) {
		key = fl__key(s, &a, lease->kind, lease->name, ":lease");
		ret = fl_store_eval(s->store, &fl__script_release, &key, 1, &arg, 1, &a, &r, err);
	}
	if (ret == 0) /* else it may still stand: our own next take must fit it */
		lease->fence[0] = '\0';
	fl_arena_done(&a);
	return ret;
}
