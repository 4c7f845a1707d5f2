/* coroutine.c -- making a Coroutine, its memory, and its type. */

#include "core/coroutine.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/coroutine_frame.h"
#include "core/coroutine_origin.h"
#include "core/coroutine_step.h"
#include "core/stop_iteration.h"

/* Whether the memory of a dead, untracked one was taken in, with its reference to its type. */
static inline bool
keep_spare(core_state *state, Coroutine *self)
{
    size_t index = coroutine_spare_index(Py_SIZE(self));
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

SELDOM Coroutine *
coroutine_new_slow(core_state *state, const coroutine_kind *kind)
{
    Py_ssize_t extra = kind->size_bytes - (Py_ssize_t)sizeof(Coroutine);
    assert(extra >= 0);
    Coroutine *self = PyObject_GC_NewVar(Coroutine, state->Coroutine_type, extra);
    if (self == NULL) {
        return NULL;
    }
    LIVE_ADD(state, LIVE_COROUTINE);
    coroutine_init(self, state, kind);
    memset(self + 1, 0, (size_t)extra);
    if (coroutine_origin_note(self) < 0) {
        self->state = COROUTINE_DONE; /* nobody has forgotten to await it */
        Py_CLEAR(self);
    }
    return self;
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
get_origin(PyObject *op, void *Py_UNUSED(closure))
{
    return coroutine_origin((Coroutine *)op);
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
    coroutine_end_keeping_exception(self);
    return 0;
}

/* The warning of the module warnings, which tells where it was made, and tracemalloc what it knows:
   0 or -1. Runs Python. */
static int
warn_unawaited(Coroutine *self)
{
    bool has_module = ((PyHeapTypeObject *)Py_TYPE(self))->ht_module != NULL;
    PyObject *warn = has_module ? Py_XNewRef(self->module_state->warn_unawaited) : NULL;
    if (warn == NULL) { /* the interpreter ends */
        return PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited",
                                self->kind->qualname);
    }
    PyObject *answer = PyObject_CallOneArg(warn, (PyObject *)self);
    Py_DECREF(warn);
    return status_steal(answer);
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
        status = warn_unawaited(self);
    }
    else if (self->state == COROUTINE_WAITING) {
        status = status_steal(Coroutine_close(op, NULL)); // runs Python
    }
    if (status < 0) {
        PyErr_WriteUnraisable(op);
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

/* Gives the memory of a dead, untracked one back or keeps it. Runs Python (destructors). */
static inline void
release(core_state *state, PyTypeObject *type, Coroutine *self)
{
    LIVE_SUB(state, LIVE_COROUTINE);
    stop_iteration_forget(state); // runs Python (destructors)
    if (!keep_spare(state, self)) {
        type->tp_free((PyObject *)self);
        Py_DECREF(type);
    }
}

/* One that was not awaited to its end, that is referred to weakly, or that has an origin. */
static SELDOM void
dealloc_slow(PyObject *op)
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
        coroutine_end_keeping_exception(self);
    }
    if (((PyHeapTypeObject *)type)->ht_module == NULL) { /* the GC has taken the module apart */
        type->tp_free(op);
        Py_DECREF(type);
        return;
    }
    coroutine_origin_forget(self);
    release(self->module_state, type, self);
}

static void
Coroutine_dealloc(PyObject *op)
{
    Coroutine *self = (Coroutine *)op;
    PyTypeObject *type = Py_TYPE(op);
    if (self->state != COROUTINE_DONE || self->weakrefs != NULL || self->has_origin
        || ((PyHeapTypeObject *)type)->ht_module == NULL) {
        dealloc_slow(op);
        return;
    }
    PyObject_GC_UnTrack(op);
    release(self->module_state, type, self);
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
    {"cr_origin", get_origin, NULL, NULL, NULL},
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
    return status_steal(answer);
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
