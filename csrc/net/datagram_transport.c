/* datagram_transport.c -- receiving and sending datagrams. */

#include "net/datagram_transport.h"

#include "base/check.h"
#include "core/loop_methods.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    /* At the most: a flood must not keep the loop from its other callbacks. */
    DATAGRAMS_A_WAKE = 16,
    /* Asking in vain for a second datagram costs a tenth of an echo, so it is tried seldom until it
       was there once. */
    WAKES_BETWEEN_TRIES = 16,
};

static const char READ_ERROR[] = "Fatal read error on datagram transport";
static const char WRITE_ERROR[] = "Fatal write error on datagram transport";

static inline core_state *
state_of_datagram(DatagramTransport *self)
{
    NetLoop *loop = self->transport.loop;
    return loop != NULL ? loop->loop.state : state_of((PyObject *)self);
}

static bool
would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* Whether there is still a socket to send and receive by: connection_lost() takes it, and __del__. */
static bool
has_socket(const DatagramTransport *self)
{
    return self->transport.loop != NULL && self->transport.sock != NULL;
}

/* A method of the socket object failed: 0 where it would block, else -1. */
static int
sock_failed(void)
{
    if (PyErr_ExceptionMatches(PyExc_BlockingIOError)
        || PyErr_ExceptionMatches(PyExc_InterruptedError)) {
        PyErr_Clear(); /* tried again when the poller says so */
        return 0;
    }
    return -1;
}

/* The pending exception: an OSError is told to the protocol, any other ends the transport. 0, or -1
   with what the protocol raised. Runs Python. */
static int
call_failed(DatagramTransport *self, const char *message)
{
    Transport *transport = &self->transport;
    if (transport->protocol == NULL || !PyErr_ExceptionMatches(PyExc_OSError)) {
        return transport_fatal_error(transport, message);
    }
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *protocol = Py_NewRef(transport->protocol);
    PyObject *answer = PyObject_CallMethodOneArg(
        protocol, state_of_datagram(self)->name_error_received, exception);
    Py_DECREF(protocol);
    Py_XDECREF(answer);
    Py_DECREF(exception);
    return answer == NULL ? -1 : 0;
}

/* ---- receiving ---- */

typedef struct {
    PyObject *data;
    PyObject *sender;
} received;

/* The sender of a datagram as Python sees it; the same object as long as the same one sends. */
static PyObject *
sender_as_python(DatagramTransport *self, socket_address *name)
{
    known_address *known = &self->sender;
    if (known->python == NULL || !socket_address_equals(&known->name, name)) {
        PyObject *python = socket_address_as_python(name);
        if (python == NULL) {
            return NULL;
        }
        known->name = *name;
        Py_XSETREF(known->python, python); /* of plain types: runs no Python */
    }
    return Py_NewRef(known->python);
}

/* 1 and a datagram, 0 where it would block, or -1 with an exception. */
static int
receive(DatagramTransport *self, received *got)
{
    Transport *transport = &self->transport;
    socket_address name;
    char *buffer = net_loop_read_buffer(transport->loop);
    if (buffer == NULL) {
        return -1;
    }
    ssize_t count;
    do {
        name.size = sizeof(name.name);
        count = recvfrom(transport_fd(transport), buffer, transport->max_size, 0, &name.name.any,
                         &name.size);
    } while (count < 0 && errno == EINTR && PyErr_CheckSignals() == 0); // runs Python
    if (count < 0) {
        if (!PyErr_Occurred() && would_block(errno)) {
            return 0;
        }
        if (!PyErr_Occurred()) {
            transport_raise_errno(errno);
        }
        return -1;
    }
    got->data = PyBytes_FromStringAndSize(buffer, count);
    got->sender = got->data == NULL ? NULL : sender_as_python(self, &name);
    if (got->sender == NULL) {
        Py_CLEAR(got->data);
        return -1;
    }
    return 1;
}

/* The same by socket.recvfrom(). Runs Python. */
static int
receive_by_sock(DatagramTransport *self, received *got)
{
    PyObject *sock = Py_NewRef(self->transport.sock);
    PyObject *size = PyLong_FromUnsignedLong(self->transport.max_size);
    PyObject *pair = size == NULL ? NULL
                                  : PyObject_CallMethodOneArg(
                                        sock, state_of_datagram(self)->name_recvfrom, size);
    Py_XDECREF(size);
    Py_DECREF(sock);
    if (pair == NULL) {
        return sock_failed();
    }
    int is_done = PyArg_ParseTuple(pair, "OO", &got->data, &got->sender);
    if (is_done) {
        Py_INCREF(got->data);
        Py_INCREF(got->sender);
    }
    Py_DECREF(pair);
    return is_done ? 1 : -1;
}

/* Hands the next datagram, or error, to the protocol: 1 where there was a datagram, 0 or -1. Runs
   Python. */
static int
read_one(DatagramTransport *self)
{
    Transport *transport = &self->transport;
    bool in_c = self->can_convert && transport->max_size <= READ_SIZE_BYTES
                && !transport->sock_is_foreign;
    received got;
    int status = in_c ? receive(self, &got) : receive_by_sock(self, &got);
    if (status <= 0) {
        return status == 0 ? 0 : call_failed(self, READ_ERROR);
    }
    PyObject *answer = NULL;
    if (transport->protocol != NULL) { /* a signal handler may have run */
        PyObject *stack[] = {Py_NewRef(transport->protocol), got.data, got.sender};
        answer = PyObject_VectorcallMethod(state_of_datagram(self)->name_datagram_received, stack,
                                           3, NULL);
        status = answer == NULL ? -1 : 1;
        Py_DECREF(stack[0]);
    }
    Py_XDECREF(answer);
    Py_DECREF(got.data);
    Py_DECREF(got.sender);
    return status;
}

static bool
may_read_on(const DatagramTransport *self)
{
    const Transport *transport = &self->transport;
    return transport->conn_lost == 0 && has_socket(self) && !transport->is_closing
           && !transport->is_paused && !transport->loop->loop.is_stopping
           && transport_fd(transport) >= 0;
}

static PyObject *
Datagram_read_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    DatagramTransport *self = (DatagramTransport *)op;
    if (self->transport.conn_lost > 0 || !has_socket(self)) {
        Py_RETURN_NONE;
    }
    bool tries_more = self->is_in_burst || ++self->wake_count % WAKES_BETWEEN_TRIES == 0;
    int limit = tries_more ? DATAGRAMS_A_WAKE : 1;
    int count = 0, status;
    do {
        status = read_one(self); // runs Python
        count += status > 0;
    } while (status > 0 && count < limit && may_read_on(self));
    self->is_in_burst = count > 1;
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- sending ---- */

/* Finds the kernel's name of an address: whether it has one that we can tell. */
static bool
find_name(DatagramTransport *self, PyObject *address, socket_address *name)
{
    if (!self->can_convert) {
        return false;
    }
    if (address == self->sender.python || address == self->receiver.python) {
        *name = address == self->sender.python ? self->sender.name : self->receiver.name;
        return address != Py_None; /* the sender may be unnamed */
    }
    if (!socket_address_from_python(name, self->transport.family, address)) {
        return false;
    }
    self->receiver.name = *name;
    Py_XSETREF(self->receiver.python, Py_NewRef(address)); /* of plain types: runs no Python */
    return true;
}

/* By the socket object's methods: 1 sent, 0 where it would block, or -1. Runs Python. */
static int
send_by_sock(DatagramTransport *self, PyObject *data, PyObject *address)
{
    core_state *state = state_of_datagram(self);
    PyObject *stack[] = {Py_NewRef(self->transport.sock), data, address};
    PyObject *answer = self->is_connected
                           ? PyObject_VectorcallMethod(state->name_send, stack, 2, NULL)
                           : PyObject_VectorcallMethod(state->name_sendto, stack, 3, NULL);
    Py_DECREF(stack[0]);
    Py_XDECREF(answer);
    return answer == NULL ? sock_failed() : 1;
}

/* The same by the system call; `name` is NULL on a connected socket. */
static int
send_view(DatagramTransport *self, const Py_buffer *view, const socket_address *name)
{
    ssize_t count;
    do {
        int fd = transport_fd(&self->transport);
        count = name == NULL ? send(fd, view->buf, (size_t)view->len, 0)
                             : sendto(fd, view->buf, (size_t)view->len, 0, &name->name.any,
                                      name->size);
    } while (count < 0 && errno == EINTR && PyErr_CheckSignals() == 0); // runs Python
    if (count >= 0) {
        return 1;
    }
    if (!PyErr_Occurred() && would_block(errno)) {
        return 0;
    }
    if (!PyErr_Occurred()) {
        transport_raise_errno(errno);
    }
    return -1;
}

/* Sends one datagram: 1, 0 where it would block, or -1 with an exception. Runs Python where the
   address or the socket is unusual, or somebody listens to audit events. */
static int
send_datagram(DatagramTransport *self, PyObject *data, PyObject *address)
{
    Transport *transport = &self->transport;
    socket_address name;
    if (transport->sock_is_foreign) {
        return send_by_sock(self, data, address);
    }
    if (!self->is_connected) {
        if (!find_name(self, address, &name)) {
            return send_by_sock(self, data, address);
        }
        if (PySys_Audit("socket.sendto", "OO", transport->sock, address) < 0) { // runs Python
            return -1;
        }
    }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    int status = send_view(self, &view, self->is_connected ? NULL : &name);
    PyBuffer_Release(&view);
    if (transport->loop != NULL) {
        transport->loop->loop.must_poll = true; /* an answer may be there soon */
    }
    return status;
}

/* Whether connection_lost() is near, or was called: then nobody would send what is queued. */
static bool
is_over(const DatagramTransport *self)
{
    return self->transport.conn_lost > 0 || !has_socket(self);
}

/* Keeps a datagram until the kernel has room: 0 or -1. Runs Python. */
static int
queue_datagram(DatagramTransport *self, PyObject *data, PyObject *address)
{
    Transport *transport = &self->transport;
    PyObject *bytes = PyBytes_CheckExact(data) ? Py_NewRef(data) : PyObject_Bytes(data);
    if (bytes == NULL) {
        return -1;
    }
    int status = 0;
    if (!is_over(self)) {
        status = datagram_queue_is_empty(&self->queue) ? transport_start_writing(transport) : 0;
        if (status == 0 && !is_over(self)) {
            status = datagram_queue_put(&self->queue, bytes, address);
        }
    }
    Py_DECREF(bytes);
    return status < 0 ? -1 : transport_maybe_pause_protocol(transport);
}

static bool
is_data(PyObject *data)
{
    return PyBytes_Check(data) || PyByteArray_Check(data) || PyMemoryView_Check(data);
}

static int
check_data(PyObject *data)
{
    if (is_data(data)) {
        return 0;
    }
    PyObject *name = PyType_GetName(Py_TYPE(data));
    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, "data argument must be a bytes-like object, not %R", name);
        Py_DECREF(name);
    }
    return -1;
}

/* ValueError for another address than that all goes to. Runs Python. */
static int
check_address(DatagramTransport *self, PyObject *address)
{
    if (address == Py_None || address == self->address) {
        return 0;
    }
    int is_same = PyObject_RichCompareBool(address, self->address, Py_EQ);
    if (is_same == 0) {
        PyErr_Format(PyExc_ValueError, "Invalid address: must be None or %S", self->address);
    }
    return is_same > 0 ? 0 : -1;
}

static int
datagram_sendto(DatagramTransport *self, PyObject *data, PyObject *address)
{
    if (check_data(data) < 0) {
        return -1;
    }
    if (!SENDS_EMPTY_DATAGRAMS) {
        int has_bytes = PyObject_IsTrue(data); // runs Python for a subclass
        if (has_bytes <= 0) {
            return has_bytes;
        }
    }
    if (self->has_address) {
        if (check_address(self, address) < 0) {
            return -1;
        }
        address = self->address;
    }
    if (!has_socket(self) || (self->transport.conn_lost > 0 && self->has_address)) {
        return transport_count_lost_write(&self->transport);
    }
    if (datagram_queue_is_empty(&self->queue)) {
        int status = send_datagram(self, data, address); // runs Python
        if (status != 0) {
            return status > 0 ? 0 : call_failed(self, WRITE_ERROR);
        }
    }
    return queue_datagram(self, data, address);
}

/* Binds the arguments of sendto(data, addr=None): 0 or -1 with TypeError. */
static int
bind_sendto(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **bound)
{
#define SENDTO "_SelectorDatagramTransport.sendto() "
    static const char *const names[] = {"data", "addr"};
    if (nargs > 2) {
        PyErr_Format(PyExc_TypeError, SENDTO "takes from 2 to 3 positional arguments but %zd were given",
                     nargs + 1);
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        bound[i] = args[i];
    }
    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        int place = 0;
        while (place < 2 && PyUnicode_CompareWithASCIIString(name, names[place]) != 0) {
            place++;
        }
        if (place == 2 || place < nargs) {
            PyErr_Format(PyExc_TypeError,
                         place == 2 ? SENDTO "got an unexpected keyword argument '%U'"
                                    : SENDTO "got multiple values for argument '%U'",
                         name);
            return -1;
        }
        bound[place] = args[nargs + i];
    }
    if (bound[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, SENDTO "missing 1 required positional argument: 'data'");
        return -1;
    }
    return 0;
#undef SENDTO
}

static PyObject *
Datagram_sendto(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *bound[] = {NULL, Py_None};
    if (bind_sendto(args, nargs, kwnames, bound) < 0
        || datagram_sendto((DatagramTransport *)op, bound[0], bound[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Sends what it can of the queue: 1 where an error ended that, 0, or -1 with what the protocol
   raised. Runs Python. */
static int
send_queue(DatagramTransport *self)
{
    datagram *next;
    while (!is_over(self) && (next = datagram_queue_take(&self->queue)) != NULL) {
        int status = send_datagram(self, next->data, next->address); // runs Python
        if (status == 0 && !is_over(self)) {
            datagram_queue_put_back(&self->queue, next);
            return 0;
        }
        datagram_free(next);
        if (status < 0) {
            return call_failed(self, WRITE_ERROR) < 0 ? -1 : 1;
        }
    }
    return 0;
}

static PyObject *
Datagram_write_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    DatagramTransport *self = (DatagramTransport *)op;
    Transport *transport = &self->transport;
    int status = send_queue(self); // runs Python
    if (status != 0 || is_over(self)) {
        return status < 0 ? NULL : Py_NewRef(Py_None); /* after an error, the rest next time */
    }
    status = transport_maybe_resume_protocol(transport); // runs Python: may send
    if (status == 0 && !is_over(self) && datagram_queue_is_empty(&self->queue)) {
        status = loop_unwatch_fd(&transport->loop->loop, transport->fd, POLLER_WRITE);
        if (status >= 0 && transport->is_closing && !is_over(self)) {
            transport->conn_lost++;
            status = transport_call_connection_lost(transport, Py_None);
        }
    }
    return status < 0 ? NULL : Py_NewRef(Py_None);
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
        self->transport.is_lost = true; /* nobody has seen it: __del__ has nothing to say */
        Py_DECREF(self);
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
