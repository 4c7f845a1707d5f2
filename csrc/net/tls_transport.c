/* tls_transport.c -- write() and its like, straight to the TLS protocol. */

#include "net/tls_transport.h"

#include "core/answer.h"
#include "core/args.h"
#include "net/mixin_slots.h"
#include "net/tls_protocol.h"

typedef struct {
    MIXIN_SLOTS_HEAD /* asyncio's methods alone use them: loop may be any */
    PyObject *ssl_protocol;
    bool closed;
} TLSTransport;

/* The protocol where it is ours, or NULL: then asyncio's attributes and methods of it are used. */
static TLSProtocol *
own_protocol(core_state *state, TLSTransport *self)
{
    PyObject *protocol = self->ssl_protocol;
    return protocol != NULL && PyObject_TypeCheck(protocol, state->TLSProtocol_type)
               ? (TLSProtocol *)protocol
               : NULL;
}

/* protocol.<name>([argument]), whatever it is. */
static PyObject *
call_protocol(TLSTransport *self, const char *name, PyObject *argument)
{
    PyObject *protocol = new_or_none(self->ssl_protocol);
    PyObject *method = PyObject_GetAttrString(protocol, name);
    PyObject *answer = method == NULL ? NULL : PyObject_CallFunctionObjArgs(method, argument, NULL);
    Py_XDECREF(method);
    Py_DECREF(protocol);
    return answer;
}

static PyObject *
TLSTransport_write(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    TLSTransport *self = (TLSTransport *)op;
    PyObject *data = args_bind_one("_SSLProtocolTransport.write", "data", args, nargs, kwnames);
    if (data == NULL) {
        return NULL;
    }
    if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
        PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(data), "__name__");
        if (name != NULL) {
            PyErr_Format(PyExc_TypeError, "data: expecting a bytes-like instance, got %S", name);
        }
        Py_XDECREF(name);
        return NULL;
    }
    int is_any = PyObject_IsTrue(data); // runs Python, of a subclass
    if (is_any <= 0) {
        return none_or_null(is_any);
    }
    TLSProtocol *protocol = own_protocol(state_of(op), self);
    if (protocol == NULL) {
        PyObject *chunks = PyTuple_Pack(1, data);
        PyObject *answer = chunks == NULL ? NULL : call_protocol(self, "_write_appdata", chunks);
        Py_XDECREF(chunks);
        return answer;
    }
    Py_INCREF((PyObject *)protocol);
    int status = tls_write(protocol, &data, 1); // runs Python
    Py_DECREF((PyObject *)protocol);
    return none_or_null(status);
}

static PyObject *
TLSTransport_writelines(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *lines = args_bind_one("_SSLProtocolTransport.writelines", "list_of_data", args,
                                    nargs, kwnames);
    PyObject *answer = lines == NULL ? NULL
                                     : call_protocol((TLSTransport *)op, "_write_appdata", lines);
    if (answer != NULL) {
        Py_SETREF(answer, Py_NewRef(Py_None));
    }
    return answer;
}

static PyObject *
TLSTransport_get_write_buffer_size(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return call_protocol((TLSTransport *)op, "_get_write_buffer_size", NULL);
}

static PyObject *
TLSTransport_get_protocol(PyObject *op, PyObject *Py_UNUSED(unused))
{
    TLSTransport *self = (TLSTransport *)op;
    PyObject *protocol = self->ssl_protocol == NULL ? Py_None : self->ssl_protocol;
    return PyObject_GetAttrString(protocol, "_app_protocol");
}

static int
TLSTransport_traverse(PyObject *op, visitproc visit, void *arg)
{
    TLSTransport *self = (TLSTransport *)op;
    Py_VISIT(self->ssl_protocol);
    return mixin_slots_traverse(op, visit, arg);
}

static int
TLSTransport_clear(PyObject *op)
{
    TLSTransport *self = (TLSTransport *)op;
    mixin_slots_clear(op);
    Py_CLEAR(self->ssl_protocol);
    return 0;
}

static void
TLSTransport_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    TLSTransport_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef TLSTransport_methods[] = {
    {"write", FAST_METHOD(TLSTransport_write),
     "write($self, data)\n--\n\nEncrypt and send bytes.\n\nRaises TypeError. As "
     "asyncio.WriteTransport."},
    {"writelines", FAST_METHOD(TLSTransport_writelines),
     "writelines($self, list_of_data)\n--\n\nAs write() of all of them. As "
     "asyncio.WriteTransport."},
    {"get_write_buffer_size", TLSTransport_get_write_buffer_size, METH_NOARGS,
     "get_write_buffer_size($self, /)\n--\n\nBytes that wait to be sent. As "
     "asyncio.WriteTransport."},
    {"get_protocol", TLSTransport_get_protocol, METH_NOARGS,
     "get_protocol($self, /)\n--\n\nThe application's protocol. As asyncio.BaseTransport."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef TLSTransport_members[] = {
    {"_ssl_protocol", T_OBJECT, offsetof(TLSTransport, ssl_protocol), 0, NULL},
    {"_closed", T_BOOL, offsetof(TLSTransport, closed), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot TLSTransport_slots[] = {
    {Py_tp_doc, "The C half of a TLS connection's transport."},
    {Py_tp_traverse, TLSTransport_traverse},
    {Py_tp_clear, TLSTransport_clear},
    {Py_tp_dealloc, TLSTransport_dealloc},
    {Py_tp_methods, TLSTransport_methods},
    {Py_tp_members, TLSTransport_members},
    {0, NULL},
};

static PyType_Spec TLSTransport_spec = {
    .name = "pyasync._core._TLSTransport",
    .basicsize = sizeof(TLSTransport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = TLSTransport_slots,
};

int
tls_transport_init_type(PyObject *module, core_state *state)
{
    return state_add_type(module, &state->TLSTransport_type, &TLSTransport_spec,
                          state->stock_FlowControlMixin);
}
