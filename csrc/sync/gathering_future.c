/* gathering_future.c -- what a done child makes of gather()'s future, and its cancel(). */

#include "sync/gathering_future.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/attributes.h"
#include "core/awaitable.h"
#include "core/task.h"

GatheringFuture *
gathering_future_new(core_state *state, PyObject *loop, bool returns_exceptions)
{
    PyTypeObject *type = state->GatheringFuture_type;
    GatheringFuture *self = (GatheringFuture *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    LIVE_ADD(state, LIVE_FUTURE);
    self->returns_exceptions = returns_exceptions;
    self->children = PyList_New(0);
    if (self->children == NULL || future_init(state, &self->future, loop) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

/* ---- a child is done ---- */

static PyObject *
waiting_task_of(PyObject *op)
{
    GatheringFuture *self = (GatheringFuture *)op;
    return self->future.state == FUTURE_PENDING ? self->waiting_task : NULL;
}

/* The children that are not done outlive gather(): nobody waits for them any more. */
static int
discard_from_all(core_state *state, GatheringFuture *self)
{
    for (Py_ssize_t i = 0;
         self->waiting_task != NULL && i < PyList_GET_SIZE(self->children); i++) {
        PyObject *child = Py_NewRef(PyList_GET_ITEM(self->children, i));
        int status = awaitable_discard_awaited_by(state, child, self->waiting_task);
        Py_DECREF(child);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

/* child._make_cancelled_error() */
static PyObject *
make_cancelled_error(core_state *state, PyObject *child)
{
    return future_is_exact(state, child)
               ? future_make_cancelled_error(state, (Future *)child)
               : PyObject_CallMethodNoArgs(child, state->name_make_cancelled_error);
}

/* Gives the outer future an exception of its own or a child's. Steals it; it may be NULL. */
static int
fail_steal(core_state *state, GatheringFuture *self, PyObject *exception)
{
    int status = exception == NULL
                     ? -1
                     : future_set_exception(state, &self->future, exception); // runs Python
    Py_XDECREF(exception);
    return status;
}

/* Marks the exception of a child that nobody gets to see as retrieved. */
static int
retrieve_exception(core_state *state, PyObject *child)
{
    int is_cancelled = awaitable_is_cancelled(state, child); // runs Python
    if (is_cancelled != 0) {
        return is_cancelled < 0 ? -1 : 0;
    }
    return status_steal(awaitable_exception(state, child)); // runs Python
}

/* A new CancelledError with a child's message, which does not use up the child's own. */
static PyObject *
cancelled_error_as_result(core_state *state, PyObject *child)
{
    PyObject *message = PyObject_GetAttr(child, state->name_cancel_message); // runs Python
    if (message == Py_None) {
        Py_SETREF(message, PyUnicode_FromStringAndSize(NULL, 0));
    }
    PyObject *error = message == NULL ? NULL : PyObject_CallOneArg(state->CancelledError, message);
    Py_XDECREF(message);
    return error;
}

/* What stands for a done child in the list of results. Runs Python for one not of ours. */
static PyObject *
result_of(core_state *state, PyObject *child)
{
    int is_cancelled = awaitable_is_cancelled(state, child);
    if (is_cancelled != 0) {
        return is_cancelled < 0 ? NULL : cancelled_error_as_result(state, child);
    }
    PyObject *result = awaitable_exception(state, child);
    if (result == Py_None) {
        Py_SETREF(result, awaitable_result(state, child));
    }
    return result;
}

static PyObject *
results_of(core_state *state, GatheringFuture *self)
{
    PyObject *results = PyList_New(0);
    for (Py_ssize_t i = 0; results != NULL && i < PyList_GET_SIZE(self->children); i++) {
        PyObject *child = Py_NewRef(PyList_GET_ITEM(self->children, i));
        PyObject *result = result_of(state, child); // runs Python
        Py_DECREF(child);
        if (result == NULL || PyList_Append(results, result) < 0) {
            Py_CLEAR(results);
        }
        Py_XDECREF(result);
    }
    return results;
}

/* All children are done. */
static int
finish(core_state *state, GatheringFuture *self, PyObject *child)
{
    PyObject *results = results_of(state, self); // runs Python
    if (results == NULL) {
        return -1;
    }
    int status;
    if (self->is_cancel_requested) { /* as asyncio: the error of the last of the children */
        Py_ssize_t count = PyList_GET_SIZE(self->children);
        child = Py_NewRef(count == 0 ? child : PyList_GET_ITEM(self->children, count - 1));
        status = fail_steal(state, self, make_cancelled_error(state, child));
        Py_DECREF(child);
    }
    else {
        status = future_set_result(state, &self->future, results);
    }
    Py_DECREF(results);
    return status;
}

/* A child is done whose failure is that of the whole: 1 where it failed, 0 where not, or -1. */
static int
fail_with(core_state *state, GatheringFuture *self, PyObject *child)
{
    int is_cancelled = awaitable_is_cancelled(state, child); // runs Python
    if (is_cancelled < 0) {
        return -1;
    }
    PyObject *exception = is_cancelled ? make_cancelled_error(state, child)
                                       : awaitable_exception(state, child); // runs Python
    if (exception == Py_None) {
        Py_DECREF(exception);
        return 0;
    }
    if (exception != NULL && discard_from_all(state, self) < 0) {
        Py_CLEAR(exception);
    }
    return fail_steal(state, self, exception) < 0 ? -1 : 1;
}

int
gathering_future_notify(core_state *state, PyObject *op, PyObject *child)
{
    GatheringFuture *self = (GatheringFuture *)op;
    self->finished++;
    if (awaitable_discard_awaited_by(state, child, self->waiting_task) < 0) {
        return -1;
    }
    if (!self->is_open || self->future.state != FUTURE_PENDING || !future_is_alive(&self->future)) {
        return retrieve_exception(state, child);
    }
    if (!self->returns_exceptions) {
        int has_failed = fail_with(state, self, child);
        if (has_failed != 0) {
            return has_failed < 0 ? -1 : 0;
        }
    }
    return self->finished == self->count ? finish(state, self, child) : 0;
}

const waiter_kind gathering_waiter = {
    .qualname = "gather.<locals>._done_callback",
    .module = "asyncio.tasks",
    .notify = gathering_future_notify,
    .waiting_task = waiting_task_of,
};

/* ---- what Python sees ---- */

static PyObject *
GatheringFuture_cancel(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"msg", NULL};
    PyObject *message = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cancel", names, &message)) {
        return NULL;
    }
    GatheringFuture *self = (GatheringFuture *)op;
    core_state *state = state_of(op);
    if (self->future.state != FUTURE_PENDING) {
        Py_RETURN_FALSE;
    }
    bool is_any = false;
    PyObject *children = Py_XNewRef(self->children);
    for (Py_ssize_t i = 0; children != NULL && i < PyList_GET_SIZE(children); i++) {
        PyObject *child = Py_NewRef(PyList_GET_ITEM(children, i));
        int is_cancelled = awaitable_cancel(state, child, message); // runs Python
        Py_DECREF(child);
        if (is_cancelled < 0) {
            Py_DECREF(children);
            return NULL;
        }
        is_any = is_any || is_cancelled;
    }
    Py_XDECREF(children);
    self->is_cancel_requested = self->is_cancel_requested || is_any;
    return PyBool_FromLong(is_any);
}

static int
GatheringFuture_traverse(PyObject *op, visitproc visit, void *arg)
{
    GatheringFuture *self = (GatheringFuture *)op;
    Py_VISIT(self->children);
    Py_VISIT(self->waiting_task);
    return future_traverse(op, visit, arg);
}

static int
GatheringFuture_clear(PyObject *op)
{
    GatheringFuture *self = (GatheringFuture *)op;
    Py_CLEAR(self->children);
    Py_CLEAR(self->waiting_task);
    return future_clear(op);
}

static PyMethodDef GatheringFuture_methods[] = {
    {"cancel", (PyCFunction)(void (*)(void))GatheringFuture_cancel, METH_VARARGS | METH_KEYWORDS,
     "cancel($self, /, msg=None)\n--\n\nCancel the children; False where all are done."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef GatheringFuture_getset[] = {
    {"_children", attribute_get_object, NULL, NULL, (void *)offsetof(GatheringFuture, children)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef GatheringFuture_members[] = {
    {"_cancel_requested", T_BOOL, offsetof(GatheringFuture, is_cancel_requested), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot GatheringFuture_slots[] = {
    {Py_tp_doc, "What gather() returns."},
    {Py_tp_traverse, GatheringFuture_traverse},
    {Py_tp_clear, GatheringFuture_clear},
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_methods, GatheringFuture_methods},
    {Py_tp_getset, GatheringFuture_getset},
    {Py_tp_members, GatheringFuture_members},
    {0, NULL},
};

static PyType_Spec GatheringFuture_spec = {
    .name = "pyasync.tasks._GatheringFuture",
    .basicsize = sizeof(GatheringFuture),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = GatheringFuture_slots,
};

int
gathering_future_init_type(PyObject *module, core_state *state)
{
    return state_make_type(module, &state->GatheringFuture_type, &GatheringFuture_spec,
                           (PyObject *)state->Future_type);
}
