/* task_group.c -- the tasks of a group: each is taken in, heard of when it is done, and cancelled
   when another has raised.

   Invariants
   1. In a group of the package's own class no Python runs between a task's end and what it means
      to the group; in one of a subclass each method is called that asyncio would call.
   Source: _on_task_done, _abort, _is_base_error and create_task of asyncio.taskgroups.TaskGroup. */

#include "sync/task_group.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/future.h"
#include "core/report.h"
#include "core/waiter.h"
#include "sync/any_task.h"

#include <stdbool.h>

int
task_group_is_base_error(TaskGroup *self, PyObject *exc)
{
    if (task_group_is_exact(self)) {
        return PyErr_GivenExceptionMatches(exc, PyExc_SystemExit)
               || PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt);
    }
    return truth_steal(PyObject_CallMethodOneArg(
        (PyObject *)self, self->module_state->name_is_base_error, exc)); // runs Python
}

int
task_group_abort(TaskGroup *self)
{
    core_state *state = self->module_state;
    self->aborting = true;
    PyObject *task, *iterator = PyObject_GetIter(self->tasks);
    int status = iterator == NULL ? -1 : 0;
    while (status == 0 && (task = PyIter_Next(iterator)) != NULL) {
        int is_done = awaitable_is_done(state, task); // runs Python, as cancelling does
        status = is_done == 0 ? any_task_cancel(state, task) : is_done < 0 ? -1 : 0;
        Py_DECREF(task);
    }
    Py_XDECREF(iterator);
    return status < 0 || PyErr_Occurred() ? -1 : 0;
}

int
task_group_abort_by_method(TaskGroup *self)
{
    return status_steal(PyObject_CallMethodNoArgs(
        (PyObject *)self, self->module_state->name_abort)); // runs Python
}

/* The exception that a task raised, a new reference; NULL where it has raised none or was
   cancelled, or with an exception pending. Runs Python for a task not of ours. */
static PyObject *
error_of(core_state *state, PyObject *task)
{
    if (future_is_exact(state, task) && future_succeeded((Future *)task)) {
        return NULL;
    }
    if (awaitable_is_cancelled(state, task) != 0) { // runs Python
        return NULL;
    }
    PyObject *error = awaitable_exception(state, task); // runs Python
    if (error == Py_None) {
        Py_CLEAR(error);
    }
    return error;
}

/* Wakes __aexit__() where it waits and that was the last task. */
static int
wake_if_empty(TaskGroup *self)
{
    if (self->on_completed_fut == NULL || PySet_GET_SIZE(self->tasks) > 0) {
        return 0;
    }
    core_state *state = self->module_state;
    PyObject *future = Py_NewRef(self->on_completed_fut);
    int status = awaitable_is_done(state, future); // runs Python on other loops than ours
    if (status == 0) {
        status = awaitable_set_result(state, future, Py_True);
    }
    Py_DECREF(future);
    return status < 0 ? -1 : 0;
}

/* A task has raised when nobody is left to be told. Runs Python. */
static int
report_orphan(TaskGroup *self, PyObject *task, PyObject *parent, PyObject *exc)
{
    core_state *state = self->module_state;
    PyObject *message = PyUnicode_FromFormat(
        "Task %R has errored out but its parent task %S is already completed", task, parent);
    PyObject *pairs[][2] = {
        {state->name_exception, exc}, {state->name_task, task}, {NULL, NULL}};
    return report_to_handler(state, self->loop, message, pairs);
}

/* A task has raised: the group is aborted, and its parent told by a cancellation. */
static int
take_error(TaskGroup *self, PyObject *task, PyObject *exc)
{
    core_state *state = self->module_state;
    if (self->errors == NULL) {
        PyErr_SetString(PyExc_AttributeError, "'NoneType' object has no attribute 'append'");
        return -1;
    }
    if (PyList_Append(self->errors, exc) < 0) {
        return -1;
    }
    int is_base = task_group_is_base_error(self, exc); // may run Python
    if (is_base < 0) {
        return -1;
    }
    if (is_base && self->base_error == NULL) {
        self->base_error = Py_NewRef(exc);
    }
    PyObject *parent = new_or_none(self->parent_task);
    int status = awaitable_is_done(state, parent); // runs Python, as all that follows
    if (status > 0) {
        status = report_orphan(self, task, parent, exc);
    }
    else if (status == 0 && !self->aborting && !self->parent_cancel_requested) {
        status = task_group_is_exact(self) ? task_group_abort(self)
                                           : task_group_abort_by_method(self);
        if (status == 0) {
            self->parent_cancel_requested = true;
            status = any_task_cancel(state, parent);
        }
    }
    Py_DECREF(parent);
    return status;
}

/* Who waits for a task, for 3.14's call graph. */
static PyObject *
parent_or_none(const TaskGroup *self)
{
    return self->parent_task == NULL ? Py_None : self->parent_task;
}

static int
task_done(core_state *state, PyObject *owner, PyObject *task)
{
    TaskGroup *self = (TaskGroup *)owner;
    if (PySet_Discard(self->tasks, task) < 0
        || awaitable_discard_awaited_by(state, task, parent_or_none(self)) < 0
        || wake_if_empty(self) < 0) {
        return -1;
    }
    PyObject *error = error_of(state, task); // may run Python, as take_error does
    int status = error != NULL ? take_error(self, task, error) : PyErr_Occurred() ? -1 : 0;
    Py_XDECREF(error);
    return status;
}

static PyObject *
waiting_task(PyObject *owner)
{
    return ((TaskGroup *)owner)->parent_task;
}

static const waiter_kind task_done_waiter = {
    .qualname = "TaskGroup._on_task_done",
    .notify = task_done,
    .waiting_task = waiting_task,
};

PyObject *
TaskGroup_on_task_done(PyObject *op, PyObject *task)
{
    int status = task_done(((TaskGroup *)op)->module_state, op, task);
    return none_or_null(status);
}

/* Has the group told when the task is done: 0 or -1. May run Python. */
static int
add_callback(TaskGroup *self, PyObject *task)
{
    core_state *state = self->module_state;
    if (task_group_is_exact(self)) {
        return waiter_add_here(state, task, &task_done_waiter, (PyObject *)self);
    }
    PyObject *callback = PyObject_GetAttr((PyObject *)self, state->name_on_task_done);
    PyObject *answer = callback == NULL ? NULL
                                        : PyObject_CallMethodOneArg(
                                              task, state->name_add_done_callback, callback);
    Py_XDECREF(callback);
    return status_steal(answer);
}

/* The task is done already: what the callback does, at once. Runs Python. */
static int
hear_at_once(TaskGroup *self, PyObject *task)
{
    core_state *state = self->module_state;
    if (task_group_is_exact(self)) {
        return task_done(state, (PyObject *)self, task);
    }
    PyObject *answer = PyObject_CallMethodOneArg((PyObject *)self, state->name_on_task_done, task);
    return status_steal(answer);
}

int
task_group_take(TaskGroup *self, PyObject *task)
{
    core_state *state = self->module_state;
    if (awaitable_add_awaited_by(state, task, parent_or_none(self)) < 0) {
        return -1;
    }
    if (state->group_hears_at_once) {
        int is_done = awaitable_is_done(state, task);
        if (is_done != 0) {
            return is_done < 0 ? -1 : hear_at_once(self, task);
        }
    }
    if (PySet_Add(self->tasks, task) < 0 || add_callback(self, task) < 0) {
        return -1;
    }
    if (!state->group_cancels_late_tasks || !self->aborting) {
        return 0;
    }
    int is_done = awaitable_is_done(state, task);
    return is_done == 0 ? any_task_cancel(state, task) : is_done < 0 ? -1 : 0;
}
