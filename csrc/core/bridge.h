/* bridge.h -- private state of CPython and its asyncio: the current task, a Context's variables.

   asyncio.current_task() stays stock and must find our tasks. To 3.13 it looks into the dict
   _asyncio._current_tasks; from 3.14 on into a field of the thread state, whose offset is found at
   import by storing a sentinel through _asyncio's own functions and looking for it. Where that
   finds nothing, the functions are called each time.

   Lingering: on the dict, taking a task out only to put the next one in is half of the cost. So a
   loop may leave its last task in (has_lingering_task) as long as it steps nothing but tasks, and
   takes it out before anything else can look (bridge_flush).

   Invariants
   1. While a Task's step runs, it is its loop's current task; when any other callback runs, or
      the loop sleeps or stops, none is.  */

#ifndef PYASYNC_CORE_BRIDGE_H
#define PYASYNC_CORE_BRIDGE_H

#include "base/compat.h"

#include "core/loop.h"
#include "core/state.h"

/* Finds out how this interpreter keeps the current task: 0 or -1. */
int bridge_init(core_state *state);

/* Enters a task of one of our loops that the loop itself steps: 0, or -1 with asyncio's
   RuntimeError where another task is being executed. */
int bridge_enter(Loop *loop, PyObject *task);

/* Leaves it; may linger. Keeps the pending exception. */
void bridge_leave(Loop *loop, PyObject *task);

/* Takes a lingering task out. Keeps the pending exception. */
void bridge_flush_slow(Loop *loop);

static inline void
bridge_flush(Loop *loop)
{
    if (loop->has_lingering_task) {
        bridge_flush_slow(loop);
    }
}

/* Whether a task that was left dies when the loop lets go of it: nobody else refers to it but, where
   it lingers, the dict. */
static inline bool
bridge_is_last(const Loop *loop, PyObject *task)
{
    return Py_REFCNT(task) <= 1 + loop->has_lingering_task;
}

/* Makes `task` (None: nobody) the current one of any loop and returns the one before, or NULL. */
PyObject *bridge_swap(core_state *state, PyObject *loop, PyObject *task);

/* The task that runs in `loop`, which is the running one, as asyncio.current_task(loop): a new
   reference, None for nobody, or NULL. */
PyObject *bridge_current_task(core_state *state, PyObject *loop);

/* Enters and leaves by asyncio's own functions, on any loop: 0 or -1. */
int bridge_enter_any(core_state *state, PyObject *loop, PyObject *task);
int bridge_leave_any(core_state *state, PyObject *loop, PyObject *task);

/* Where a contextvars.Context keeps the mapping of its variables. */
static inline PyObject **
bridge_context_vars(const core_state *state, PyObject *context)
{
    return (PyObject **)((char *)context + state->context_vars_offset);
}

/* The __dict__ of an instance, or NULL where it has none yet: reading the attribute would make one,
   and the interpreter finds methods faster without. Borrowed, no exception. */
PyObject *bridge_instance_dict(PyObject *object);

/* Puts `base` into the method resolution order of a type of ours, right behind the type itself.
   The type's struct must start with the base's: CPython cannot see that. 0 or -1. */
int bridge_insert_base(PyTypeObject *type, PyTypeObject *base);

/* Makes `metaclass` (a subclass of type that adds no fields) the type of a type of ours. */
int bridge_set_metaclass(PyObject *type, PyObject *metaclass);

#endif
