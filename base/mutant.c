#include "base/mutant.h"

#ifdef FL_MUTANTS
enum fl_mutant fl_mutant = FL_MUTANT_NONE;
#else
typedef int fl_mutant_is_off; /* a translation unit is never empty */
#endif
