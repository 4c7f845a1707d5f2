/* future.c -- the states of a Future and the callbacks that wait for it.

   Ownership moves to a local before anything runs Python: a callback taken out of the future is
   scheduled from the local, so whatever call_soon does to the future meanwhile is harmless. */

#include "core/future.h"

#include "base/check.h"
#include "core/context.h"
#include "core/handle.h"
#include "core/report.h"
#include "core/task.h"
#include "core/waiter.h"

#include <string.h>

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
    PyObject *handle = PyObject_VectorcallMethod(state->name_call_soon, stack,
                                                 nargs | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                                 state->context_keyword); // runs Python
    Py_XDECREF(handle);
    Py_DECREF(context);
    return handle == NULL ? -1 : 0;
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
    assert((self->state == FUTURE_FINISHED) == (self->outcome != NULL));
    assert(!self->has_exception || self->state == FUTURE_FINISHED);
    assert(self->waiters == NULL || future_waiter_count(self) > 0);
    assert(self->extras == NULL || PyTuple_GET_SIZE(self->extras) == EXTRA_COUNT);
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

static int
schedule_callbacks(core_state *state, Future *self)
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

static int
check_pending(core_state *state, Future *self)
{
    if (!future_is_alive(self)) {
        PyErr_SetString(PyExc_RuntimeError, "Future object is not initialized.");
        return -1;
    }
    if (self->state != FUTURE_PENDING) {
        PyErr_SetString(state->InvalidStateError, "invalid state");
        return -1;
    }
    return 0;
}

int
future_set_result(core_state *state, Future *self, PyObject *result)
{
    if (check_pending(state, self) < 0) {
        return -1;
    }
    Py_XSETREF(self->outcome, Py_NewRef(result));
    self->state = FUTURE_FINISHED;
    return schedule_callbacks(state, self);
}

/* The instance to store for what set_exception was given, or NULL: a class is called. */
static PyObject *
make_exception(PyObject *exception)
{
    PyObject *instance = PyExceptionClass_Check(exception) ? PyObject_CallNoArgs(exception)
                                                           : Py_NewRef(exception);
    if (instance == NULL) {
        return NULL;
    }
    if (!PyExceptionInstance_Check(instance)) {
        PyErr_SetString(PyExc_TypeError, "invalid exception object");
        Py_DECREF(instance);
        return NULL;
    }
    const char *refusal = "StopIteration interacts badly with "
                          "generators and cannot be raised into a Future";
    if (STOP_ITERATION_IS_WRAPPED) {
        if (PyErr_GivenExceptionMatches(instance, PyExc_StopIteration)) {
            PyObject *wrapper = PyObject_CallFunction(PyExc_RuntimeError, "s", refusal);
            if (wrapper != NULL) {
                PyException_SetCause(wrapper, Py_NewRef(instance));
                PyException_SetContext(wrapper, Py_NewRef(instance));
            }
            Py_SETREF(instance, wrapper);
        }
    }
    else if (Py_IS_TYPE(instance, (PyTypeObject *)PyExc_StopIteration)) {
        PyErr_SetString(PyExc_TypeError, refusal);
        Py_CLEAR(instance);
    }
    return instance;
}

int
future_set_exception(core_state *state, Future *self, PyObject *exception)
{
    if (check_pending(state, self) < 0) {
        return -1;
    }
    PyObject *instance = make_exception(exception); // runs Python
    if (instance == NULL) {
        return -1;
    }
    if (check_pending(state, self) < 0) {
        Py_DECREF(instance);
        return -1;
    }
    Py_XSETREF(self->outcome, instance);
    self->has_exception = true;
    Py_XSETREF(self->detail, PyException_GetTraceback(instance));
    self->state = FUTURE_FINISHED;
    if (schedule_callbacks(state, self) < 0) {
        return -1;
    }
    self->log_traceback = true;
    return 0;
}

int
future_set_extra(Future *self, enum future_extra which, PyObject *value)
{
    bool is_none = value == NULL || value == Py_None;
    if (is_none && future_extra(self, which) == NULL) {
        return 0;
    }
    PyObject *extras = PyTuple_New(EXTRA_COUNT);
    if (extras == NULL) {
        return -1;
    }
    for (int i = 0; i < EXTRA_COUNT; i++) {
        PyObject *extra = i == (int)which ? value : future_extra(self, (enum future_extra)i);
        PyTuple_SET_ITEM(extras, i, Py_NewRef(extra == NULL ? Py_None : extra));
    }
    Py_XSETREF(self->extras, extras);
    return 0;
}

int
future_cancel(core_state *state, Future *self, PyObject *message)
{
    self->log_traceback = false;
    if (self->state != FUTURE_PENDING) {
        return 0;
    }
    if (future_set_extra(self, EXTRA_CANCEL_MESSAGE, message) < 0) {
        return -1;
    }
    self->state = FUTURE_CANCELLED;
    return schedule_callbacks(state, self) < 0 ? -1 : 1;
}

PyObject *
future_make_cancelled_error(core_state *state, Future *self)
{
    PyObject *stored = self->state == FUTURE_CANCELLED ? self->detail : NULL;
    if (stored != NULL) {
        self->detail = NULL;
        return stored;
    }
    PyObject *message = future_extra(self, EXTRA_CANCEL_MESSAGE);
    if (message == NULL) {
        return PyObject_CallNoArgs(state->CancelledError);
    }
    return PyObject_CallOneArg(state->CancelledError, message);
}

int
future_get_result(core_state *state, Future *self, PyObject **result)
{
    if (self->state == FUTURE_CANCELLED) {
        PyObject *error = future_make_cancelled_error(state, self);
        if (error != NULL) {
            PyErr_SetObject(state->CancelledError, error);
            Py_DECREF(error);
        }
        return -1;
    }
    if (self->state == FUTURE_PENDING) {
        PyErr_SetString(state->InvalidStateError, "Result is not set.");
        return -1;
    }
    self->log_traceback = false;
    if (!self->has_exception) {
        *result = Py_NewRef(self->outcome == NULL ? Py_None : self->outcome);
        return 0;
    }
    PyObject *traceback = self->detail != NULL ? self->detail : Py_None;
    if (PyException_SetTraceback(self->outcome, traceback) < 0) {
        return -1;
    }
    *result = Py_NewRef(self->outcome);
    Py_CLEAR(self->detail);
    return 1;
}

PyObject *
future_result(core_state *state, Future *self)
{
    if (!future_is_alive(self)) {
        PyErr_SetString(state->InvalidStateError, "Future object is not initialized.");
        return NULL;
    }
    PyObject *result;
    int kind = future_get_result(state, self, &result);
    if (kind == 1) {
        PyErr_SetObject(PyExceptionInstance_Class(result), result);
        Py_DECREF(result);
    }
    return kind == 0 ? result : NULL;
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

/* Takes the traceback of the caller where the loop is in debug mode. Runs Python. */
static int
init_source_traceback(core_state *state, Future *self)
{
    if (self->is_own && loop_debug_is_plain_off(future_own_loop(self))) {
        return 0;
    }
    int is_debug = loop_is_debug(state, self->loop);
    if (is_debug <= 0 || interpreter_is_finalizing()) {
        return is_debug < 0 ? -1 : 0;
    }
    PyObject *stack = PyObject_CallNoArgs(state->extract_stack);
    int status = stack == NULL ? -1 : future_set_extra(self, EXTRA_SOURCE_TRACEBACK, stack);
    Py_XDECREF(stack);
    return status;
}

int
future_refuse_second_init(const Future *self, const char *type_name)
{
    if (FUTURE_REFUSES_SECOND_INIT && future_is_alive(self)) {
        PyErr_Format(PyExc_RuntimeError, "%s object is already initialized", type_name);
        return -1;
    }
    return 0;
}

int
future_init(core_state *state, Future *self, PyObject *loop)
{
    Py_CLEAR(self->waiters);
    Py_CLEAR(self->outcome);
    Py_CLEAR(self->detail);
    Py_CLEAR(self->extras);
    self->state = FUTURE_PENDING;
    self->has_exception = self->log_traceback = false;
    self->is_blocking = false;
    loop = loop == Py_None ? PyObject_CallNoArgs(state->get_event_loop) : Py_NewRef(loop);
    if (loop == NULL) {
        return -1;
    }
    self->is_own = loop_cast(state, loop) != NULL;
    Py_XSETREF(self->loop, loop);
    return init_source_traceback(state, self);
}

PyObject *
future_new(Loop *loop)
{
    core_state *state = loop->state;
    Future *self = (Future *)loop_free_list_take(&loop->free_futures, state->Future_type);
    if (self == NULL) {
        self = (Future *)state->Future_type->tp_alloc(state->Future_type, 0);
        if (self == NULL) {
            return NULL;
        }
    }
    LIVE_ADD(state, LIVE_FUTURE);
    self->is_own = true;
    self->loop = Py_NewRef((PyObject *)loop);
    if (init_source_traceback(state, self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

void
future_finalize(Future *self)
{
    if (!self->log_traceback) {
        return;
    }
    self->log_traceback = false;
    report_unretrieved(future_state_of(self), self->loop, (PyObject *)self, self->outcome,
                       future_extra(self, EXTRA_SOURCE_TRACEBACK));
}

/* asyncio's own type under ours, for an object of ours or of a subclass. */
static PyTypeObject *
stock_base_of(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    while (type->tp_dealloc != future_dealloc) {
        type = type->tp_base;
    }
    while (type->tp_dealloc == future_dealloc) {
        type = type->tp_base;
    }
    return type;
}

int
future_traverse(PyObject *op, visitproc visit, void *arg)
{
    Future *self = (Future *)op;
    PyTypeObject *stock = stock_base_of(op);
    int status = stock->tp_traverse(op, visit, arg);
    if (status != 0) {
        return status;
    }
    if (!PyType_HasFeature(stock, Py_TPFLAGS_HEAPTYPE)) {
        Py_VISIT(Py_TYPE(op)); /* asyncio's static types, to 3.11, do not visit it */
    }
    Py_VISIT(self->loop);
    Py_VISIT(self->waiters);
    Py_VISIT(self->outcome);
    Py_VISIT(self->detail);
    Py_VISIT(self->extras);
    return 0;
}

int
future_clear(PyObject *op)
{
    Future *self = (Future *)op;
    PyObject *waiters = self->waiters, *loop = self->loop;
    self->waiters = self->loop = NULL;
    self->is_own = false;
    Py_XDECREF(waiters);
    Py_XDECREF(loop);
    Py_CLEAR(self->outcome);
    Py_CLEAR(self->detail);
    Py_CLEAR(self->extras);
    return stock_base_of(op)->tp_clear(op);
}
