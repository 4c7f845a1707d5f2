/* coroutine.c -- resuming a Coroutine, by C (am_send) and by Python (send, throw, close). */

#include "core/coroutine.h"

#include "base/check.h"
#include "core/coroutine_frame.h"
#include "core/future.h"
#include "core/stop_iteration.h"

#include <string.h>

/* The place in state->spare_coroutines for those that have so much beyond the head. */
static inline size_t
spare_index(Py_ssize_t extra_bytes)
{
    return (size_t)extra_bytes / sizeof(void *);
}

/* A dead one's memory, or NULL (no exception). Most await something that is ready: then making a
   coroutine is most of the cost. */
static inline Coroutine *
take_spare(core_state *state, Py_ssize_t extra_bytes)
{
    size_t index = spare_index(extra_bytes);
    if (index >= SPARE_COROUTINE_SIZES || state->spare_coroutines[index].count == 0) {
        return NULL;
    }
    Coroutine *self = state->spare_coroutines[index].first;
    state->spare_coroutines[index].first = self->future;
    state->spare_coroutines[index].count--;
    Py_SET_REFCNT((PyObject *)self, 1); /* its type it has kept, with a reference */
    return self;
}

/* Whether the memory of a dead, untracked one was taken in, with its reference to its type. */
static inline bool
keep_spare(core_state *state, Coroutine *self)
{
    size_t index = spare_index(Py_SIZE(self));
    if (index >= SPARE_COROUTINE_SIZES || state->Coroutine_type != Py_TYPE(self)
        || state->spare_coroutines[index].count == SPARE_COROUTINES
        || self->is_finalized) { /* to the GC that would be so for the next one, too */
        return false;
    }
    self->future = state->spare_coroutines[index].first;
    state->spare_coroutines[index].first = self;
    state->spare_coroutines[index].count++;
    return true;
}

void
coroutine_drop_spare(core_state *state)
{
    for (size_t index = 0; index < SPARE_COROUTINE_SIZES; index++) {
        Coroutine *self;
        while ((self = state->spare_coroutines[index].first) != NULL) {
            PyTypeObject *type = Py_TYPE(self);
            state->spare_coroutines[index].first = self->future;
            PyObject_GC_Del(self);
            Py_DECREF(type);
        }
        state->spare_coroutines[index].count = 0;
    }
}

Coroutine *
coroutine_new(core_state *state, const coroutine_kind *kind)
{
    Py_ssize_t extra = kind->size_bytes - (Py_ssize_t)sizeof(Coroutine);
    assert(extra >= 0);
    Coroutine *self = take_spare(state, extra);
    if (self == NULL) {
        self = PyObject_GC_NewVar(Coroutine, state->Coroutine_type, extra);
        if (self == NULL) {
            return NULL;
        }
    }
    LIVE_ADD(state, LIVE_COROUTINE);
    self->module_state = state;
    self->kind = kind;
    self->future = NULL;
    self->weakrefs = NULL;
    self->state = COROUTINE_NEW;
    self->mark = false;
    self->is_awaiting = false;
    self->is_finalized = false;
    memset(self + 1, 0, (size_t)extra);
    return self;
}

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

static void
end_keeping_exception(Coroutine *self)
{
    PyObject *pending = PyErr_GetRaisedException();
    end(self);
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

/* Yields its future to whoever steps it, as Future.__await__ does; or None, as a bare yield. */
static PySendResult
yield_future(Coroutine *self, PyObject **result)
{
    core_state *state = self->module_state;
    if (future_is_exact(state, self->future)) {
        ((Future *)self->future)->is_blocking = true;
    }
    else if (self->future != Py_None
             && PyObject_SetAttr(self->future, state->name_asyncio_future_blocking, Py_True)
                    < 0) {
        end_keeping_exception(self);
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
    if (future_is_exact(state, self->future)) {
        Future *future = (Future *)self->future;
        if (future->state == FUTURE_PENDING) {
            PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
            return NULL;
        }
        return future_result(state, future);
    }
    return self->future == Py_None
               ? Py_NewRef(Py_None)
               : PyObject_CallMethodNoArgs(self->future, state->name_result); // runs Python
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
        end_keeping_exception(self);
        return PYGEN_ERROR;
    }
}

static PySendResult
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
        self->state = COROUTINE_RUNNING;
        return after_step(self, self->kind->start(self, result), result); // runs Python
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
    future_raise_stop_iteration_steal(result);
    return NULL;
}

static PyObject *
Coroutine_send(PyObject *op, PyObject *value)
{
    PyObject *result;
    PySendResult status = Coroutine_am_send(op, value, &result);
    return as_method_result(status, result);
}

static PyObject *
Coroutine_iternext(PyObject *op)
{
    PyObject *result;
    PySendResult status = Coroutine_am_send(op, Py_None, &result);
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

/* Sets the exception that throw() was given: 0, or -1 where these are no exception. */
static int
set_thrown(PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *exception = nargs > 1 && args[1] != Py_None ? args[1] : args[0];
    if (PyExceptionInstance_Check(exception)) {
        PyErr_SetObject(PyExceptionInstance_Class(exception), exception);
    }
    else if (PyExceptionClass_Check(args[0])) {
        PyErr_SetObject(args[0], nargs > 1 && args[1] != Py_None ? args[1] : NULL);
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
    PyObject *iterator = Py_NewRef(self->future), *close, *answer = NULL;
    self->state = COROUTINE_RUNNING;
    int status = PyObject_GetOptionalAttr(iterator, self->module_state->name_close, &close);
    if (status > 0) {
        answer = PyObject_CallNoArgs(close); // runs Python
        status = answer == NULL ? -1 : 0;
        Py_DECREF(close);
    }
    Py_XDECREF(answer);
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

static PyObject *
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
        end_keeping_exception(self);
        return NULL;
    }
    PySendResult status = resume(self, &result);
    return as_method_result(status, result);
}

static PyObject *
Coroutine_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Coroutine *self = (Coroutine *)op;
    if (self->state == COROUTINE_RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return NULL;
    }
    if (self->state == COROUTINE_WAITING && self->kind->resume != NULL) {
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

static PyObject *
Coroutine_await(PyObject *op)
{
    if (((Coroutine *)op)->state == COROUTINE_WAITING) {
        PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
        return NULL;
    }
    return Py_NewRef(op);
}

static PyObject *
Coroutine_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<coroutine object %s at %p>", ((Coroutine *)op)->kind->qualname,
                                op);
}

static PyObject *
get_name(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((Coroutine *)op)->kind->name);
}

static PyObject *
get_qualname(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((Coroutine *)op)->kind->qualname);
}

static PyObject *
get_await(PyObject *op, void *Py_UNUSED(closure))
{
    return coroutine_awaits((Coroutine *)op, 0);
}

static PyObject *
get_running(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Coroutine *)op)->state == COROUTINE_RUNNING);
}

static PyObject *
get_suspended(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Coroutine *)op)->state == COROUTINE_WAITING);
}

/* Since 3.15, as inspect.getcoroutinestate() has it. */
static PyObject *
get_state(PyObject *op, void *Py_UNUSED(closure))
{
    static const char *const names[] = {
        [COROUTINE_NEW] = "CORO_CREATED",
        [COROUTINE_RUNNING] = "CORO_RUNNING",
        [COROUTINE_WAITING] = "CORO_SUSPENDED",
        [COROUTINE_DONE] = "CORO_CLOSED",
    };
    return PyUnicode_FromString(names[((Coroutine *)op)->state]);
}

static PyObject *
get_code(PyObject *op, void *Py_UNUSED(closure))
{
    return coroutine_code((Coroutine *)op, 0);
}

static PyObject *
get_frame(PyObject *op, void *Py_UNUSED(closure))
{
    return coroutine_frame((Coroutine *)op, 0);
}

static int
Coroutine_traverse(PyObject *op, visitproc visit, void *arg)
{
    Coroutine *self = (Coroutine *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->future);
    return self->kind->traverse == NULL ? 0 : self->kind->traverse(self, visit, arg);
}

static int
Coroutine_clear(PyObject *op)
{
    Coroutine *self = (Coroutine *)op;
    end_keeping_exception(self);
    return 0;
}

/* "coroutine ... was never awaited", as of any coroutine that was made and forgotten; and one that
   waits is closed, while all that it refers to is still whole. */
static void
Coroutine_finalize(PyObject *op)
{
    Coroutine *self = (Coroutine *)op;
    PyObject *pending = PyErr_GetRaisedException();
    self->is_finalized = true;
    int status = 0;
    if (self->state == COROUTINE_NEW) {
        status = PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited",
                                  self->kind->qualname);
    }
    else if (self->state == COROUTINE_WAITING) {
        PyObject *answer = Coroutine_close(op, NULL); // runs Python
        status = answer == NULL ? -1 : 0;
        Py_XDECREF(answer);
    }
    if (status < 0) {
        PyErr_WriteUnraisable(op);
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

static void
Coroutine_dealloc(PyObject *op)
{
    Coroutine *self = (Coroutine *)op;
    PyTypeObject *type = Py_TYPE(op);
    if (self->state != COROUTINE_DONE && PyObject_CallFinalizerFromDealloc(op) < 0) {
        return; /* resurrected */
    }
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    if (self->state != COROUTINE_DONE) {
        end_keeping_exception(self);
    }
    if (((PyHeapTypeObject *)type)->ht_module == NULL) { /* the GC has taken the module apart */
        type->tp_free(op);
        Py_DECREF(type);
        return;
    }
    core_state *state = self->module_state;
    LIVE_SUB(state, LIVE_COROUTINE);
    stop_iteration_forget(state); // runs Python (destructors)
    if (!keep_spare(state, self)) {
        type->tp_free(op);
        Py_DECREF(type);
    }
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

static PyMethodDef Coroutine_methods[] = {
    {"send", Coroutine_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))Coroutine_throw, METH_FASTCALL, NULL},
    {"close", Coroutine_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Coroutine_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_qualname, NULL, NULL, NULL},
    {"cr_await", get_await, NULL, NULL, NULL},
    {"cr_running", get_running, NULL, NULL, NULL},
    {"cr_state", get_state, NULL, NULL, NULL},
    {"cr_suspended", get_suspended, NULL, NULL, NULL},
    {"cr_code", get_code, NULL, NULL, NULL},
    {"cr_frame", get_frame, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef Coroutine_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Coroutine, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot Coroutine_slots[] = {
    {Py_tp_doc, "What a call returns that asyncio defines with async def."},
    {Py_am_await, Coroutine_await},
    {Py_am_send, Coroutine_am_send},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, Coroutine_iternext},
    {Py_tp_repr, Coroutine_repr},
    {Py_tp_traverse, Coroutine_traverse},
    {Py_tp_clear, Coroutine_clear},
    {Py_tp_finalize, Coroutine_finalize},
    {Py_tp_dealloc, Coroutine_dealloc},
    {Py_tp_methods, Coroutine_methods},
    {Py_tp_getset, Coroutine_getset},
    {Py_tp_members, Coroutine_members},
    {0, NULL},
};

static PyType_Spec Coroutine_spec = {
    .name = "pyasync._core.coroutine",
    .basicsize = sizeof(Coroutine),
    .itemsize = 1,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Coroutine_slots,
};

/* Has isinstance(x, collections.abc.Coroutine), and with it iscoroutine(), say yes. */
static int
register_as_coroutine(core_state *state)
{
    PyObject *abc = PyImport_ImportModule("collections.abc");
    PyObject *answer = abc == NULL ? NULL : PyObject_GetAttrString(abc, "Coroutine");
    Py_XDECREF(abc);
    if (answer != NULL) {
        Py_SETREF(answer, PyObject_CallMethod(answer, "register", "O", state->Coroutine_type));
    }
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

int
coroutine_init_type(PyObject *module, core_state *state)
{
    if (coroutine_frame_init_type(module, state) < 0
        || state_add_type(module, &state->Coroutine_type, &Coroutine_spec, NULL) < 0) {
        return -1;
    }
    return register_as_coroutine(state);
}
