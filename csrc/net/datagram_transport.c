/* datagram_transport.c -- making a datagram transport, its type, and what becomes of failures. */

#include "net/datagram_transport.h"

#include "core/answer.h"
#include "core/args.h"

#include <sys/socket.h>

int
datagram_sock_failed(void)
{
    if (PyErr_ExceptionMatches(PyExc_BlockingIOError)
        || PyErr_ExceptionMatches(PyExc_InterruptedError)) {
        PyErr_Clear(); /* tried again when the poller says so */
        return 0;
    }
    return -1;
}

int
datagram_failed(DatagramTransport *self, const char *message)
{
    Transport *transport = &self->transport;
    if (transport->protocol == NULL || !PyErr_ExceptionMatches(PyExc_OSError)) {
        return transport_fatal_error(transport, message);
    }
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *protocol = Py_NewRef(transport->protocol);
    int status = status_steal(PyObject_CallMethodOneArg(
        protocol, state_of_datagram(self)->name_error_received, exception));
    Py_DECREF(protocol);
    Py_DECREF(exception);
    return status;
}

/* ---- what the base asks of its kind ---- */

static size_t
Datagram_buffer_size(Transport *transport)
{
    return ((DatagramTransport *)transport)->queue.size_bytes;
}

static void
Datagram_drop_buffer(Transport *transport)
{
    datagram_queue_clear(&((DatagramTransport *)transport)->queue);
}

static void
Datagram_flush(Transport *Py_UNUSED(transport))
{
    /* nothing is held back */
}

static int
Datagram_protocol_changed(Transport *Py_UNUSED(transport))
{
    return 0;
}

static void
Datagram_lost(Transport *Py_UNUSED(transport))
{
}

static const transport_kind datagram_kind = {
    .buffer_size = Datagram_buffer_size,
    .drop_buffer = Datagram_drop_buffer,
    .flush = Datagram_flush,
    .protocol_changed = Datagram_protocol_changed,
    .lost = Datagram_lost,
};

/* ---- the type ---- */

/* Finds out whether the socket is connected: where _extra['peername'] is true. 0 or -1. */
static int
look_at_peer(DatagramTransport *self)
{
    Transport *transport = &self->transport;
    if (transport->extra == NULL
        && (transport->family == AF_INET || transport->family == AF_INET6)) {
        self->is_connected = transport->peer.is_known;
        return 0;
    }
    /* The base keeps no other addresses than those: look at all of them while we can. */
    PyObject *extra = transport_complete_extra(transport), *peer; // runs Python
    if (extra == NULL
        || PyDict_GetItemRef(extra, state_of_datagram(self)->name_peername, &peer) < 0) {
        return -1;
    }
    int is_connected = peer == NULL ? 0 : PyObject_IsTrue(peer);
    Py_XDECREF(peer);
    self->is_connected = is_connected > 0;
    return is_connected < 0 ? -1 : 0;
}

static int
start(DatagramTransport *self, NetLoop *loop, PyObject *protocol, PyObject *waiter,
      const transport_source *source)
{
    if (transport_init(&self->transport, loop, protocol, source, &datagram_kind) < 0) {
        return -1;
    }
    int has_address = PyObject_IsTrue(self->address); // runs Python
    self->has_address = has_address > 0;
    if (has_address < 0 || look_at_peer(self) < 0) {
        return -1;
    }
    self->can_convert = socket_address_can_convert(self->transport.family);
    return transport_schedule_start(&self->transport, waiter);
}

/* (loop, sock, protocol, address=None, waiter=None, extra=None) */
static PyObject *
Datagram_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"loop", "sock", "protocol", "address", "waiter", "extra", NULL};
    core_state *state = state_of_type(type);
    PyObject *loop, *sock, *protocol, *address = Py_None, *waiter = Py_None, *extra = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OO|OOO:_SelectorDatagramTransport", keywords,
                                     state->NetLoop_type, &loop, &sock, &protocol, &address,
                                     &waiter, &extra)) {
        return NULL;
    }
    DatagramTransport *self = (DatagramTransport *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    LIVE_ADD(state, LIVE_TRANSPORT);
    self->address = Py_NewRef(address);
    transport_source source = {.sock = sock, .fd = -1, .extra = extra == Py_None ? NULL : extra};
    if (start(self, (NetLoop *)loop, protocol, waiter, &source) < 0) { // runs Python
        Py_DECREF(self); /* __del__ tells of it, and closes what it has taken */
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *
Datagram_get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *list = datagram_queue_as_list(&((DatagramTransport *)op)->queue);
    PyObject *deque = list == NULL ? NULL : PyObject_CallOneArg(state_of(op)->deque, list);
    Py_XDECREF(list);
    return deque;
}

static PyObject *
Datagram_get_buffer_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(((DatagramTransport *)op)->queue.size_bytes);
}

static int
Datagram_traverse(PyObject *op, visitproc visit, void *arg)
{
    DatagramTransport *self = (DatagramTransport *)op;
    int status = datagram_queue_traverse(&self->queue, visit, arg);
    if (status != 0) {
        return status;
    }
    Py_VISIT(self->address);
    Py_VISIT(self->sender.python);
    Py_VISIT(self->receiver.python);
    return transport_traverse(op, visit, arg);
}

static int
Datagram_clear(PyObject *op)
{
    DatagramTransport *self = (DatagramTransport *)op;
    datagram_queue_clear(&self->queue);
    Py_CLEAR(self->address);
    Py_CLEAR(self->sender.python);
    Py_CLEAR(self->receiver.python);
    return transport_clear(op);
}

static PyMethodDef Datagram_methods[] = {
    {"sendto", FAST_METHOD(Datagram_sendto),
     "sendto($self, data, addr=None)\n--\n\nSend a datagram; what the kernel has no room for is sent "
     "when it has.\n\nRaises TypeError, and ValueError for an address other than that it was made "
     "for. As asyncio.DatagramTransport."},
    {"_read_ready", Datagram_read_ready, METH_NOARGS, NULL},
    {"_write_ready", Datagram_write_ready, METH_NOARGS, NULL},
    {"_sendto_ready", Datagram_write_ready, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Datagram_members[] = {
    {"_address", T_OBJECT, offsetof(DatagramTransport, address), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Datagram_getset[] = {
    {"_buffer", Datagram_get_buffer, NULL, NULL, NULL},
    {"_buffer_size", Datagram_get_buffer_size, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Datagram_slots[] = {
    {Py_tp_doc, "A datagram socket's transport. As asyncio.DatagramTransport."},
    {Py_tp_new, Datagram_tp_new},
    {Py_tp_traverse, Datagram_traverse},
    {Py_tp_clear, Datagram_clear},
    {Py_tp_dealloc, transport_dealloc},
    {Py_tp_methods, Datagram_methods},
    {Py_tp_members, Datagram_members},
    {Py_tp_getset, Datagram_getset},
    {0, NULL},
};

static PyType_Spec Datagram_spec = {
    .name = "pyasync._core._SelectorDatagramTransport",
    .basicsize = sizeof(DatagramTransport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = Datagram_slots,
};

/* Since 3.12 asyncio's own is an asyncio.DatagramTransport too; before, only an asyncio.Transport. */
int
datagram_transport_init_type(PyObject *module, core_state *state)
{
    int is_both = PyObject_IsSubclass(state->stock_selector_datagram_type,
                                      state->stock_DatagramTransport);
    if (is_both < 0) {
        return -1;
    }
    PyObject *bases = is_both ? PyTuple_Pack(2, (PyObject *)state->Transport_type,
                                             state->stock_DatagramTransport)
                              : PyTuple_Pack(1, (PyObject *)state->Transport_type);
    int status = bases == NULL ? -1
                               : state_add_type(module, &state->DatagramTransport_type,
                                                &Datagram_spec, bases);
    Py_XDECREF(bases);
    return status;
}
