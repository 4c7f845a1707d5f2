/* sock_send.c -- NetLoop's sock_sendall and sock_sendto. */

#include "net/net_methods.h"

#include "net/sock_op.h"
#include "poller/poller.h"

#include <sys/socket.h>

/* The buffer is held from the first try to the last; count is what has been sent. */
static int
attempt_sendall(NetCoroutine *self, int fd, PyObject **result)
{
    if (self->view.obj == NULL
        && PyObject_GetBuffer(self->items[ITEM_SECOND], &self->view, PyBUF_SIMPLE) < 0) {
        return -1; // runs Python
    }
    ssize_t count = send(fd, (const char *)self->view.buf + self->count,
                         (size_t)(self->view.len - self->count), MSG_DONTWAIT);
    if (count < 0 && sock_failed() < 0) {
        return -1;
    }
    self->count += count < 0 ? 0 : count;
    if (self->count < self->view.len) {
        return 0;
    }
    *result = Py_NewRef(Py_None);
    return 1;
}

static int
attempt_sendto(NetCoroutine *self, int fd, PyObject **result)
{
    Py_buffer view;
    if (PyObject_GetBuffer(self->items[ITEM_SECOND], &view, PyBUF_SIMPLE) < 0) { // runs Python
        return -1;
    }
    int status = PySys_Audit("socket.sendto", "OO", self->items[ITEM_SOCK],
                             self->items[ITEM_THIRD]); // runs Python
    ssize_t count = 0;
    if (status == 0) {
        count = sendto(fd, view.buf, (size_t)view.len, MSG_DONTWAIT, &self->address.name.any,
                       self->address.size);
        status = count < 0 ? sock_failed() : 1;
    }
    PyBuffer_Release(&view);
    if (status == 1) {
        *result = PyLong_FromSsize_t(count);
    }
    return status == 1 && *result == NULL ? -1 : status;
}

static bool
accepts_address(core_state *state, PyObject *const *arguments, socket_address *address)
{
    int family;
    return sock_family(state, arguments[ITEM_SOCK], &family) == 0
           && socket_address_from_python(address, family, arguments[ITEM_THIRD]);
}

PyObject *
NetLoop_sock_sendall(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const sock_op sendall_op = {
        .kind = SOCK_OP_KIND("sock_sendall"),
        .parameters = {{"sock", "data"}, 2, 2, 2},
        .event = POLLER_WRITE,
        .waits_often = true,
        .attempt = attempt_sendall,
    };
    return sock_op_call((NetLoop *)op, &sendall_op, args, nargs, kwnames);
}

PyObject *
NetLoop_sock_sendto(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const sock_op sendto_op = {
        .kind = SOCK_OP_KIND("sock_sendto"),
        .parameters = {{"sock", "data", "address"}, 3, 3, 3},
        .event = POLLER_WRITE,
        .accepts = accepts_address,
        .attempt = attempt_sendto,
    };
    return sock_op_call((NetLoop *)op, &sendto_op, args, nargs, kwnames);
}
