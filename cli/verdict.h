/* `status`: what the roles say of themselves, joined into one sentence: OK, or DEGRADED with a line for each thing that is wrong and what to do. */
#pragma once
#include <jansson.h>

/** Takes both. roles: name -> status object or null. Gives {"state","problems":[{"what","text","hint"}],"roles","orphans"}. */
json_t *fl_verdict_join(json_t *take_roles, json_t *take_orphans);
