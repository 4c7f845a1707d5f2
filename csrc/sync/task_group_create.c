/* task_group_create.c -- create_task(): a task of the loop's, made as the running version makes it.

   Source: TaskGroup.create_task of asyncio.taskgroups; core_state.group_* say what it does. */

#include "sync/task_group.h"

#include "core/args.h"
#include "core/stock.h"
#include "core/task.h"

#include <stdbool.h>

/* Why no task can be made any more, or NULL. */
static const char *
refusal(const TaskGroup *self)
{
    return !self->entered                                      ? "has not been entered"
           : self->exiting && PySet_GET_SIZE(self->tasks) == 0 ? "is finished"
           : self->aborting                                    ? "is shutting down"
                                                               : NULL;
}

/* RuntimeError; where the version does so, the coroutine is closed first. Runs Python. */
static PyObject *
refuse(TaskGroup *self, PyObject *coro, const char *reason)
{
    if (self->module_state->group_closes_refused) {
        PyObject *answer = PyObject_CallMethodNoArgs(coro, self->module_state->name_close);
        Py_XDECREF(answer);
        if (answer == NULL) {
            return NULL;
        }
    }
    return PyErr_Format(PyExc_RuntimeError, "TaskGroup %R %s", self, reason);
}

enum { PARAMETERS = 3, MAX_KEYWORDS = 8 };

/* loop.create_task(coro, ...) with what the version passes on: to 3.13 name and context, where it
   does, from 3.14 on all keywords. Runs Python on other loops than ours. */
static PyObject *
make_task(TaskGroup *self, PyObject *const *bound, PyObject *const *values, PyObject *kwnames)
{
    core_state *state = self->module_state;
    PyObject *stack[2 + MAX_KEYWORDS] = {self->loop, bound[0]};
    PyObject *name = bound[1] == NULL ? Py_None : bound[1];
    bool has_context = bound[2] != NULL && bound[2] != Py_None;
    if (state->group_passes_keywords) {
        Py_ssize_t count = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
        for (Py_ssize_t i = 0; i < count; i++) {
            stack[2 + i] = values[i];
        }
    }
    else if (state->group_names_later) {
        stack[2] = bound[2];
        kwnames = has_context ? state->context_keyword : NULL;
    }
    else {
        stack[2] = name;
        stack[3] = bound[2];
        kwnames = has_context ? state->name_context_keywords : state->name_keyword;
    }
    PyObject *task = PyObject_VectorcallMethod(state->name_create_task, stack,
                                               2 | PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
    if (task == NULL || !state->group_names_later || name == Py_None) {
        return task;
    }
    if (Py_IS_TYPE(task, state->Task_type)) {
        if (task_set_name((Task *)task, name) < 0) { // runs Python
            Py_CLEAR(task);
        }
        return task;
    }
    PyObject *set_name = PyDict_GetItemString(state->tasks_namespace, "_set_task_name");
    PyObject *answer = set_name == NULL
                           ? PyObject_CallMethodOneArg(task, state->name_set_name, name)
                           : PyObject_CallFunctionObjArgs(set_name, task, name, NULL);
    Py_XDECREF(answer); // runs Python
    if (answer == NULL) {
        Py_CLEAR(task);
    }
    return task;
}

PyObject *
TaskGroup_create_task(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_names parameters = {{"coro", "name", "context"}, PARAMETERS, 1, 1};
    TaskGroup *self = (TaskGroup *)op;
    core_state *state = self->module_state;
    PyObject *bound[PARAMETERS] = {nargs == 1 ? args[0] : NULL};
    bool fits = nargs == 1 && (kwnames == NULL || PyTuple_GET_SIZE(kwnames) <= MAX_KEYWORDS);
    if (fits && kwnames != NULL && !state->group_passes_keywords) {
        fits = args_bind_names(&parameters, args, nargs, kwnames, bound);
    }
    if (!fits) {
        return stock_call_method(state->stock_TaskGroup, "create_task", op, args, nargs,
                                 kwnames); // runs Python
    }
    const char *reason = refusal(self);
    if (reason != NULL) {
        return refuse(self, bound[0], reason);
    }
    PyObject *task = make_task(self, bound, args + nargs, kwnames); // runs Python
    if (task != NULL && task_group_take(self, task) < 0) {
        Py_CLEAR(task);
    }
    return task;
}
