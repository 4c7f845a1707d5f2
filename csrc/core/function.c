/* function.c -- the type behind function.h: a call in C, all else as asyncio's own has it. */

#include "core/function.h"

#include "core/stock.h"

#include <string.h>

PyObject *
function_call_stock(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return PyObject_Vectorcall(((Function *)op)->stock, args, nargsf, kwnames);
}

/* asyncio's function of the same name: a new reference; NULL and no exception where it has none. */
static PyObject *
find_stock(const function_definition *definition)
{
    PyObject *path = PyUnicode_FromFormat("asyncio%s",
                                          definition->module + strlen("pyasync"));
    PyObject *module = path == NULL ? NULL : PyImport_Import(path);
    Py_XDECREF(path);
    if (module == NULL) {
        return NULL;
    }
    PyObject *stock = PyObject_GetAttrString(module, definition->name);
    Py_DECREF(module);
    if (stock == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* another version: that is an answer */
    }
    return stock;
}

int
function_add(PyObject *module, const function_definition *definition)
{
    PyObject *stock = find_stock(definition);
    if (stock == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    core_state *state = state_of_module(module);
    Function *self = PyObject_GC_New(Function, state->Function_type);
    if (self == NULL) {
        Py_DECREF(stock);
        return -1;
    }
    self->call = definition->call;
    self->definition = definition;
    self->module_state = state;
    self->module = Py_NewRef(module);
    self->stock = stock;
    self->dict = self->weakrefs = NULL;
    PyObject_GC_Track((PyObject *)self);
    int status = PyModule_AddObjectRef(module, definition->name, (PyObject *)self);
    Py_DECREF(self);
    return status;
}

/* The code object of that name among the constants of another; NULL and no exception without. */
static PyObject *
find_inner_code(PyObject *code, PyObject *name)
{
    PyObject *constants = PyObject_GetAttrString(code, "co_consts");
    PyObject *found = NULL;
    for (Py_ssize_t i = 0; constants != NULL && i < PyTuple_GET_SIZE(constants); i++) {
        PyObject *constant = PyTuple_GET_ITEM(constants, i);
        if (PyCode_Check(constant)
            && PyUnicode_Compare(((PyCodeObject *)constant)->co_name, name) == 0) {
            found = Py_NewRef(constant);
            break;
        }
    }
    Py_XDECREF(constants);
    return found;
}

/* One step of a qualified name: "<locals>" of a function is its code, in which the next is. */
static PyObject *
find_next(PyObject *object, PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, "<locals>") == 0) {
        return PyObject_GetAttrString(object, "__code__");
    }
    return PyCode_Check(object) ? find_inner_code(object, name) : PyObject_GetAttr(object, name);
}

PyObject *
function_find_code(const char *path)
{
    const char *colon = strchr(path, ':');
    PyObject *name = PyUnicode_FromStringAndSize(path, colon - path);
    PyObject *found = name == NULL ? NULL : PyImport_Import(name);
    Py_XDECREF(name);
    for (const char *at = colon + 1; found != NULL && at != NULL;) {
        const char *dot = strchr(at, '.');
        name = dot == NULL ? PyUnicode_FromString(at) : PyUnicode_FromStringAndSize(at, dot - at);
        Py_SETREF(found, name == NULL ? NULL : find_next(found, name));
        Py_XDECREF(name);
        at = dot == NULL ? NULL : dot + 1;
    }
    if (found != NULL && !PyCode_Check(found)) {
        Py_SETREF(found, PyObject_GetAttrString(found, "__code__"));
    }
    if (found == NULL && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* another version: that is an answer */
    }
    return found == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : found;
}

int
function_learn_code(core_state *state, const char *path)
{
    PyObject *code = function_find_code(path);
    int status = code == NULL ? -1 : PyDict_SetItemString(state->learnt_codes, path, code);
    Py_XDECREF(code);
    return status;
}

static PyObject *
Function_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<function %s at %p>", ((Function *)op)->definition->name, op);
}

static PyObject *
Function_descr_get(PyObject *op, PyObject *object, PyObject *Py_UNUSED(type))
{
    return object == NULL || object == Py_None ? Py_NewRef(op) : PyMethod_New(op, object);
}

/* Pickled and copied by its name, as a function is. */
static PyObject *
Function_reduce(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyUnicode_FromString(((Function *)op)->definition->name);
}

static PyObject *
get_stock_attribute(PyObject *op, void *name)
{
    return PyObject_GetAttrString(((Function *)op)->stock, name);
}

static PyObject *
get_module(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((Function *)op)->definition->module);
}

/* Behind the signature, as inspect.getdoc() has that of a function written in C. */
static PyObject *
get_doc(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((Function *)op)->definition->doc);
}

/* Its __call__ is the function: unittest.mock asks that for the signature of what is no type of
   its own. */
static PyObject *
Function_getattro(PyObject *op, PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, "__call__") == 0) {
        return Py_NewRef(op);
    }
    return PyObject_GenericGetAttr(op, name);
}

static int
Function_traverse(PyObject *op, visitproc visit, void *arg)
{
    Function *self = (Function *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->module);
    Py_VISIT(self->stock);
    Py_VISIT(self->dict);
    return 0;
}

static int
Function_clear(PyObject *op)
{
    Function *self = (Function *)op;
    Py_CLEAR(self->module);
    Py_CLEAR(self->stock);
    Py_CLEAR(self->dict);
    return 0;
}

static void
Function_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (((Function *)op)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    Function_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef Function_methods[] = {
    {"__reduce__", Function_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Function_getset[] = {
    STOCK_FUNCTION_GETSET(get_stock_attribute),
    {"__module__", get_module, NULL, NULL, NULL},
    {"__doc__", get_doc, NULL, NULL, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef Function_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Function, call), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Function, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Function, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot Function_slots[] = {
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, Function_descr_get},
    {Py_tp_getattro, Function_getattro},
    {Py_tp_repr, Function_repr},
    {Py_tp_traverse, Function_traverse},
    {Py_tp_clear, Function_clear},
    {Py_tp_dealloc, Function_dealloc},
    {Py_tp_methods, Function_methods},
    {Py_tp_getset, Function_getset},
    {Py_tp_members, Function_members},
    {0, NULL},
};

static PyType_Spec Function_spec = {
    .name = "pyasync._core.function",
    .basicsize = sizeof(Function),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Function_slots,
};

int
function_init_type(PyObject *module, core_state *state)
{
    return state_make_type(module, &state->Function_type, &Function_spec, NULL);
}
