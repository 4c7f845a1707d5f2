/* transport_socket.c -- the socket under a transport: taken over, shown to Python, closed once.

   Invariants
   1. While there is no socket object the transport owns the fd (owns_fd); once there is one, that
      does, for good.
   2. What the socket says of itself is asked when it is taken over: it can be asked for when the
      socket is gone.
   Source: __init__ and get_extra_info() of asyncio.selector_events._SelectorTransport. */

#include "net/transport.h"

#include "core/answer.h"

#include <errno.h>
#include <unistd.h>

/* A small number that a socket says of itself. */
static int
get_number(PyObject *sock, const char *name, uint16_t *value)
{
    long found;
    int status = number_steal(PyObject_GetAttrString(sock, name), &found);
    *value = (uint16_t)found;
    return status;
}

/* Takes a socket object over. Runs Python. */
static int
take_sock(Transport *self, PyObject *sock)
{
    core_state *state = transport_state_of(self);
    long fd;
    if (number_steal(PyObject_CallMethodNoArgs(sock, state->name_fileno), &fd) < 0) {
        return -1;
    }
    if (fd < 0 || fd > INT_MAX / 2) {
        transport_raise_errno(EBADF);
        return -1;
    }
    self->fd = (int)fd;
    if (get_number(sock, "family", &self->family) < 0 || get_number(sock, "type", &self->type) < 0
        || get_number(sock, "proto", &self->proto) < 0) {
        return -1;
    }
    self->sock = Py_NewRef(sock);
    /* socketmodule.c has the fd right behind the head, but says so nowhere: look. */
    self->sock_shows_fd = PyObject_TypeCheck(sock, (PyTypeObject *)state->socket_base)
                          && *(const int *)((const char *)sock + sizeof(PyObject)) == self->fd;
    return 0;
}

/* What getsockname() and getpeername() say now: it can be asked for when the socket is gone. */
static void
take_addresses(Transport *self, const transport_source *source)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof(name);
    if (getsockname(self->fd, (struct sockaddr *)&name, &size) == 0) {
        inet_address_set(&self->local, (struct sockaddr *)&name, size);
    }
    if (source->peer != NULL) {
        inet_address_set(&self->peer, source->peer, source->peer_size);
        return;
    }
    size = sizeof(name);
    if (getpeername(self->fd, (struct sockaddr *)&name, &size) == 0) {
        inet_address_set(&self->peer, (struct sockaddr *)&name, size);
    }
}

int
transport_take_socket(Transport *self, const transport_source *source)
{
    self->fd = source->fd;
    self->owns_fd = source->sock == NULL;
    self->family = (uint16_t)source->family;
    self->type = (uint16_t)source->type;
    self->proto = (uint16_t)source->proto;
    if (source->sock != NULL && take_sock(self, source->sock) < 0) { // runs Python
        return -1;
    }
    take_addresses(self, source);
    return 0;
}

PyObject *
transport_sock(Transport *self)
{
    if (self->sock != NULL || self->fd < 0 || !self->owns_fd) {
        return self->sock;
    }
    core_state *state = transport_state_of(self);
    PyObject *sock = PyObject_CallFunction(state->socket_class, "iiii", self->family, self->type,
                                           self->proto, self->fd); // runs Python
    if (sock == NULL && (self->owns_fd || !PyErr_ExceptionMatches(PyExc_OSError))) {
        return NULL;
    }
    if (!self->owns_fd) { /* meanwhile another has been made, or the fd is closed */
        PyObject *fd = sock == NULL ? NULL : PyObject_CallMethod(sock, "detach", NULL);
        PyErr_Clear(); /* of a socket that nobody will see */
        Py_XDECREF(fd);
        Py_XDECREF(sock);
        return self->sock;
    }
    self->sock = sock;
    self->owns_fd = false;
    self->sock_shows_fd = *(const int *)((const char *)sock + sizeof(PyObject)) == self->fd;
    PyObject *answer = PyObject_CallMethod(sock, "setblocking", "i", 0);
    Py_XDECREF(answer);
    return answer == NULL ? NULL : self->sock;
}

int
transport_close_fd(Transport *self)
{
    PyObject *sock = self->sock;
    int fd = self->owns_fd ? self->fd : -1;
    if (self->loop != NULL) {
        net_loop_release(self->loop, self->fd, (PyObject *)self);
        self->loop->loop.must_poll = true; /* whoever is at the other end hears of it */
    }
    self->sock = NULL;
    self->sock_shows_fd = self->owns_fd = false;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (sock == NULL) {
        return 0;
    }
    int status = status_steal(
        PyObject_CallMethodNoArgs(sock, transport_state_of(self)->name_close)); // runs Python
    Py_DECREF(sock);
    return status;
}

/* ---- what get_extra_info() knows ---- */

/* The object that get_extra_info('socket') gives, around the transport's socket; of a closed one,
   around a socket that is closed. */
static PyObject *
make_transport_socket(core_state *state, Transport *self)
{
    PyObject *sock = Py_XNewRef(transport_sock(self));
    if (sock == NULL && !PyErr_Occurred()) {
        sock = PyObject_CallMethod(state->socket_class, "__new__", "O", state->socket_class);
    }
    PyObject *wrapped = sock == NULL ? NULL : PyObject_CallOneArg(state->TransportSocket, sock);
    Py_XDECREF(sock);
    return wrapped;
}

/* An address that the socket object itself knows how to show: getsockname or getpeername. */
static PyObject *
ask_for_address(Transport *self, const char *method)
{
    PyObject *sock = transport_sock(self);
    if (sock == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    PyObject *address = PyObject_CallMethod(sock, method, NULL); // runs Python
    if (address == NULL && PyErr_ExceptionMatches(PyExc_OSError)) {
        PyErr_Clear(); /* not connected, or closed: asyncio shows None */
        return Py_NewRef(Py_None);
    }
    return address;
}

static int
put_address(PyObject *extra, PyObject *key, Transport *self, const inet_address *known,
            const char *method)
{
    bool is_inet = self->family == AF_INET || self->family == AF_INET6; /* asked at the start */
    PyObject *address = known->is_known || is_inet ? inet_address_as_python(known)
                                                   : ask_for_address(self, method);
    int status = address == NULL ? -1 : PyDict_SetItem(extra, key, address);
    Py_XDECREF(address);
    return status;
}

PyObject *
transport_complete_extra(Transport *self)
{
    core_state *state = state_of((PyObject *)self);
    PyObject *extra = self->extra == NULL ? PyDict_New() : Py_NewRef(self->extra);
    if (extra == NULL) {
        return NULL;
    }
    int has_socket = PyDict_Contains(extra, state->name_socket);
    int has_peer = PyDict_Contains(extra, state->name_peername);
    if (has_socket == 0) {
        PyObject *wrapped = make_transport_socket(state, self); // runs Python
        has_socket = wrapped == NULL ? -1 : PyDict_SetItem(extra, state->name_socket, wrapped);
        Py_XDECREF(wrapped);
        if (has_socket == 0) {
            has_socket = put_address(extra, state->name_sockname, self, &self->local,
                                     "getsockname");
        }
    }
    if (has_peer == 0) {
        has_peer = put_address(extra, state->name_peername, self, &self->peer, "getpeername");
    }
    if (has_socket < 0 || has_peer < 0) {
        Py_DECREF(extra);
        return NULL;
    }
    Py_XSETREF(self->extra, extra);
    return self->extra;
}
