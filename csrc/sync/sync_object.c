/* sync_object.c -- the head of locks and queues: their loop, and asking what is overridden. */

#include "sync/sync_object.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/loop.h"
#include "core/stock.h"

/* Adds (name, what the class has under it) to `pairs`; a name that this version lacks is left out. */
static int
add_pairs(PyObject *pairs, const char *const *names, PyObject *type, PyObject *stock)
{
    for (; *names != NULL; names++) {
        PyObject *name = PyUnicode_InternFromString(*names);
        PyObject *found = NULL;
        int status = name == NULL ? -1 : PyObject_GetOptionalAttr(type, name, &found);
        if (status == 0) {
            status = PyObject_GetOptionalAttr(stock, name, &found);
        }
        if (status > 0) {
            PyObject *pair = PyTuple_Pack(2, name, found);
            status = pair == NULL ? -1 : PyList_Append(pairs, pair);
            Py_XDECREF(pair);
        }
        Py_XDECREF(found);
        Py_XDECREF(name);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
stock_of(core_state *state, const sync_class *class)
{
    return *(PyObject **)((char *)state + class->stock);
}

int
sync_class_init(core_state *state, const sync_class *class, PyTypeObject *type)
{
    PyObject *stock = stock_of(state, class), *ours = (PyObject *)type;
    PyObject *methods = PyList_New(0), *data = PyList_New(0), *both = NULL;
    if (methods != NULL && data != NULL && add_pairs(methods, class->methods, ours, stock) == 0
        && add_pairs(data, class->data, ours, stock) == 0) {
        both = PyTuple_Pack(3, methods, data, ours);
    }
    Py_XDECREF(methods);
    Py_XDECREF(data);
    Py_XSETREF(state->sync_attributes[class->index], both);
    return both == NULL ? -1 : 0;
}

/* Takes what the type has under the names of the pairs in place of what is in them: 0 or -1. */
static int
update_pairs(PyObject *pairs, PyObject *type)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++) {
        PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(pairs, i), 0);
        PyObject *found = PyObject_GetAttr(type, name);
        PyObject *pair = found == NULL ? NULL : PyTuple_Pack(2, name, found);
        Py_XDECREF(found);
        if (pair == NULL || PyList_SetItem(pairs, i, pair) < 0) {
            return -1;
        }
    }
    return 0;
}

int
sync_measure_by(core_state *state, PyTypeObject *type)
{
    PyTypeObject *base = type->tp_base;
    for (int i = 0; i < SYNC_CLASS_COUNT; i++) {
        PyObject *attributes = state->sync_attributes[i];
        if (PyTuple_GET_ITEM(attributes, 2) == (PyObject *)base) {
            return update_pairs(PyTuple_GET_ITEM(attributes, 0), (PyObject *)type) < 0
                           || update_pairs(PyTuple_GET_ITEM(attributes, 1), (PyObject *)type) < 0
                       ? -1
                       : 0;
        }
    }
    return 0;
}

/* 1 where the type has every name of the pairs as it was at import, 0, or -1. */
static int
has_pairs(PyObject *type, PyObject *pairs)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++) {
        PyObject *pair = PyList_GET_ITEM(pairs, i);
        PyObject *found = PyObject_GetAttr(type, PyTuple_GET_ITEM(pair, 0)); // may run Python
        if (found == NULL) {
            return -1;
        }
        Py_DECREF(found);
        if (found != PyTuple_GET_ITEM(pair, 1)) {
            return 0;
        }
    }
    return 1;
}

bool
sync_ask_class(SyncObject *self)
{
    PyObject *type = (PyObject *)Py_TYPE(self);
    PyObject *attributes = self->state->sync_attributes[self->class->index];
    if (attributes == NULL) {
        return false; /* the GC has taken the module apart */
    }
    PyObject *pending = PyErr_GetRaisedException();
    Py_INCREF(attributes);
    int is_plain = has_pairs(type, PyTuple_GET_ITEM(attributes, 0));
    if (is_plain > 0) {
        is_plain = has_pairs(type, PyTuple_GET_ITEM(attributes, 1));
    }
    Py_DECREF(attributes);
    if (is_plain < 0) {
        PyErr_Clear(); /* a class that lacks something: asyncio's own method will tell */
    }
    unsigned version = Py_TYPE(self)->tp_version_tag;
    self->state->sync_verdicts[self->class->index][version % VERDICT_COUNT] =
        (class_verdict){.version = version, .is_plain = is_plain > 0};
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
    return is_plain > 0;
}

PyObject *
sync_new(PyTypeObject *type, const sync_class *class)
{
    SyncObject *self = (SyncObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state_of_type(type);
    self->class = class;
    LIVE_ADD(self->state, LIVE_SYNC);
    return (PyObject *)self;
}

PyObject *
sync_call_stock(SyncObject *self, const char *method, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    return stock_call_method(stock_of(self->state, self->class), method, (PyObject *)self, args,
                             nargs, kwnames);
}

int
sync_init_as_stock(SyncObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *init = PyObject_GetAttrString(stock_of(self->state, self->class), "__init__");
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    PyObject *all = init == NULL ? NULL : PyTuple_New(count + 1);
    PyObject *result = NULL;
    if (all != NULL) {
        PyTuple_SET_ITEM(all, 0, Py_NewRef((PyObject *)self));
        for (Py_ssize_t i = 0; i < count; i++) {
            PyTuple_SET_ITEM(all, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
        }
        result = PyObject_Call(init, all, kwargs); // runs Python
    }
    Py_XDECREF(init);
    Py_XDECREF(all);
    return status_steal(result);
}

bool
sync_parse_one(PyObject *args, PyObject *kwargs, const char *name, PyObject **argument)
{
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    *argument = count == 1 ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0) {
        return count <= 1;
    }
    PyObject *key;
    Py_ssize_t position = 0;
    PyDict_Next(kwargs, &position, &key, argument);
    return count == 0 && PyDict_GET_SIZE(kwargs) == 1
           && PyUnicode_CompareWithASCIIString(key, name) == 0;
}

/* The running loop, borrowed from the object, which is bound to it. */
static PyObject *
bind_loop(SyncObject *self)
{
    PyObject *running = PyObject_CallNoArgs(self->state->running_loop_or_none);
    if (running == NULL) {
        return NULL;
    }
    if (self->loop == NULL || self->loop == Py_None) {
        Py_XSETREF(self->loop, Py_NewRef(running));
    }
    bool is_other = running != self->loop;
    Py_DECREF(running);
    if (is_other) {
        PyErr_Format(PyExc_RuntimeError, "%R is bound to a different event loop", self);
        return NULL;
    }
    return self->loop;
}

PyObject *
sync_create_future(SyncObject *self)
{
    PyObject *loop = bind_loop(self); // runs Python
    if (loop == NULL) {
        return NULL;
    }
    Py_INCREF(loop);
    PyObject *future = loop_create_future(self->state, loop);
    Py_DECREF(loop);
    return future;
}

void
sync_number_set(sync_number *self, PyObject *value)
{
    PyObject *odd = NULL;
    Py_ssize_t number = 0;
    if (PyLong_CheckExact(value)) {
        number = PyLong_AsSsize_t(value);
        if (number == -1 && PyErr_Occurred()) {
            PyErr_Clear(); /* it does not fit: kept as the object that it is */
            odd = value;
        }
    }
    else {
        odd = value;
    }
    self->value = number;
    Py_XSETREF(self->odd, Py_XNewRef(odd));
}

PyObject *
sync_number_get(const sync_number *self)
{
    return self->odd == NULL ? PyLong_FromSsize_t(self->value) : Py_NewRef(self->odd);
}

static bool
is_method_name(SyncObject *self, PyObject *name)
{
    PyObject *attributes = self->state->sync_attributes[self->class->index];
    PyObject *methods = attributes == NULL ? NULL : PyTuple_GET_ITEM(attributes, 0);
    for (Py_ssize_t i = 0; methods != NULL && i < PyList_GET_SIZE(methods); i++) {
        /* Names of attributes are interned by whoever sets them. */
        if (PyTuple_GET_ITEM(PyList_GET_ITEM(methods, i), 0) == name) {
            return true;
        }
    }
    return false;
}

int
sync_setattro(PyObject *op, PyObject *name, PyObject *value)
{
    SyncObject *self = (SyncObject *)op;
    if (is_method_name(self, name)) {
        self->is_overridden = true;
    }
    return PyObject_GenericSetAttr(op, name, value);
}

int
sync_set_object(PyObject *self, PyObject *value, void *offset)
{
    if (attribute_refuse_deletion(value) < 0) {
        return -1;
    }
    PyObject **field = attribute_field(self, offset);
    Py_XSETREF(*field, value == Py_None ? NULL : Py_NewRef(value));
    return 0;
}

int
sync_set_bool(PyObject *self, PyObject *value, void *offset)
{
    int is_true = attribute_refuse_deletion(value) < 0 ? -1 : PyObject_IsTrue(value);
    if (is_true < 0) {
        return -1;
    }
    *(bool *)attribute_field(self, offset) = is_true;
    return 0;
}

PyObject *
sync_get_number(PyObject *self, void *offset)
{
    return sync_number_get(attribute_field(self, offset));
}

int
sync_set_number(PyObject *self, PyObject *value, void *offset)
{
    if (attribute_refuse_deletion(value) < 0) {
        return -1;
    }
    sync_number *number = attribute_field(self, offset);
    sync_number_set(number, value);
    ((SyncObject *)self)->is_overridden |= number->odd != NULL;
    return 0;
}

int
sync_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((SyncObject *)op)->loop);
    return 0;
}

void
sync_clear(PyObject *op)
{
    Py_CLEAR(((SyncObject *)op)->loop);
}

void
sync_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op), *base = type;
    PyObject_GC_UnTrack(op);
    LIVE_SUB(state_of_dying_type(type), LIVE_SYNC);
    while (base->tp_dealloc != sync_dealloc) {
        base = base->tp_base; /* a class made by Python has a tp_clear of its own */
    }
    base->tp_clear(op); // runs Python (destructors)
    type->tp_free(op);
    Py_DECREF(type);
}
