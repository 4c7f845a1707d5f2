/* loop_schedule.c -- the methods that put work into the loop: callbacks, timers, futures, tasks.

   The usual call (not closed, not in debug mode, nothing overridden) stays in C from end to end;
   whatever is unusual goes the way that asyncio's own method goes.
   Source: asyncio.BaseEventLoop. */

#include "core/loop.h"

#include "base/clock.h"
#include "core/answer.h"
#include "core/args.h"
#include "core/future.h"
#include "core/handle.h"
#include "core/loop_methods.h"
#include "core/namespace.h"
#include "core/stock.h"
#include "core/task.h"

int
loop_check_closed(Loop *self)
{
    if (self->is_closed) {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
        return -1;
    }
    return 0;
}

/* What debug mode asks of a callback before it is scheduled. Runs Python. */
static SELDOM int
check_in_debug_slow(Loop *self, PyObject *callback, const char *method, bool check_thread)
{
    int is_debug = PyObject_IsTrue(self->debug);
    if (is_debug <= 0) {
        return is_debug;
    }
    if (check_thread) {
        PyObject *answer = PyObject_CallMethodNoArgs((PyObject *)self,
                                                     self->state->name_check_thread);
        Py_XDECREF(answer);
        if (answer == NULL) {
            return -1;
        }
    }
    PyObject *name = PyUnicode_FromString(method);
    PyObject *answer = name == NULL ? NULL
                                    : PyObject_CallMethodObjArgs(
                                          (PyObject *)self, self->state->name_check_callback,
                                          callback, name, NULL);
    Py_XDECREF(name);
    return status_steal(answer);
}

static inline int
check_in_debug(Loop *self, PyObject *callback, const char *method, bool check_thread)
{
    return loop_debug_is_plain_off(self)
               ? 0
               : check_in_debug_slow(self, callback, method, check_thread);
}

static PyObject *
schedule_soon(Loop *self, const args_bound *bound, const char *method, bool check_thread)
{
    if (loop_check_closed(self) < 0
        || check_in_debug(self, bound->leading[0], method, check_thread) < 0) {
        return NULL;
    }
    PyObject *handle = handle_new(self, bound->leading[0], bound->rest, bound->rest_count,
                                  bound->context);
    if (handle == NULL || loop_put_steal(self, Py_NewRef(handle)) < 0) {
        Py_XDECREF(handle);
        return NULL;
    }
    return handle;
}

int
loop_call_soon(Loop *self, PyObject *callback, PyObject *argument, PyObject *context)
{
    Py_ssize_t nargs = argument == NULL ? 0 : 1;
    PyObject *handle;
    if (loop_is_direct(self)) {
        handle = handle_new(self, callback, &argument, nargs, context);
        return handle == NULL ? -1 : loop_put_steal(self, handle);
    }
    PyObject *stack[4] = {(PyObject *)self, callback};
    if (argument != NULL) {
        stack[2] = argument;
    }
    stack[2 + nargs] = context;
    handle = PyObject_VectorcallMethod(self->state->name_call_soon, stack, (size_t)nargs + 2,
                                       context == NULL ? NULL : self->state->context_keyword);
    return status_steal(handle); // runs Python
}

PyObject *
Loop_call_soon(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_signature signature = {"BaseEventLoop.call_soon", {"callback", NULL}};
    Loop *self = (Loop *)op;
    args_bound bound;
    if (args_bind_one_and_rest(self->state, &signature, args, nargs, kwnames, &bound) < 0) {
        return NULL;
    }
    return schedule_soon(self, &bound, "call_soon", true);
}

static PyObject *
schedule_threadsafe(Loop *self, const args_bound *bound)
{
    PyObject *handle = schedule_soon(self, bound, "call_soon_threadsafe", false);
    if (handle != NULL) {
        ((Handle *)handle)->is_threadsafe = true;
        loop_wake(self);
    }
    return handle;
}

PyObject *
Loop_call_soon_threadsafe(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_signature signature = {"BaseEventLoop.call_soon_threadsafe",
                                             {"callback", NULL}};
    Loop *self = (Loop *)op;
    args_bound bound;
    if (args_bind_one_and_rest(self->state, &signature, args, nargs, kwnames, &bound) < 0) {
        return NULL;
    }
    return schedule_threadsafe(self, &bound);
}

int
loop_call_soon_threadsafe(core_state *state, PyObject *loop, PyObject *callback,
                          PyObject *const *args, Py_ssize_t nargs)
{
    Loop *own = loop_cast(state, loop);
    PyObject *handle;
    if (own != NULL && loop_is_direct(own) && own->threadsafe_is_ours) {
        args_bound bound = {.leading = {callback}, .rest = args, .rest_count = nargs};
        handle = schedule_threadsafe(own, &bound);
    }
    else {
        PyObject *stack[4] = {loop, callback};
        for (Py_ssize_t i = 0; i < nargs; i++) {
            stack[2 + i] = args[i];
        }
        handle = PyObject_VectorcallMethod(state->name_call_soon_threadsafe, stack,
                                           (size_t)nargs + 2, NULL); // runs Python
    }
    return status_steal(handle);
}

static PyObject *
schedule_at(Loop *self, double when, const args_bound *bound)
{
    TimerHandle *handle = (TimerHandle *)timer_handle_new(
        self, when, bound->leading[1], bound->rest, bound->rest_count, bound->context);
    if (handle == NULL) {
        return NULL;
    }
    if (timer_heap_add(&self->timers, &handle->node, clock_deadline_ns(when)) < 0) {
        Py_DECREF(handle);
        return PyErr_NoMemory();
    }
    Py_INCREF(handle); /* the heap's */
    if (self->is_sleeping) {
        wakeup_send(&self->wakeup); /* from a foreign thread: the sleep may be too long now */
    }
    return (PyObject *)handle;
}

PyObject *
Loop_call_at(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_signature signature = {"BaseEventLoop.call_at", {"when", "callback", NULL}};
    Loop *self = (Loop *)op;
    args_bound bound;
    if (args_bind(self->state, &signature, args, nargs, kwnames, &bound) < 0) {
        return NULL;
    }
    if (bound.leading[0] == Py_None) {
        PyErr_SetString(PyExc_TypeError, "when cannot be None");
        return NULL;
    }
    if (loop_check_closed(self) < 0
        || check_in_debug(self, bound.leading[1], "call_at", true) < 0) {
        return NULL;
    }
    double when = PyFloat_AsDouble(bound.leading[0]);
    if (when == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *handle = schedule_at(self, when, &bound);
    if (handle != NULL && !PyFloat_CheckExact(bound.leading[0])) {
        timer_handle_set_when(handle, bound.leading[0]);
    }
    return handle;
}

PyObject *
Loop_call_later(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_signature signature = {"BaseEventLoop.call_later",
                                             {"delay", "callback", NULL}};
    Loop *self = (Loop *)op;
    args_bound bound;
    if (args_bind(self->state, &signature, args, nargs, kwnames, &bound) < 0) {
        return NULL;
    }
    PyObject *delay = bound.leading[0];
    bool is_plain = PyFloat_CheckExact(delay) || PyLong_CheckExact(delay);
    if (!is_plain || !loop_is_direct(self) || !self->call_at_is_ours) {
        return stock_call_function(self->state->stock_call_later, op, args, nargs, kwnames);
    }
    double seconds = PyFloat_AsDouble(delay), now;
    if ((seconds == -1.0 && PyErr_Occurred()) || loop_time(self, &now) < 0) {
        return NULL;
    }
    return schedule_at(self, now + seconds, &bound);
}

/* What somebody has put into asyncio's own module in the place of its type (a pure-Python one for
   tracing or nesting, say), or NULL: then we make our own. Borrowed. 0 or -1. */
static int
find_replacement(PyObject *namespace, Py_ssize_t *place, PyObject *name, PyObject *stock,
                 PyTypeObject *ours, PyObject **other)
{
    PyObject *found = namespace_get(namespace, place, name);
    if (found == NULL && PyErr_Occurred()) {
        return -1;
    }
    *other = found == stock || found == (PyObject *)ours ? NULL : found;
    return 0;
}

PyObject *
loop_create_future(core_state *state, PyObject *loop)
{
    Loop *own = loop_cast(state, loop);
    if (own != NULL && loop_is_direct(own) && own->create_future_is_ours) {
        return Loop_create_future(loop, NULL);
    }
    return PyObject_CallMethodNoArgs(loop, state->name_create_future);
}

PyObject *
Loop_create_future(PyObject *op, PyObject *Py_UNUSED(unused))
{
    core_state *state = ((Loop *)op)->state;
    PyObject *other;
    if (find_replacement(state->futures_namespace, &state->Future_place, state->name_Future,
                         state->stock_Future, state->Future_type, &other) < 0) {
        return NULL;
    }
    if (other == NULL) {
        return future_new((Loop *)op);
    }
    PyObject *keyword = PyTuple_Pack(1, state->name_loop);
    PyObject *future = keyword == NULL ? NULL : PyObject_Vectorcall(other, &op, 0, keyword);
    Py_XDECREF(keyword);
    return future;
}

/* By asyncio's own create_task: with a task factory, or arguments that this version refuses. */
static PyObject *
create_task_by_stock(Loop *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return stock_call_function(self->state->stock_create_task, (PyObject *)self, args, nargs,
                               kwnames);
}

PyObject *
loop_replaced_create_task(core_state *state)
{
    PyTypeObject *type = (PyTypeObject *)state->BaseEventLoop;
    if (type->tp_version_tag == state->base_loop_version && type->tp_version_tag != 0) {
        return state->replaced_create_task;
    }
    PyObject *found = PyObject_GetAttr((PyObject *)type, state->name_create_task);
    if (found == NULL) {
        PyErr_Clear(); /* deleted: there is none to call */
    }
    else if (PyFunction_Check(found)
             && PyFunction_GET_GLOBALS(found) == state->base_events_namespace) {
        Py_CLEAR(found);
    }
    state->base_loop_version = type->tp_version_tag;
    Py_XSETREF(state->replaced_create_task, found); // runs Python (destructors), which may ask, too
    return state->replaced_create_task;
}

typedef struct {
    PyObject *coro;
    PyObject *name;
    PyObject *context;
    PyObject *eager_start;
} task_arguments;

/* Whether these are arguments that we make a task of ourselves. */
static bool
bind_task_arguments(const core_state *state, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames, task_arguments *bound)
{
    *bound = (task_arguments){.coro = nargs == 1 ? args[0] : NULL};
    Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        PyObject *value = args[nargs + i];
        if (PyUnicode_Compare(keyword, state->name_name) == 0) {
            bound->name = value;
        }
        else if (PyUnicode_Compare(keyword, state->name_context) == 0) {
            bound->context = value;
        }
        else if (state->create_task_takes_more
                 && PyUnicode_Compare(keyword, state->name_eager_start) == 0) {
            bound->eager_start = value;
        }
        else {
            return false;
        }
    }
    return bound->coro != NULL;
}

/* To 3.13.2 create_task names a factory's task only when it has it: after the eager step, and in
   3.13.0 "None" where no name was given. */
static PyObject *
create_eager_task_named_later(Loop *self, const task_arguments *bound)
{
    PyObject *task = task_new(self, bound->coro, NULL, bound->context, self->is_running);
    PyObject *name = bound->name == NULL ? Py_None : bound->name;
    if (task != NULL && (name != Py_None || self->state->create_task_names_all)
        && task_set_name((Task *)task, name) < 0) {
        Py_CLEAR(task);
    }
    return task;
}

PyObject *
Loop_create_task(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Loop *self = (Loop *)op;
    PyObject *replaced = loop_replaced_create_task(self->state);
    if (replaced != NULL) {
        Py_INCREF(replaced);
        PyObject *task = stock_call_function(replaced, op, args, nargs, kwnames); // runs Python
        Py_DECREF(replaced);
        return task;
    }
    task_arguments bound;
    if (!bind_task_arguments(self->state, args, nargs, kwnames, &bound)) {
        return create_task_by_stock(self, args, nargs, kwnames);
    }
    core_state *state = self->state;
    PyObject *other;
    if (find_replacement(state->tasks_namespace, &state->Task_place, state->name_Task,
                         state->stock_Task, state->Task_type, &other) < 0) {
        return NULL;
    }
    if (other != NULL) {
        return create_task_by_stock(self, args, nargs, kwnames);
    }
    if (loop_check_closed(self) < 0) {
        return NULL;
    }
    int eager_start = bound.eager_start == NULL ? 0 : PyObject_IsTrue(bound.eager_start);
    if (eager_start < 0) {
        return NULL;
    }
    if (self->task_factory != Py_None) {
        /* asyncio's eager factory, and the namespace's, make what we make with eager_start. */
        bool is_eager = self->task_factory == self->state->stock_eager_factory
                        || self->task_factory == self->state->own_eager_factory;
        if (!is_eager || bound.eager_start != NULL) {
            return create_task_by_stock(self, args, nargs, kwnames);
        }
        if (!self->state->create_task_takes_more) {
            return create_eager_task_named_later(self, &bound);
        }
        eager_start = 1;
    }
    return task_new(self, bound.coro, bound.name, bound.context,
                    eager_start && self->is_running);
}

PyObject *
loop_create_plain_task(Loop *self, PyObject *coro)
{
    return Loop_create_task((PyObject *)self, &coro, 1, NULL);
}

PyObject *
Loop_add_callback(PyObject *op, PyObject *handle)
{
    Loop *self = (Loop *)op;
    int is_cancelled = truth_steal(
        PyObject_GetAttr(handle, self->state->name_cancelled_attribute));
    if (is_cancelled < 0 || (!is_cancelled && loop_put_steal(self, Py_NewRef(handle)) < 0)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
Loop_write_to_self(PyObject *op, PyObject *Py_UNUSED(unused))
{
    loop_wake((Loop *)op);
    Py_RETURN_NONE;
}

PyObject *
Loop_add_callback_signalsafe(PyObject *op, PyObject *handle)
{
    PyObject *answer = Loop_add_callback(op, handle);
    loop_wake((Loop *)op);
    return answer;
}

PyObject *
Loop_timer_handle_cancelled(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(handle))
{
    Py_RETURN_NONE; /* our timers leave the heap at once: there is nothing to count */
}
