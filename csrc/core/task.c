/* task.c -- making, cancelling and naming a task, and what it refers to.

   Its steps are in task_step.c, its end in future_life.c, what Python sees of it in task_type.c. */

#include "core/task.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/awaitable.h"
#include "core/context.h"

PyObject *
task_context(core_state *state, Task *self)
{
    return context_materialize(state, &self->context) < 0 ? NULL : Py_NewRef(self->context);
}

int
task_set_name(Task *self, PyObject *name)
{
    name = PyUnicode_CheckExact(name) ? Py_NewRef(name) : PyObject_Str(name); // runs Python
    if (name == NULL) {
        return -1;
    }
    PyObject *old = self->future.task_has_name ? self->label.name : NULL;
    self->label.name = name;
    self->future.task_has_name = true;
    Py_XDECREF(old);
    return 0;
}

int
task_init(core_state *state, Task *self, PyObject *coro, PyObject *name, PyObject *context,
          bool eager_start)
{
    int is_coro = awaitable_is_coroutine(state, coro);
    if (is_coro <= 0) {
        self->future.task_log_destroy_pending = false;
        if (is_coro == 0) {
            PyErr_Format(PyExc_TypeError, "a coroutine was expected, got %R", coro);
        }
        return -1;
    }
    if (context == NULL || context == Py_None) {
        context = self->future.is_own ? context_take_snapshot(state) : PyContext_CopyCurrent();
        if (context == NULL) {
            return -1;
        }
    }
    else if (TASK_CHECKS_CONTEXT && !PyContext_CheckExact(context)) {
        self->future.task_log_destroy_pending = false;
        PyErr_Format(PyExc_TypeError, "a contextvars.Context was expected, got %s",
                     Py_TYPE(context)->tp_name);
        return -1;
    }
    else {
        Py_INCREF(context);
    }
    Py_XSETREF(self->context, context);
    Py_CLEAR(self->future.fut_waiter);
    self->future.task_must_cancel = false;
    self->future.task_log_destroy_pending = true;
    self->future.task_cancels_requested = 0;
    Py_XSETREF(self->future.coro, Py_NewRef(coro));
    if (name == NULL || name == Py_None) {
        if (self->future.task_has_name) {
            self->future.task_has_name = false;
            Py_CLEAR(self->label.name);
        }
        self->label.number = ++state->task_count;
    }
    else if (task_set_name(self, name) < 0) {
        return -1;
    }
    if (!llist_is_linked(&self->node)) {
        llist_append(&state->tasks, &self->node);
    }
    return eager_start ? task_start_eagerly(state, self) : task_schedule_step(state, self, NULL);
}

PyObject *
task_new(Loop *loop, PyObject *coro, PyObject *name, PyObject *context, bool eager_start)
{
    core_state *state = loop->state;
    Task *self = (Task *)loop_free_list_take(&loop->free_tasks, state->Task_type);
    if (self == NULL) {
        self = (Task *)state->Task_type->tp_alloc(state->Task_type, 0);
        if (self == NULL) {
            return NULL;
        }
    }
    LIVE_ADD(state, LIVE_TASK);
    self->future.is_task = true;
    if (loop_debug_is_plain_off(loop)) {
        self->future.is_own = true;
        self->future.loop = Py_NewRef((PyObject *)loop);
    }
    else if (future_init(state, &self->future, (PyObject *)loop) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (task_init(state, self, coro, name, context, eager_start) < 0) {
        PyObject *pending = PyErr_GetRaisedException();
        Py_DECREF(self);
        PyErr_SetRaisedException(pending);
        return NULL;
    }
    return (PyObject *)self;
}

int
task_cancel(core_state *state, Task *self, PyObject *message)
{
    self->future.log_traceback = false;
    if (self->future.state != FUTURE_PENDING) {
        return 0;
    }
    self->future.task_cancels_requested++;
    if (self->future.fut_waiter != NULL) {
        PyObject *waiter = Py_NewRef(self->future.fut_waiter);
        int is_cancelled;
        if (Py_IS_TYPE(waiter, state->Future_type)) {
            is_cancelled = future_cancel(state, (Future *)waiter, message);
        }
        else {
            is_cancelled = truth_steal(
                PyObject_CallMethodOneArg(waiter, state->name_cancel, message)); // runs Python
        }
        Py_DECREF(waiter);
        if (is_cancelled != 0) {
            return is_cancelled;
        }
    }
    self->future.task_must_cancel = true;
    future_set_cancel_message(&self->future, message);
    return 1;
}

int
task_uncancel(Task *self)
{
    if (self->future.task_cancels_requested > 0) {
        self->future.task_cancels_requested--;
        if (UNCANCEL_CLEARS_MUST_CANCEL && self->future.task_cancels_requested == 0) {
            self->future.task_must_cancel = false;
        }
    }
    return self->future.task_cancels_requested;
}

int
task_traverse(PyObject *op, visitproc visit, void *arg)
{
    Task *self = (Task *)op;
    Py_VISIT(self->context);
    if (self->future.task_has_name) {
        Py_VISIT(self->label.name);
    }
    return future_traverse(op, visit, arg);
}

int
task_clear(PyObject *op)
{
    Task *self = (Task *)op;
    llist_remove(&self->node);
    Py_CLEAR(self->future.coro);
    Py_CLEAR(self->context);
    if (self->future.task_has_name) {
        self->future.task_has_name = false;
        Py_CLEAR(self->label.name);
    }
    self->label.number = 0;
    Py_CLEAR(self->future.fut_waiter);
    return future_clear(op);
}
