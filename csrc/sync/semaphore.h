/* semaphore.h -- asyncio.Semaphore and BoundedSemaphore: so many may have it at a time.

   Invariants
   1. value counts what neither somebody has nor a woken waiter is about to take.
   Source: asyncio.locks.Semaphore. Before 3.13 a cancelled or served waiter wakes one more only. */

#ifndef PYASYNC_SYNC_SEMAPHORE_H
#define PYASYNC_SYNC_SEMAPHORE_H

#include "base/compat.h"

#include "core/state.h"

int semaphore_init_types(PyObject *module, core_state *state);

#endif
