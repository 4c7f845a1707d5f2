/* stream_transport.c -- reading from and writing to a stream socket. */

#include "net/stream_transport.h"

#include "base/check.h"
#include "core/future.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* Below asyncio's default high-water mark: what is held back never would have paused a
       protocol. */
    CORK_LIMIT_BYTES = 16 * 1024,
    VECTORS_A_CALL = 64,
    /* From here on asking the kernel how much there is costs less than copying it. */
    LARGE_READ_BYTES = 32 * 1024,
};

static inline core_state *
state_of_stream(StreamTransport *self)
{
    NetLoop *loop = self->transport.loop;
    return loop != NULL ? loop->loop.state : state_of((PyObject *)self);
}

/* ---- reading ---- */

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
    PyObject *answer = PyObject_CallMethodNoArgs(
        transport->protocol, state_of_stream(self)->name_eof_received); // runs Python
    int keep_open = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
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
pass_to_protocol(StreamTransport *self, PyObject *data)
{
    PyObject *answer = PyObject_CallMethodOneArg(
        self->transport.protocol, state_of_stream(self)->name_data_received, data); // runs Python
    Py_XDECREF(answer);
    return answer != NULL ? 0
                          : transport_fatal_error(
                                &self->transport,
                                "Fatal error: protocol.data_received() call failed.");
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

/* The protocol's own buffer to read into: 0, or -1 with an exception. Runs Python. */
static int
get_buffer(StreamTransport *self, Py_buffer *view)
{
    core_state *state = state_of_stream(self);
    PyObject *size = PyLong_FromLong(-1);
    PyObject *buffer = size == NULL ? NULL
                                    : PyObject_CallMethodOneArg(self->transport.protocol,
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
    int status = PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE);
    Py_DECREF(buffer);
    return status < 0 ? 1 : 0;
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
    PyObject *number = PyLong_FromSsize_t(count);
    PyObject *answer = number == NULL ? NULL
                                      : PyObject_CallMethodOneArg(
                                            transport->protocol,
                                            state_of_stream(self)->name_buffer_updated, number);
    Py_XDECREF(number);
    Py_XDECREF(answer); // runs Python
    return answer != NULL ? 0
                          : transport_fatal_error(
                                transport, "Fatal error: protocol.buffer_updated() call failed.");
}

static PyObject *
Stream_read_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamTransport *self = (StreamTransport *)op;
    if (self->transport.conn_lost > 0 || self->transport.loop == NULL) {
        Py_RETURN_NONE;
    }
    int status = self->is_buffered ? read_into_protocol(self) : read_into_bytes(self);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- writing ---- */

/* Sends bytes: how many went, 0 where it would block, -1 with an exception. */
static ssize_t
send_bytes(StreamTransport *self, const void *bytes, size_t size)
{
    ssize_t count;
    do {
        count = send(transport_fd(&self->transport), bytes, size, 0);
    } while (count < 0 && errno == EINTR && PyErr_CheckSignals() == 0); // runs Python
    if (count >= 0) {
        return count;
    }
    if (!PyErr_Occurred() && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return 0;
    }
    if (!PyErr_Occurred()) {
        transport_raise_errno(errno);
    }
    return -1;
}

/* Sends what it can of the queue: 0, or -1 with an exception. */
static int
send_queue(StreamTransport *self)
{
    struct iovec vectors[VECTORS_A_CALL];
    while (self->queue.count > 0) {
        int count = write_queue_vectors(&self->queue, vectors, VECTORS_A_CALL);
        size_t wanted = 0;
        for (int i = 0; i < count; i++) {
            wanted += vectors[i].iov_len;
        }
        ssize_t written;
        if (count == 1) {
            written = send_bytes(self, vectors[0].iov_base, vectors[0].iov_len);
        }
        else {
            struct msghdr message = {.msg_iov = vectors, .msg_iovlen = (size_t)count};
            do {
                written = sendmsg(transport_fd(&self->transport), &message, 0);
            } while (written < 0 && errno == EINTR && PyErr_CheckSignals() == 0); // runs Python
            if (written < 0 && !PyErr_Occurred()) {
                if (errno != EAGAIN && errno != EWOULDBLOCK) {
                    transport_raise_errno(errno);
                }
                else {
                    written = 0;
                }
            }
        }
        if (written < 0) {
            return -1;
        }
        write_queue_advance(&self->queue, (size_t)written);
        if ((size_t)written < wanted) {
            return 0;
        }
    }
    return 0;
}

static int
fail_empty_waiter(StreamTransport *self, PyObject *exception)
{
    if (self->empty_waiter == NULL) {
        return 0;
    }
    PyObject *answer = PyObject_CallMethod(self->empty_waiter, "set_exception", "O", exception);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

/* The pending exception was raised by a send: drops the queue and ends the connection. */
static int
write_failed(StreamTransport *self)
{
    Transport *transport = &self->transport;
    PyObject *exception = PyErr_GetRaisedException();
    write_queue_clear(&self->queue);
    if (transport->loop != NULL) {
        (void)loop_unwatch_fd(&transport->loop->loop, transport->fd, POLLER_WRITE);
    }
    PyErr_SetRaisedException(Py_NewRef(exception));
    int status = transport_fatal_error(transport, "Fatal write error on socket transport");
    if (status == 0) {
        status = fail_empty_waiter(self, exception);
    }
    Py_DECREF(exception);
    return status;
}

static void
note_sent(StreamTransport *self)
{
    Loop *loop = &self->transport.loop->loop;
    self->sent_in = loop->iteration;
    loop->must_poll = true; /* an answer may be there soon */
}

/* After a send that is done with all it could: waits for the rest. 0 or -1. Runs Python. */
static int
wait_for_rest(StreamTransport *self)
{
    if (self->queue.count == 0) {
        return 0;
    }
    return transport_start_writing(&self->transport) < 0
                   || transport_maybe_pause_protocol(&self->transport) < 0
               ? -1
               : 0;
}

/* Sends what was held back: 0 or -1. Runs Python where that fails or pauses the protocol. */
static int
uncork(StreamTransport *self)
{
    transport_uncork(&self->transport);
    if (self->transport.loop == NULL || self->transport.conn_lost > 0) {
        write_queue_clear(&self->queue);
        return 0;
    }
    note_sent(self);
    if (send_queue(self) < 0) {
        return write_failed(self);
    }
    return wait_for_rest(self);
}

static void
Stream_flush(Transport *transport)
{
    if (!transport_is_corked(transport)) {
        return;
    }
    Py_INCREF((PyObject *)transport);
    if (uncork((StreamTransport *)transport) < 0) {
        PyErr_WriteUnraisable((PyObject *)transport);
    }
    Py_DECREF((PyObject *)transport);
}

/* Whether a write may wait for the end of the iteration: one has gone out in it already, this one is
   small, and the loop will come by. */
static bool
may_cork(const StreamTransport *self, size_t size)
{
    const Transport *transport = &self->transport;
    const Loop *loop = &transport->loop->loop;
    return loop->is_in_batch && self->sent_in == loop->iteration
           && self->queue.size_bytes + size < CORK_LIMIT_BYTES
           && transport->high_water >= CORK_LIMIT_BYTES;
}

/* Sends a write of its own, with an empty queue: 0 or -1. */
static int
write_now(StreamTransport *self, PyObject *data, const Py_buffer *view)
{
    note_sent(self);
    ssize_t sent = send_bytes(self, view->buf, (size_t)view->len);
    if (sent < 0) {
        return transport_fatal_error(&self->transport, "Fatal write error on socket transport");
    }
    if (sent == view->len) {
        return 0;
    }
    if (write_queue_put(&self->queue, data, view, (size_t)sent) < 0) {
        return -1;
    }
    return wait_for_rest(self);
}

static int
write_view(StreamTransport *self, PyObject *data, const Py_buffer *view)
{
    bool is_corked = transport_is_corked(&self->transport);
    if (self->queue.count == 0 || is_corked) {
        if (may_cork(self, (size_t)view->len)) {
            if (write_queue_put(&self->queue, data, view, 0) < 0) {
                return -1;
            }
            if (!is_corked) {
                transport_cork(&self->transport);
            }
            return 0;
        }
        if (!is_corked) {
            return write_now(self, data, view);
        }
        if (write_queue_put(&self->queue, data, view, 0) < 0) {
            return -1;
        }
        return uncork(self);
    }
    if (write_queue_put(&self->queue, data, view, 0) < 0) {
        return -1;
    }
    return transport_maybe_pause_protocol(&self->transport);
}

/* What may be written, by type; where not, the message is that of the running version. */
static bool
is_data(PyObject *data)
{
    return PyBytes_Check(data) || PyByteArray_Check(data) || PyMemoryView_Check(data);
}

static int
check_writable(StreamTransport *self, const char *after_eof, const char *in_sendfile)
{
    if (self->eof) {
        PyErr_SetString(PyExc_RuntimeError, after_eof);
        return -1;
    }
    if (self->empty_waiter != NULL) {
        PyErr_SetString(PyExc_RuntimeError, in_sendfile);
        return -1;
    }
    return 0;
}

static int
stream_write(StreamTransport *self, PyObject *data)
{
    if (!is_data(data)) {
        PyErr_Format(PyExc_TypeError, WRITE_TYPE_ERROR, Py_TYPE(data)->tp_name);
        return -1;
    }
    if (check_writable(self, "Cannot call write() after write_eof()",
                       "unable to write; sendfile is in progress") < 0) {
        return -1;
    }
    int has_bytes = PyObject_IsTrue(data); // runs Python for a subclass
    if (has_bytes <= 0) {
        return has_bytes;
    }
    if (self->transport.conn_lost > 0 || self->transport.loop == NULL) {
        return transport_count_lost_write(&self->transport);
    }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return transport_fatal_error(&self->transport, "Fatal write error on socket transport");
    }
    int status = view.len == 0 ? 0 : write_view(self, data, &view);
    PyBuffer_Release(&view);
    return status;
}

static PyObject *
Stream_write(PyObject *op, PyObject *data)
{
    return stream_write((StreamTransport *)op, data) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Puts every non-empty chunk of a list into the queue: 0 or -1. */
static int
queue_lines(StreamTransport *self, PyObject *lines)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(lines); i++) {
        Py_buffer view;
        PyObject *line = PyList_GET_ITEM(lines, i);
        if (PyObject_GetBuffer(line, &view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        int status = view.len == 0 ? 0 : write_queue_put(&self->queue, line, &view, 0);
        PyBuffer_Release(&view);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

/* As writelines(), of a list that is ours alone: one sendmsg() where the queue was empty. */
static int
stream_write_lines(StreamTransport *self, PyObject *lines)
{
    bool was_waiting = self->queue.count > 0 && !transport_is_corked(&self->transport);
    if (queue_lines(self, lines) < 0) {
        return -1;
    }
    if (was_waiting) {
        return transport_maybe_pause_protocol(&self->transport);
    }
    return self->queue.count == 0 ? 0 : uncork(self);
}

static PyObject *
Stream_writelines(PyObject *op, PyObject *lines)
{
    StreamTransport *self = (StreamTransport *)op;
    if (WRITELINES_JOINS) {
        PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
        PyObject *joined = empty == NULL ? NULL : PyObject_CallMethod(empty, "join", "O", lines);
        int status = joined == NULL ? -1 : stream_write(self, joined);
        Py_XDECREF(empty);
        Py_XDECREF(joined);
        return status < 0 ? NULL : Py_NewRef(Py_None);
    }
    if (check_writable(self, "Cannot call writelines() after write_eof()",
                       "unable to writelines; sendfile is in progress") < 0) {
        return NULL;
    }
    int has_lines = PyObject_IsTrue(lines); // runs Python
    if (has_lines <= 0) {
        return has_lines < 0 ? NULL : Py_NewRef(Py_None);
    }
    if (self->transport.conn_lost > 0 || self->transport.loop == NULL) {
        return transport_count_lost_write(&self->transport) < 0 ? NULL : Py_NewRef(Py_None);
    }
    PyObject *list = PySequence_List(lines); // runs Python
    int status = list == NULL                       ? -1
                 : self->transport.loop == NULL     ? 0
                                                    : stream_write_lines(self, list);
    Py_XDECREF(list);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* When everything is written: ends what waited for that. 0 or -1. Runs Python. */
static int
queue_is_empty(StreamTransport *self)
{
    Transport *transport = &self->transport;
    if (loop_unwatch_fd(&transport->loop->loop, transport->fd, POLLER_WRITE) < 0) {
        return -1;
    }
    if (self->empty_waiter != NULL) {
        PyObject *answer = PyObject_CallMethod(self->empty_waiter, "set_result", "O", Py_None);
        Py_XDECREF(answer);
        if (answer == NULL) {
            return -1;
        }
    }
    if (transport->is_closing && transport->conn_lost == 0) {
        transport->conn_lost++;
        return transport_call_connection_lost(transport, Py_None);
    }
    if (self->eof && shutdown(transport_fd(transport), SHUT_WR) < 0) {
        transport_raise_errno(errno);
        return -1;
    }
    return 0;
}

static PyObject *
Stream_write_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamTransport *self = (StreamTransport *)op;
    Transport *transport = &self->transport;
    int status = 0;
    if (transport->conn_lost > 0 || transport->loop == NULL) {
        Py_RETURN_NONE;
    }
    note_sent(self);
    if (send_queue(self) < 0) {
        status = write_failed(self);
    }
    else {
        status = transport_maybe_resume_protocol(transport); // runs Python: may write
        if (status == 0 && self->queue.count == 0 && transport->loop != NULL) {
            status = queue_is_empty(self);
        }
    }
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
Stream_write_eof(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamTransport *self = (StreamTransport *)op;
    Stream_flush(&self->transport); // runs Python where that fails
    if (self->transport.is_closing || self->eof) {
        Py_RETURN_NONE;
    }
    self->eof = true;
    if (self->queue.count == 0 && shutdown(transport_fd(&self->transport), SHUT_WR) < 0) {
        transport_raise_errno(errno);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
Stream_can_write_eof(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(unused))
{
    Py_RETURN_TRUE;
}

/* ---- for sendfile ---- */

static PyObject *
Stream_make_empty_waiter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamTransport *self = (StreamTransport *)op;
    if (self->empty_waiter != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Empty waiter is already set");
        return NULL;
    }
    Stream_flush(&self->transport); // runs Python where that fails
    if (self->transport.loop == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Transport is closing");
        return NULL;
    }
    PyObject *waiter = PyObject_CallMethod((PyObject *)self->transport.loop, "create_future", NULL);
    if (waiter == NULL) {
        return NULL;
    }
    self->empty_waiter = Py_NewRef(waiter);
    if (self->queue.count == 0) {
        PyObject *answer = PyObject_CallMethod(waiter, "set_result", "O", Py_None);
        Py_XDECREF(answer);
        if (answer == NULL) {
            Py_CLEAR(waiter);
        }
    }
    return waiter;
}

static PyObject *
Stream_reset_empty_waiter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Py_CLEAR(((StreamTransport *)op)->empty_waiter);
    Py_RETURN_NONE;
}

/* ---- what the base asks of its kind ---- */

static size_t
Stream_buffer_size(Transport *transport)
{
    return ((StreamTransport *)transport)->queue.size_bytes;
}

static void
Stream_drop_buffer(Transport *transport)
{
    write_queue_clear(&((StreamTransport *)transport)->queue);
}

static int
Stream_protocol_changed(Transport *transport)
{
    core_state *state = state_of_stream((StreamTransport *)transport);
    int is_buffered = PyObject_IsInstance(transport->protocol, state->BufferedProtocol);
    ((StreamTransport *)transport)->is_buffered = is_buffered > 0; // ran Python
    return is_buffered < 0 ? -1 : 0;
}

static void
Stream_lost(Transport *transport)
{
    StreamTransport *self = (StreamTransport *)transport;
    PyObject *exception = PyObject_CallFunction(PyExc_ConnectionError, "s",
                                                "Connection is closed by peer");
    if (exception == NULL || fail_empty_waiter(self, exception) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_XDECREF(exception);
}

static const transport_kind stream_kind = {
    .buffer_size = Stream_buffer_size,
    .drop_buffer = Stream_drop_buffer,
    .flush = Stream_flush,
    .protocol_changed = Stream_protocol_changed,
    .lost = Stream_lost,
};

PyObject *
stream_transport_new(NetLoop *loop, PyObject *protocol, PyObject *waiter,
                     const transport_source *source)
{
    PyTypeObject *type = loop->loop.state->StreamTransport_type;
    StreamTransport *self = (StreamTransport *)type->tp_alloc(type, 0);
    if (self == NULL) {
        if (source->sock == NULL) {
            (void)close(source->fd);
        }
        return NULL;
    }
    LIVE_ADD(loop->loop.state, LIVE_TRANSPORT);
    self->sent_in = loop->loop.iteration - 1;
    if (transport_init(&self->transport, loop, protocol, source, &stream_kind) < 0
        || transport_schedule_start(&self->transport, waiter) < 0) {
        self->transport.is_lost = true; /* nobody has seen it: __del__ has nothing to say */
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- the type ---- */

/* (loop, sock, protocol, waiter=None, extra=None, server=None, context=None) */
static PyObject *
Stream_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"loop", "sock", "protocol", "waiter", "extra",
                               "server", "context", NULL};
    core_state *state = state_of_type(type);
    PyObject *loop, *sock, *protocol, *waiter = Py_None, *extra = Py_None, *server = Py_None,
                                      *context = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OO|OOOO:_SelectorSocketTransport", keywords,
                                     state->NetLoop_type, &loop, &sock, &protocol, &waiter, &extra,
                                     &server, &context)) {
        return NULL;
    }
    transport_source source = {
        .sock = sock,
        .fd = -1,
        .extra = extra == Py_None ? NULL : extra,
        .server = server,
        .context = context == Py_None ? NULL : context,
    };
    return stream_transport_new((NetLoop *)loop, protocol, waiter, &source);
}

/* What is not sent yet: memoryviews, as in asyncio; before 3.12 one bytearray. */
static PyObject *
Stream_get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    StreamTransport *self = (StreamTransport *)op;
    Stream_flush(&self->transport); // runs Python where that fails
    PyObject *list = write_queue_as_list(&self->queue);
    if (WRITELINES_JOINS && list != NULL) {
        PyObject *empty = PyByteArray_FromStringAndSize(NULL, 0);
        PyObject *joined = empty == NULL ? NULL : PyObject_CallMethod(empty, "join", "O", list);
        Py_XDECREF(empty);
        Py_SETREF(list, joined);
    }
    return list;
}

static PyObject *
Stream_get_empty_waiter(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *waiter = ((StreamTransport *)op)->empty_waiter;
    return Py_NewRef(waiter == NULL ? Py_None : waiter);
}

static int
Stream_traverse(PyObject *op, visitproc visit, void *arg)
{
    StreamTransport *self = (StreamTransport *)op;
    int status = write_queue_traverse(&self->queue, visit, arg);
    if (status != 0) {
        return status;
    }
    Py_VISIT(self->empty_waiter);
    return transport_traverse(op, visit, arg);
}

static int
Stream_clear(PyObject *op)
{
    StreamTransport *self = (StreamTransport *)op;
    write_queue_clear(&self->queue);
    Py_CLEAR(self->empty_waiter);
    return transport_clear(op);
}

static PyMethodDef Stream_methods[] = {
    {"write", Stream_write, METH_O,
     "write($self, data, /)\n--\n\nSend bytes; what the kernel does not take at once is sent when it "
     "does.\n\nRaises TypeError, and RuntimeError after write_eof(). As asyncio.WriteTransport."},
    {"writelines", Stream_writelines, METH_O,
     "writelines($self, list_of_data, /)\n--\n\nAs write() of all of them. As "
     "asyncio.WriteTransport."},
    {"write_eof", Stream_write_eof, METH_NOARGS,
     "write_eof($self, /)\n--\n\nClose the sending side when everything is sent. As "
     "asyncio.WriteTransport."},
    {"can_write_eof", Stream_can_write_eof, METH_NOARGS,
     "can_write_eof($self, /)\n--\n\nTrue. As asyncio.WriteTransport."},
    {"_read_ready", Stream_read_ready, METH_NOARGS, NULL},
    {"_write_ready", Stream_write_ready, METH_NOARGS, NULL},
    {"_make_empty_waiter", Stream_make_empty_waiter, METH_NOARGS, NULL},
    {"_reset_empty_waiter", Stream_reset_empty_waiter, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Stream_members[] = {
    {"_eof", T_BOOL, offsetof(StreamTransport, eof), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Stream_getset[] = {
    {"_buffer", Stream_get_buffer, NULL, NULL, NULL},
    {"_empty_waiter", Stream_get_empty_waiter, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Stream_slots[] = {
    {Py_tp_doc, "A stream socket's transport. As asyncio.Transport."},
    {Py_tp_new, Stream_tp_new},
    {Py_tp_traverse, Stream_traverse},
    {Py_tp_clear, Stream_clear},
    {Py_tp_dealloc, transport_dealloc},
    {Py_tp_methods, Stream_methods},
    {Py_tp_members, Stream_members},
    {Py_tp_getset, Stream_getset},
    {0, NULL},
};

static PyType_Spec Stream_spec = {
    .name = "pyasync._core._SelectorSocketTransport",
    .basicsize = sizeof(StreamTransport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = Stream_slots,
};

/* The two attributes by which loop.start_tls() and loop.sendfile() know what a transport can do. */
static int
set_abilities(core_state *state)
{
    PyObject *type = (PyObject *)state->StreamTransport_type;
    PyObject *mode = PyObject_GetAttrString(state->SendfileMode, "TRY_NATIVE");
    int status = mode == NULL || PyObject_SetAttrString(type, "_sendfile_compatible", mode) < 0
                         || PyObject_SetAttrString(type, "_start_tls_compatible", Py_True) < 0
                     ? -1
                     : 0;
    Py_XDECREF(mode);
    return status;
}

int
stream_transport_init_type(PyObject *module, core_state *state)
{
    if (state_add_type(module, &state->StreamTransport_type, &Stream_spec,
                       (PyObject *)state->Transport_type) < 0) {
        return -1;
    }
    return set_abilities(state);
}
