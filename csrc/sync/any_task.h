/* any_task.h -- Task's methods on a task of any kind: in C where it is one of ours, by name else.

   Ownership: tasks are borrowed; each of these may run Python, so the caller holds a reference. */

#ifndef PYASYNC_SYNC_ANY_TASK_H
#define PYASYNC_SYNC_ANY_TASK_H

#include "base/compat.h"

#include "core/state.h"

/* task.cancel(): 0 or -1. */
int any_task_cancel(core_state *state, PyObject *task);

/* task.cancelling() and task.uncancel(): a count, or -1 with an exception. */
long any_task_cancelling(core_state *state, PyObject *task);
long any_task_uncancel(core_state *state, PyObject *task);

#endif
