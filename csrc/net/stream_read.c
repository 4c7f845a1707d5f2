/* stream_read.c -- a stream socket is ready to be read: from the kernel to the protocol's method.

   Invariants
   1. One wake reads once, as in asyncio: what is left makes the poller report again.
   2. The loop's buffer is read from before anything runs Python. */

#include "net/stream_transport.h"

#include "core/answer.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    /* From here on asking the kernel how much there is costs less than copying it. */
    LARGE_READ_BYTES = 32 * 1024,
};

/* The bytes that recv() gave, 0 at the end of the stream; -1 where it would block, or with an
   exception. */
static ssize_t
receive(StreamTransport *self, char *buffer, size_t size)
{
    ssize_t count;
    do {
        count = recv(transport_fd(&self->transport), buffer, size, 0);
    } while (count < 0 && errno == EINTR && PyErr_CheckSignals() == 0); // runs Python
    if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && !PyErr_Occurred()) {
        transport_raise_errno(errno);
    }
    return count;
}

static int
read_failed(StreamTransport *self)
{
    if (!PyErr_Occurred()) {
        return 0; /* it would block */
    }
    return transport_fatal_error(&self->transport, "Fatal read error on socket transport");
}

static int
read_eof(StreamTransport *self)
{
    Transport *transport = &self->transport;
    if (transport_log_debug(transport, "%r received EOF") < 0) {
        return -1;
    }
    core_state *state = transport_state_of(transport);
    int keep_open = truth_steal(
        transport_call_protocol(transport, state->name_eof_received, NULL)); // runs Python
    if (keep_open < 0) {
        return transport_fatal_error(transport,
                                     "Fatal error: protocol.eof_received() call failed.");
    }
    if (!keep_open) {
        return transport_close(transport);
    }
    /* The protocol may go on writing, but there is nothing to read any more. */
    return transport->loop == NULL
                   || loop_unwatch_fd(&transport->loop->loop, transport->fd, POLLER_READ) >= 0
               ? 0
               : -1;
}

static int
protocol_failed(StreamTransport *self)
{
    return transport_fatal_error(&self->transport,
                                 self->is_buffered
                                     ? "Fatal error: protocol.buffer_updated() call failed."
                                     : "Fatal error: protocol.data_received() call failed.");
}

static int
pass_to_protocol(StreamTransport *self, PyObject *data)
{
    core_state *state = transport_state_of(&self->transport);
    PyObject *answer = transport_call_protocol(&self->transport, state->name_data_received,
                                               data); // runs Python
    Py_XDECREF(answer);
    return answer != NULL ? 0 : protocol_failed(self);
}

/* How much there is to read, where it is worth asking for: else 0. */
static Py_ssize_t
large_read_size(const StreamTransport *self, size_t limit)
{
    int available;
    if (self->last_read < LARGE_READ_BYTES
        || ioctl(transport_fd(&self->transport), FIONREAD, &available) < 0
        || available < LARGE_READ_BYTES) {
        return 0;
    }
    return (size_t)available < limit ? available : (Py_ssize_t)limit;
}

/* Receives into the bytes object itself: copying 100 KiB costs as much as the kernel's own copy. */
static int
read_large(StreamTransport *self, Py_ssize_t size)
{
    NetLoop *loop = (NetLoop *)Py_NewRef((PyObject *)self->transport.loop);
    int spare;
    PyObject *data = net_loop_take_bytes(loop, size, &spare);
    ssize_t count = data == NULL ? -1 : receive(self, PyBytes_AS_STRING(data), (size_t)size);
    int status;
    if (count <= 0) {
        status = count == 0 ? read_eof(self) : read_failed(self);
    }
    else {
        self->last_read = (uint32_t)count;
        bytes_set_size(data, count);
        status = pass_to_protocol(self, data);
    }
    if (data != NULL) {
        net_loop_give_bytes_steal(loop, data, spare);
    }
    Py_DECREF((PyObject *)loop);
    return status;
}

static int
read_into_bytes(StreamTransport *self)
{
    Transport *transport = &self->transport;
    size_t limit = transport->max_size < READ_SIZE_BYTES ? transport->max_size : READ_SIZE_BYTES;
    Py_ssize_t large = large_read_size(self, limit);
    if (large > 0) {
        return read_large(self, large);
    }
    char *buffer = net_loop_read_buffer(transport->loop);
    ssize_t count = buffer == NULL ? -1 : receive(self, buffer, limit);
    if (count <= 0) {
        return count == 0 ? read_eof(self) : read_failed(self);
    }
    self->last_read = (uint32_t)count;
    PyObject *data = PyBytes_FromStringAndSize(buffer, count);
    if (data == NULL) {
        return read_failed(self);
    }
    int status = pass_to_protocol(self, data);
    Py_DECREF(data);
    return status;
}

/* The protocol's own buffer to read into: 0; -1 where get_buffer() raised or gave nothing, 1 where
   what it gave can't be read into. Runs Python. */
static int
get_buffer(StreamTransport *self, Py_buffer *view)
{
    core_state *state = transport_state_of(&self->transport);
    PyObject *size = PyLong_FromLong(-1);
    PyObject *buffer = size == NULL ? NULL
                                    : transport_call_protocol(&self->transport,
                                                              state->name_get_buffer, size);
    Py_XDECREF(size);
    Py_ssize_t length = buffer == NULL ? -1 : PyObject_Size(buffer);
    if (length == 0) {
        PyErr_SetString(PyExc_RuntimeError, "get_buffer() returned an empty buffer");
    }
    if (length <= 0) {
        Py_XDECREF(buffer);
        return -1;
    }
    if (PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE) == 0) {
        Py_DECREF(buffer);
        return 0;
    }
    PyErr_Clear(); /* told in the words of socket.recv_into() */
    PyObject *args = PyTuple_Pack(1, buffer);
    int is_parsed = args != NULL && PyArg_ParseTuple(args, "w*:recv_into", view);
    Py_XDECREF(args);
    Py_DECREF(buffer);
    return is_parsed ? 0 : 1;
}

static int
read_into_protocol(StreamTransport *self)
{
    Transport *transport = &self->transport;
    Py_buffer view;
    int status = get_buffer(self, &view);
    if (status < 0) {
        return transport_fatal_error(transport,
                                     "Fatal error: protocol.get_buffer() call failed.");
    }
    if (status > 0 || transport->loop == NULL) {
        return status > 0 ? read_failed(self) : (PyBuffer_Release(&view), 0);
    }
    ssize_t count = receive(self, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    if (count <= 0) {
        return count == 0 ? read_eof(self) : read_failed(self);
    }
    core_state *state = transport_state_of(transport);
    PyObject *number = PyLong_FromSsize_t(count);
    PyObject *answer = number == NULL ? NULL
                                      : transport_call_protocol(
                                            transport, state->name_buffer_updated, number);
    Py_XDECREF(number);
    Py_XDECREF(answer); // runs Python
    return answer != NULL ? 0 : protocol_failed(self);
}

/* A protocol written in C takes what the loop's buffer holds. */
static int
read_into_native(StreamTransport *self)
{
    Transport *transport = &self->transport;
    NetLoop *loop = (NetLoop *)Py_NewRef((PyObject *)transport->loop);
    PyObject *protocol = Py_NewRef(transport->protocol);
    native_receive pass_on = self->receive;
    char *buffer = net_loop_take_read_buffer(loop);
    size_t limit = transport->max_size < READ_SIZE_BYTES ? transport->max_size : READ_SIZE_BYTES;
    ssize_t count = buffer == NULL ? -1 : receive(self, buffer, limit); // runs Python
    int status;
    if (count <= 0) {
        status = count == 0 ? read_eof(self) : read_failed(self);
    }
    else {
        status = pass_on(protocol, buffer, count); // runs Python
        status = status == 0 ? 0 : protocol_failed(self);
    }
    net_loop_give_read_buffer(loop, buffer);
    Py_DECREF((PyObject *)loop);
    Py_DECREF(protocol);
    return status;
}

PyObject *
Stream_read_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamTransport *self = (StreamTransport *)op;
    if (self->transport.conn_lost > 0 || self->transport.loop == NULL) {
        Py_RETURN_NONE;
    }
    int status = self->receive != NULL ? read_into_native(self)
                 : self->is_buffered   ? read_into_protocol(self)
                                       : read_into_bytes(self);
    return none_or_null(status);
}
