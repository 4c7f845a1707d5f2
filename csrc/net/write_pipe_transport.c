/* write_pipe_transport.c -- pyasync._core._UnixWritePipeTransport: writes at once, queues the rest.

   Nothing is held back to go out together with later writes, as small writes to a socket are: the
   kernel writes up to PIPE_BUF bytes of one call in one piece, and a pipe may have other writers.
   A pipe or socket is watched for reading too, to learn that the reader has closed its end.

   Invariants
   1. While the queue is not empty, the transport waits for writing and connection_lost() is not
      scheduled.
   2. close() and write_eof() are the same: connection_lost() comes when the queue is empty. */

#include "net/write_pipe_transport.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/report.h"
#include "net/flow_control.h"
#include "net/pipe_transport.h"
#include "net/transport_report.h"
#include "net/write_queue.h"

#include <stddef.h>

enum { VECTORS_A_CALL = 64 };

typedef struct {
    PipeTransport pipe;
    flow_control flow;
    write_queue queue;
    unsigned conn_lost;
} WritePipeTransport;

static int
maybe_pause_protocol(WritePipeTransport *self)
{
    return flow_control_maybe_pause(&self->flow, self->queue.size_bytes, self->pipe.loop,
                                    (PyObject *)self, self->pipe.protocol);
}

/* ---- ending ---- */

/* 0 or -1. Runs Python. */
static int
drop_unsent(WritePipeTransport *self)
{
    if (self->queue.count == 0) {
        return 0;
    }
    write_queue_clear(&self->queue);
    return self->pipe.loop == NULL ? 0
                                   : loop_unwatch_fd(&self->pipe.loop->loop, self->pipe.fd,
                                                     POLLER_WRITE);
}

/* Drops what is unsent and schedules connection_lost(exception or None): 0 or -1. */
static int
close_by(WritePipeTransport *self, PyObject *exception)
{
    self->pipe.is_closing = true;
    return drop_unsent(self) < 0 ? -1 : pipe_transport_end(&self->pipe, exception);
}

/* As _fatal_error(). Runs Python. */
static int
end_by(WritePipeTransport *self, PyObject *exception, const char *message)
{
    PipeTransport *pipe = &self->pipe;
    int status = transport_report_fatal(pipe->loop, (PyObject *)self, pipe->protocol, message,
                                        exception);
    return status < 0 ? -1 : close_by(self, exception);
}

/* The pending exception was raised by a write. */
static int
write_failed(WritePipeTransport *self)
{
    if (report_must_pass()) {
        return -1;
    }
    PyObject *exception = PyErr_GetRaisedException();
    self->conn_lost++;
    int status = drop_unsent(self);
    if (status >= 0) {
        status = end_by(self, exception, "Fatal write error on pipe transport");
    }
    Py_DECREF(exception);
    return status;
}

static PyObject *
WritePipe_write_eof(PyObject *op, PyObject *Py_UNUSED(unused))
{
    WritePipeTransport *self = (WritePipeTransport *)op;
    if (self->pipe.is_closing) {
        Py_RETURN_NONE;
    }
    self->pipe.is_closing = true;
    return none_or_null(self->queue.count == 0 ? pipe_transport_end(&self->pipe, Py_None) : 0);
}

static PyObject *
WritePipe_can_write_eof(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(unused))
{
    Py_RETURN_TRUE;
}

static PyObject *
WritePipe_abort(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_null(close_by((WritePipeTransport *)op, Py_None));
}

/* _close(exc=None) */
static PyObject *
WritePipe_close_by(PyObject *op, PyObject *args)
{
    PyObject *exception = Py_None;
    if (!PyArg_ParseTuple(args, "|O:_close", &exception)) {
        return NULL;
    }
    return none_or_null(close_by((WritePipeTransport *)op, exception));
}

static PyObject *
WritePipe_fatal_error(PyObject *op, PyObject *args, PyObject *kwargs)
{
    const char *message = "Fatal error on pipe transport";
    PyObject *exception = transport_parse_fatal_error(args, kwargs, &message);
    if (exception == NULL) {
        return NULL;
    }
    return none_or_null(end_by((WritePipeTransport *)op, exception, message));
}

/* The other end was closed: that is all there can be to read. */
static PyObject *
WritePipe_read_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    WritePipeTransport *self = (WritePipeTransport *)op;
    if (transport_report_debug(self->pipe.loop, op, "info", "%r was closed by peer") < 0) {
        return NULL;
    }
    if (self->queue.count == 0) {
        return none_or_null(close_by(self, Py_None));
    }
    PyObject *exception = PyObject_CallNoArgs(PyExc_BrokenPipeError);
    int status = exception == NULL ? -1 : close_by(self, exception);
    Py_XDECREF(exception);
    return none_or_null(status);
}

static PyObject *
WritePipe_start_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    PipeTransport *self = (PipeTransport *)op;
    if (self->is_ending || self->loop == NULL) {
        Py_RETURN_NONE;
    }
    return none_or_null(
        pipe_transport_watch(self, POLLER_READ, self->loop->loop.state->name_read_ready));
}

/* ---- writing ---- */

/* Writes some of the queue: the bytes, 0 where it would block, -1 with an exception. While the GIL is
   away, another thread may do to the transport what it is not allowed to: the chunks are held. */
static ssize_t
write_vectors(WritePipeTransport *self, size_t *wanted)
{
    struct iovec vectors[VECTORS_A_CALL];
    PyObject *chunks[VECTORS_A_CALL];
    int count = write_queue_vectors(&self->queue, vectors, VECTORS_A_CALL);
    *wanted = 0;
    for (int i = 0; i < count; i++) {
        *wanted += vectors[i].iov_len;
        chunks[i] = Py_NewRef(self->queue.items[self->queue.first + (uint32_t)i]);
    }
    ssize_t written = pipe_transport_write(&self->pipe, vectors, count);
    for (int i = 0; i < count; i++) {
        Py_DECREF(chunks[i]);
    }
    return written;
}

/* Writes what the kernel takes of the queue: 0, or -1 with an exception. */
static int
write_out_queue(WritePipeTransport *self)
{
    size_t wanted = 0;
    ssize_t written = 0;
    while (self->queue.count > 0 && (size_t)written == wanted) {
        written = write_vectors(self, &wanted);
        if (written < 0) {
            return -1;
        }
        if ((size_t)written <= self->queue.size_bytes) {
            write_queue_advance(&self->queue, (size_t)written);
        }
    }
    return 0;
}

/* All is written: 0 or -1. Runs Python. */
static int
queue_is_empty(WritePipeTransport *self)
{
    PipeTransport *pipe = &self->pipe;
    if (loop_unwatch_fd(&pipe->loop->loop, pipe->fd, POLLER_WRITE) < 0) {
        return -1;
    }
    if (flow_control_maybe_resume(&self->flow, 0, pipe->loop, (PyObject *)self, pipe->protocol) < 0) {
        return -1;
    }
    /* That may have written more, or ended it all. */
    if (!pipe->is_closing || pipe->is_ending || pipe->loop == NULL || self->queue.count > 0) {
        return 0;
    }
    if (loop_unwatch_fd(&pipe->loop->loop, pipe->fd, POLLER_READ) < 0) {
        return -1;
    }
    return pipe_transport_call_connection_lost(pipe, Py_None);
}

static PyObject *
WritePipe_write_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    WritePipeTransport *self = (WritePipeTransport *)op;
    if (self->pipe.loop == NULL || self->queue.count == 0) {
        Py_RETURN_NONE;
    }
    self->pipe.loop->loop.must_poll = true; /* an answer may be there soon */
    if (write_out_queue(self) < 0) {
        return none_or_null(write_failed(self));
    }
    if (self->queue.count > 0 || self->pipe.loop == NULL) {
        Py_RETURN_NONE;
    }
    return none_or_null(queue_is_empty(self));
}

/* Puts the bytes from `offset` on into the queue: 0 or -1. Runs Python. */
static int
queue_rest(WritePipeTransport *self, PyObject *data, const Py_buffer *view, size_t offset)
{
    if (write_queue_put(&self->queue, data, view, offset) < 0) {
        return -1;
    }
    return maybe_pause_protocol(self);
}

static int
write_view(WritePipeTransport *self, PyObject *data, const Py_buffer *view)
{
    PipeTransport *pipe = &self->pipe;
    if (self->queue.count > 0) {
        return queue_rest(self, data, view, 0);
    }
    struct iovec vector = {.iov_base = view->buf, .iov_len = (size_t)view->len};
    pipe->loop->loop.must_poll = true; /* an answer may be there soon */
    ssize_t written = pipe_transport_write(pipe, &vector, 1);
    if (written < 0) {
        return write_failed(self);
    }
    if (written == view->len || pipe->is_closing || pipe->loop == NULL) {
        return 0;
    }
    if (pipe_transport_watch(pipe, POLLER_WRITE, pipe->loop->loop.state->name_write_ready) < 0) {
        return -1;
    }
    return queue_rest(self, data, view, (size_t)written);
}

static PyObject *
WritePipe_write(PyObject *op, PyObject *data)
{
    WritePipeTransport *self = (WritePipeTransport *)op;
    if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
        PyErr_Format(PyExc_AssertionError, "%R", data);
        return NULL;
    }
    int has_bytes = PyObject_IsTrue(data); // runs Python for a subclass
    if (has_bytes <= 0) {
        return none_or_null(has_bytes);
    }
    if (self->conn_lost > 0 || self->pipe.is_closing || self->pipe.loop == NULL) {
        return none_or_null(transport_report_lost_write(
            op, &self->conn_lost,
            "pipe closed by peer or os.write(pipe, data) raised exception."));
    }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return self->queue.count > 0 ? NULL : none_or_null(write_failed(self));
    }
    /* A subclass may have its buffer made in Python, and have ended the transport. */
    bool is_over = self->pipe.is_closing || self->pipe.loop == NULL;
    int status = view.len == 0 || is_over ? 0 : write_view(self, data, &view);
    PyBuffer_Release(&view);
    return none_or_null(status);
}

/* ---- flow control, repr, attributes ---- */

static PyObject *
WritePipe_get_write_buffer_size(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromSize_t(((WritePipeTransport *)op)->queue.size_bytes);
}

static PyObject *
WritePipe_get_write_buffer_limits(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return flow_control_limits(&((WritePipeTransport *)op)->flow);
}

static PyObject *
WritePipe_set_write_buffer_limits(PyObject *op, PyObject *args, PyObject *kwargs)
{
    WritePipeTransport *self = (WritePipeTransport *)op;
    size_t high_water, low_water;
    if (flow_control_parse_limits(args, kwargs, &high_water, &low_water) < 0) {
        return NULL;
    }
    self->flow.high_water = high_water;
    self->flow.low_water = low_water;
    return none_or_null(maybe_pause_protocol(self));
}

static PyObject *
WritePipe_repr(PyObject *op)
{
    WritePipeTransport *self = (WritePipeTransport *)op;
    bool shows_size = self->pipe.pipe != NULL && self->pipe.loop != NULL
                      && !self->pipe.loop->loop.is_closed;
    PyObject *head = pipe_transport_repr_head(&self->pipe, POLLER_WRITE);
    PyObject *text = head == NULL ? NULL
                     : shows_size
                         ? PyUnicode_FromFormat("%U bufsize=%zu>", head, self->queue.size_bytes)
                         : PyUnicode_FromFormat("%U>", head);
    Py_XDECREF(head);
    return text;
}

/* What is not written yet, in one bytearray of its own. */
static PyObject *
WritePipe_get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    return write_queue_as_bytearray(&((WritePipeTransport *)op)->queue);
}

/* ---- the type ---- */

/* Whether a pipe of that kind is readable exactly when its reader has gone. A terminal may have something
   to read that is not for us. */
static bool
hears_of_reader(const struct stat *status)
{
#if defined(_AIX)
    return S_ISSOCK(status->st_mode);
#elif defined(__APPLE__) || defined(__sun)
    /* A named fifo is readable while it holds data, and never else (gh-145030). */
    return S_ISSOCK(status->st_mode) || (S_ISFIFO(status->st_mode) && status->st_nlink == 0);
#else
    return !S_ISCHR(status->st_mode);
#endif
}

static PyObject *
WritePipe_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    pipe_arguments arguments;
    struct stat status;
    if (pipe_arguments_parse(type, args, kwargs, "O!OO|OO:_UnixWritePipeTransport", &arguments)
        < 0) {
        return NULL;
    }
    WritePipeTransport *self = (WritePipeTransport *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    LIVE_ADD(state_of_type(type), LIVE_TRANSPORT);
    flow_control_init(&self->flow);
    if (pipe_transport_init(&self->pipe, &arguments,
                            "Pipe transport is only for pipes, sockets and character devices",
                            &status) < 0
        || pipe_transport_schedule_start(&self->pipe, hears_of_reader(&status), arguments.waiter) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
WritePipe_traverse(PyObject *op, visitproc visit, void *arg)
{
    int status = write_queue_traverse(&((WritePipeTransport *)op)->queue, visit, arg);
    return status != 0 ? status : pipe_transport_traverse(op, visit, arg);
}

static int
WritePipe_clear(PyObject *op)
{
    write_queue_clear(&((WritePipeTransport *)op)->queue);
    return pipe_transport_clear(op);
}

#define KEYWORDS(function) (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef WritePipe_methods[] = {
    PIPE_METHODS,
    {"write", WritePipe_write, METH_O,
     "write($self, data, /)\n--\n\nWrite bytes; what the kernel does not take at once is written when "
     "it does.\n\nRaises AssertionError where data is no bytes. As asyncio.WriteTransport."},
    {"write_eof", WritePipe_write_eof, METH_NOARGS,
     "write_eof($self, /)\n--\n\nAs close(). As asyncio.WriteTransport."},
    {"can_write_eof", WritePipe_can_write_eof, METH_NOARGS,
     "can_write_eof($self, /)\n--\n\nTrue. As asyncio.WriteTransport."},
    {"close", WritePipe_write_eof, METH_NOARGS,
     "close($self, /)\n--\n\nClose when everything is written. As asyncio.BaseTransport."},
    {"abort", WritePipe_abort, METH_NOARGS,
     "abort($self, /)\n--\n\nClose at once, dropping what is unsent. As asyncio.WriteTransport."},
    {"get_write_buffer_size", WritePipe_get_write_buffer_size, METH_NOARGS,
     "get_write_buffer_size($self, /)\n--\n\nUnsent bytes. As asyncio.WriteTransport."},
    {"get_write_buffer_limits", WritePipe_get_write_buffer_limits, METH_NOARGS,
     "get_write_buffer_limits($self, /)\n--\n\n(low, high) in bytes. As asyncio.WriteTransport."},
    {"set_write_buffer_limits", KEYWORDS(WritePipe_set_write_buffer_limits),
     "set_write_buffer_limits($self, high=None, low=None)\n--\n\nIn bytes.\n\nRaises ValueError "
     "unless high >= low >= 0. As asyncio.WriteTransport."},
    {"_read_ready", WritePipe_read_ready, METH_NOARGS, NULL},
    {"_write_ready", WritePipe_write_ready, METH_NOARGS, NULL},
    {"_start_reading", WritePipe_start_reading, METH_NOARGS, NULL},
    {"_close", WritePipe_close_by, METH_VARARGS, NULL},
    {"_fatal_error", KEYWORDS(WritePipe_fatal_error), NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef WritePipe_members[] = {
    PIPE_MEMBERS,
    {"_conn_lost", T_UINT, offsetof(WritePipeTransport, conn_lost), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef WritePipe_getset[] = {
    PIPE_GETSET,
    {"_buffer", WritePipe_get_buffer, NULL, NULL, NULL},
    FLOW_CONTROL_GETSET(offsetof(WritePipeTransport, flow)),
    {"_protocol_paused", attribute_get_bool, NULL, NULL,
     (void *)offsetof(WritePipeTransport, flow.is_paused)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot WritePipe_slots[] = {
    PIPE_SLOTS,
    {Py_tp_doc, "The transport of a pipe that is written to. As asyncio.WriteTransport."},
    {Py_tp_new, WritePipe_tp_new},
    {Py_tp_repr, WritePipe_repr},
    {Py_tp_traverse, WritePipe_traverse},
    {Py_tp_clear, WritePipe_clear},
    {Py_tp_methods, WritePipe_methods},
    {Py_tp_members, WritePipe_members},
    {Py_tp_getset, WritePipe_getset},
    {0, NULL},
};

static PyType_Spec WritePipe_spec = {
    .name = "pyasync._core._UnixWritePipeTransport",
    .basicsize = sizeof(WritePipeTransport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = WritePipe_slots,
};

int
write_pipe_transport_init_type(PyObject *module, core_state *state)
{
    return state_add_type(module, &state->WritePipeTransport_type, &WritePipe_spec,
                          state->stock_FlowControlMixin);
}
