/* Read-copy-update: readers never lock, allocate or wait; a writer swaps a pointer and waits for a grace period.
 * liburcu, memb flavour. In the tsan preset (FL_RCU_RWLOCK) a pthread_rwlock stands in, because liburcu is not
 * instrumented and TSan would see races that are not there. Readers register their thread once. */
#pragma once
#ifdef FL_RCU_RWLOCK
#include <pthread.h>
extern pthread_rwlock_t fl_rcu_lock;
static inline void fl_rcu_thread_init(void) {}
static inline void fl_rcu_thread_done(void) {}
static inline void fl_rcu_read_lock(void)
{
	pthread_rwlock_rdlock(&fl_rcu_lock);
}
static inline void fl_rcu_read_unlock(void)
{
	pthread_rwlock_unlock(&fl_rcu_lock);
}
static inline void fl_rcu_synchronize(void)
{
	pthread_rwlock_wrlock(&fl_rcu_lock);
	pthread_rwlock_unlock(&fl_rcu_lock);
}
#define fl_rcu_load(pp) __atomic_load_n((pp), __ATOMIC_ACQUIRE)
#define fl_rcu_swap(pp, v) __atomic_exchange_n((pp), (v), __ATOMIC_ACQ_REL)
#else
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu/urcu-memb.h>
static inline void fl_rcu_thread_init(void)
{
	urcu_memb_register_thread();
}
static inline void fl_rcu_thread_done(void)
{
	urcu_memb_unregister_thread();
}
static inline void fl_rcu_read_lock(void)
{
	urcu_memb_read_lock();
}
static inline void fl_rcu_read_unlock(void)
{
	urcu_memb_read_unlock();
}
static inline void fl_rcu_synchronize(void)
{
	urcu_memb_synchronize_rcu();
}
#define fl_rcu_load(pp) __atomic_load_n((pp), __ATOMIC_CONSUME)
#define fl_rcu_swap(pp, v) __atomic_exchange_n((pp), (v), __ATOMIC_ACQ_REL)
#endif
