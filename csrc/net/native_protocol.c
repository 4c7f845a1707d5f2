/* native_protocol.c -- the base of protocols written in C, and what tells them from others. */

#include "net/native_protocol.h"

native_receive
native_protocol_receive(core_state *state, PyObject *protocol, PyObject *method)
{
    if (!PyObject_TypeCheck(protocol, state->NativeProtocol_type)) {
        return NULL;
    }
    PyObject *found = PyObject_GetAttr(protocol, method); // runs Python
    if (found == NULL) {
        PyErr_Clear(); /* whoever calls it meets that again */
        return NULL;
    }
    bool is_own = PyCFunction_Check(found) && PyCFunction_GET_SELF(found) == protocol;
    Py_DECREF(found);
    return is_own ? ((NativeProtocol *)protocol)->receive : NULL;
}

static PyType_Slot NativeProtocol_slots[] = {
    {Py_tp_doc, "The base of protocols written in C."},
    {0, NULL},
};

static PyType_Spec NativeProtocol_spec = {
    .name = "pyasync._core._NativeProtocol",
    .basicsize = sizeof(NativeProtocol),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = NativeProtocol_slots,
};

int
native_protocol_init_type(PyObject *module, core_state *state)
{
    return state_add_type(module, &state->NativeProtocol_type, &NativeProtocol_spec, NULL);
}
