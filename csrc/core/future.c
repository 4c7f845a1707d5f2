/* future.c -- the states of a Future and its outcome.

   Source: future_set_result, future_set_exception, future_cancel and future_get_result of
   Modules/_asynciomodule.c. */

#include "core/future.h"

#include "core/answer.h"

/* For whom asks for an outcome that is in no state to be had. */
static PyObject *
refuse(core_state *state, const char *reason)
{
    PyErr_SetString(state->InvalidStateError, reason);
    return NULL;
}

static const char not_initialized[] = "Future object is not initialized.";

int
future_ensure_alive(const Future *self)
{
    if (!future_is_alive(self)) {
        PyErr_SetString(PyExc_RuntimeError, not_initialized);
        return -1;
    }
    return 0;
}

static int
check_pending(core_state *state, const Future *self)
{
    if (future_ensure_alive(self) < 0) {
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
    return future_schedule_callbacks(state, self);
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
    if (future_schedule_callbacks(state, self) < 0) {
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
    future_set_cancel_message(self, message);
    return future_schedule_callbacks(state, self) < 0 ? -1 : 1;
}

PyObject *
future_make_cancelled_error(core_state *state, Future *self)
{
    PyObject *stored = self->state == FUTURE_CANCELLED ? self->detail : NULL;
    if (stored != NULL) {
        self->detail = NULL;
        return stored;
    }
    if (self->cancel_message == NULL) {
        return PyObject_CallNoArgs(state->CancelledError);
    }
    return PyObject_CallOneArg(state->CancelledError, self->cancel_message);
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
    if (!future_failed(self)) {
        *result = new_or_none(self->outcome);
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
        return refuse(state, not_initialized);
    }
    PyObject *result;
    int kind = future_get_result(state, self, &result);
    if (kind == 1) {
        PyErr_SetObject(PyExceptionInstance_Class(result), result);
        Py_DECREF(result);
    }
    return kind == 0 ? result : NULL;
}

PyObject *
future_exception(core_state *state, Future *self)
{
    if (!future_is_alive(self)) {
        return refuse(state, not_initialized);
    }
    if (self->state == FUTURE_PENDING) {
        return refuse(state, "Exception is not set.");
    }
    if (self->state == FUTURE_CANCELLED) {
        return future_result(state, self); /* raises */
    }
    if (!future_failed(self)) {
        Py_RETURN_NONE;
    }
    self->log_traceback = false;
    return Py_NewRef(self->outcome);
}
