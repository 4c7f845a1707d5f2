/* coroutine_step.c -- resuming a Coroutine, by C (am_send) and by Python (send, throw, close), and what
   it awaits with it. */

#include "core/coroutine_step.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/future.h"
#include "core/stop_iteration.h"

/* Ends it, however that came about; no exception is pending. Runs Python (destructors). */
static void
end(Coroutine *self)
{
    if (self->state == COROUTINE_DONE) {
        return;
    }
    self->state = COROUTINE_DONE;
    if (self->kind->drop != NULL) {
        self->kind->drop(self); // runs Python
    }
    Py_CLEAR(self->future);
}

void
coroutine_end_keeping_exception(Coroutine *self)
{
    PyObject *pending = PyErr_GetRaisedException();
    end(self);
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

static PySendResult resume(Coroutine *self, PyObject **result);

/* Yields its future to whoever steps it, as Future.__await__ does; or None, as a bare yield. */
static PySendResult
yield_future(Coroutine *self, PyObject **result)
{
    core_state *state = self->module_state;
    if (self->future == Py_None) {
        self->state = COROUTINE_WAITING;
        *result = Py_NewRef(Py_None);
        return PYGEN_NEXT;
    }
    if (future_is_exact(state, self->future)) {
        if (((Future *)self->future)->is_blocking) { /* nobody has taken it who was given it before */
            PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
            *result = NULL;
            return resume(self, result);
        }
        ((Future *)self->future)->is_blocking = true;
    }
    else if (PyObject_SetAttr(self->future, state->name_asyncio_future_blocking, Py_True) < 0) {
        coroutine_end_keeping_exception(self);
        *result = NULL;
        return PYGEN_ERROR;
    }
    self->state = COROUTINE_WAITING;
    *result = Py_NewRef(self->future);
    return PYGEN_NEXT;
}

static PyObject *
result_of(Coroutine *self)
{
    core_state *state = self->module_state;
    if (self->future == Py_None) {
        return Py_NewRef(Py_None);
    }
    if (future_is_exact(state, self->future)
        && ((Future *)self->future)->state == FUTURE_PENDING) {
        PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
        return NULL;
    }
    return awaitable_result(state, self->future); // runs Python where it is none of ours
}

static PySendResult after_step(Coroutine *self, int answer, PyObject **result);

/* After what it waited for: gives `result`, or the pending exception, to the kind. */
static PySendResult
resume(Coroutine *self, PyObject **result)
{
    int answer = *result == NULL ? COROUTINE_FAILED : COROUTINE_RETURNS;
    self->state = COROUTINE_RUNNING;
    self->is_awaiting = false;
    if (self->kind->resume != NULL) {
        Py_CLEAR(self->future);
        answer = self->kind->resume(self, result); // runs Python
    }
    return after_step(self, answer, result);
}

/* What it awaits has been sent or thrown something and answered as PyIter_Send does. */
static PySendResult
after_awaitable(Coroutine *self, PySendResult answer, PyObject **result)
{
    if (answer == PYGEN_NEXT) {
        self->state = COROUTINE_WAITING;
        return PYGEN_NEXT;
    }
    return resume(self, result);
}

static PySendResult
send_to_awaitable(Coroutine *self, PyObject *value, PyObject **result)
{
    self->state = COROUTINE_RUNNING;
    PyObject *iterator = Py_NewRef(self->future);
    PySendResult answer = PyIter_Send(iterator, value, result); // runs Python
    Py_DECREF(iterator);
    if (answer == PYGEN_ERROR && !PyErr_Occurred()) {
        *result = Py_NewRef(Py_None); /* an iterator that has ended before */
    }
    return after_awaitable(self, answer, result);
}

/* What start() or resume() answered. */
static PySendResult
after_step(Coroutine *self, int answer, PyObject **result)
{
    switch (answer) {
    case COROUTINE_WAITS:
        return yield_future(self, result);
    case COROUTINE_AWAITS:
        self->is_awaiting = true;
        return send_to_awaitable(self, Py_None, result);
    case COROUTINE_RETURNS:
        end(self);
        return PYGEN_RETURN;
    default:
        coroutine_end_keeping_exception(self);
        return PYGEN_ERROR;
    }
}

/* The first step; what it awaits is ready most often. *result is NULL. */
static inline PySendResult
start(Coroutine *self, PyObject **result)
{
    self->state = COROUTINE_RUNNING;
    int answer = self->kind->start(self, result); // runs Python
    if (answer == COROUTINE_RETURNS) {
        end(self);
        return PYGEN_RETURN;
    }
    return after_step(self, answer, result);
}

PySendResult
Coroutine_am_send(PyObject *op, PyObject *value, PyObject **result)
{
    Coroutine *self = (Coroutine *)op;
    *result = NULL;
    switch (self->state) {
    case COROUTINE_NEW:
        if (value != Py_None && value != NULL) {
            PyErr_SetString(PyExc_TypeError,
                            "can't send non-None value to a just-started coroutine");
            return PYGEN_ERROR;
        }
        return start(self, result); // runs Python
    case COROUTINE_WAITING:
        if (self->is_awaiting) {
            return send_to_awaitable(self, value == NULL ? Py_None : value, result);
        }
        *result = result_of(self);
        return resume(self, result);
    case COROUTINE_RUNNING:
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return PYGEN_ERROR;
    default:
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return PYGEN_ERROR;
    }
}

/* The outcome of a step as send() and throw() give it. Steals result. */
static PyObject *
as_method_result(PySendResult status, PyObject *result)
{
    if (status != PYGEN_RETURN) {
        return result;
    }
    stop_iteration_raise_new_steal(result);
    return NULL;
}

PyObject *
Coroutine_send(PyObject *op, PyObject *value)
{
    PyObject *result;
    PySendResult status = Coroutine_am_send(op, value, &result);
    return as_method_result(status, result);
}

PyObject *
Coroutine_iternext(PyObject *op)
{
    PyObject *result = NULL;
    PySendResult status = ((Coroutine *)op)->state == COROUTINE_NEW
                              ? start((Coroutine *)op, &result)
                              : Coroutine_am_send(op, Py_None, &result); // runs Python
    if (status != PYGEN_RETURN) {
        return result;
    }
    if (result == Py_None) {
        Py_DECREF(result); /* the iterator protocol: an end without a value */
    }
    else {
        stop_iteration_raise_steal(((Coroutine *)op)->module_state, result);
    }
    return NULL;
}

/* Sets the exception that throw() was given: 0, or -1 where these are no exception. What is being
   handled by who runs the loop is no context of it, as for a generator. */
static int
set_thrown(PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *exception = nargs > 1 && args[1] != Py_None ? args[1] : args[0];
    if (PyExceptionInstance_Check(exception)) {
        PyErr_SetRaisedException(Py_NewRef(exception));
    }
    else if (PyExceptionClass_Check(args[0])) {
        PyErr_SetObject(args[0], nargs > 1 && args[1] != Py_None ? args[1] : NULL);
        PyObject *made = PyErr_GetRaisedException();
        PyException_SetContext(made, NULL);
        PyErr_SetRaisedException(made);
    }
    else {
        PyErr_Format(PyExc_TypeError, "exceptions must be classes or instances deriving from "
                     "BaseException, not %s", Py_TYPE(args[0])->tp_name);
        return -1;
    }
    return 0;
}

/* Closes what it awaits, if that can be closed: 0 or -1. Runs Python. */
static int
close_awaitable(Coroutine *self)
{
    PyObject *iterator = Py_NewRef(self->future), *close;
    self->state = COROUTINE_RUNNING;
    int status = PyObject_GetOptionalAttr(iterator, self->module_state->name_close, &close);
    if (status > 0) {
        status = status_steal(PyObject_CallNoArgs(close)); // runs Python
        Py_DECREF(close);
    }
    Py_DECREF(iterator);
    return status;
}

/* throw() while it awaits: goes to what it awaits, where that has the method. Runs Python. */
static PySendResult
throw_into_awaitable(Coroutine *self, PyObject *const *args, Py_ssize_t nargs, PyObject **result)
{
    PyObject *throw_method = NULL;
    *result = NULL;
    int found = 0;
    if (PyErr_GivenExceptionMatches(args[0], PyExc_GeneratorExit)) {
        found = close_awaitable(self);
    }
    else {
        found = PyObject_GetOptionalAttr(self->future, self->module_state->name_throw_,
                                         &throw_method);
    }
    if (found == 0 && set_thrown(args, nargs) < 0) {
        return PYGEN_ERROR;
    }
    if (throw_method == NULL) {
        return resume(self, result);
    }
    self->state = COROUTINE_RUNNING;
    *result = PyObject_Vectorcall(throw_method, args, (size_t)nargs, NULL); // runs Python
    Py_DECREF(throw_method);
    PySendResult answer = *result != NULL ? PYGEN_NEXT : PYGEN_ERROR;
    if (answer == PYGEN_ERROR && PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyObject *stop = PyErr_GetRaisedException();
        *result = Py_NewRef(((PyStopIterationObject *)stop)->value);
        Py_DECREF(stop);
        answer = PYGEN_RETURN;
    }
    return after_awaitable(self, answer, result);
}

PyObject *
Coroutine_throw(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Coroutine *self = (Coroutine *)op;
    if (nargs < 1 || nargs > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd", nargs);
        return NULL;
    }
    if (self->state == COROUTINE_RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return NULL;
    }
    if (self->state == COROUTINE_DONE) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return NULL;
    }
    PyObject *result = NULL;
    if (self->state == COROUTINE_WAITING && self->is_awaiting) {
        PySendResult status = throw_into_awaitable(self, args, nargs, &result);
        return as_method_result(status, result);
    }
    if (set_thrown(args, nargs) < 0) {
        return NULL;
    }
    if (self->state == COROUTINE_NEW) {
        coroutine_end_keeping_exception(self);
        return NULL;
    }
    PySendResult status = resume(self, &result);
    return as_method_result(status, result);
}

PyObject *
Coroutine_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Coroutine *self = (Coroutine *)op;
    if (self->state == COROUTINE_RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return NULL;
    }
    if (self->state == COROUTINE_WAITING && (self->is_awaiting || self->kind->resume != NULL)) {
        if (!self->is_awaiting || close_awaitable(self) == 0) {
            PyErr_SetNone(PyExc_GeneratorExit);
        }
        PyObject *result = NULL;
        PySendResult status = resume(self, &result);
        Py_XDECREF(result);
        if (status == PYGEN_NEXT) {
            PyErr_SetString(PyExc_RuntimeError, "coroutine ignored GeneratorExit");
            return NULL;
        }
        if (status == PYGEN_ERROR && !PyErr_ExceptionMatches(PyExc_GeneratorExit)
            && !PyErr_ExceptionMatches(PyExc_StopIteration)) {
            return NULL;
        }
        PyErr_Clear(); /* it ended as close() asked it to */
    }
    end(self);
    Py_RETURN_NONE;
}

/* What __await__() returned is no iterator: TypeError, as the interpreter says it. */
static void
refuse_iterator(PyObject *awaitable, PyObject *iterator)
{
    if (AWAIT_ERROR_NAMES_TYPE) { /* %T came before it: with 3.13 */
        PyErr_Format(PyExc_TypeError, "%T.__await__() must return an iterator, not %T", awaitable,
                     iterator);
    }
    else if (PyCoro_CheckExact(iterator)) {
        PyErr_SetString(PyExc_TypeError, "__await__() returned a coroutine");
    }
    else {
        PyErr_Format(PyExc_TypeError, "__await__() returned non-iterator of type '%s'",
                     Py_TYPE(iterator)->tp_name);
    }
}

PyObject *
coroutine_awaitable_iter(core_state *state, PyObject *awaitable)
{
    if (PyCoro_CheckExact(awaitable)) {
        PyObject *awaited = PyObject_GetAttr(awaitable, state->name_cr_await);
        if (awaited != Py_None) {
            if (awaited != NULL) {
                PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
                Py_DECREF(awaited);
            }
            return NULL;
        }
        Py_DECREF(awaited);
        return Py_NewRef(awaitable);
    }
    const PyAsyncMethods *methods = Py_TYPE(awaitable)->tp_as_async;
    if (methods == NULL || methods->am_await == NULL) {
        return NULL;
    }
    PyObject *iterator = methods->am_await(awaitable); // runs Python
    if (iterator != NULL && (PyCoro_CheckExact(iterator) || !PyIter_Check(iterator))) {
        refuse_iterator(awaitable, iterator);
        Py_CLEAR(iterator);
    }
    return iterator;
}
