/* sock_op.c -- beginning an operation on a socket, waiting for its fd, and telling the future. */

#include "net/sock_op.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/report.h"
#include "poller/poller.h"

#include <string.h>

static const sock_op *
op_of(const NetCoroutine *self)
{
    return (const sock_op *)self->coroutine.kind;
}

/* The socket's fd now, -1 where it is closed; or -2 with an exception. */
static int
fd_now(NetCoroutine *self)
{
    core_state *state = self->loop->loop.state;
    long fd;
    PyObject *number = PyObject_CallOneArg(state->socket_fileno, self->items[ITEM_SOCK]);
    return number_steal(number, &fd) < 0 ? -2 : (int)fd;
}

/* Ends the watching, if it is still ours. Keeps the pending exception. */
static void
stop_watching(NetCoroutine *self, bool is_reported)
{
    int fd = self->fd;
    if (fd < 0) {
        return;
    }
    self->fd = -1;
    Loop *loop = &self->loop->loop;
    unsigned event = op_of(self)->event;
    if (!loop_is_watching_with(loop, fd, event, (PyObject *)self)) {
        return;
    }
    PyObject *pending = PyErr_GetRaisedException();
    int status = is_reported ? loop_unwatch_reported_fd(loop, fd, event)
                             : loop_unwatch_fd(loop, fd, event); // runs Python in debug mode
    if (status < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

void
sock_op_drop(Coroutine *op)
{
    stop_watching((NetCoroutine *)op, false);
    net_coroutine_drop(op);
}

/* Has the Coroutine wait for its fd, with a new future: 0 or -1. Runs Python. */
static int
wait_for_fd(NetCoroutine *self, int fd)
{
    Loop *loop = &self->loop->loop;
    core_state *state = loop->state;
    PyObject *future = loop_create_future(state, (PyObject *)loop);
    self->coroutine.future = future;
    if (future == NULL || net_loop_ensure_fd_is_free(self->loop, fd) < 0) {
        return -1;
    }
    self->fd = fd;
    const sock_op *op = op_of(self);
    PyObject *handle = op->waits_often ? loop_watch_fd(loop, fd, op->event, state->sock_op_ready,
                                                       (PyObject *)self, NULL)
                                       : loop_watch_fd_once(loop, fd, op->event,
                                                            state->sock_op_ready, (PyObject *)self);
    return status_steal(handle);
}

int
sock_op_start(Coroutine *op, PyObject **result)
{
    NetCoroutine *self = (NetCoroutine *)op;
    int fd = fd_now(self);
    int status = fd == -2 ? -1 : op_of(self)->attempt(self, fd, result);
    return status == 0 ? wait_for_fd(self, fd) : status;
}

/* Gives the future its result, or where that is NULL the pending exception: 0 or -1. */
static int
tell_future(core_state *state, PyObject *future, PyObject *result)
{
    PyObject *outcome = result == NULL ? PyErr_GetRaisedException() : Py_NewRef(result);
    int status = result != NULL ? awaitable_set_result(state, future, outcome)
                                : awaitable_set_exception(state, future, outcome);
    Py_DECREF(outcome);
    return status;
}

/* The fd of a Coroutine that waits is ready: 0 or -1. */
static int
try_again(core_state *state, NetCoroutine *self)
{
    int is_done = self->coroutine.state != COROUTINE_WAITING
                      ? 1
                      : awaitable_is_done(state, self->coroutine.future);
    if (is_done != 0) {
        stop_watching(self, false); /* it was cancelled, and has not been resumed yet */
        return is_done < 0 ? -1 : 0;
    }
    PyObject *result = NULL;
    /* The socket may have been closed or detached, and the number be somebody else's by now. */
    int fd = fd_now(self);
    int status = fd == -2 ? -1 : op_of(self)->attempt(self, fd, &result); // may run Python
    if (status == 0) {
        return self->fd < 0 ? 0 : loop_watch_fd_again(&self->loop->loop, self->fd);
    }
    if (status < 0 && report_must_pass()) {
        return -1;
    }
    if (self->coroutine.state == COROUTINE_WAITING) {
        PyObject *future = Py_NewRef(self->coroutine.future);
        stop_watching(self, true);
        status = tell_future(state, future, result);
        Py_DECREF(future);
    }
    else {
        PyErr_Clear(); /* ended meanwhile: nobody waits for this any more */
        status = 0;
    }
    Py_XDECREF(result);
    return status;
}

/* What the loop calls when an fd is ready, with the Coroutine that waits for it. */
static PyObject *
sock_op_ready(PyObject *Py_UNUSED(unused), PyObject *op)
{
    PyObject *module = PyType_GetModuleByDef(Py_TYPE(op), &core_module);
    if (module == NULL) {
        return NULL;
    }
    core_state *state = state_of_module(module);
    NetCoroutine *self = (NetCoroutine *)op;
    if (!Py_IS_TYPE(op, state->Coroutine_type) || self->coroutine.kind->drop != sock_op_drop) {
        PyErr_SetString(PyExc_TypeError, "not a sock_*() call");
        return NULL;
    }
    Py_INCREF(op);
    int status = try_again(state, self);
    Py_DECREF(op);
    return none_or_null(status);
}

/* A socket.socket that never blocks: what has a timeout is asyncio's (it blocks the loop, then). */
static bool
is_plain_socket(core_state *state, PyObject *sock)
{
    if ((PyObject *)Py_TYPE(sock) != state->socket_class) {
        return false;
    }
    PyObject *timeout = PyObject_CallOneArg(state->socket_gettimeout, sock);
    bool is_plain = timeout != NULL && PyFloat_CheckExact(timeout)
                    && PyFloat_AS_DOUBLE(timeout) == 0.0;
    Py_XDECREF(timeout);
    return is_plain;
}

PyObject *
sock_op_call(NetLoop *loop, const sock_op *op, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    core_state *state = loop->loop.state;
    PyObject *bound[SOCK_OP_PARAMETERS] = {NULL};
    socket_address address = {.size = 0};
    if (!loop_debug_is_plain_off(&loop->loop)
        || !args_bind_names(&op->parameters, args, nargs, kwnames, bound)
        || !is_plain_socket(state, bound[ITEM_SOCK])
        || (op->accepts != NULL && !op->accepts(state, bound, &address))) {
        PyErr_Clear(); /* asyncio's method meets it again */
        return net_loop_call_stock(loop, op->kind.name, args, nargs, kwnames);
    }
    NetCoroutine *self = net_coroutine_new(loop, &op->kind, bound, SOCK_OP_PARAMETERS);
    if (self == NULL) {
        return NULL;
    }
    memcpy(&self->address.name, &address.name, address.size);
    self->address.size = address.size;
    return coroutine_begin(&self->coroutine);
}

/* Reads a member of _socket.socket itself: socket.socket's properties of that name make enums. */
static int
read_member(PyObject *descriptor, PyObject *sock, int *value)
{
    descrgetfunc get = Py_TYPE(descriptor)->tp_descr_get;
    long found;
    int status = number_steal(get(descriptor, sock, (PyObject *)Py_TYPE(sock)), &found);
    *value = (int)found;
    return status;
}

int
sock_family(core_state *state, PyObject *sock, int *family)
{
    return read_member(state->socket_family, sock, family);
}

int
sock_kind(core_state *state, PyObject *sock, int *type, int *proto)
{
    return read_member(state->socket_type, sock, type) < 0 ? -1
                                                           : read_member(state->socket_proto, sock,
                                                                         proto);
}

static PyMethodDef ready_def = {"sock_op_ready", sock_op_ready, METH_O, NULL};

int
sock_op_init(core_state *state)
{
    state->sock_op_ready = PyCFunction_New(&ready_def, NULL);
    return state->sock_op_ready == NULL ? -1 : 0;
}
