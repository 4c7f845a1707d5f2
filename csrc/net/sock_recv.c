/* sock_recv.c -- NetLoop's sock_recv, sock_recv_into, sock_recvfrom and sock_recvfrom_into. */

#include "net/net_methods.h"

#include "net/sock_op.h"
#include "poller/poller.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    /* From here on the kernel copies into the bytes object itself, if so much is there. */
    LARGE_READ_BYTES = 32 * 1024,
};

/* The size to receive, as _socket parses it: >= 0, or -1 with an exception. May run Python. */
static Py_ssize_t
parse_size(PyObject *object, const char *function)
{
    PyObject *number = PyNumber_Index(object);
    Py_ssize_t size = number == NULL ? -1 : PyLong_AsSsize_t(number);
    Py_XDECREF(number);
    if (size < 0 && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "negative buffersize in %s", function);
    }
    return size < 0 ? -1 : size;
}

/* One recv() or, where `from` is not NULL, recvfrom(). */
static ssize_t
receive(int fd, void *buffer, size_t size, socket_address *from)
{
    if (from == NULL) {
        return recv(fd, buffer, size, MSG_DONTWAIT);
    }
    from->size = sizeof(from->name);
    return recvfrom(fd, buffer, size, MSG_DONTWAIT, &from->name.any, &from->size);
}

/* How large a bytes object to receive into at once; 0 where that is better done by way of the loop's
   buffer. */
static Py_ssize_t
direct_size(const NetLoop *loop, int fd, Py_ssize_t size)
{
    int available;
    if (size > READ_SIZE_BYTES) {
        return size;
    }
    if (size < LARGE_READ_BYTES || loop->last_sock_recv < LARGE_READ_BYTES
        || ioctl(fd, FIONREAD, &available) < 0 || available < LARGE_READ_BYTES) {
        return 0;
    }
    return available < size ? available : size;
}

/* Receives up to `size` bytes as a new bytes object: 1, 0 where that would block, or -1. */
static int
receive_bytes(NetCoroutine *self, int fd, Py_ssize_t size, socket_address *from, PyObject **result)
{
    Py_ssize_t direct = direct_size(self->loop, fd, size);
    if (direct == 0) {
        char *buffer = net_loop_read_buffer(self->loop);
        ssize_t count = buffer == NULL ? -1 : receive(fd, buffer, (size_t)size, from);
        if (count < 0) {
            return buffer == NULL ? -1 : sock_failed();
        }
        self->loop->last_sock_recv = count;
        *result = PyBytes_FromStringAndSize(buffer, count);
        return *result == NULL ? -1 : 1;
    }
    PyObject *data = PyBytes_FromStringAndSize(NULL, direct);
    if (data == NULL) {
        return -1;
    }
    ssize_t count = receive(fd, PyBytes_AS_STRING(data), (size_t)direct, from);
    if (count < 0) {
        int error = errno;
        Py_DECREF(data);
        errno = error;
        return sock_failed();
    }
    self->loop->last_sock_recv = count;
    if (count != direct && _PyBytes_Resize(&data, count) < 0) {
        return -1;
    }
    *result = data;
    return 1;
}

/* A buffer to write into, as _socket asks for it: 0, or -1 with the error that it raises. */
static int
get_writable(PyObject *object, Py_buffer *view, const char *format)
{
    if (PyObject_GetBuffer(object, view, PyBUF_WRITABLE) == 0) { // runs Python
        return 0;
    }
    PyErr_Clear(); /* Python words it differently for arguments */
    PyObject *args = PyTuple_Pack(1, object);
    int parsed = args == NULL ? 0 : PyArg_ParseTuple(args, format, view);
    Py_XDECREF(args);
    return parsed ? 0 : -1;
}

/* Steals value: *result becomes (value, address). 1 or -1. */
static int
pair_with_address(PyObject *value, socket_address *from, PyObject **result)
{
    PyObject *address = value == NULL ? NULL : socket_address_as_python(from);
    *result = address == NULL ? NULL : PyTuple_Pack(2, value, address);
    Py_XDECREF(value);
    Py_XDECREF(address);
    return *result == NULL ? -1 : 1;
}

static int
attempt_recv(NetCoroutine *self, int fd, PyObject **result)
{
    Py_ssize_t size = parse_size(self->items[ITEM_SECOND], "recv");
    if (size == 0) {
        *result = PyBytes_FromStringAndSize(NULL, 0); /* as _socket: the kernel is not asked */
        return *result == NULL ? -1 : 1;
    }
    return size < 0 ? -1 : receive_bytes(self, fd, size, NULL, result);
}

static int
attempt_recv_into(NetCoroutine *self, int fd, PyObject **result)
{
    Py_buffer view;
    if (get_writable(self->items[ITEM_SECOND], &view, "w*:recv_into") < 0) {
        return -1;
    }
    ssize_t count = view.len == 0 ? 0 : receive(fd, view.buf, (size_t)view.len, NULL);
    int status = count < 0 ? sock_failed() : 1;
    PyBuffer_Release(&view);
    if (status == 1) {
        *result = PyLong_FromSsize_t(count);
    }
    return status == 1 && *result == NULL ? -1 : status;
}

static int
attempt_recvfrom(NetCoroutine *self, int fd, PyObject **result)
{
    socket_address from;
    PyObject *data;
    Py_ssize_t size = parse_size(self->items[ITEM_SECOND], "recvfrom");
    int status = size < 0 ? -1 : receive_bytes(self, fd, size, &from, &data);
    return status == 1 ? pair_with_address(data, &from, result) : status;
}

/* How much recvfrom_into() is to receive: >= 0, or -1 with an exception. Runs Python (len). */
static Py_ssize_t
size_into(NetCoroutine *self)
{
    PyObject *nbytes = self->items[ITEM_THIRD];
    Py_ssize_t size = nbytes == NULL ? 0 : PyLong_AsSsize_t(nbytes);
    if (size == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (size == 0) {
        return PyObject_Size(self->items[ITEM_SECOND]);
    }
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recvfrom_into");
    }
    return size;
}

static int
attempt_recvfrom_into(NetCoroutine *self, int fd, PyObject **result)
{
    socket_address from;
    Py_buffer view;
    Py_ssize_t size = size_into(self);
    if (size < 0 || get_writable(self->items[ITEM_SECOND], &view, "w*:recvfrom_into") < 0) {
        return -1;
    }
    if (size == 0) {
        size = view.len;
    }
    if (size > view.len) {
        PyErr_SetString(PyExc_ValueError, "nbytes is greater than the length of the buffer");
        PyBuffer_Release(&view);
        return -1;
    }
    ssize_t count = receive(fd, view.buf, (size_t)size, &from);
    int status = count < 0 ? sock_failed() : 1;
    PyBuffer_Release(&view);
    return status == 1 ? pair_with_address(PyLong_FromSsize_t(count), &from, result) : status;
}

static bool
accepts_family(core_state *state, PyObject *const *arguments, socket_address *Py_UNUSED(address))
{
    int family;
    return sock_family(state, arguments[ITEM_SOCK], &family) == 0
           && socket_address_can_convert(family)
           && (arguments[ITEM_THIRD] == NULL || PyLong_CheckExact(arguments[ITEM_THIRD]));
}

PyObject *
NetLoop_sock_recv(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const sock_op recv_op = {
        .kind = SOCK_OP_KIND("sock_recv"),
        .parameters = {{"sock", "n"}, 2, 2, 2},
        .event = POLLER_READ,
        .attempt = attempt_recv,
    };
    return sock_op_call((NetLoop *)op, &recv_op, args, nargs, kwnames);
}

PyObject *
NetLoop_sock_recv_into(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const sock_op recv_into_op = {
        .kind = SOCK_OP_KIND("sock_recv_into"),
        .parameters = {{"sock", "buf"}, 2, 2, 2},
        .event = POLLER_READ,
        .attempt = attempt_recv_into,
    };
    return sock_op_call((NetLoop *)op, &recv_into_op, args, nargs, kwnames);
}

PyObject *
NetLoop_sock_recvfrom(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const sock_op recvfrom_op = {
        .kind = SOCK_OP_KIND("sock_recvfrom"),
        .parameters = {{"sock", "bufsize"}, 2, 2, 2},
        .event = POLLER_READ,
        .accepts = accepts_family,
        .attempt = attempt_recvfrom,
    };
    return sock_op_call((NetLoop *)op, &recvfrom_op, args, nargs, kwnames);
}

PyObject *
NetLoop_sock_recvfrom_into(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *kwnames)
{
    static const sock_op recvfrom_into_op = {
        .kind = SOCK_OP_KIND("sock_recvfrom_into"),
        .parameters = {{"sock", "buf", "nbytes"}, 3, 3, 2},
        .event = POLLER_READ,
        .accepts = accepts_family,
        .attempt = attempt_recvfrom_into,
    };
    return sock_op_call((NetLoop *)op, &recvfrom_into_op, args, nargs, kwnames);
}
