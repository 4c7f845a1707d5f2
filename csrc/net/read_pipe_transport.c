/* read_pipe_transport.c -- pyasync._core._UnixReadPipeTransport: one read a wake, into the loop's
   buffer.

   Unlike a socket's, what data_received() raises does not end the connection, and only EIO (a
   terminal's way to hang up) is an error that is not worth telling of: as in asyncio. */

#include "net/read_pipe_transport.h"

#include "base/check.h"
#include "core/answer.h"
#include "net/pipe_transport.h"
#include "net/transport_report.h"

#include <errno.h>
#include <stddef.h>

typedef struct {
    PipeTransport pipe;
    Py_ssize_t max_size; /* bytes asked of one read() */
    bool is_paused;
} ReadPipeTransport;

/* An OSError with that errno: 1, 0 or -1. */
static int
is_os_error_of(PyObject *exception, long number)
{
    if (!PyErr_GivenExceptionMatches(exception, PyExc_OSError)) {
        return 0;
    }
    PyObject *value = PyObject_GetAttrString(exception, "errno");
    PyObject *wanted = value == NULL ? NULL : PyLong_FromLong(number);
    int is_equal = wanted == NULL ? -1 : PyObject_RichCompareBool(value, wanted, Py_EQ);
    Py_XDECREF(value);
    Py_XDECREF(wanted);
    return is_equal;
}

/* An exception ends the connection: 0 or -1. Runs Python. */
static int
end_by(PipeTransport *self, PyObject *exception, const char *message)
{
    int is_hang_up = is_os_error_of(exception, EIO);
    int status = is_hang_up < 0 ? -1
                 : is_hang_up   ? transport_report_debug_error(self->loop, (PyObject *)self, message,
                                                               exception)
                                : transport_report_error(self->loop, (PyObject *)self,
                                                         self->protocol, message, exception);
    return status < 0 ? -1 : pipe_transport_end(self, exception);
}

static int
read_failed(PipeTransport *self)
{
    if (!PyErr_ExceptionMatches(PyExc_OSError)) {
        return -1; /* a signal handler's, or no memory */
    }
    PyObject *exception = PyErr_GetRaisedException();
    int status = end_by(self, exception, "Fatal read error on pipe transport");
    Py_DECREF(exception);
    return status;
}

static int
read_eof(PipeTransport *self)
{
    if (transport_report_debug(self->loop, (PyObject *)self, "info", "%r was closed by peer") < 0) {
        return -1;
    }
    if (self->loop == NULL || self->is_ending) {
        return 0; // ran Python
    }
    NetLoop *loop = self->loop;
    self->is_closing = true;
    if (loop_unwatch_fd(&loop->loop, self->fd, POLLER_READ) < 0) { // runs Python
        return -1;
    }
    if (self->loop == NULL || self->is_ending) {
        return 0;
    }
    return pipe_transport_eof_received_soon(self) < 0 ? -1 : pipe_transport_end(self, Py_None);
}

static PyObject *
ReadPipe_read_ready(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReadPipeTransport *self = (ReadPipeTransport *)op;
    if (self->pipe.is_closing || self->pipe.loop == NULL) {
        Py_RETURN_NONE;
    }
    size_t size = (size_t)self->max_size < READ_SIZE_BYTES ? (size_t)self->max_size
                                                           : READ_SIZE_BYTES;
    NetLoop *loop = (NetLoop *)Py_NewRef((PyObject *)self->pipe.loop); /* its buffer is read into */
    char *buffer = net_loop_read_buffer(loop);
    ssize_t count = buffer == NULL ? -1 : pipe_transport_read(&self->pipe, buffer, size);
    PyObject *data = count > 0 ? PyBytes_FromStringAndSize(buffer, count) : NULL;
    PyObject *answer = NULL;
    PyObject *protocol = Py_XNewRef(self->pipe.protocol);
    if (data != NULL && protocol != NULL) {
        answer = PyObject_CallMethodOneArg(protocol, loop->loop.state->name_data_received,
                                           data); // runs Python
    }
    else if (data != NULL || count == -2) {
        answer = Py_NewRef(Py_None);
    }
    else if (count <= 0) {
        answer = none_or_null(count == 0 ? read_eof(&self->pipe) : read_failed(&self->pipe));
    }
    Py_XDECREF(data);
    Py_XDECREF(protocol);
    Py_DECREF((PyObject *)loop);
    return none_or_null(status_steal(answer));
}

static int
start_reading(ReadPipeTransport *self)
{
    if (self->pipe.is_closing || self->is_paused || self->pipe.loop == NULL) {
        return 0;
    }
    return pipe_transport_watch(&self->pipe, POLLER_READ,
                                self->pipe.loop->loop.state->name_read_ready);
}

static PyObject *
ReadPipe_start_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_null(start_reading((ReadPipeTransport *)op));
}

static PyObject *
ReadPipe_is_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReadPipeTransport *self = (ReadPipeTransport *)op;
    return PyBool_FromLong(!self->is_paused && !self->pipe.is_closing);
}

static PyObject *
ReadPipe_pause_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReadPipeTransport *self = (ReadPipeTransport *)op;
    if (self->pipe.is_closing || self->is_paused || self->pipe.loop == NULL) {
        Py_RETURN_NONE;
    }
    self->is_paused = true;
    if (loop_unwatch_fd(&self->pipe.loop->loop, self->pipe.fd, POLLER_READ) < 0) {
        return NULL;
    }
    return none_or_null(
        transport_report_debug(self->pipe.loop, op, "debug", "%r pauses reading"));
}

static PyObject *
ReadPipe_resume_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReadPipeTransport *self = (ReadPipeTransport *)op;
    if (self->pipe.is_closing || !self->is_paused || self->pipe.loop == NULL) {
        Py_RETURN_NONE;
    }
    self->is_paused = false;
    if (start_reading(self) < 0) {
        return NULL;
    }
    return none_or_null(
        transport_report_debug(self->pipe.loop, op, "debug", "%r resumes reading"));
}

static PyObject *
ReadPipe_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    PipeTransport *self = (PipeTransport *)op;
    return self->is_closing ? Py_NewRef(Py_None) : none_or_null(pipe_transport_end(self, Py_None));
}

static PyObject *
ReadPipe_close_by(PyObject *op, PyObject *exception)
{
    return none_or_null(pipe_transport_end((PipeTransport *)op, exception));
}

static PyObject *
ReadPipe_fatal_error(PyObject *op, PyObject *args, PyObject *kwargs)
{
    const char *message = "Fatal error on pipe transport";
    PyObject *exception = transport_parse_fatal_error(args, kwargs, &message);
    if (exception == NULL) {
        return NULL;
    }
    return none_or_null(end_by((PipeTransport *)op, exception, message));
}

static PyObject *
ReadPipe_repr(PyObject *op)
{
    PyObject *head = pipe_transport_repr_head((PipeTransport *)op, POLLER_READ);
    PyObject *text = head == NULL ? NULL : PyUnicode_FromFormat("%U>", head);
    Py_XDECREF(head);
    return text;
}

/* ---- the type ---- */

static PyObject *
ReadPipe_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    pipe_arguments arguments;
    struct stat status;
    if (pipe_arguments_parse(type, args, kwargs, "O!OO|OO:_UnixReadPipeTransport", &arguments) < 0) {
        return NULL;
    }
    ReadPipeTransport *self = (ReadPipeTransport *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    LIVE_ADD(state_of_type(type), LIVE_TRANSPORT);
    self->max_size = READ_SIZE_BYTES;
    if (pipe_transport_init(&self->pipe, &arguments, "Pipe transport is for pipes/sockets only.",
                            &status) < 0
        || pipe_transport_schedule_start(&self->pipe, true, arguments.waiter) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyMethodDef ReadPipe_methods[] = {
    PIPE_METHODS,
    {"close", ReadPipe_close, METH_NOARGS, "close($self, /)\n--\n\nAs asyncio.BaseTransport."},
    {"is_reading", ReadPipe_is_reading, METH_NOARGS,
     "is_reading($self, /)\n--\n\nAs asyncio.ReadTransport."},
    {"pause_reading", ReadPipe_pause_reading, METH_NOARGS,
     "pause_reading($self, /)\n--\n\nAs asyncio.ReadTransport."},
    {"resume_reading", ReadPipe_resume_reading, METH_NOARGS,
     "resume_reading($self, /)\n--\n\nAs asyncio.ReadTransport."},
    {"_read_ready", ReadPipe_read_ready, METH_NOARGS, NULL},
    {"_start_reading", ReadPipe_start_reading, METH_NOARGS, NULL},
    {"_close", ReadPipe_close_by, METH_O, NULL},
    {"_fatal_error", (PyCFunction)(void (*)(void))ReadPipe_fatal_error,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef ReadPipe_members[] = {
    PIPE_MEMBERS,
    {"max_size", T_PYSSIZET, offsetof(ReadPipeTransport, max_size), 0,
     "Bytes asked of one read()."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef ReadPipe_getset[] = {
    PIPE_GETSET,
    {"_paused", attribute_get_bool, NULL, NULL,
     (void *)offsetof(ReadPipeTransport, is_paused)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot ReadPipe_slots[] = {
    PIPE_SLOTS,
    {Py_tp_doc, "The transport of a pipe that is read from. As asyncio.ReadTransport."},
    {Py_tp_new, ReadPipe_tp_new},
    {Py_tp_repr, ReadPipe_repr},
    {Py_tp_traverse, pipe_transport_traverse},
    {Py_tp_clear, pipe_transport_clear},
    {Py_tp_methods, ReadPipe_methods},
    {Py_tp_members, ReadPipe_members},
    {Py_tp_getset, ReadPipe_getset},
    {0, NULL},
};

static PyType_Spec ReadPipe_spec = {
    .name = "pyasync._core._UnixReadPipeTransport",
    .basicsize = sizeof(ReadPipeTransport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = ReadPipe_slots,
};

int
read_pipe_transport_init_type(PyObject *module, core_state *state)
{
    PyObject *stock = state->stock_ReadTransport;
    if (((PyTypeObject *)stock)->tp_basicsize != offsetof(PipeTransport, stock_high_water)) {
        PyErr_SetString(PyExc_ImportError, "asyncio's ReadTransport has other slots than those "
                                           "that pyasync was built for");
        return -1;
    }
    return state_add_type(module, &state->ReadPipeTransport_type, &ReadPipe_spec, stock);
}
