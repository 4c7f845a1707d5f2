/* timeout.c -- what a Timeout does: its timer, entering it and leaving it.

   Source: Timeout.reschedule, __aenter__, __aexit__ and _on_timeout of asyncio.timeouts. */

#include "sync/timeout.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/bridge.h"
#include "core/loop.h"
#include "core/loop_methods.h"
#include "sync/any_task.h"
#include "sync/timeout_error.h"
#include "sync/timer.h"

/* The task that has entered it: a new reference, None where there is none. */
static PyObject *
task_of(Timeout *self)
{
    return new_or_none(self->task);
}

/* ---- the timer ---- */

int
timeout_cancel_handler(Timeout *self)
{
    PyObject *handler = self->handler;
    if (handler == NULL) {
        return 0;
    }
    self->handler = NULL;
    int status = timer_cancel(self->module_state, handler); // may run Python
    Py_DECREF(handler);
    return status;
}

int
timeout_expire(Timeout *self)
{
    if (self->state != TIMEOUT_ENTERED) {
        PyErr_SetNone(PyExc_AssertionError);
        return -1;
    }
    PyObject *task = task_of(self);
    int status = any_task_cancel(self->module_state, task); // runs Python
    Py_DECREF(task);
    if (status == 0) {
        self->state = TIMEOUT_EXPIRING;
        Py_CLEAR(self->handler);
    }
    return status;
}

/* loop.call_at(when, callback), or loop.call_soon(callback) where that time has passed. */
static PyObject *
schedule_by_methods(core_state *state, PyObject *loop, PyObject *when, PyObject *callback)
{
    PyObject *now = PyObject_CallMethodNoArgs(loop, state->name_time);
    int is_past = now == NULL ? -1 : PyObject_RichCompareBool(when, now, Py_LE); // runs Python
    Py_XDECREF(now);
    if (is_past < 0) {
        return NULL;
    }
    return is_past ? PyObject_CallMethodOneArg(loop, state->name_call_soon, callback)
                   : PyObject_CallMethodObjArgs(loop, state->name_call_at, when, callback, NULL);
}

/* The same on a loop of ours that is not in debug mode; NULL without an exception: it is another. */
static PyObject *
schedule_directly(Timeout *self, PyObject *loop, PyObject *when)
{
    core_state *state = self->module_state;
    Loop *own = loop_cast(state, loop);
    if (own == NULL || !PyFloat_CheckExact(when) || !loop_is_direct(own) || !own->call_at_is_ours
        || !own->time_is_ours || !Py_IS_TYPE((PyObject *)self, state->Timeout_class)) {
        return NULL;
    }
    double now;
    if (loop_time(own, &now) < 0) {
        return NULL;
    }
    PyObject *args[] = {when, state->timeout_expire, (PyObject *)self};
    return PyFloat_AS_DOUBLE(when) <= now ? Loop_call_soon(loop, args + 1, 2, NULL)
                                          : Loop_call_at(loop, args, 3, NULL);
}

int
timeout_set_deadline(Timeout *self, PyObject *loop, PyObject *when)
{
    core_state *state = self->module_state;
    Py_XSETREF(self->when, Py_NewRef(when));
    if (self->handler != NULL && timeout_cancel_handler(self) < 0) {
        return -1;
    }
    if (when == Py_None) {
        return 0;
    }
    PyObject *handler = schedule_directly(self, loop, when);
    if (handler == NULL && !PyErr_Occurred()) {
        PyObject *callback = PyObject_GetAttr((PyObject *)self, state->name_on_timeout);
        if (callback != NULL) {
            handler = schedule_by_methods(state, loop, when, callback); // runs Python
            Py_DECREF(callback);
        }
    }
    Py_XSETREF(self->handler, handler);
    return handler == NULL ? -1 : 0;
}

/* ---- entering and leaving ---- */

/* self.reschedule(when), which a subclass may have overridden. */
static int
set_first_deadline(Timeout *self, PyObject *loop, PyObject *when)
{
    core_state *state = self->module_state;
    if (Py_IS_TYPE((PyObject *)self, state->Timeout_class)) {
        return timeout_set_deadline(self, loop, when);
    }
    return status_steal(
        PyObject_CallMethodOneArg((PyObject *)self, state->name_reschedule, when)); // runs Python
}

int
timeout_enter(Timeout *self)
{
    core_state *state = self->module_state;
    if (self->state != TIMEOUT_CREATED) {
        PyErr_SetString(PyExc_RuntimeError, "Timeout has already been entered");
        return -1;
    }
    PyObject *loop = awaitable_running_loop(state);
    PyObject *task = loop == NULL ? NULL : bridge_current_task(state, loop);
    int status = task == NULL ? -1 : 0;
    if (task == Py_None) {
        PyErr_SetString(PyExc_RuntimeError, "Timeout should be used inside a task");
        Py_DECREF(task);
        status = -1;
    }
    else if (task != NULL) {
        self->state = TIMEOUT_ENTERED;
        Py_XSETREF(self->task, task);
        self->cancelling = any_task_cancelling(state, task); // runs Python
        status = self->cancelling < 0 && PyErr_Occurred() ? -1 : 0;
    }
    if (status == 0) {
        PyObject *when = Py_NewRef(self->when);
        status = set_first_deadline(self, loop, when); // runs Python
        Py_DECREF(when);
    }
    Py_XDECREF(loop);
    return status;
}

int
timeout_exit(Timeout *self, PyObject *exc_type, PyObject *exc)
{
    core_state *state = self->module_state;
    if (self->state != TIMEOUT_ENTERED && self->state != TIMEOUT_EXPIRING) {
        PyErr_SetNone(PyExc_AssertionError);
        return -1;
    }
    if (timeout_cancel_handler(self) < 0) {
        return -1;
    }
    if (self->state == TIMEOUT_ENTERED) {
        self->state = TIMEOUT_EXITED;
    }
    if (self->state != TIMEOUT_EXPIRING) {
        return 0;
    }
    self->state = TIMEOUT_EXPIRED;
    PyObject *task = task_of(self);
    long left = any_task_uncancel(state, task); // runs Python
    Py_DECREF(task);
    if (left < 0 && PyErr_Occurred()) {
        return -1;
    }
    if (left > self->cancelling || exc_type == NULL || exc_type == Py_None) {
        return 0;
    }
    return timeout_error_convert(state, exc_type, exc);
}

/* ---- making one ---- */

Timeout *
timeout_new(core_state *state, PyTypeObject *type, PyObject *when)
{
    Timeout *self = (Timeout *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->module_state = state;
        self->when = Py_NewRef(when);
    }
    return self;
}

/* loop.time() + delay. Runs Python on other loops than ours. */
static PyObject *
time_in(core_state *state, PyObject *loop, PyObject *delay)
{
    Loop *own = loop_cast(state, loop);
    bool is_number = PyFloat_CheckExact(delay) || PyLong_CheckExact(delay);
    if (own != NULL && own->time_is_ours && is_number) {
        double seconds = PyFloat_AsDouble(delay), now;
        if ((seconds == -1.0 && PyErr_Occurred()) || loop_time(own, &now) < 0) {
            return NULL;
        }
        return PyFloat_FromDouble(now + seconds);
    }
    PyObject *now = PyObject_CallMethodNoArgs(loop, state->name_time);
    PyObject *when = now == NULL ? NULL : PyNumber_Add(now, delay);
    Py_XDECREF(now);
    return when;
}

Timeout *
timeout_after(core_state *state, PyObject *delay)
{
    PyObject *loop = awaitable_running_loop(state);
    if (loop == NULL) {
        return NULL;
    }
    PyObject *when = delay == Py_None ? Py_NewRef(Py_None) : time_in(state, loop, delay);
    Py_DECREF(loop);
    Timeout *self = when == NULL ? NULL : timeout_new(state, state->Timeout_class, when);
    Py_XDECREF(when);
    return self;
}
