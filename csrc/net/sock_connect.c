/* sock_connect.c -- NetLoop's sock_connect and sock_accept. */

#include "net/net_methods.h"

#include "net/sock_op.h"
#include "poller/poller.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* The address as asyncio resolves it, for the error: (host, port), for IPv6 with flowinfo and scope
   id, or the path. */
static PyObject *
resolved_address(NetCoroutine *self)
{
    PyObject *address = self->items[ITEM_SECOND];
    int family = self->address.name.any.sa_family;
    if (family == AF_INET) {
        return PySequence_GetSlice(address, 0, 2);
    }
    if (family != AF_INET6) {
        return Py_NewRef(address);
    }
    Py_ssize_t size = PyTuple_GET_SIZE(address);
    PyObject *zeros = Py_BuildValue("(ii)", 0, 0);
    PyObject *rest = zeros == NULL ? NULL : PySequence_GetSlice(zeros, size - 2, 2);
    PyObject *whole = rest == NULL ? NULL : PySequence_Concat(address, rest);
    Py_XDECREF(zeros);
    Py_XDECREF(rest);
    return whole;
}

/* OSError(error, "Connect call failed <address>"). */
static int
connect_failed(NetCoroutine *self, int error)
{
    PyObject *address = resolved_address(self);
    PyObject *message = address == NULL ? NULL
                                        : PyUnicode_FromFormat("Connect call failed %S", address);
    PyObject *exception = message == NULL ? NULL
                                          : PyObject_CallFunction(PyExc_OSError, "iO", error,
                                                                  message);
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    }
    Py_XDECREF(address);
    Py_XDECREF(message);
    Py_XDECREF(exception);
    return -1;
}

/* count: whether connect() has been called. */
static int
attempt_connect(NetCoroutine *self, int fd, PyObject **result)
{
    if (self->count == 0) {
        self->count = 1;
        if (PySys_Audit("socket.connect", "OO", self->items[ITEM_SOCK],
                        self->items[ITEM_SECOND]) < 0) { // runs Python
            return -1;
        }
        if (connect(fd, &self->address.name.any, self->address.size) < 0) {
            return sock_failed();
        }
    }
    else {
        int error;
        socklen_t size = sizeof(error);
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
            return sock_failed();
        }
        if (error != 0) {
            return sock_would_block(error) ? 0 : connect_failed(self, error);
        }
    }
    *result = Py_NewRef(Py_None);
    return 1;
}

/* Numeric hosts, and paths: what asyncio connects to without asking a resolver. */
static bool
accepts_connect(core_state *state, PyObject *const *arguments, socket_address *address)
{
    int family, type, proto;
    if (sock_family(state, arguments[ITEM_SOCK], &family) < 0
        || sock_kind(state, arguments[ITEM_SOCK], &type, &proto) < 0) {
        return false;
    }
    if (family != AF_UNIX
        && ((type != SOCK_STREAM && type != SOCK_DGRAM)
            || (proto != 0 && proto != IPPROTO_TCP && proto != IPPROTO_UDP))) {
        return false;
    }
    return socket_address_from_python(address, family, arguments[ITEM_SECOND]);
}

/* A non-blocking socket.socket of an accepted fd, which it takes over. Runs Python. */
static PyObject *
socket_of_accepted(NetCoroutine *self, int fd)
{
    core_state *state = self->loop->loop.state;
    PyObject *listener = self->items[ITEM_SOCK];
    int family, type, proto;
    PyObject *sock = NULL;
    if (sock_family(state, listener, &family) == 0
        && sock_kind(state, listener, &type, &proto) == 0) {
        /* With SOCK_NONBLOCK in its type it knows that the fd is non-blocking already. */
        sock = PyObject_CallFunction(state->socket_class, "iiii", family, type | SOCK_NONBLOCK,
                                     proto, fd);
    }
    if (sock == NULL) {
        (void)close(fd);
    }
    return sock;
}

static int
attempt_accept(NetCoroutine *self, int fd, PyObject **result)
{
    socket_address from = {.size = sizeof(from.name)};
    int accepted = accept4(fd, &from.name.any, &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
        return sock_failed();
    }
    PyObject *sock = socket_of_accepted(self, accepted); // runs Python
    PyObject *address = sock == NULL ? NULL : socket_address_as_python(&from);
    *result = address == NULL ? NULL : PyTuple_Pack(2, sock, address);
    Py_XDECREF(address);
    Py_XDECREF(sock);
    return *result == NULL ? -1 : 1;
}

static bool
accepts_accept(core_state *state, PyObject *const *arguments, socket_address *Py_UNUSED(address))
{
    int family;
    return sock_family(state, arguments[ITEM_SOCK], &family) == 0 && socket_address_can_convert(family);
}

PyObject *
NetLoop_sock_connect(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const sock_op connect_op = {
        .kind = SOCK_OP_KIND("sock_connect"),
        .parameters = {{"sock", "address"}, 2, 2, 2},
        .event = POLLER_WRITE,
        .accepts = accepts_connect,
        .attempt = attempt_connect,
    };
    return sock_op_call((NetLoop *)op, &connect_op, args, nargs, kwnames);
}

PyObject *
NetLoop_sock_accept(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const sock_op accept_op = {
        .kind = SOCK_OP_KIND("sock_accept"),
        .parameters = {{"sock"}, 1, 1, 1},
        .event = POLLER_READ,
        .accepts = accepts_accept,
        .attempt = attempt_accept,
    };
    return sock_op_call((NetLoop *)op, &accept_op, args, nargs, kwnames);
}
