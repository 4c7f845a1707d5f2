/* condition.h -- asyncio.Condition: wait for a notification with the lock given up.

   Invariants
   1. Where the lock is not a Lock of ours, or any method is overridden or assigned, asyncio's own
      methods do the work.
   2. wait() ends with the lock taken, whatever happened meanwhile.
   Source: asyncio.locks.Condition. From 3.13 on a wait() that ends in an exception passes the
   notification on, and a cancellation is raised as it came. */

#ifndef PYASYNC_SYNC_CONDITION_H
#define PYASYNC_SYNC_CONDITION_H

#include "base/compat.h"

#include "sync/waiters.h"

typedef struct Condition Condition;

/* The lock, where it is one of ours and nothing of either is overridden; or NULL. Borrowed. */
SyncObject *condition_plain_lock(Condition *self);

/* wait(), where waiting->item is the plain lock: gives that up and joins the waiters, in the order
   of the running version. 0, or -1. Runs Python. */
int condition_wait_begin(Condition *self, Waiting *waiting);

/* What it waited for is over, by an exception where error is not NULL, which it steals: 1, 0 where
   it waits for the lock, or -1. Runs Python. */
int condition_wait_end(Condition *self, Waiting *waiting, PyObject *error);

/* Wakes up to `count` of those who wait: 0, or -1 where the plain lock is not locked. May run
   Python. */
int condition_notify(Condition *self, SyncObject *lock, Py_ssize_t count);

int condition_init_type(PyObject *module, core_state *state);

#endif
