/* stream_write.c -- writing to a stream socket: at once, held back for the iteration, or queued.

   See the invariants of stream_transport.h. Every way in ends in transport_maybe_pause_protocol() where
   the kernel has not taken everything: writelines too (CVE-2024-12254). */

#include "net/stream_transport.h"

#include "core/answer.h"
#include "core/args.h"
#include "core/awaitable.h"
#include "net/join.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    /* Below asyncio's default high-water mark: what is held back never would have paused a
       protocol. */
    CORK_LIMIT_BYTES = 16 * 1024,
    VECTORS_A_CALL = 64,
};

/* Whether nothing is to be written any more. */
static bool
is_lost(const StreamTransport *self)
{
    return self->transport.conn_lost > 0 || self->transport.loop == NULL;
}

/* What a system call that failed with errno comes to: 0 where it would block, -1 with the exception. */
static ssize_t
send_refused(void)
{
    if (PyErr_Occurred()) {
        return -1; /* a signal handler's */
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return 0;
    }
    transport_raise_errno(errno);
    return -1;
}

/* Sends by a method of what somebody has put into the socket's place, as send_bytes(). Steals data,
   which may be NULL with an exception. Runs Python, which may have sent, queued, ended anything. */
static ssize_t
send_by_method(StreamTransport *self, const char *method, PyObject *data)
{
    PyObject *sock = Py_XNewRef(self->transport.sock);
    if (sock == NULL && data != NULL) {
        transport_raise_errno(EBADF); /* lost by the call before */
    }
    PyObject *answer = data == NULL || sock == NULL
                           ? NULL
                           : PyObject_CallMethod(sock, method, "O", data); // runs Python
    Py_XDECREF(data);
    Py_XDECREF(sock);
    if (answer == NULL && PyErr_ExceptionMatches(PyExc_BlockingIOError)) {
        PyErr_Clear(); /* as EAGAIN */
        return 0;
    }
    Py_ssize_t count = answer == NULL ? -1 : PyLong_AsSsize_t(answer);
    Py_XDECREF(answer);
    if (count < 0 && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "%s() of the socket returned a negative number", method);
    }
    return count;
}

/* Sends bytes: how many went, 0 where it would block, -1 with an exception. */
static ssize_t
send_bytes(StreamTransport *self, const void *bytes, size_t size)
{
    if (self->transport.sock_is_foreign) {
        ssize_t said = send_by_method(self, "send",
                                      PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size));
        return said < (ssize_t)size ? said : (ssize_t)size;
    }
    ssize_t count;
    do {
        count = send(transport_fd(&self->transport), bytes, size, 0);
    } while (count < 0 && errno == EINTR && PyErr_CheckSignals() == 0); // runs Python
    return count >= 0 ? count : send_refused();
}

/* Sends some of the queue, as send_bytes(); *wanted is what it tried. */
static ssize_t
send_vectors(StreamTransport *self, size_t *wanted)
{
    struct iovec vectors[VECTORS_A_CALL];
    if (self->transport.sock_is_foreign) {
        *wanted = self->queue.size_bytes;
        ssize_t said = send_by_method(self, "sendmsg", write_queue_as_list(&self->queue));
        ssize_t left = (ssize_t)self->queue.size_bytes;
        return said < left ? said : left;
    }
    int count = write_queue_vectors(&self->queue, vectors, VECTORS_A_CALL);
    *wanted = 0;
    for (int i = 0; i < count; i++) {
        *wanted += vectors[i].iov_len;
    }
    if (count == 1) {
        return send_bytes(self, vectors[0].iov_base, vectors[0].iov_len);
    }
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = (size_t)count};
    ssize_t sent;
    do {
        sent = sendmsg(transport_fd(&self->transport), &message, 0);
    } while (sent < 0 && errno == EINTR && PyErr_CheckSignals() == 0); // runs Python
    return sent >= 0 ? sent : send_refused();
}

/* Sends what it can of the queue: 0, or -1 with an exception. */
static int
send_queue(StreamTransport *self)
{
    ssize_t sent = 0;
    size_t wanted = 0;
    while (self->queue.count > 0 && (size_t)sent == wanted) {
        sent = send_vectors(self, &wanted);
        if (sent < 0) {
            return -1;
        }
        write_queue_advance(&self->queue, (size_t)sent);
    }
    return 0;
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
        status = stream_fail_empty_waiter(self, exception);
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
    if (self->queue.count == 0 || is_lost(self)) {
        return 0;
    }
    if (transport_start_writing(&self->transport) < 0) {
        write_queue_clear(&self->queue); /* nobody would send it */
        return -1;
    }
    return transport_maybe_pause_protocol(&self->transport);
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

void
stream_flush(Transport *transport)
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
    return loop->is_in_batch && self->sent_in == loop->iteration && !transport->is_closing
           && self->queue.size_bytes + size < CORK_LIMIT_BYTES
           && transport->flow.high_water >= CORK_LIMIT_BYTES;
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
        transport_refuse_data(data);
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
    if (is_lost(self)) {
        return transport_count_lost_write(&self->transport);
    }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) { // runs Python
        return transport_fatal_error(&self->transport, "Fatal write error on socket transport");
    }
    int status = 0;
    if (view.len > 0) {
        status = is_lost(self) ? transport_count_lost_write(&self->transport)
                               : write_view(self, data, &view);
    }
    PyBuffer_Release(&view);
    return status;
}

PyObject *
Stream_write(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *data = args_bind_one("_SelectorSocketTransport.write", "data", args, nargs, kwnames);
    return data == NULL || stream_write((StreamTransport *)op, data) < 0 ? NULL
                                                                         : Py_NewRef(Py_None);
}

/* Copies what may change or is no bytes in a list that is ours alone, so that the whole of it can go into
   the queue or nothing: 0 or -1. Runs Python. */
static int
freeze_lines(PyObject *lines)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(lines); i++) {
        Py_buffer view;
        PyObject *line = PyList_GET_ITEM(lines, i);
        if (PyBytes_CheckExact(line)) {
            continue;
        }
        if (!PyObject_CheckBuffer(line)) {
            Py_XDECREF(PyMemoryView_FromObject(line)); /* raises, with the message that is due */
            return -1;
        }
        if (PyObject_GetBuffer(line, &view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        PyObject *bytes = PyBytes_FromStringAndSize(view.buf, view.len);
        PyBuffer_Release(&view);
        if (bytes == NULL || PyList_SetItem(lines, i, bytes) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Puts every non-empty chunk of a list of bytes objects into the queue, or none: 0 or -1. */
static int
queue_lines(StreamTransport *self, PyObject *lines)
{
    Py_ssize_t count = PyList_GET_SIZE(lines);
    int status = write_queue_reserve(&self->queue, (size_t)count);
    for (Py_ssize_t i = 0; i < count && status == 0; i++) {
        PyObject *line = PyList_GET_ITEM(lines, i);
        Py_buffer view = {.buf = PyBytes_AS_STRING(line), .len = PyBytes_GET_SIZE(line)};
        status = view.len == 0 ? 0 : write_queue_put(&self->queue, line, &view, 0);
    }
    return status;
}

/* As writelines(), of a list that is ours alone: one sendmsg() where the queue was empty. */
static int
stream_write_lines(StreamTransport *self, PyObject *lines)
{
    if (freeze_lines(lines) < 0) {
        return -1;
    }
    if (is_lost(self)) {
        return 0; /* lost by what freezing ran */
    }
    bool was_waiting = self->queue.count > 0 && !transport_is_corked(&self->transport);
    if (queue_lines(self, lines) < 0) {
        return -1;
    }
    if (was_waiting) {
        return transport_maybe_pause_protocol(&self->transport);
    }
    return self->queue.count == 0 ? 0 : uncork(self);
}

PyObject *
Stream_writelines(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    StreamTransport *self = (StreamTransport *)op;
    PyObject *lines = args_bind_one("_SelectorSocketTransport.writelines", "list_of_data", args,
                                    nargs, kwnames);
    if (lines == NULL) {
        return NULL;
    }
    if (WRITELINES_JOINS) {
        PyObject *joined = join_bytes(lines); // runs Python
        int status = joined == NULL ? -1 : stream_write(self, joined);
        Py_XDECREF(joined);
        return none_or_null(status);
    }
    if (check_writable(self, "Cannot call writelines() after write_eof()",
                       "unable to writelines; sendfile is in progress") < 0) {
        return NULL;
    }
    int has_lines = PyObject_IsTrue(lines); // runs Python
    if (has_lines <= 0) {
        return none_or_null(has_lines);
    }
    if (is_lost(self)) {
        return none_or_null(transport_count_lost_write(&self->transport));
    }
    PyObject *list = PySequence_List(lines); // runs Python
    int status = list == NULL ? -1 : stream_write_lines(self, list);
    Py_XDECREF(list);
    return none_or_null(status);
}

/* When everything is written: ends what waited for that. 0 or -1. Runs Python. */
static int
queue_is_empty(StreamTransport *self)
{
    Transport *transport = &self->transport;
    if (loop_unwatch_fd(&transport->loop->loop, transport->fd, POLLER_WRITE) < 0) {
        return -1;
    }
    if (self->empty_waiter != NULL
        && awaitable_set_result(transport_state_of(transport), self->empty_waiter, Py_None) < 0) {
        return -1;
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

PyObject *
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
        stream_flush(transport);
        if (status == 0 && self->queue.count == 0 && transport->loop != NULL) {
            status = queue_is_empty(self);
        }
    }
    return none_or_null(status);
}

PyObject *
Stream_write_eof(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamTransport *self = (StreamTransport *)op;
    stream_flush(&self->transport); // runs Python where that fails
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
