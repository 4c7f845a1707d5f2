/* future.c -- the states of a Future and the callbacks that wait for it.

   Ownership moves to a local before anything runs Python: a callback taken out of the future is
   scheduled from the local, so whatever call_soon does to the future meanwhile is harmless. */

#include "core/future.h"

#include "base/check.h"
#include "core/context.h"
#include "core/handle.h"
#include "core/report.h"
#include "core/task.h"

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
    assert(self->context0 == NULL || self->callback0 != NULL);
}

#else
#  define future_check(self) ((void)(self))
#endif

/* Schedules one waiter whose references were moved here. */
static int
schedule_waiter_steal(core_state *state, Future *self, PyObject *waiter, PyObject *context)
{
    int status;
    if (context != NULL) {
        status = future_call_soon(state, self->loop, waiter, (PyObject *)self, context);
        Py_DECREF(waiter);
        Py_DECREF(context);
        return status;
    }
    if (loop_is_direct(future_own_loop(self))) {
        return loop_put_steal(future_own_loop(self), waiter);
    }
    PyObject *wakeup = task_wakeup_callable(waiter);
    context = wakeup == NULL ? NULL : task_context(state, (Task *)waiter);
    status = context == NULL ? -1
                             : future_call_soon(state, self->loop, wakeup, (PyObject *)self,
                                                context);
    Py_XDECREF(context);
    Py_XDECREF(wakeup);
    Py_DECREF(waiter);
    return status;
}

static int
schedule_callbacks(core_state *state, Future *self)
{
    future_check(self);
    if (!future_is_alive(self)) {
        return 0; /* the GC has taken it apart: nobody waits any more */
    }
    PyObject *waiter = self->callback0;
    if (waiter != NULL) {
        PyObject *context = self->context0;
        self->callback0 = self->context0 = NULL;
        if (schedule_waiter_steal(state, self, waiter, context) < 0) {
            Py_CLEAR(self->callbacks);
            return -1;
        }
    }
    PyObject *callbacks = self->callbacks;
    if (callbacks == NULL) {
        return 0;
    }
    self->callbacks = NULL;
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(callbacks); i++) {
        PyObject *item = PyList_GET_ITEM(callbacks, i);
        if (PyTuple_CheckExact(item)) {
            status = schedule_waiter_steal(state, self, Py_NewRef(PyTuple_GET_ITEM(item, 0)),
                                           Py_NewRef(PyTuple_GET_ITEM(item, 1)));
        }
        else {
            status = schedule_waiter_steal(state, self, Py_NewRef(item), NULL);
        }
    }
    Py_DECREF(callbacks);
    return status;
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
future_cancel(core_state *state, Future *self, PyObject *message)
{
    self->log_traceback = false;
    if (self->state != FUTURE_PENDING) {
        return 0;
    }
    self->state = FUTURE_CANCELLED;
    Py_XSETREF(self->cancel_message, Py_XNewRef(message));
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
    PyObject *message = self->cancel_message;
    if (message == NULL || message == Py_None) {
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

/* Appends to the callbacks after the first; steals item. */
static int
append_callback_steal(Future *self, PyObject *item)
{
    int status = -1;
    if (item != NULL) {
        if (self->callbacks == NULL) {
            self->callbacks = PyList_New(0);
        }
        if (self->callbacks != NULL) {
            status = PyList_Append(self->callbacks, item);
        }
        Py_DECREF(item);
    }
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
    if (self->callback0 == NULL && self->callbacks == NULL) {
        self->callback0 = Py_NewRef(callback);
        self->context0 = Py_NewRef(context);
        return 0;
    }
    return append_callback_steal(self, PyTuple_Pack(2, callback, context));
}

int
future_add_task(Future *self, PyObject *task)
{
    future_check(self);
    assert(self->state == FUTURE_PENDING && self->is_own && self->loop == ((Future *)task)->loop);
    if (self->callback0 == NULL && self->callbacks == NULL) {
        self->callback0 = Py_NewRef(task);
        return 0;
    }
    return append_callback_steal(self, Py_NewRef(task));
}

/* What Python sees of a waiter: (callable, context). */
static PyObject *
waiter_as_pair(core_state *state, PyObject *waiter, PyObject *stored_context)
{
    PyObject *context, *callable;
    if (stored_context == NULL) {
        context = task_context(state, (Task *)waiter);
        callable = task_wakeup_callable(waiter);
    }
    else {
        context = Py_NewRef(stored_context);
        callable = Py_NewRef(waiter);
        if (context_materialize(state, &context) < 0) {
            Py_CLEAR(context);
        }
    }
    PyObject *pair = context == NULL || callable == NULL ? NULL
                                                         : PyTuple_Pack(2, callable, context);
    Py_XDECREF(context);
    Py_XDECREF(callable);
    return pair;
}

/* The same of an entry of the list. */
static PyObject *
item_as_pair(core_state *state, PyObject *item)
{
    if (PyTuple_CheckExact(item)) {
        return waiter_as_pair(state, PyTuple_GET_ITEM(item, 0), PyTuple_GET_ITEM(item, 1));
    }
    return waiter_as_pair(state, item, NULL);
}

PyObject *
future_callbacks(core_state *state, Future *self)
{
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    Py_ssize_t count = self->callbacks == NULL ? 0 : PyList_GET_SIZE(self->callbacks);
    for (Py_ssize_t i = -1; i < count; i++) {
        PyObject *pair;
        if (i < 0) {
            if (self->callback0 == NULL) {
                continue;
            }
            pair = waiter_as_pair(state, self->callback0, self->context0);
        }
        else {
            pair = item_as_pair(state, PyList_GET_ITEM(self->callbacks, i));
        }
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_XDECREF(pair);
            Py_DECREF(list);
            return NULL;
        }
        Py_DECREF(pair);
    }
    if (PyList_GET_SIZE(list) == 0) {
        Py_DECREF(list);
        Py_RETURN_NONE;
    }
    return list;
}

/* Whether a waiter (a task where is_task) equals `callback`: 1, 0 or -1. Runs Python. */
static int
waiter_equals(PyObject *waiter, bool is_task, PyObject *callback)
{
    PyObject *callable = is_task ? task_wakeup_callable(waiter) : Py_NewRef(waiter);
    int equal = callable == NULL ? -1 : PyObject_RichCompareBool(callable, callback, Py_EQ);
    Py_XDECREF(callable);
    return equal;
}

Py_ssize_t
future_remove_callback(core_state *state, Future *self, PyObject *callback)
{
    (void)state;
    Py_ssize_t removed = 0;
    if (self->callback0 != NULL) {
        int equal = waiter_equals(self->callback0, self->context0 == NULL, callback);
        if (equal < 0) {
            return -1;
        }
        if (equal) {
            /* An __eq__ may have emptied the place already: then there is nothing to remove. */
            PyObject *callback0 = self->callback0, *context0 = self->context0;
            self->callback0 = self->context0 = NULL;
            Py_XDECREF(callback0);
            Py_XDECREF(context0);
            removed++;
        }
    }
    /* An __eq__ may change the list under us: look at its size each time. */
    PyObject *callbacks = Py_XNewRef(self->callbacks);
    for (Py_ssize_t i = 0; callbacks != NULL && i < PyList_GET_SIZE(callbacks);) {
        PyObject *item = Py_NewRef(PyList_GET_ITEM(callbacks, i));
        int equal = PyTuple_CheckExact(item)
                        ? waiter_equals(PyTuple_GET_ITEM(item, 0), false, callback)
                        : waiter_equals(item, true, callback); // runs Python
        bool still_there = i < PyList_GET_SIZE(callbacks) && PyList_GET_ITEM(callbacks, i) == item;
        Py_DECREF(item);
        if (equal < 0 || (equal && still_there && PyList_SetSlice(callbacks, i, i + 1, NULL) < 0)) {
            Py_DECREF(callbacks);
            return -1;
        }
        if (equal) {
            removed++;
        }
        else {
            i++;
        }
    }
    if (callbacks != NULL && PyList_GET_SIZE(callbacks) == 0 && self->callbacks == callbacks) {
        Py_CLEAR(self->callbacks);
    }
    Py_XDECREF(callbacks);
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
    self->source_traceback = PyObject_CallNoArgs(state->extract_stack);
    return self->source_traceback == NULL ? -1 : 0;
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
    Py_CLEAR(self->callback0);
    Py_CLEAR(self->context0);
    Py_CLEAR(self->callbacks);
    Py_CLEAR(self->outcome);
    Py_CLEAR(self->detail);
    Py_CLEAR(self->source_traceback);
    Py_CLEAR(self->cancel_message);
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
                       self->source_traceback);
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
    Py_VISIT(self->callback0);
    Py_VISIT(self->context0);
    Py_VISIT(self->callbacks);
    Py_VISIT(self->outcome);
    Py_VISIT(self->detail);
    Py_VISIT(self->source_traceback);
    Py_VISIT(self->cancel_message);
    return 0;
}

int
future_clear(PyObject *op)
{
    Future *self = (Future *)op;
    Py_CLEAR(self->callbacks);
    PyObject *callback0 = self->callback0, *context0 = self->context0, *loop = self->loop;
    self->callback0 = self->context0 = self->loop = NULL;
    self->is_own = false;
    Py_XDECREF(callback0);
    Py_XDECREF(context0);
    Py_XDECREF(loop);
    Py_CLEAR(self->outcome);
    Py_CLEAR(self->detail);
    Py_CLEAR(self->source_traceback);
    Py_CLEAR(self->cancel_message);
    return stock_base_of(op)->tp_clear(op);
}
