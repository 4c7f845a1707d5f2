/* future_waiters.c -- who waits for a Future, and how they are told.

   One waiter lies in the field itself, more of them in a list: a (callable, context) pair, a Waiter,
   or a Task of ours.

   Ownership moves to a local before anything runs Python: a callback taken out of the future is
   scheduled from the local, so whatever call_soon does to the future meanwhile is harmless. */

#include "core/future.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/context.h"
#include "core/handle.h"
#include "core/task.h"
#include "core/waiter.h"

static int
call_soon_by_method(core_state *state, PyObject *loop, PyObject *callback, PyObject *argument,
                    PyObject *context)
{
    PyObject *stack[4] = {loop, callback};
    size_t nargs = 2;
    if (argument != NULL) {
        stack[nargs++] = argument;
    }
    Py_INCREF(context);
    if (context_materialize(state, &context) < 0) {
        Py_DECREF(context);
        return -1;
    }
    stack[nargs] = context;
    int status = status_steal(PyObject_VectorcallMethod(state->name_call_soon, stack,
                                                        nargs | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                                        state->context_keyword)); // runs Python
    Py_DECREF(context);
    return status;
}

int
future_call_soon(core_state *state, PyObject *loop, PyObject *callback, PyObject *argument,
                 PyObject *context)
{
    Loop *own = loop_cast(state, loop);
    if (own == NULL || !loop_is_direct(own)) {
        return call_soon_by_method(state, loop, callback, argument, context);
    }
    /* add_done_callback(context=None): the context that is current by now. */
    context = context == Py_None ? NULL : context;
    PyObject *handle = handle_new(own, callback, &argument, argument == NULL ? 0 : 1, context);
    if (handle == NULL) {
        return -1;
    }
    return loop_put_steal(own, handle);
}

#ifdef PYASYNC_DEBUG

static void
future_check(const Future *self)
{
    if (!future_is_alive(self)) {
        return; /* not initialised yet, or taken apart by the GC */
    }
    assert(self->state == FUTURE_PENDING || self->state == FUTURE_CANCELLED
           || self->state == FUTURE_FINISHED);
    assert((self->state == FUTURE_FINISHED) == (self->outcome != NULL)
           || self->stock_words[0] != NULL /* asyncio's own __init__ was called on it */);
    assert(!self->has_exception || self->state == FUTURE_FINISHED);
    assert(self->waiters == NULL || future_waiter_count(self) > 0);
}

#else
#  define future_check(self) ((void)(self))
#endif

/* Schedules a Waiter that knows by now which future is done. */
static int
schedule_own_waiter_steal(core_state *state, Future *self, PyObject *waiter)
{
    Loop *own = future_own_loop(self);
    if (own != NULL && loop_is_direct(own)) {
        Py_XSETREF(((Waiter *)waiter)->future, Py_NewRef((PyObject *)self));
        return loop_put_steal(own, waiter);
    }
    int status = future_call_soon(state, self->loop, waiter, (PyObject *)self,
                                  ((Waiter *)waiter)->context);
    Py_DECREF(waiter);
    return status;
}

/* Schedules one waiter whose reference was moved here. */
static int
schedule_waiter_steal(core_state *state, Future *self, PyObject *waiter)
{
    int status;
    if (PyTuple_CheckExact(waiter)) {
        status = future_call_soon(state, self->loop, PyTuple_GET_ITEM(waiter, 0),
                                  (PyObject *)self, PyTuple_GET_ITEM(waiter, 1));
        Py_DECREF(waiter);
        return status;
    }
    if (waiter_check(state, waiter)) {
        return schedule_own_waiter_steal(state, self, waiter);
    }
    Loop *own = future_own_loop(self);
    if (own != NULL && loop_is_direct(own)) { /* NULL: an earlier call_soon called __init__ */
        return loop_put_steal(own, waiter);
    }
    PyObject *wakeup = task_wakeup_callable(waiter);
    PyObject *context = wakeup == NULL ? NULL : task_context(state, (Task *)waiter);
    status = context == NULL ? -1
                             : future_call_soon(state, self->loop, wakeup, (PyObject *)self,
                                                context);
    Py_XDECREF(context);
    Py_XDECREF(wakeup);
    Py_DECREF(waiter);
    return status;
}

static int
schedule_list(core_state *state, Future *self)
{
    /* As in asyncio, an overriding call_soon that the first callback is given to may still remove
       the others; from then on the list is ours alone. */
    PyObject *first = Py_NewRef(PyList_GET_ITEM(self->waiters, 0));
    if (PyList_SetSlice(self->waiters, 0, 1, NULL) < 0) {
        Py_DECREF(first);
        return -1;
    }
    int status = schedule_waiter_steal(state, self, first); // runs Python
    PyObject *waiters = self->waiters;
    self->waiters = NULL;
    if (waiters == NULL) {
        return status;
    }
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(waiters); i++) {
        status = schedule_waiter_steal(state, self, Py_NewRef(PyList_GET_ITEM(waiters, i)));
    }
    Py_DECREF(waiters);
    return status;
}

int
future_schedule_callbacks(core_state *state, Future *self)
{
    future_check(self);
    if (!future_is_alive(self)) {
        return 0; /* the GC has taken it apart: nobody waits any more */
    }
    PyObject *waiters = self->waiters;
    if (waiters == NULL) {
        return 0;
    }
    if (PyList_CheckExact(waiters)) {
        return schedule_list(state, self);
    }
    self->waiters = NULL;
    return schedule_waiter_steal(state, self, waiters);
}

/* Adds a waiter behind the others; steals it. */
static int
append_waiter_steal(Future *self, PyObject *waiter)
{
    if (self->waiters == NULL) {
        self->waiters = waiter;
        return 0;
    }
    int status = 0;
    if (!PyList_CheckExact(self->waiters)) {
        PyObject *list = PyList_New(1);
        if (list == NULL) {
            status = -1;
        }
        else {
            PyList_SET_ITEM(list, 0, self->waiters);
            self->waiters = list;
        }
    }
    if (status == 0) {
        status = PyList_Append(self->waiters, waiter);
    }
    Py_DECREF(waiter);
    return status;
}

int
future_add_callback(core_state *state, Future *self, PyObject *callback, PyObject *context)
{
    if (!future_is_alive(self)) {
        PyErr_SetString(PyExc_RuntimeError, "uninitialized Future object");
        return -1;
    }
    future_check(self);
    if (self->state != FUTURE_PENDING) {
        return future_call_soon(state, self->loop, callback, (PyObject *)self, context);
    }
    PyObject *pair = PyTuple_New(2);
    if (pair == NULL) {
        return -1;
    }
    PyTuple_SET_ITEM(pair, 0, Py_NewRef(callback));
    PyTuple_SET_ITEM(pair, 1, Py_NewRef(context));
    return append_waiter_steal(self, pair);
}

int
future_add_task(Future *self, PyObject *task)
{
    future_check(self);
    assert(self->state == FUTURE_PENDING && self->is_own && self->loop == ((Future *)task)->loop);
    return append_waiter_steal(self, Py_NewRef(task));
}

int
future_add_waiter(core_state *state, Future *self, PyObject *waiter, PyObject *context)
{
    if (!future_is_alive(self) || self->state != FUTURE_PENDING) {
        return future_add_callback(state, self, waiter, context);
    }
    future_check(self);
    return append_waiter_steal(self, Py_NewRef(waiter));
}

int
future_remove_waiter_at(Future *self, Py_ssize_t index)
{
    if (future_waiter_count(self) > 1) {
        return PyList_SetSlice(self->waiters, index, index + 1, NULL);
    }
    Py_CLEAR(self->waiters);
    return 0;
}

/* What Python sees of a waiter: (callable, context). */
static PyObject *
waiter_as_pair(core_state *state, PyObject *waiter)
{
    PyObject *context, *callable;
    if (PyTuple_CheckExact(waiter)) {
        context = Py_NewRef(PyTuple_GET_ITEM(waiter, 1));
        callable = Py_NewRef(PyTuple_GET_ITEM(waiter, 0));
        if (context_materialize(state, &context) < 0) {
            Py_CLEAR(context);
        }
    }
    else if (waiter_check(state, waiter)) {
        context = Py_NewRef(((Waiter *)waiter)->context);
        callable = Py_NewRef(waiter);
        if (context_materialize(state, &context) < 0) {
            Py_CLEAR(context);
        }
    }
    else {
        context = task_context(state, (Task *)waiter);
        callable = task_wakeup_callable(waiter);
    }
    PyObject *pair = context == NULL || callable == NULL ? NULL
                                                         : PyTuple_Pack(2, callable, context);
    Py_XDECREF(context);
    Py_XDECREF(callable);
    return pair;
}

PyObject *
future_callbacks(core_state *state, Future *self)
{
    if (future_waiter_count(self) == 0) {
        Py_RETURN_NONE;
    }
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list != NULL && i < future_waiter_count(self); i++) {
        PyObject *waiter = Py_NewRef(future_waiter_at(self, i));
        PyObject *pair = waiter_as_pair(state, waiter);
        Py_DECREF(waiter);
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(pair);
    }
    return list;
}

/* Whether a waiter equals `callback`: 1, 0 or -1. Runs Python. */
static int
waiter_equals(const core_state *state, PyObject *waiter, PyObject *callback)
{
    if (waiter_check(state, waiter)) {
        return PyObject_RichCompareBool(waiter, callback, Py_EQ);
    }
    if (PyTuple_CheckExact(waiter)) {
        return PyObject_RichCompareBool(PyTuple_GET_ITEM(waiter, 0), callback, Py_EQ);
    }
    PyObject *callable = task_wakeup_callable(waiter);
    int equal = callable == NULL ? -1 : PyObject_RichCompareBool(callable, callback, Py_EQ);
    Py_XDECREF(callable);
    return equal;
}

Py_ssize_t
future_remove_callback(core_state *state, Future *self, PyObject *callback)
{
    Py_ssize_t removed = 0;
    /* An __eq__ may change the waiters under us: look at them anew each time. */
    for (Py_ssize_t i = 0; i < future_waiter_count(self);) {
        PyObject *waiter = Py_NewRef(future_waiter_at(self, i));
        int equal = waiter_equals(state, waiter, callback); // runs Python
        bool still_there = i < future_waiter_count(self) && future_waiter_at(self, i) == waiter;
        Py_DECREF(waiter);
        if (equal < 0) {
            return -1;
        }
        if (equal == 0) {
            i++;
            continue;
        }
        removed++;
        if (still_there && future_waiter_count(self) == 1) {
            Py_CLEAR(self->waiters); // runs Python (destructors)
            break; /* as in asyncio: what a destructor adds stays */
        }
        if (still_there && PyList_SetSlice(self->waiters, i, i + 1, NULL) < 0) {
            return -1;
        }
    }
    return removed;
}
