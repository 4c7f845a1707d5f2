/* datagram_write.c -- sending datagrams: at once, or queued until the kernel has room.

   See the invariants of datagram_transport.h. */

#include "net/datagram_transport.h"

#include "core/answer.h"

#include <errno.h>
#include <sys/socket.h>

static const char WRITE_ERROR[] = "Fatal write error on datagram transport";

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
    return answer == NULL ? datagram_sock_failed() : 1;
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
    if (!PyErr_Occurred() && datagram_would_block(errno)) {
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
    return self->transport.conn_lost > 0 || !datagram_has_socket(self);
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
    if (!datagram_has_socket(self) || (self->transport.conn_lost > 0 && self->has_address)) {
        return transport_count_lost_write(&self->transport);
    }
    if (datagram_queue_is_empty(&self->queue)) {
        int status = send_datagram(self, data, address); // runs Python
        if (status != 0) {
            return status > 0 ? 0 : datagram_failed(self, WRITE_ERROR);
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

PyObject *
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
            return datagram_failed(self, WRITE_ERROR) < 0 ? -1 : 1;
        }
    }
    return 0;
}

PyObject *
Datagram_write_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    DatagramTransport *self = (DatagramTransport *)op;
    Transport *transport = &self->transport;
    int status = send_queue(self); // runs Python
    if (status != 0 || is_over(self)) {
        return none_or_null(status); /* after an error, the rest next time */
    }
    status = transport_maybe_resume_protocol(transport); // runs Python: may send
    if (status == 0 && !is_over(self) && datagram_queue_is_empty(&self->queue)) {
        status = loop_unwatch_fd(&transport->loop->loop, transport->fd, POLLER_WRITE);
        if (status >= 0 && transport->is_closing && !is_over(self)) {
            transport->conn_lost++;
            status = transport_call_connection_lost(transport, Py_None);
        }
    }
    return none_or_null(status);
}
