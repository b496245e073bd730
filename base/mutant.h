/* Deliberate bugs, behind a switch that only test builds have, so that the simulation can show that its invariants bite (DESIGN.md 10). In a release build
 * FL_MUTANT is the constant false and the bug is not in the binary. */
#pragma once
#include <stdbool.h>

#define FL_MUTANTS_X(X)                                                                                              \
	X(FL_MUTANT_NONE, "none", "")                                                                                \
	X(FL_MUTANT_NO_CAS, "no-cas", "commit without compare-and-set")                                              \
	X(FL_MUTANT_HEAD_FIRST, "head-first", "head written before the version")                                     \
	X(FL_MUTANT_TRIM_EARLY, "trim-early", "outbox trimmed before the delivery report")                           \
	X(FL_MUTANT_NO_DIGEST, "no-digest", "apply without digest check")                                            \
	X(FL_MUTANT_RETAIN_NEEDED, "retain-needed", "retention of a needed delta")                                   \
	X(FL_MUTANT_NO_REPLAY, "no-replay", "journal not replayed")                                                  \
	X(FL_MUTANT_LOST_REPLY, "lost-reply", "a lost reply taken as failure")                                       \
	X(FL_MUTANT_STALE_RELAY, "stale-relay", "a stale newest record is not sent again")                           \
	X(FL_MUTANT_NUMBER_IDENTITY, "number-identity", "number taken for identity")                                 \
	X(FL_MUTANT_COUNTER_FENCE, "counter-fence", "the fence is a counter")                                        \
	X(FL_MUTANT_NO_LEDGER, "no-ledger", "acknowledged while neither topic nor file has it")                      \
	X(FL_MUTANT_REVIVED, "revived", "an add of the ledger revives what was withdrawn")
enum fl_mutant {
#define FL_X(name, word, text) name,
	FL_MUTANTS_X(FL_X)
#undef FL_X
	FL_MUTANT_COUNT
};
#ifdef FL_MUTANTS
extern enum fl_mutant fl_mutant;
#define FL_MUTANT(m) (fl_mutant == (m))
#else
#define FL_MUTANT(m) false
#endif
