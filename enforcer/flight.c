#include "enforcer/flight.h"

void fl__flights_init(struct fl__flights *t)
{
	memset(t, 0, sizeof(*t));
	while (t->n_free < FL__SLOTS) {
		t->free_slots[t->n_free] = FL__SLOTS - 1 - t->n_free;
		t->n_free++;
	}
}

struct fl_flight *fl__flight_find(struct fl__flights *t, uint64_t hash, const struct fl__asked *asked)
{
	struct fl_flight *f = t->buckets[hash % FL__BUCKETS];

	while (f && !(f->hash == hash && f->qtype == asked->qtype && f->dnssec_ok == asked->dnssec_ok && f->cd == asked->checking_disabled &&
		      fl__dname_eq(&f->name, asked->name)))
		f = f->next;
	return f;
}

static void heap_put(struct fl__flights *t, uint32_t at, struct fl_flight *f)
{
	t->heap[at] = f;
	f->heap = at;
}

static void heap_fix(struct fl__flights *t, uint32_t at)
{
	struct fl_flight *f = t->heap[at];

	while (at > 0 && t->heap[(at - 1) / 2]->wake > f->wake) {
		heap_put(t, at, t->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < t->n_heap && t->heap[child + 1]->wake < t->heap[child]->wake)
			child++;
		if (child >= t->n_heap || t->heap[child]->wake >= f->wake)
			break;
		heap_put(t, at, t->heap[child]);
		at = child;
	}
	heap_put(t, at, f);
}

void fl__flight_set_wake(struct fl__flights *t, struct fl_flight *f, fl_mono_ns wake)
{
	f->wake = wake;
	heap_fix(t, f->heap);
}

struct fl_flight *fl__flight_new(struct fl__flights *t, uint64_t hash, const struct fl__asked *asked)
{
	struct fl_flight *f;

	if (t->n_free == 0)
		return NULL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->hash = hash;
	f->serial = ++t->serial & ((UINT64_C(1) << 40) - 1);
	f->slot = t->free_slots[--t->n_free];
	f->name = f->ask = *asked->name;
	f->qtype = asked->qtype;
	f->dnssec_ok = asked->dnssec_ok;
	f->cd = asked->checking_disabled;
	f->wake = FL_MONO_NEVER;
	f->next = t->buckets[hash % FL__BUCKETS];
	t->buckets[hash % FL__BUCKETS] = f;
	t->slots[f->slot] = f;
	heap_put(t, t->n_heap++, f);
	return f;
}

void fl__flight_free(struct fl__flights *t, struct fl_flight *f)
{
	struct fl_flight **at = &t->buckets[f->hash % FL__BUCKETS], *last;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	t->slots[f->slot] = NULL;
	t->free_slots[t->n_free++] = f->slot;
	last = t->heap[--t->n_heap];
	if (last != f) {
		heap_put(t, f->heap, last);
		heap_fix(t, last->heap);
	}
	fl__upstreams_release(f->upstreams);
	fl__answer_free(f->head);
	free(f);
}

uint64_t fl__flight_tag(const struct fl_flight *f, unsigned try_index)
{
	return (uint64_t)f->slot << 48 | f->serial << 8 | try_index;
}

struct fl_flight *fl__flight_by_tag(struct fl__flights *t, uint64_t tag, unsigned *try_index)
{
	uint64_t slot = tag >> 48, serial = tag >> 8 & ((UINT64_C(1) << 40) - 1);
	struct fl_flight *f = slot < FL__SLOTS ? t->slots[slot] : NULL;

	*try_index = tag & 0xff;
	return f && f->serial == serial && *try_index < f->n_tries ? f : NULL;
}
