/* future.c -- the states of a Future, its outcome and its life. */

#include "core/future.h"

#include "base/check.h"
#include "core/report.h"

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
    if (stack == NULL) {
        return -1;
    }
    Py_XSETREF(self->source_traceback, stack);
    return 0;
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
    if (!self->log_traceback || !future_failed(self)) {
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
    Py_VISIT(self->waiters);
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
    Py_CLEAR(self->source_traceback);
    Py_CLEAR(self->cancel_message);
    return stock_base_of(op)->tp_clear(op);
}
