/* async_with_method.c -- the descriptor behind async_with_method.h, and what it binds. */

#include "core/async_with_method.h"

#include <string.h>

/* What METH_FASTCALL | METH_KEYWORDS says of a function. */
typedef PyObject *(*fast_method)(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                 PyObject *kwnames);

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    vectorcallfunc call_bound; /* of the bound methods */
    core_state *module_state;
    PyObject *plain; /* the C method's own descriptor */
    PyObject *shown; /* what the class gives */
} MethodDescriptor;

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    core_state *module_state;
    PyMethodDef *method;
    PyObject *shown; /* what the class gives, NULL in the free list */
    PyObject *self;  /* there: the next one */
    PyObject *weakrefs;
} BoundMethod;

/* Whether the type is whole: the GC has not taken it and the module apart. */
static inline bool
has_module(PyTypeObject *type)
{
    return ((PyHeapTypeObject *)type)->ht_module != NULL;
}

static inline PyMethodDef *
method_of(const MethodDescriptor *self)
{
    return ((PyMethodDescrObject *)self->plain)->d_method;
}

/* ---- the bound method ---- */

/* The method object that it stands for: a new reference or NULL. */
static PyObject *
as_method(PyObject *op)
{
    BoundMethod *self = (BoundMethod *)op;
    return PyMethod_New(self->shown, self->self);
}

/* A call with arguments that the method may not take: it knows how to say so. */
static PyObject *
call_method(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *method = as_method(op);
    PyObject *answer =
        method == NULL ? NULL : PyObject_Vectorcall(method, args, nargsf, kwnames);
    Py_XDECREF(method);
    return answer;
}

static PyObject *
call_without_arguments(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    BoundMethod *self = (BoundMethod *)op;
    if (PyVectorcall_NARGS(nargsf) != 0 || kwnames != NULL) {
        return call_method(op, args, nargsf, kwnames);
    }
    return self->method->ml_meth(self->self, NULL);
}

static PyObject *
call_with_arguments(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    BoundMethod *self = (BoundMethod *)op;
    fast_method function = (fast_method)(void (*)(void))self->method->ml_meth;
    return function(self->self, args, PyVectorcall_NARGS(nargsf), kwnames);
}

static BoundMethod *
bound_method_new(core_state *state)
{
    BoundMethod *self = state->spare_bound_methods.first;
    if (self == NULL) {
        return PyObject_GC_New(BoundMethod, state->BoundMethod_type);
    }
    state->spare_bound_methods.first = self->self;
    state->spare_bound_methods.count--;
    Py_SET_REFCNT((PyObject *)self, 1); /* its type it has kept, with a reference */
    return self;
}

static void
BoundMethod_dealloc(PyObject *op)
{
    BoundMethod *self = (BoundMethod *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op); // runs Python
    }
    PyObject *object = self->self, *shown = self->shown;
    core_state *state = self->module_state;
    if (has_module(type) && state->BoundMethod_type == type
        && state->spare_bound_methods.count < SPARE_BOUND_METHODS) {
        self->self = state->spare_bound_methods.first;
        state->spare_bound_methods.first = self;
        state->spare_bound_methods.count++;
    }
    else {
        type->tp_free(op);
        Py_DECREF(type);
    }
    Py_XDECREF(shown);
    Py_XDECREF(object); // runs Python (destructors)
}

void
async_with_method_drop_spare(core_state *state)
{
    BoundMethod *self;
    while ((self = state->spare_bound_methods.first) != NULL) {
        PyTypeObject *type = Py_TYPE(self);
        state->spare_bound_methods.first = self->self;
        PyObject_GC_Del(self);
        Py_DECREF(type);
    }
    state->spare_bound_methods.count = 0;
}

/* No tp_clear, as for a function of C: a call needs the object. */
static int
BoundMethod_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((BoundMethod *)op)->shown);
    Py_VISIT(((BoundMethod *)op)->self);
    return 0;
}

/* Its attributes are the method's, __class__ among them. */
static PyObject *
BoundMethod_getattro(PyObject *op, PyObject *name)
{
    PyObject *method = as_method(op);
    PyObject *found = method == NULL ? NULL : PyObject_GetAttr(method, name);
    Py_XDECREF(method);
    return found;
}

static int
BoundMethod_setattro(PyObject *op, PyObject *name, PyObject *value)
{
    PyObject *method = as_method(op);
    int status = method == NULL ? -1 : PyObject_SetAttr(method, name, value);
    Py_XDECREF(method);
    return status;
}

static PyObject *
BoundMethod_repr(PyObject *op)
{
    PyObject *method = as_method(op);
    PyObject *text = method == NULL ? NULL : PyObject_Repr(method); // runs Python
    Py_XDECREF(method);
    return text;
}

static Py_hash_t
BoundMethod_hash(PyObject *op)
{
    PyObject *method = as_method(op);
    Py_hash_t hash = method == NULL ? -1 : PyObject_Hash(method);
    Py_XDECREF(method);
    return hash;
}

static PyObject *
BoundMethod_richcompare(PyObject *op, PyObject *other, int operation)
{
    PyObject *method = as_method(op);
    other = Py_IS_TYPE(other, Py_TYPE(op)) ? as_method(other) : Py_NewRef(other);
    PyObject *answer = method == NULL || other == NULL
                           ? NULL
                           : PyMethod_Type.tp_richcompare(method, other, operation);
    Py_XDECREF(method);
    Py_XDECREF(other);
    return answer;
}

static PyMemberDef BoundMethod_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(BoundMethod, call), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(BoundMethod, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot BoundMethod_slots[] = {
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_getattro, BoundMethod_getattro},
    {Py_tp_setattro, BoundMethod_setattro},
    {Py_tp_repr, BoundMethod_repr},
    {Py_tp_hash, BoundMethod_hash},
    {Py_tp_richcompare, BoundMethod_richcompare},
    {Py_tp_traverse, BoundMethod_traverse},
    {Py_tp_dealloc, BoundMethod_dealloc},
    {Py_tp_members, BoundMethod_members},
    {0, NULL},
};

/* Errors name the type of an object: as the method's. */
static PyType_Spec BoundMethod_spec = {
    .name = "builtins.method",
    .basicsize = sizeof(BoundMethod),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = BoundMethod_slots,
};

/* ---- the descriptor ---- */

static PyObject *
MethodDescriptor_descr_get(PyObject *op, PyObject *object, PyObject *Py_UNUSED(type))
{
    MethodDescriptor *self = (MethodDescriptor *)op;
    core_state *state = self->module_state;
    if (object == NULL) {
        return Py_NewRef(self->shown);
    }
    if (!PyObject_TypeCheck(object, PyDescr_TYPE(self->plain))
        || !has_module(Py_TYPE(op)) || state->BoundMethod_type == NULL) {
        return PyMethod_New(self->shown, object);
    }
    BoundMethod *bound = bound_method_new(state);
    if (bound == NULL) {
        return NULL;
    }
    bound->call = self->call_bound;
    bound->module_state = state;
    bound->method = method_of(self);
    bound->shown = Py_NewRef(self->shown);
    bound->self = Py_NewRef(object);
    bound->weakrefs = NULL;
    PyObject_GC_Track((PyObject *)bound);
    return (PyObject *)bound;
}

/* Unbound, as the interpreter calls it for x.__aenter__(). */
static PyObject *
call_plain(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return PyObject_Vectorcall(((MethodDescriptor *)op)->plain, args, nargsf, kwnames);
}

static PyObject *
MethodDescriptor_getattro(PyObject *op, PyObject *name)
{
    return PyObject_GetAttr(((MethodDescriptor *)op)->shown, name);
}

static PyObject *
MethodDescriptor_repr(PyObject *op)
{
    return PyObject_Repr(((MethodDescriptor *)op)->shown);
}

static int
MethodDescriptor_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((MethodDescriptor *)op)->plain);
    Py_VISIT(((MethodDescriptor *)op)->shown);
    return 0;
}

static void
MethodDescriptor_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(((MethodDescriptor *)op)->plain);
    Py_CLEAR(((MethodDescriptor *)op)->shown);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef MethodDescriptor_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(MethodDescriptor, call), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot MethodDescriptor_slots[] = {
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, MethodDescriptor_descr_get},
    {Py_tp_getattro, MethodDescriptor_getattro},
    {Py_tp_repr, MethodDescriptor_repr},
    {Py_tp_traverse, MethodDescriptor_traverse},
    {Py_tp_dealloc, MethodDescriptor_dealloc},
    {Py_tp_members, MethodDescriptor_members},
    {0, NULL},
};

static PyType_Spec MethodDescriptor_spec = {
    .name = "pyasync._core.coroutine_method",
    .basicsize = sizeof(MethodDescriptor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = MethodDescriptor_slots,
};

PyObject *
async_with_method_for(core_state *state, PyObject *descriptor, PyObject *shown)
{
    const PyMethodDef *method = ((PyMethodDescrObject *)descriptor)->d_method;
    bool takes_none = method->ml_flags == METH_NOARGS;
    if (!ASYNC_WITH_BINDS_METHODS
        || (strcmp(method->ml_name, "__aenter__") != 0 && strcmp(method->ml_name, "__aexit__") != 0)
        || (!takes_none && method->ml_flags != (METH_FASTCALL | METH_KEYWORDS))) {
        return Py_NewRef(shown);
    }
    MethodDescriptor *self = PyObject_GC_New(MethodDescriptor, state->MethodDescriptor_type);
    if (self == NULL) {
        return NULL;
    }
    self->call = call_plain;
    self->call_bound = takes_none ? call_without_arguments : call_with_arguments;
    self->module_state = state;
    self->plain = Py_NewRef(descriptor);
    self->shown = Py_NewRef(shown);
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

int
async_with_method_init_types(PyObject *module, core_state *state)
{
    if (!ASYNC_WITH_BINDS_METHODS) {
        return 0;
    }
    if (state_make_type(module, &state->BoundMethod_type, &BoundMethod_spec, NULL) < 0) {
        return -1;
    }
    return state_make_type(module, &state->MethodDescriptor_type, &MethodDescriptor_spec, NULL);
}
