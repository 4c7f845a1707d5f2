/* task_group.h -- the tasks of an `async with` block: all are done, or cancelled, when it is left.

   Invariants
   1. tasks is a set of the tasks of create_task() whose done callback, ours, has not been called.
   2. A parent_task that we have cancelled (parent_cancel_requested) is uncancelled once, on
      leaving.
   3. on_completed_fut is set while __aexit__ waits for the set to become empty.
   Ownership: each field is a reference of ours; of the tasks' callbacks each refers to the group.
   Source: asyncio.taskgroups.TaskGroup; what differs by version is read from that class at
   import. */

#ifndef PYASYNC_SYNC_TASK_GROUP_H
#define PYASYNC_SYNC_TASK_GROUP_H

#include "base/compat.h"

#include "core/args.h"
#include "core/state.h"

typedef struct {
    PyObject_HEAD
    core_state *module_state;
    PyObject *loop;
    PyObject *parent_task;
    PyObject *tasks;
    PyObject *errors; /* a list, NULL once they have been raised */
    PyObject *base_error;
    PyObject *on_completed_fut;
    char entered; /* these are seen by Python as they are */
    char exiting;
    char aborting;
    char parent_cancel_requested;
    char cancel_on_enter;
} TaskGroup;

/* Cancels all tasks: 0 or -1. Runs Python. */
int task_group_abort(TaskGroup *self);

/* The same by the method, where a subclass has its own. Runs Python. */
int task_group_abort_by_method(TaskGroup *self);

/* Whether this is the package's own class: no method of it is overridden. */
static inline int
task_group_is_exact(TaskGroup *self)
{
    return Py_IS_TYPE((PyObject *)self, self->module_state->TaskGroup_class);
}

/* Whether an exception is KeyboardInterrupt or SystemExit, by the method where a subclass has its
   own: 1, 0 or -1. */
int task_group_is_base_error(TaskGroup *self, PyObject *exc);

/* Takes a new task in: 0 or -1. Runs Python on other loops than ours. */
int task_group_take(TaskGroup *self, PyObject *task);

/* The methods: create_task() (sync/task_group_create.c), __aenter__() and __aexit__(), which are
   coroutines (sync/task_group_exit.c), and the done callback. */
DECLARE_FAST_METHOD(TaskGroup_create_task);
DECLARE_METHOD(TaskGroup_aenter);
DECLARE_FAST_METHOD(TaskGroup_aexit);
DECLARE_METHOD(TaskGroup_on_task_done);

/* Has tools see these coroutines as asyncio's: 0 or -1. */
int task_group_learn(core_state *state);

int task_group_init(PyObject *module, core_state *state);

#endif
