/* datagram_read.c -- a datagram socket is ready: from the kernel to the protocol's method.

   Invariants
   1. The loop's buffer is read from before anything runs Python.
   2. Between two datagrams of one wake anybody may have closed, paused or stopped anything. */

#include "net/datagram_transport.h"

#include "core/answer.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    /* At the most: a flood must not keep the loop from its other callbacks. */
    DATAGRAMS_A_WAKE = 16,
    /* Asking in vain for a second datagram costs a tenth of an echo, so it is tried seldom until it
       was there once. */
    WAKES_BETWEEN_TRIES = 16,
};

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
        if (!PyErr_Occurred() && datagram_would_block(errno)) {
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
        return datagram_sock_failed();
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
        return status == 0 ? 0 : datagram_failed(self, "Fatal read error on datagram transport");
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
    return transport->conn_lost == 0 && datagram_has_socket(self) && !transport->is_closing
           && !transport->is_paused && !transport->loop->loop.is_stopping
           && transport_fd(transport) >= 0;
}

PyObject *
Datagram_read_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    DatagramTransport *self = (DatagramTransport *)op;
    if (self->transport.conn_lost > 0 || !datagram_has_socket(self)) {
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
    return none_or_null(status);
}
