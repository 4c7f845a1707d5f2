/* handle_type.c -- pyasync.Handle and pyasync.TimerHandle: what Python sees of a handle. */

#include "core/handle.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/attributes.h"
#include "core/context.h"
#include "core/handle_threadsafe.h"

static PyObject *
Handle_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    Handle *self = (Handle *)type->tp_alloc(type, 1);
    if (self == NULL) {
        return NULL;
    }
    core_state *state = state_of_type(type);
    self->is_packed = true;
    self->is_timer = PyType_IsSubtype(type, state->TimerHandle_type);
    LIVE_ADD(state, self->is_timer ? LIVE_TIMER_HANDLE : LIVE_HANDLE);
    if (self->is_timer) {
        ((TimerHandle *)self)->node.index = TIMER_NODE_OUT;
    }
    return (PyObject *)self;
}

static int
init_fields(Handle *self, PyObject *callback, PyObject *args, PyObject *loop, PyObject *context)
{
    core_state *state = state_of((PyObject *)self);
    if (!self->is_packed) {
        PyErr_SetString(PyExc_RuntimeError, "the handle was made by an event loop");
        return -1;
    }
    context = context == Py_None ? PyContext_CopyCurrent() : Py_NewRef(context);
    if (context == NULL) {
        return -1;
    }
    Py_XSETREF(self->context, context);
    Py_XSETREF(self->loop, Py_NewRef(loop));
    Py_XSETREF(self->callback, Py_NewRef(callback));
    Py_XSETREF(handle_args(self)[0], Py_NewRef(args));
    self->is_cancelled = self->is_dropped = false;
    int is_debug = loop_is_debug(state, loop);
    if (is_debug > 0) {
        return handle_take_source_traceback(state, self);
    }
    return is_debug;
}

static int
Handle_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"callback", "args", "loop", "context", NULL};
    PyObject *callback, *callback_args, *loop, *context = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|O:Handle", names, &callback,
                                     &callback_args, &loop, &context)) {
        return -1;
    }
    return init_fields((Handle *)op, callback, callback_args, loop, context);
}

static int
TimerHandle_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"when", "callback", "args", "loop", "context", NULL};
    PyObject *when, *callback, *callback_args, *loop, *context = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO|O:TimerHandle", names, &when, &callback,
                                     &callback_args, &loop, &context)) {
        return -1;
    }
    timer_handle_set_when(op, when);
    return init_fields((Handle *)op, callback, callback_args, loop, context);
}

static PyObject *
Handle_cancel(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (handle_cancel(state_of(op), (Handle *)op) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
Handle_cancelled(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (handle_wait_for_callback(state_of(op), (Handle *)op) < 0) {
        return NULL;
    }
    return PyBool_FromLong(((Handle *)op)->is_cancelled);
}

static PyObject *
Handle_get_context(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Handle *self = (Handle *)op;
    if (self->context == NULL) {
        Py_RETURN_NONE;
    }
    return context_materialize(state_of(op), &self->context) < 0 ? NULL : Py_NewRef(self->context);
}

static PyObject *
Handle_run(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Handle *self = (Handle *)op;
    if (self->callback == NULL && !self->is_cancelled) {
        PyErr_SetString(PyExc_AttributeError, "_callback");
        return NULL;
    }
    if (handle_run(state_of(op), self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
stock_type(core_state *state, Handle *self)
{
    if (self->is_threadsafe && state->stock_ThreadSafeHandle != NULL) {
        return state->stock_ThreadSafeHandle;
    }
    return self->is_timer ? state->stock_TimerHandle : state->stock_Handle;
}

static PyObject *
Handle_repr_info(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyObject_CallMethod(stock_type(state_of(op), (Handle *)op), "_repr_info", "O", op);
}

static PyObject *
Handle_repr(PyObject *op)
{
    return PyObject_CallMethod(stock_type(state_of(op), (Handle *)op), "__repr__", "O", op);
}

static PyObject *
when_object(Handle *self)
{
    const TimerHandle *timer = (const TimerHandle *)self;
    return self->when_is_object ? Py_NewRef(timer->when.object)
                                : PyFloat_FromDouble(timer->when.seconds);
}

static PyObject *
TimerHandle_when(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return when_object((Handle *)op);
}

static PyObject *
get_class(PyObject *op, void *Py_UNUSED(closure))
{
    core_state *state = state_of(op);
    if (!handle_is_exact(state, op)) {
        return Py_NewRef((PyObject *)Py_TYPE(op));
    }
    return Py_NewRef(stock_type(state, (Handle *)op));
}

static PyObject *
get_callback(PyObject *op, void *Py_UNUSED(closure))
{
    Handle *self = (Handle *)op;
    return self->is_dropped ? Py_NewRef(Py_None) : handle_callback(self);
}

static PyObject *
get_args(PyObject *op, void *Py_UNUSED(closure))
{
    Handle *self = (Handle *)op;
    if (self->callback == NULL || self->is_dropped) {
        Py_RETURN_NONE;
    }
    return handle_args_as_tuple(self);
}

static PyObject *
get_repr(PyObject *op, void *Py_UNUSED(closure))
{
    return new_or_none(handle_note((Handle *)op, NOTE_REPR));
}

static PyObject *
get_source_traceback(PyObject *op, void *Py_UNUSED(closure))
{
    return new_or_none(handle_note((Handle *)op, NOTE_SOURCE_TRACEBACK));
}

static PyObject *
get_context(PyObject *op, void *Py_UNUSED(closure))
{
    return Handle_get_context(op, NULL);
}

static PyObject *
get_when(PyObject *op, void *Py_UNUSED(closure))
{
    return when_object((Handle *)op);
}

static PyObject *
get_scheduled(PyObject *op, void *Py_UNUSED(closure))
{
    TimerHandle *self = (TimerHandle *)op;
    return PyBool_FromLong(self->handle.is_scheduled || timer_node_is_in(&self->node));
}

static int
set_scheduled(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    int is_true = value == NULL ? 0 : PyObject_IsTrue(value);
    ((Handle *)op)->is_scheduled = is_true > 0;
    return is_true < 0 ? -1 : 0;
}

/* getter(a) == getter(b): 1, 0 or -1. */
static int
attributes_equal(PyObject *a, PyObject *b, PyObject *(*getter)(PyObject *, void *))
{
    PyObject *value_a = getter(a, NULL), *value_b = getter(b, NULL);
    int equal = value_a == NULL || value_b == NULL
                    ? -1
                    : PyObject_RichCompareBool(value_a, value_b, Py_EQ);
    Py_XDECREF(value_a);
    Py_XDECREF(value_b);
    return equal;
}

static int
timers_equal(PyObject *a, PyObject *b)
{
    if (((Handle *)a)->is_cancelled != ((Handle *)b)->is_cancelled) {
        return 0;
    }
    int equal = attributes_equal(a, b, get_when);
    if (equal > 0) {
        equal = attributes_equal(a, b, get_callback);
    }
    return equal > 0 ? attributes_equal(a, b, get_args) : equal;
}

static PyObject *
TimerHandle_richcompare(PyObject *a, PyObject *b, int operation)
{
    if (!PyObject_TypeCheck(b, state_of(a)->TimerHandle_type)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (operation != Py_EQ && operation != Py_NE) {
        int strict = operation == Py_LT || operation == Py_LE ? Py_LT : Py_GT;
        PyObject *when_a = when_object((Handle *)a), *when_b = when_object((Handle *)b);
        int comes_first = when_a == NULL || when_b == NULL
                              ? -1
                              : PyObject_RichCompareBool(when_a, when_b, strict);
        Py_XDECREF(when_a);
        Py_XDECREF(when_b);
        if (comes_first != 0 || operation == strict) {
            return comes_first < 0 ? NULL : PyBool_FromLong(comes_first);
        }
    }
    int equal = timers_equal(a, b);
    return equal < 0 ? NULL : PyBool_FromLong(operation == Py_NE ? !equal : equal);
}

static Py_hash_t
TimerHandle_hash(PyObject *op)
{
    PyObject *when = when_object((Handle *)op);
    Py_hash_t hash = when == NULL ? -1 : PyObject_Hash(when);
    Py_XDECREF(when);
    return hash;
}

static PyMethodDef Handle_methods[] = {
    {"cancel", Handle_cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nKeep the callback from being called. As asyncio.Handle.cancel."},
    {"cancelled", Handle_cancelled, METH_NOARGS,
     "cancelled($self, /)\n--\n\nWhether it was cancelled. As asyncio.Handle.cancelled."},
#if TASK_HAS_CONTEXT_AND_EAGER_START
    {"get_context", Handle_get_context, METH_NOARGS,
     "get_context($self, /)\n--\n\nThe context of the callback. As asyncio.Handle.get_context."},
#endif
    {"_run", Handle_run, METH_NOARGS,
     "_run($self, /)\n--\n\nCall the callback now. As asyncio.Handle._run."},
    {"_repr_info", Handle_repr_info, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef TimerHandle_methods[] = {
    {"when", TimerHandle_when, METH_NOARGS,
     "when($self, /)\n--\n\nThe callback's time in seconds of loop.time(). As "
     "asyncio.TimerHandle.when."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Handle_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Handle, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Handle_getset[] = {
    {"__class__", get_class, NULL, NULL, NULL},
    {"_callback", get_callback, NULL, NULL, NULL},
    {"_args", get_args, NULL, NULL, NULL},
    {"_cancelled", attribute_get_bool, NULL, NULL, (void *)offsetof(Handle, is_cancelled)},
    {"_context", get_context, NULL, NULL, NULL},
    {"_loop", attribute_get_object, NULL, NULL, (void *)offsetof(Handle, loop)},
    {"_repr", get_repr, NULL, NULL, NULL},
    {"_source_traceback", get_source_traceback, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef TimerHandle_getset[] = {
    {"_when", get_when, NULL, NULL, NULL},
    {"_scheduled", get_scheduled, set_scheduled, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Handle_slots[] = {
    {Py_tp_doc, "Handle(callback, args, loop, context=None)\n--\n\n"
                "A callback that a loop will call once. As asyncio.Handle."},
    {Py_tp_new, Handle_new},
    {Py_tp_init, Handle_init},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_repr, Handle_repr},
    {Py_tp_methods, Handle_methods},
    {Py_tp_members, Handle_members},
    {Py_tp_getset, Handle_getset},
    {0, NULL},
};

static PyType_Spec Handle_spec = {
    .name = "pyasync._core.Handle",
    .basicsize = sizeof(Handle),
    .itemsize = sizeof(PyObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Handle_slots,
};

static PyType_Slot TimerHandle_slots[] = {
    {Py_tp_doc, "TimerHandle(when, callback, args, loop, context=None)\n--\n\n"
                "A callback that a loop will call at a time (seconds of loop.time()). As "
                "asyncio.TimerHandle."},
    {Py_tp_init, TimerHandle_init},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_richcompare, TimerHandle_richcompare},
    {Py_tp_hash, TimerHandle_hash},
    {Py_tp_methods, TimerHandle_methods},
    {Py_tp_getset, TimerHandle_getset},
    {0, NULL},
};

static PyType_Spec TimerHandle_spec = {
    .name = "pyasync._core.TimerHandle",
    .basicsize = sizeof(TimerHandle),
    .itemsize = sizeof(PyObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = TimerHandle_slots,
};

int
handle_init_types(PyObject *module, core_state *state)
{
    if (state_add_type(module, &state->Handle_type, &Handle_spec, NULL) < 0) {
        return -1;
    }
    return state_add_type(module, &state->TimerHandle_type, &TimerHandle_spec,
                          (PyObject *)state->Handle_type);
}
