/* coroutine_method.c -- the type behind coroutine_method.h. */

#include "core/coroutine_method.h"

#include "core/stock.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *descriptor;
    PyObject *stock;
} CoroutineMethod;

/* METH_FASTCALL | METH_KEYWORDS: its name in CPython differs by version. */
typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

/* The usual calls, as the plain method's own are made; what is unusual is left to that. */

static inline PyMethodDef *
definition_for(PyObject *op, PyObject *object)
{
    PyObject *descriptor = ((CoroutineMethod *)op)->descriptor;
    return PyObject_TypeCheck(object, PyDescr_TYPE(descriptor))
               ? ((PyMethodDescrObject *)descriptor)->d_method
               : NULL;
}

static PyObject *
call_descriptor(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return PyObject_Vectorcall(((CoroutineMethod *)op)->descriptor, args, nargsf, kwnames);
}

static PyObject *
call_without_arguments(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyMethodDef *method;
    if (PyVectorcall_NARGS(nargsf) != 1 || kwnames != NULL
        || (method = definition_for(op, args[0])) == NULL) {
        return call_descriptor(op, args, nargsf, kwnames);
    }
    return method->ml_meth(args[0], NULL);
}

static PyObject *
call_with_keywords(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    PyMethodDef *method;
    if (nargs < 1 || (method = definition_for(op, args[0])) == NULL) {
        return call_descriptor(op, args, nargsf, kwnames);
    }
    fast_function call = (fast_function)(void (*)(void))method->ml_meth;
    return call(args[0], args + 1, nargs - 1, kwnames);
}

static vectorcallfunc
call_of(const PyMethodDef *method)
{
    return method->ml_flags == METH_NOARGS                          ? call_without_arguments
           : method->ml_flags == (METH_FASTCALL | METH_KEYWORDS) ? call_with_keywords
                                                                    : call_descriptor;
}

/* The Python function that the type would have under that name without us: a new reference, or NULL,
   perhaps without an exception. */
static PyObject *
find_stock(PyTypeObject *type, const char *name)
{
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(type->tp_mro); i++) {
        PyObject *found;
        PyObject *key = PyUnicode_InternFromString(name);
        int status = key == NULL ? -1
                                 : PyObject_GetOptionalAttr(PyTuple_GET_ITEM(type->tp_mro, i), key,
                                                            &found);
        Py_XDECREF(key);
        if (status < 0 || (status > 0 && PyFunction_Check(found))) {
            return status < 0 ? NULL : found;
        }
        if (status > 0) {
            Py_DECREF(found);
        }
    }
    return NULL;
}

static bool
is_coroutine_function(PyObject *function)
{
    return ((PyCodeObject *)PyFunction_GET_CODE(function))->co_flags & CO_COROUTINE;
}

/* Tools see the coroutines that the method makes as asyncio's (core/coroutine_frame.h). */
static int
learn_code(core_state *state, PyObject *stock)
{
    return PyDict_SetItem(state->learnt_codes, ((PyFunctionObject *)stock)->func_qualname,
                          PyFunction_GET_CODE(stock));
}

PyObject *
coroutine_method_new(core_state *state, PyTypeObject *type, PyObject *descriptor)
{
    PyObject *stock = find_stock(type, ((PyMethodDescrObject *)descriptor)->d_method->ml_name);
    if (stock == NULL || !is_coroutine_function(stock)) {
        Py_XDECREF(stock);
        return PyErr_Occurred() ? NULL : Py_NewRef(descriptor);
    }
    CoroutineMethod *self = learn_code(state, stock) < 0
                                ? NULL
                                : PyObject_GC_New(CoroutineMethod, state->CoroutineMethod_type);
    if (self == NULL) {
        Py_DECREF(stock);
        return NULL;
    }
    self->call = call_of(((PyMethodDescrObject *)descriptor)->d_method);
    self->descriptor = Py_NewRef(descriptor);
    self->stock = stock;
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

PyObject *
coroutine_method_plain(const core_state *state, PyObject *method)
{
    return Py_IS_TYPE(method, state->CoroutineMethod_type) ? ((CoroutineMethod *)method)->descriptor
                                                           : method;
}

/* ---- what Python sees ---- */

static PyObject *
CoroutineMethod_repr(PyObject *op)
{
    PyObject *name = PyObject_GetAttrString(((CoroutineMethod *)op)->stock, "__qualname__");
    PyObject *text = name == NULL ? NULL : PyUnicode_FromFormat("<function %U at %p>", name, op);
    Py_XDECREF(name);
    return text;
}

static PyObject *
CoroutineMethod_descr_get(PyObject *op, PyObject *object, PyObject *Py_UNUSED(type))
{
    return object == NULL || object == Py_None ? Py_NewRef(op) : PyMethod_New(op, object);
}

static PyObject *
CoroutineMethod_reduce(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyObject_CallMethod(((CoroutineMethod *)op)->descriptor, "__reduce__", NULL);
}

static PyObject *
get_stock_attribute(PyObject *op, void *name)
{
    return PyObject_GetAttrString(((CoroutineMethod *)op)->stock, name);
}

static PyObject *
get_plain_attribute(PyObject *op, void *name)
{
    return PyObject_GetAttrString(((CoroutineMethod *)op)->descriptor, name);
}

static PyObject *
get_module(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *owner = get_plain_attribute(op, "__objclass__");
    PyObject *module = owner == NULL ? NULL : PyObject_GetAttrString(owner, "__module__");
    Py_XDECREF(owner);
    return module;
}

static int
CoroutineMethod_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((CoroutineMethod *)op)->descriptor);
    Py_VISIT(((CoroutineMethod *)op)->stock);
    return 0;
}

static void
CoroutineMethod_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_DECREF(((CoroutineMethod *)op)->descriptor);
    Py_DECREF(((CoroutineMethod *)op)->stock);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef CoroutineMethod_methods[] = {
    {"__reduce__", CoroutineMethod_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef CoroutineMethod_getset[] = {
    STOCK_FUNCTION_GETSET(get_stock_attribute),
    {"__doc__", get_plain_attribute, NULL, NULL, "__doc__"},
    {"__objclass__", get_plain_attribute, NULL, NULL, "__objclass__"},
    {"__module__", get_module, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef CoroutineMethod_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(CoroutineMethod, call), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* It is immutable, so no cycle goes through it alone: no tp_clear. */
static PyType_Slot CoroutineMethod_slots[] = {
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, CoroutineMethod_descr_get},
    {Py_tp_repr, CoroutineMethod_repr},
    {Py_tp_traverse, CoroutineMethod_traverse},
    {Py_tp_dealloc, CoroutineMethod_dealloc},
    {Py_tp_methods, CoroutineMethod_methods},
    {Py_tp_getset, CoroutineMethod_getset},
    {Py_tp_members, CoroutineMethod_members},
    {0, NULL},
};

static PyType_Spec CoroutineMethod_spec = {
    .name = "pyasync._core.coroutine_method",
    .basicsize = sizeof(CoroutineMethod),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = CoroutineMethod_slots,
};

int
coroutine_method_init_type(PyObject *module, core_state *state)
{
    return state_make_type(module, &state->CoroutineMethod_type, &CoroutineMethod_spec, NULL);
}
