#include "base/rcu.h"

#ifdef FL_RCU_RWLOCK
pthread_rwlock_t fl_rcu_lock = PTHREAD_RWLOCK_INITIALIZER;
#else
typedef int fl_rcu_is_liburcu; /* a translation unit is never empty */
#endif
