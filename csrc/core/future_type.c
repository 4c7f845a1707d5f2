/* future_type.c -- what Python sees of a Future: pyasync.Future, and what Task shares with it. */

#include "core/future.h"

#include "base/check.h"
#include "core/context.h"
#include "core/task.h"
#include "core/waiter.h"

#include <string.h>

const char Future_result_doc[] =
    "result($self, /)\n--\n\n"
    "The result, or raises the exception that was set.\n\n"
    "Raises CancelledError where cancelled, InvalidStateError where not done. As "
    "asyncio.Future.result.";
const char Future_exception_doc[] =
    "exception($self, /)\n--\n\n"
    "The exception that was set, or None.\n\n"
    "Raises CancelledError where cancelled, InvalidStateError where not done. As "
    "asyncio.Future.exception.";
const char Future_done_doc[] =
    "done($self, /)\n--\n\nWhether there is a result, an exception or a cancellation. As "
    "asyncio.Future.done.";
const char Future_cancelled_doc[] =
    "cancelled($self, /)\n--\n\nWhether it was cancelled. As asyncio.Future.cancelled.";
const char Future_get_loop_doc[] =
    "get_loop($self, /)\n--\n\nThe loop it is bound to. As asyncio.Future.get_loop.";
const char Future_add_done_callback_doc[] =
    "add_done_callback($self, fn, /, *, context=<unrepresentable>)\n--\n\n"
    "Have the loop call fn(self) once done, in context or a copy of the current one. As "
    "asyncio.Future.add_done_callback.";
const char Future_remove_done_callback_doc[] =
    "remove_done_callback($self, fn, /)\n--\n\n"
    "Take out every callback equal to fn; returns their number. As "
    "asyncio.Future.remove_done_callback.";
const char Future_make_cancelled_error_doc[] =
    "_make_cancelled_error($self, /)\n--\n\n"
    "The CancelledError to raise for this future. As asyncio.Future._make_cancelled_error.";

static int
ensure_alive(Future *self)
{
    if (!future_is_alive(self)) {
        PyErr_SetString(PyExc_RuntimeError, "Future object is not initialized.");
        return -1;
    }
    return 0;
}

PyObject *
Future_result(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return future_result(future_state_of((Future *)self), (Future *)self);
}

PyObject *
Future_exception(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Future *self = (Future *)op;
    core_state *state = future_state_of(self);
    if (!future_is_alive(self)) {
        PyErr_SetString(state->InvalidStateError, "Future object is not initialized.");
        return NULL;
    }
    if (self->state == FUTURE_PENDING) {
        PyErr_SetString(state->InvalidStateError, "Exception is not set.");
        return NULL;
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

PyObject *
Future_done(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Future *self = (Future *)op;
    return PyBool_FromLong(future_is_alive(self) && self->state != FUTURE_PENDING);
}

PyObject *
Future_cancelled(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Future *self = (Future *)op;
    return PyBool_FromLong(future_is_alive(self) && self->state == FUTURE_CANCELLED);
}

PyObject *
Future_get_loop(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Future *self = (Future *)op;
    return ensure_alive(self) < 0 ? NULL : Py_NewRef(self->loop);
}

PyObject *
Future_add_done_callback(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Future *self = (Future *)op;
    core_state *state = future_state_of(self);
    PyObject *context = NULL;
    if (nargs != 1) {
        PyErr_Format(PyExc_TypeError,
                     "add_done_callback() takes exactly 1 positional argument (%zd given)", nargs);
        return NULL;
    }
    if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, 0);
        if (PyTuple_GET_SIZE(kwnames) > 1
            || PyUnicode_Compare(keyword, state->name_context) != 0) {
            PyErr_Format(PyExc_TypeError,
                         "add_done_callback() got an unexpected keyword argument '%U'", keyword);
            return NULL;
        }
        context = args[1];
    }
    if (context != NULL) {
        Py_INCREF(context);
    }
    else {
        context = self->is_own ? context_take_snapshot(state) : PyContext_CopyCurrent();
        if (context == NULL) {
            return NULL;
        }
    }
    int status = future_add_callback(state, self, args[0], context);
    Py_DECREF(context);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *
Future_remove_done_callback(PyObject *op, PyObject *callback)
{
    Future *self = (Future *)op;
    if (ensure_alive(self) < 0) {
        return NULL;
    }
    Py_ssize_t removed = future_remove_callback(future_state_of(self), self, callback);
    return removed < 0 ? NULL : PyLong_FromSsize_t(removed);
}

PyObject *
Future_make_cancelled_error(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return future_make_cancelled_error(future_state_of((Future *)self), (Future *)self);
}

static PyObject *
Future_set_result(PyObject *self, PyObject *result)
{
    int status = future_set_result(future_state_of((Future *)self), (Future *)self, result);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
Future_set_exception(PyObject *self, PyObject *exception)
{
    int status = future_set_exception(future_state_of((Future *)self), (Future *)self, exception);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
Future_cancel(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"msg", NULL};
    Future *self = (Future *)op;
    PyObject *message = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cancel", names, &message)
        || ensure_alive(self) < 0) {
        return NULL;
    }
    int is_cancelled = future_cancel(future_state_of(self), self, message);
    return is_cancelled < 0 ? NULL : PyBool_FromLong(is_cancelled);
}

static int
Future_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"loop", NULL};
    PyObject *loop = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:Future", names, &loop)) {
        return -1;
    }
    if (future_refuse_second_init((Future *)op, "_asyncio.Future") < 0) {
        return -1;
    }
    return future_init(state_of(op), (Future *)op, loop);
}

static PyObject *
Future_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL) {
        LIVE_ADD(state_of_type(type), LIVE_FUTURE);
    }
    return self;
}

/* ---- attributes ---- */

PyObject *
future_get_state(PyObject *op, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    if (ensure_alive(self) < 0) {
        return NULL;
    }
    core_state *state = future_state_of(self);
    PyObject *names[] = {state->name_pending, state->name_cancelled, state->name_finished};
    return Py_NewRef(names[self->state]);
}

PyObject *
future_get_blocking(PyObject *op, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    return PyBool_FromLong(future_is_alive(self) && self->is_blocking);
}

static int
refuse_delete(PyObject *value)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
        return -1;
    }
    return 0;
}

int
future_set_blocking(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    if (ensure_alive(self) < 0 || refuse_delete(value) < 0) {
        return -1;
    }
    int is_true = PyObject_IsTrue(value);
    if (is_true >= 0) {
        self->is_blocking = is_true;
    }
    return is_true < 0 ? -1 : 0;
}

PyObject *
future_get_log_traceback(PyObject *op, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    return ensure_alive(self) < 0 ? NULL : PyBool_FromLong(self->log_traceback);
}

int
future_set_log_traceback(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    int is_true = refuse_delete(value) < 0 ? -1 : PyObject_IsTrue(value);
    if (is_true > 0) {
        PyErr_SetString(PyExc_ValueError, "_log_traceback can only be set to False");
        return -1;
    }
    if (is_true == 0) {
        ((Future *)op)->log_traceback = false;
    }
    return is_true;
}

int
future_write_cancel_message(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    if (refuse_delete(value) < 0) {
        return -1;
    }
    future_set_cancel_message((Future *)op, value);
    return 0;
}

PyObject *
future_get_callbacks(PyObject *op, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    return ensure_alive(self) < 0 ? NULL : future_callbacks(future_state_of(self), self);
}

/* An owned object at the offset that is the closure, or None. */
PyObject *
future_get_object(PyObject *op, void *offset)
{
    PyObject *value = *(PyObject **)((char *)op + (Py_ssize_t)(intptr_t)offset);
    return Py_NewRef(value == NULL ? Py_None : value);
}


/* The closure is NULL for the result, anything else for the exception. */
PyObject *
future_get_outcome(PyObject *op, void *exception)
{
    Future *self = (Future *)op;
    if (ensure_alive(self) < 0) {
        return NULL;
    }
    bool is_there = self->outcome != NULL && self->has_exception == (exception != NULL);
    return Py_NewRef(is_there ? self->outcome : Py_None);
}

#if FUTURE_HAS_AWAITED_BY

/* The task that waits by one of our waiters, borrowed, or NULL. */
static PyObject *
waiting_task(const core_state *state, PyObject *waiter)
{
    if (waiter_check(state, waiter)) {
        const waiter_kind *kind = ((Waiter *)waiter)->kind;
        return kind->waiting_task == NULL ? NULL : kind->waiting_task(((Waiter *)waiter)->owner);
    }
    return PyTuple_CheckExact(waiter) ? NULL : waiter;
}

/* Who waits: the tasks among our waiters, and who asyncio's own functions have put into the stock
   base. A frozenset, or None. */
PyObject *
future_get_awaited_by(PyObject *op, void *Py_UNUSED(closure))
{
    Future *self = (Future *)op;
    core_state *state = future_state_of(self);
    descrgetfunc get_stock = Py_TYPE(state->stock_awaited_by)->tp_descr_get;
    PyObject *told = get_stock(state->stock_awaited_by, op, (PyObject *)Py_TYPE(op));
    PyObject *waiting = told == NULL ? NULL : PySet_New(told == Py_None ? NULL : told);
    Py_XDECREF(told);
    if (waiting == NULL) {
        return NULL;
    }
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < future_waiter_count(self); i++) {
        PyObject *task = Py_XNewRef(waiting_task(state, future_waiter_at(self, i)));
        status = task == NULL ? 0 : PySet_Add(waiting, task);
        Py_XDECREF(task);
    }
    PyObject *answer = status < 0 ? NULL
                       : PySet_GET_SIZE(waiting) == 0 ? Py_NewRef(Py_None)
                                                      : PyFrozenSet_New(waiting);
    Py_DECREF(waiting);
    return answer;
}

#endif

static PyGetSetDef Future_getset[] = {
    FUTURE_SHARED_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- the type ---- */

static PyObject *
Future_repr(PyObject *op)
{
    Future *self = (Future *)op;
    if (ensure_alive(self) < 0) {
        return NULL;
    }
    return PyObject_CallOneArg(future_state_of(self)->future_repr, op);
}

static void
Future_finalize(PyObject *op)
{
    future_finalize((Future *)op);
}

/* Whether the stock base holds nothing but what is ours, as it does but for 3.14's awaited-by set
   and a task that was registered by asyncio's own _register_task. */
static bool
stock_part_is_zero(const Future *self)
{
    Future others;
    memcpy(others.stock_words, self->stock_words, sizeof(others.stock_words));
    others.outcome = others.source_traceback = others.cancel_message = others.detail = NULL;
    others.fut_waiter = others.coro = NULL;
    uintptr_t any = 0;
    for (size_t i = 0; i < sizeof(others.stock_words) / sizeof(others.stock_words[0]); i++) {
        any |= (uintptr_t)others.stock_words[i];
    }
    return any == 0;
}

static bool
needs_finalizer(PyObject *op, bool is_task)
{
    Future *self = (Future *)op;
    return self->log_traceback
           || (is_task && self->state == FUTURE_PENDING && ((Task *)op)->future.task_log_destroy_pending);
}

/* asyncio's own _register_task links, since 3.14, the stock base of a task into a list: it has to
   leave that before it dies. Its reference count is 0: for the call it is lent one. */
static void
unregister_from_stock(core_state *state, PyObject *op)
{
    PyObject *pending = PyErr_GetRaisedException();
    Py_SET_REFCNT(op, 1);
    PyObject *answer = PyObject_CallOneArg(state->unregister_task, op);
    if (answer == NULL) {
        PyErr_WriteUnraisable(NULL);
    }
    Py_XDECREF(answer);
    Py_SET_REFCNT(op, 0);
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

void
future_dealloc(PyObject *op)
{
    Future *self = (Future *)op;
    PyTypeObject *type = Py_TYPE(op);
    core_state *state = self->is_own ? future_state_of(self) : state_of_dying_type(type);
    bool is_exact = type->tp_dealloc == future_dealloc; /* a subclass has subtype_dealloc */
    bool is_task = self->is_task;
    if ((!is_exact || needs_finalizer(op, is_task))
        && PyObject_CallFinalizerFromDealloc(op) < 0) { // runs Python
        return; /* resurrected */
    }
    PyObject_GC_UnTrack(op);
    if (is_task) {
        llist_remove(&((Task *)op)->node); /* before a weak reference's callback can look for it */
    }
    PyObject_ClearWeakRefs(op); // runs Python
    if (FUTURE_HAS_AWAITED_BY && is_task && state != NULL && !stock_part_is_zero(self)) {
        unregister_from_stock(state, op);
    }
    LIVE_SUB(state, is_task ? LIVE_TASK : LIVE_FUTURE);
    Loop *own = (Loop *)Py_XNewRef((PyObject *)future_own_loop(self));
    if (is_exact) {
        type->tp_clear(op);
    }
    else {
        is_task ? task_clear(op) : future_clear(op);
    }
    bool is_kept = false;
    bool is_poolable = is_exact && own != NULL
                       && (type == state->Future_type || type == state->Task_type);
    if (is_poolable && !own->is_closed && !PyObject_GC_IsFinalized(op)
        && stock_part_is_zero(self)) {
        self->state = FUTURE_PENDING;
        self->has_exception = false;
        self->is_blocking = false;
        is_kept = loop_free_list_put(is_task ? &own->free_tasks : &own->free_futures, op);
    }
    if (!is_kept) {
        type->tp_free(op);
    }
    Py_DECREF(type);
    Py_XDECREF(own);
}

static PyMethodDef Future_methods[] = {
    FUTURE_SHARED_METHODS,
    {"set_result", Future_set_result, METH_O,
     "set_result($self, result, /)\n--\n\nMark it done with a result.\n\nRaises "
     "InvalidStateError where it is done. As asyncio.Future.set_result."},
    {"set_exception", Future_set_exception, METH_O,
     "set_exception($self, exception, /)\n--\n\nMark it done with an exception.\n\nRaises "
     "InvalidStateError where it is done. As asyncio.Future.set_exception."},
    {"cancel", (PyCFunction)(void (*)(void))Future_cancel, METH_VARARGS | METH_KEYWORDS,
     "cancel($self, /, msg=None)\n--\n\nCancel it; False where it is done. As "
     "asyncio.Future.cancel."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot Future_slots[] = {
    {Py_tp_doc, "Future(*, loop=None)\n--\n\nA result that is not there yet. As asyncio.Future."},
    {Py_tp_new, Future_new},
    {Py_tp_init, Future_init},
    {Py_tp_traverse, future_traverse},
    {Py_tp_clear, future_clear},
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_finalize, Future_finalize},
    {Py_tp_repr, Future_repr},
    {Py_tp_iter, future_iter_new},
    {Py_am_await, future_iter_new},
    {Py_tp_methods, Future_methods},
    {Py_tp_getset, Future_getset},
    {0, NULL},
};

static PyType_Spec Future_spec = {
    .name = "pyasync._core.Future",
    .basicsize = sizeof(Future),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Future_slots,
};

static int
check_base_size(PyObject *base)
{
    if (((PyTypeObject *)base)->tp_basicsize > STOCK_BASE_SIZE) {
        PyErr_Format(PyExc_ImportError,
                     "this build of pyasync does not fit this Python: %R is %zd bytes large, at "
                     "most %d were expected; build pyasync for this version",
                     base, ((PyTypeObject *)base)->tp_basicsize, STOCK_BASE_SIZE);
        return -1;
    }
    return 0;
}

int
future_init_type(PyObject *module, core_state *state)
{
    if (check_base_size(state->stock_Future) < 0 || check_base_size(state->stock_Task) < 0) {
        return -1;
    }
    return state_add_type(module, &state->Future_type, &Future_spec, state->stock_Future);
}
