/* pipe_transport.c -- the life of a pipe's transport: from the file object to connection_lost(). */

#include "net/pipe_transport.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/stock.h"
#include "net/transport.h"
#include "net/transport_report.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

int
pipe_arguments_parse(PyTypeObject *type, PyObject *args, PyObject *kwargs, const char *format,
                     pipe_arguments *parsed)
{
    static char *keywords[] = {"loop", "pipe", "protocol", "waiter", "extra", NULL};
    *parsed = (pipe_arguments){.waiter = Py_None, .extra = Py_None};
    return PyArg_ParseTupleAndKeywords(args, kwargs, format, keywords,
                                       state_of_type(type)->NetLoop_type, &parsed->loop,
                                       &parsed->pipe, &parsed->protocol, &parsed->waiter,
                                       &parsed->extra)
               ? 0
               : -1;
}

/* Runs Python. */
static int
ask_for_fd(core_state *state, PyObject *pipe, int *fd)
{
    long value;
    if (number_steal(PyObject_CallMethodNoArgs(pipe, state->name_fileno), &value) < 0) {
        return -1;
    }
    *fd = value < INT_MIN || value > INT_MAX ? -1 : (int)value;
    return 0;
}

static int
set_nonblocking(int fd)
{
    int yes = 1;
    if (ioctl(fd, FIONBIO, &yes) < 0) {
        transport_raise_errno(errno);
        return -1;
    }
    return 0;
}

int
pipe_transport_init(PipeTransport *self, const pipe_arguments *arguments, const char *refusal,
                    struct stat *status)
{
    NetLoop *loop = (NetLoop *)arguments->loop;
    core_state *state = loop->loop.state;
    self->extra = arguments->extra == Py_None ? PyDict_New() : Py_NewRef(arguments->extra);
    if (self->extra == NULL
        || PyObject_SetItem(self->extra, state->name_pipe, arguments->pipe) < 0
        || ask_for_fd(state, arguments->pipe, &self->fd) < 0) { // runs Python
        return -1;
    }
    if (fstat(self->fd, status) < 0) {
        transport_raise_errno(errno);
        return -1;
    }
    mode_t mode = status->st_mode;
    if (!S_ISFIFO(mode) && !S_ISSOCK(mode) && !S_ISCHR(mode)) {
        PyErr_SetString(PyExc_ValueError, refusal);
        return -1;
    }
    if (set_nonblocking(self->fd) < 0) {
        return -1;
    }
    self->loop = (NetLoop *)Py_NewRef((PyObject *)loop);
    self->protocol = Py_NewRef(arguments->protocol);
    Py_XSETREF(self->pipe, Py_NewRef(arguments->pipe)); /* fileno() may have got hold of us */
    return 0;
}

/* Schedules a method of the transport or of its protocol: 0 or -1. The loop and the owner are held
   while the attribute is looked up: that may run Python, and end the transport. */
static int
call_soon(PipeTransport *self, PyObject *owner, PyObject *method_name, PyObject *argument)
{
    NetLoop *loop = (NetLoop *)Py_NewRef((PyObject *)self->loop);
    Py_INCREF(owner);
    PyObject *method = PyObject_GetAttr(owner, method_name); // runs Python
    int status = method == NULL ? -1 : loop_call_soon(&loop->loop, method, argument, NULL);
    Py_XDECREF(method);
    Py_DECREF(owner);
    Py_DECREF((PyObject *)loop);
    return status;
}

int
pipe_transport_schedule_start(PipeTransport *self, bool reads, PyObject *waiter)
{
    core_state *state = self->loop->loop.state;
    PyObject *loop = Py_NewRef((PyObject *)self->loop);
    int status = -1;
    /* It may start to read only when connection_made() has been called, */
    if (call_soon(self, self->protocol, state->name_connection_made, (PyObject *)self) < 0
        || (reads && self->loop != NULL
            && call_soon(self, (PyObject *)self, state->name_start_reading, NULL) < 0)) {
        goto done;
    }
    /* and whoever made it goes on only then, too. */
    if (waiter != Py_None) {
        PyObject *stack[] = {loop, state->set_result_unless_cancelled, waiter, Py_None};
        status = status_steal(PyObject_VectorcallMethod(state->name_call_soon, stack, 4, NULL));
    }
    else {
        status = 0;
    }
done:
    Py_DECREF(loop);
    return status;
}

int
pipe_transport_eof_received_soon(PipeTransport *self)
{
    return call_soon(self, self->protocol, self->loop->loop.state->name_eof_received, NULL);
}

int
pipe_transport_watch(PipeTransport *self, unsigned event, PyObject *method_name)
{
    NetLoop *loop = (NetLoop *)Py_NewRef((PyObject *)self->loop);
    PyObject *method = PyObject_GetAttr((PyObject *)self, method_name);
    int status = method == NULL ? -1
                                : status_steal(loop_watch_fd(&loop->loop, self->fd, event, method,
                                                             NULL, NULL));
    Py_XDECREF(method);
    Py_DECREF((PyObject *)loop);
    return status;
}

int
pipe_transport_end(PipeTransport *self, PyObject *exception)
{
    self->is_closing = true;
    if (self->loop == NULL || self->is_ending) {
        return 0;
    }
    if (loop_unwatch_fd(&self->loop->loop, self->fd, POLLER_READ) < 0) { // runs Python
        return -1;
    }
    if (self->loop == NULL || self->is_ending) {
        return 0;
    }
    self->is_ending = true;
    int status = call_soon(self, (PyObject *)self,
                           self->loop->loop.state->name_call_connection_lost, exception);
    if (status < 0) {
        self->is_ending = self->is_lost; /* a closed loop: nothing will call it */
    }
    return status;
}

/* Lets everything go and closes the pipe: 0 or -1. Runs Python. */
static int
let_go(PipeTransport *self)
{
    NetLoop *loop = self->loop;
    PyObject *pipe = self->pipe;
    int status = 0;
    self->loop = NULL;
    self->pipe = NULL;
    Py_CLEAR(self->protocol); // runs Python (destructors)
    if (loop_unwatch_fd(&loop->loop, self->fd, POLLER_READ) < 0
        || loop_unwatch_fd(&loop->loop, self->fd, POLLER_WRITE) < 0) {
        status = -1;
    }
    loop->loop.must_poll = true; /* whoever is at the other end hears of it */
    PyObject *answer = pipe == NULL ? Py_NewRef(Py_None)
                                    : PyObject_CallMethodNoArgs(pipe, loop->loop.state->name_close);
    Py_XDECREF(answer);
    Py_XDECREF(pipe);
    Py_DECREF((PyObject *)loop);
    return answer == NULL ? -1 : status;
}

int
pipe_transport_call_connection_lost(PipeTransport *self, PyObject *exception)
{
    if (self->is_lost || self->loop == NULL) {
        return 0;
    }
    self->is_closing = self->is_ending = self->is_lost = true;
    PyObject *protocol = Py_NewRef(self->protocol);
    int status = status_steal(PyObject_CallMethodOneArg(
        protocol, self->loop->loop.state->name_connection_lost, exception)); // runs Python
    PyObject *pending = PyErr_GetRaisedException();
    Py_DECREF(protocol);
    if (self->loop != NULL && let_go(self) < 0) {
        status = -1;
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
    return status;
}

/* What a system call answered: whether it is to be made again, or would block; a signal handler may
   have raised. */
static bool
is_interrupted(ssize_t count)
{
    return count < 0 && errno == EINTR && PyErr_CheckSignals() == 0; // runs Python
}

static bool
would_block(ssize_t count)
{
    return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && !PyErr_Occurred();
}

static ssize_t
count_or_raise(ssize_t count)
{
    if (count < 0 && !PyErr_Occurred()) {
        transport_raise_errno(errno);
    }
    return count;
}

/* The GIL is given up: another process that has the pipe too may have made it blocking. */

ssize_t
pipe_transport_read(PipeTransport *self, char *buffer, size_t size)
{
    int fd = self->fd;
    ssize_t count;
    do {
        Py_BEGIN_ALLOW_THREADS
        count = read(fd, buffer, size);
        Py_END_ALLOW_THREADS
    } while (is_interrupted(count));
    return would_block(count) ? -2 : count_or_raise(count);
}

ssize_t
pipe_transport_write(PipeTransport *self, const struct iovec *vectors, int vector_count)
{
    int fd = self->fd;
    ssize_t count;
    do {
        Py_BEGIN_ALLOW_THREADS
        count = vector_count == 1 ? write(fd, vectors[0].iov_base, vectors[0].iov_len)
                                  : writev(fd, vectors, vector_count);
        Py_END_ALLOW_THREADS
    } while (is_interrupted(count));
    return would_block(count) ? 0 : count_or_raise(count);
}

int
pipe_transport_traverse(PyObject *op, visitproc visit, void *arg)
{
    PipeTransport *self = (PipeTransport *)op;
    Py_VISIT(self->dict);
    Py_VISIT(self->protocol);
    Py_VISIT(self->pipe);
    return mixin_slots_traverse(op, visit, arg);
}

int
pipe_transport_clear(PyObject *op)
{
    PipeTransport *self = (PipeTransport *)op;
    mixin_slots_clear(op);
    Py_CLEAR(self->dict);
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->pipe);
    return 0;
}

void
pipe_transport_dealloc(PyObject *op)
{
    PipeTransport *self = (PipeTransport *)op;
    PyTypeObject *type = Py_TYPE(op);
    if (PyObject_CallFinalizerFromDealloc(op) < 0) {
        return; /* resurrected */
    }
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    type->tp_clear(op); // runs Python (destructors)
    LIVE_SUB(state_of_dying_type(type), LIVE_TRANSPORT);
    type->tp_free(op);
    Py_DECREF(type);
}

/* As transport_finalize(): asyncio's own __del__ tells of an open transport, and closes its pipe. */
void
pipe_transport_finalize(PyObject *op)
{
    PipeTransport *self = (PipeTransport *)op;
    if (self->pipe == NULL) {
        return;
    }
    core_state *state = state_of(op);
    stock_finalize(PyObject_TypeCheck(op, state->ReadPipeTransport_type)
                       ? state->stock_read_pipe_del
                       : state->stock_write_pipe_del,
                   op); // runs Python
    Py_CLEAR(self->pipe);
}

/* tp_new has done it all: asyncio's __init__ is not to be called. */
int
pipe_transport_tp_init(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(args),
                       PyObject *Py_UNUSED(kwargs))
{
    return 0;
}

int
pipe_transport_set_pipe(PyObject *op, PyObject *pipe, void *Py_UNUSED(unused))
{
    PipeTransport *self = (PipeTransport *)op;
    Py_XSETREF(self->pipe, pipe == NULL || pipe == Py_None ? NULL : Py_NewRef(pipe));
    return 0;
}

PyObject *
Pipe_set_protocol(PyObject *op, PyObject *protocol)
{
    PipeTransport *self = (PipeTransport *)op;
    if (self->loop != NULL) { /* invariant 1 */
        Py_XSETREF(self->protocol, Py_NewRef(protocol));
    }
    Py_RETURN_NONE;
}

PyObject *
Pipe_get_protocol(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return new_or_none(((PipeTransport *)op)->protocol);
}

PyObject *
Pipe_is_closing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(((PipeTransport *)op)->is_closing);
}

PyObject *
Pipe_call_connection_lost(PyObject *op, PyObject *exception)
{
    return pipe_transport_call_connection_lost((PipeTransport *)op, exception) < 0
               ? NULL
               : Py_NewRef(Py_None);
}

static const char *
poll_state(const PipeTransport *self, unsigned event)
{
    if (self->pipe == NULL) {
        return "closed";
    }
    if (self->loop == NULL || self->loop->loop.is_closed) {
        return "open";
    }
    return loop_is_watching(&self->loop->loop, self->fd, event) ? "polling" : "idle";
}

PyObject *
pipe_transport_repr_head(PipeTransport *self, unsigned event)
{
    const char *life = self->pipe == NULL ? " closed" : self->is_closing ? " closing" : "";
    PyObject *name = PyType_GetName(Py_TYPE((PyObject *)self));
    PyObject *text = name == NULL ? NULL
                                  : PyUnicode_FromFormat("<%U%s fd=%d %s", name, life, self->fd,
                                                         poll_state(self, event));
    Py_XDECREF(name);
    return text;
}
