/* condition.h -- asyncio.Condition: wait for a notification with the lock given up.

   Invariants
   1. Where the lock is not a Lock of ours, or acquire, release or locked are assigned, asyncio's own
      methods do the work.
   2. wait() ends with the lock taken, whatever happened meanwhile.
   Source: asyncio.locks.Condition. From 3.13 on a wait() that ends in an exception passes the
   notification on, and a cancellation is raised as it came. */

#ifndef PYASYNC_SYNC_CONDITION_H
#define PYASYNC_SYNC_CONDITION_H

#include "base/compat.h"

#include "core/state.h"

int condition_init_type(PyObject *module, core_state *state);

#endif
