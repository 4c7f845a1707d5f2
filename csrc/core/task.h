/* task.h -- a coroutine that a loop steps whenever what it waits for is done.

   A Task is an asyncio.Task to isinstance; it starts with a Future of ours, and whatever takes a
   Future takes a Task. CPython's layout check refuses both as bases, so our Future is put into the
   Task's method resolution order by hand (bridge_insert_base).

   Invariants
   1. A pending task is in exactly one of: the ring (to be stepped), a future's waiters
      (fut_waiter is that future, not done), running, or given up by everyone.
   2. future.fut_waiter is what the last step yielded, until the next step begins.
   3. The node is linked in core_state.tasks from creation until the task is done or freed.
   Source: asyncio.Task (Lib/asyncio/tasks.py, Modules/_asynciomodule.c). */

#ifndef PYASYNC_CORE_TASK_H
#define PYASYNC_CORE_TASK_H

#include "base/compat.h"

#include "base/llist.h"
#include "core/future.h"

#include <stdbool.h>

typedef struct {
    Future future;
    PyObject *context;         /* as core/context.h stores it: perhaps a snapshot */
    union {                    /* the name is "Task-<number>" until somebody asks or sets it */
        unsigned long long number;
        PyObject *name;        /* owned, where future.task_has_name */
    } label;
    llist_node node;
} Task;

/* A task of one of our loops; name and context may be NULL or None. eager_start steps it before
   returning, where the loop runs. Runs Python. */
PyObject *task_new(Loop *loop, PyObject *coro, PyObject *name, PyObject *context, bool eager_start);

/* What __init__ does once the future part is set up: 0 or -1. Runs Python. */
int task_init(core_state *state, Task *self, PyObject *coro, PyObject *name, PyObject *context,
              bool eager_start);

/* Steps a task that the loop took out of its ring; what it raises but KeyboardInterrupt and
   SystemExit goes to the exception handler. 0 or -1. Runs Python. */
int task_run(Loop *loop, Task *self);

/* A step by a callable, in the task's context already; `exception` may be NULL. 0 or -1. */
int task_step_entered(core_state *state, Task *self, PyObject *exception);

/* What a done future makes of the step: the exception to throw (a new reference), or NULL. */
PyObject *task_exception_of(core_state *state, PyObject *future);

/* What a step's callable and a wake-up are to Python code and to foreign loops. */
PyObject *task_wakeup_callable(PyObject *task);
PyObject *task_step_callable(core_state *state, Task *task, PyObject *exception);

/* Has the loop step the task, throwing `exception` into it where not NULL: 0 or -1. */
int task_schedule_step(core_state *state, Task *self, PyObject *exception);

/* The first step, at once. Runs Python. */
int task_start_eagerly(core_state *state, Task *self);

/* The Context that the task runs in, a real one: a new reference or NULL. */
PyObject *task_context(core_state *state, Task *self);

/* Sets the name to str(name): 0 or -1. */
int task_set_name(Task *self, PyObject *name);

/* tp_traverse and tp_clear of a Task. */
int task_traverse(PyObject *self, visitproc visit, void *arg);
int task_clear(PyObject *self);

/* As Task.cancel(): 1 where it was asked to, 0 where it is done, or -1. */
int task_cancel(core_state *state, Task *self, PyObject *message);

/* As Task.uncancel(): how many requests are left. */
int task_uncancel(Task *self);

int task_step_init_type(PyObject *module, core_state *state);
int task_init_type(PyObject *module, core_state *state);

#endif
