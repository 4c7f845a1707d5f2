/* waiter.c -- making, running and showing a Waiter. */

#include "core/waiter.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/awaitable.h"
#include "core/context.h"
#include "core/function.h"
#include "core/handle.h"
#include "core/report.h"

static PyObject *
waiter_new(core_state *state, Loop *own, const waiter_kind *kind, PyObject *owner,
           PyObject *context)
{
    Waiter *self = NULL;
    if (own != NULL) {
        self = (Waiter *)loop_free_list_take(&own->free_waiters, state->Waiter_type);
    }
    if (self == NULL) {
        self = PyObject_GC_New(Waiter, state->Waiter_type);
        if (self == NULL) {
            return NULL;
        }
        self->future = NULL;
        PyObject_GC_Track((PyObject *)self);
    }
    LIVE_ADD(state, LIVE_WAITER);
    self->kind = kind;
    self->owner = Py_NewRef(owner);
    self->context = Py_NewRef(context);
    return (PyObject *)self;
}

int
waiter_add(core_state *state, PyObject *future, const waiter_kind *kind, PyObject *owner,
           PyObject *context)
{
    bool is_exact = future_is_exact(state, future);
    Loop *own = is_exact ? future_own_loop((Future *)future) : NULL;
    PyObject *waiter = waiter_new(state, own, kind, owner, context);
    if (waiter == NULL) {
        return -1;
    }
    int status;
    if (is_exact) {
        status = future_add_waiter(state, (Future *)future, waiter, context);
    }
    else { /* it takes the current context itself, as it does for asyncio */
        status = status_steal(PyObject_CallMethodOneArg(future, state->name_add_done_callback,
                                                        waiter)); // runs Python
    }
    Py_DECREF(waiter);
    return status;
}

PyObject *
waiter_callable(core_state *state, const waiter_kind *kind, PyObject *owner)
{
    return waiter_new(state, NULL, kind, owner, Py_None);
}

static bool
is_same(const Waiter *self, const waiter_kind *kind, const PyObject *owner)
{
    return self->kind == kind && self->owner == owner;
}

int
waiter_remove(core_state *state, PyObject *future, const waiter_kind *kind, PyObject *owner)
{
    if (!future_is_exact(state, future)) {
        PyObject *waiter = waiter_new(state, NULL, kind, owner, Py_None);
        PyObject *answer = waiter == NULL
                               ? NULL
                               : PyObject_CallMethodOneArg(future,
                                                           state->name_remove_done_callback,
                                                           waiter); // runs Python
        Py_XDECREF(waiter);
        return status_steal(answer);
    }
    Future *own = (Future *)future;
    for (Py_ssize_t i = 0; i < future_waiter_count(own); i++) {
        PyObject *waiter = future_waiter_at(own, i);
        if (waiter_check(state, waiter) && is_same((Waiter *)waiter, kind, owner)) {
            return future_remove_waiter_at(own, i);
        }
    }
    return 0;
}

int
waiter_add_to_all(core_state *state, PyObject *futures, const waiter_kind *kind, PyObject *owner,
                  PyObject *task)
{
    PyObject *context = context_take_snapshot(state);
    int status = context == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(futures); i++) {
        PyObject *future = PyList_GET_ITEM(futures, i);
        status = waiter_add(state, future, kind, owner, context); // runs Python
        if (status == 0) {
            status = awaitable_add_awaited_by(state, future, task);
        }
    }
    Py_XDECREF(context);
    return status;
}

int
waiter_remove_from_all(core_state *state, PyObject *futures, const waiter_kind *kind,
                       PyObject *owner, PyObject *task)
{
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(futures); i++) {
        PyObject *future = PyList_GET_ITEM(futures, i);
        status = waiter_remove(state, future, kind, owner); // runs Python
        if (status == 0) {
            status = awaitable_discard_awaited_by(state, future, task);
        }
    }
    return status;
}

PyObject *
waiter_handle(Loop *loop, Waiter *self)
{
    return handle_new(loop, (PyObject *)self, &self->future, self->future == NULL ? 0 : 1,
                      self->context);
}

static int
report_error(Loop *loop, Waiter *self)
{
    if (report_must_pass()) {
        return -1;
    }
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *handle = waiter_handle(loop, self);
    PyObject *args = handle == NULL ? NULL : handle_args_as_tuple((Handle *)handle);
    int status = -1;
    if (args != NULL) {
        PyErr_SetRaisedException(pending);
        status = report_callback_error(loop->state, (PyObject *)loop, handle, (PyObject *)self,
                                       args, NULL);
    }
    else {
        Py_DECREF(pending);
    }
    Py_XDECREF(args);
    if (handle != NULL) {
        handle_release_steal(handle);
    }
    return status;
}

int
waiter_run(Loop *loop, Waiter *self)
{
    int status = self->kind->notify(loop->state, self->owner, self->future); // may run Python
    return status < 0 ? report_error(loop, self) : 0;
}

/* ---- what Python sees ---- */

static PyObject *
call_kind(Waiter *self, PyObject *args, PyObject *kwargs)
{
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        return PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments",
                            self->kind->qualname);
    }
    PyObject *owner = Py_XNewRef(self->owner); /* NULL: the GC has taken it apart */
    PyObject *answer = owner == NULL
                           ? Py_NewRef(Py_None)
                           : self->kind->call(state_of((PyObject *)self), owner, args);
    Py_XDECREF(owner);
    return answer;
}

static PyObject *
Waiter_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", NULL};
    Waiter *self = (Waiter *)op;
    PyObject *future;
    if (self->kind->call != NULL) {
        return call_kind(self, args, kwargs);
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:done_callback", names, &future)) {
        return NULL;
    }
    PyObject *owner = Py_XNewRef(self->owner);
    int status = owner == NULL ? 0 : self->kind->notify(state_of(op), owner, future);
    Py_XDECREF(owner);
    return none_or_null(status);
}

static PyObject *
Waiter_richcompare(PyObject *op, PyObject *other, int operation)
{
    if (!Py_IS_TYPE(other, Py_TYPE(op)) || (operation != Py_EQ && operation != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    const Waiter *self = (Waiter *)op;
    bool equal = op == other || is_same((Waiter *)other, self->kind, self->owner);
    return PyBool_FromLong(equal == (operation == Py_EQ));
}

static Py_hash_t
Waiter_hash(PyObject *op)
{
    return (Py_hash_t)((uintptr_t)((Waiter *)op)->owner >> 4);
}

static PyObject *
Waiter_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<function %s at %p>", ((Waiter *)op)->kind->qualname, op);
}

static PyObject *
get_qualname(PyObject *op, void *Py_UNUSED(closure))
{
    const Waiter *self = (Waiter *)op;
    if (!self->kind->shows_owner || self->owner == NULL) {
        return PyUnicode_FromString(self->kind->qualname);
    }
    PyObject *owner = PyObject_CallOneArg(state_of(op)->reprlib_repr, self->owner);
    PyObject *shown = owner == NULL
                          ? NULL
                          : PyUnicode_FromFormat("%s(%U)", self->kind->qualname, owner);
    Py_XDECREF(owner);
    return shown;
}

static PyObject *
get_name(PyObject *op, void *Py_UNUSED(closure))
{
    const char *dot = strrchr(((Waiter *)op)->kind->qualname, '.');
    return PyUnicode_FromString(dot == NULL ? ((Waiter *)op)->kind->qualname : dot + 1);
}

/* A function with the code of asyncio's: for who wants to know where that is. */
static PyObject *
get_wrapped(PyObject *op, void *Py_UNUSED(closure))
{
    const waiter_kind *kind = ((Waiter *)op)->kind;
    PyObject *code = NULL;
    if (kind->module != NULL) {
        PyObject *path = PyUnicode_FromFormat("%s:%s", kind->module, kind->qualname);
        const char *text = path == NULL ? NULL : PyUnicode_AsUTF8(path);
        code = text == NULL ? NULL : Py_XNewRef(function_learnt_code(state_of(op), text));
        if (text != NULL && code == NULL) {
            code = function_find_code(text); // runs Python
        }
        Py_XDECREF(path);
    }
    if (code == Py_None) {
        Py_CLEAR(code);
    }
    if (code == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_AttributeError, "__wrapped__");
        }
        return NULL;
    }
    PyObject *globals = PyDict_New();
    PyObject *function = globals == NULL ? NULL : PyFunction_New(code, globals);
    Py_XDECREF(globals);
    Py_DECREF(code);
    return function;
}

static int
Waiter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Waiter *self = (Waiter *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->owner);
    Py_VISIT(self->context);
    Py_VISIT(self->future);
    return 0;
}

static int
Waiter_clear(PyObject *op)
{
    Waiter *self = (Waiter *)op;
    Py_CLEAR(self->owner);
    Py_CLEAR(self->context);
    Py_CLEAR(self->future);
    return 0;
}

static void
Waiter_dealloc(PyObject *op)
{
    Waiter *self = (Waiter *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    LIVE_SUB(state_of_dying_type(type), LIVE_WAITER);
    PyObject *future = self->future; /* where there is one it is of one of our loops, and ours */
    Loop *own = future == NULL ? NULL : future_own_loop((Future *)future);
    self->future = NULL;
    Py_CLEAR(self->context);
    PyObject *owner = self->owner;
    self->owner = NULL;
    if (own == NULL || own->is_closed || !loop_free_list_put(&own->free_waiters, op)) {
        type->tp_free(op);
    }
    Py_XDECREF(owner);
    Py_XDECREF(future);
    Py_DECREF(type);
}

static PyGetSetDef Waiter_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_qualname, NULL, NULL, NULL},
    {"__wrapped__", get_wrapped, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Waiter_slots[] = {
    {Py_tp_call, Waiter_call},
    {Py_tp_richcompare, Waiter_richcompare},
    {Py_tp_hash, Waiter_hash},
    {Py_tp_repr, Waiter_repr},
    {Py_tp_traverse, Waiter_traverse},
    {Py_tp_clear, Waiter_clear},
    {Py_tp_dealloc, Waiter_dealloc},
    {Py_tp_getset, Waiter_getset},
    {0, NULL},
};

static PyType_Spec Waiter_spec = {
    .name = "pyasync._core.Waiter",
    .basicsize = sizeof(Waiter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Waiter_slots,
};

int
waiter_init_type(PyObject *module, core_state *state)
{
    return state_make_type(module, &state->Waiter_type, &Waiter_spec, NULL);
}
