/* lock.h -- asyncio.Lock: who waits gets it in the order of waiting.

   Invariants
   1. Where it is not locked and somebody waits, the first of the waiters is woken or cancelled, or
      about to leave.
   Source: asyncio.locks.Lock. */

#ifndef PYASYNC_SYNC_LOCK_H
#define PYASYNC_SYNC_LOCK_H

#include "base/compat.h"

#include "sync/waiters.h"

typedef struct {
    SyncObject head;
    PyObject *waiters;
    bool is_locked;
} Lock;

/* As the three functions of an acquirable. */
int lock_acquire_begin(SyncObject *self, Waiting *waiting);
int lock_acquire_end(SyncObject *self, Waiting *waiting, PyObject *error);
int lock_release(SyncObject *self);

int lock_init_type(PyObject *module, core_state *state);

#endif
