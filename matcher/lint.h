/* Between the files of the lint. Private to this folder. */
#pragma once
#include "matcher/policy_rules.h"

/** Networks and associations that no client is left for, since longer networks hold them all. False: out of memory. */
bool fl__lint_networks(const struct fl_policy *p, fl_policy_warn *warn, void *ctx);
