/* barrier.h -- asyncio.Barrier: so many tasks wait for each other, then all go on.

   A Visit is the C coroutine of wait(), `async with`, reset() or abort(): it takes the condition's
   lock, does its step, waits for notifications in between, and gives the lock up.

   Invariants
   1. barrier_state, count and parties change with the condition's lock held, unless Python assigns
      them. A state is told by its identity alone, so it may be any object.
   2. count is the number of Visits between taking their place and leaving; who leaves last makes a
      barrier that drains or resets ready for the next meeting.
   Ownership: a Visit holds the barrier, its condition and the lock until it ends.
   Source: asyncio.locks.Barrier. */

#ifndef PYASYNC_SYNC_BARRIER_H
#define PYASYNC_SYNC_BARRIER_H

#include "base/compat.h"

#include "sync/condition.h"

typedef struct {
    SyncObject head;
    PyObject *condition;
    PyObject *barrier_state; /* a member of asyncio's _BarrierState */
    sync_number parties;
    sync_number count;
} Barrier;

/* Whether C may do it: nothing is overridden, and the condition is a plain one of ours. */
bool barrier_is_plain(Barrier *self);

/* The coroutines of a plain barrier's methods. */
PyObject *barrier_wait(Barrier *self);
PyObject *barrier_enter(Barrier *self);
PyObject *barrier_reset(Barrier *self);
PyObject *barrier_abort(Barrier *self);

/* The coroutine of __aexit__(), which does nothing. */
PyObject *barrier_leave(Barrier *self);

int barrier_init_type(PyObject *module, core_state *state);

#endif
