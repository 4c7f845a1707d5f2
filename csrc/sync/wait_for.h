/* wait_for.h -- asyncio.wait_for(), in the running version's way: from 3.12 on it awaits in the
   calling task (wait_for.c), before that it makes a task (wait_for_task.c). */

#ifndef PYASYNC_SYNC_WAIT_FOR_H
#define PYASYNC_SYNC_WAIT_FOR_H

#include "core/coroutine.h"

/* What the coroutine of either way begins with: what wait_for() was given. */
typedef struct {
    Coroutine coroutine;
    PyObject *awaitable;
    PyObject *delay;
} WaitFor;

int wait_for_init(PyObject *module, core_state *state);

#endif
