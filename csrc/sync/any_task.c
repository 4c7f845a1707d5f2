/* any_task.c -- asking a task, ours or not, what timeouts and task groups ask. */

#include "sync/any_task.h"

#include "core/answer.h"
#include "core/task.h"

static Task *
as_own(const core_state *state, PyObject *task)
{
    return Py_IS_TYPE(task, state->Task_type) ? (Task *)task : NULL;
}

int
any_task_cancel(core_state *state, PyObject *task)
{
    Task *own = as_own(state, task);
    if (own != NULL) {
        return task_cancel(state, own, Py_None) < 0 ? -1 : 0; // runs Python
    }
    return status_steal(PyObject_CallMethodNoArgs(task, state->name_cancel)); // runs Python
}

static long
call_for_count(PyObject *task, PyObject *method)
{
    PyObject *answer = PyObject_CallMethodNoArgs(task, method); // runs Python
    long count = answer == NULL ? -1 : PyLong_AsLong(answer);
    Py_XDECREF(answer);
    return count;
}

long
any_task_cancelling(core_state *state, PyObject *task)
{
    Task *own = as_own(state, task);
    return own != NULL ? own->future.task_cancels_requested
                       : call_for_count(task, state->name_cancelling);
}

long
any_task_uncancel(core_state *state, PyObject *task)
{
    Task *own = as_own(state, task);
    return own != NULL ? task_uncancel(own) : call_for_count(task, state->name_uncancel);
}
