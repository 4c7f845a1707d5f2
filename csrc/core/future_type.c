/* future_type.c -- the methods of a Future, most of them a Task's too, and the type pyasync.Future.

   Source: asyncio.Future (Modules/_asynciomodule.c). */

#include "core/future_methods.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/context.h"

PyObject *
Future_result(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return future_result(future_state_of((Future *)self), (Future *)self);
}

PyObject *
Future_exception(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return future_exception(future_state_of((Future *)self), (Future *)self);
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
    return future_ensure_alive(self) < 0 ? NULL : Py_NewRef(self->loop);
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
    return none_or_null(status);
}

PyObject *
Future_remove_done_callback(PyObject *op, PyObject *callback)
{
    Future *self = (Future *)op;
    if (future_ensure_alive(self) < 0) {
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
    return none_or_null(status);
}

static PyObject *
Future_set_exception(PyObject *self, PyObject *exception)
{
    int status = future_set_exception(future_state_of((Future *)self), (Future *)self, exception);
    return none_or_null(status);
}

static PyObject *
Future_cancel(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"msg", NULL};
    Future *self = (Future *)op;
    PyObject *message = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cancel", names, &message)
        || future_ensure_alive(self) < 0) {
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

static PyGetSetDef Future_getset[] = {
    FUTURE_SHARED_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- the type ---- */

static PyObject *
Future_repr(PyObject *op)
{
    Future *self = (Future *)op;
    if (future_ensure_alive(self) < 0) {
        return NULL;
    }
    return PyObject_CallOneArg(future_state_of(self)->future_repr, op);
}

static void
Future_finalize(PyObject *op)
{
    future_finalize((Future *)op);
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
