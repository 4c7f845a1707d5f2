/* net_loop.c -- pyasync._core.NetLoop: the shared buffer, the owners of fds, held-back writes. */

#include "net/net_loop.h"

#include "base/check.h"
#include "core/answer.h"
#include "net/net_methods.h"
#include "net/transport.h"

#include <stdlib.h>
#include <string.h>

static char *
buffer_at(char **place)
{
    if (*place == NULL) {
        *place = malloc(READ_SIZE_BYTES);
        if (*place == NULL) {
            PyErr_NoMemory();
        }
    }
    return *place;
}

char *
net_loop_read_buffer(NetLoop *self)
{
    return buffer_at(&self->read_buffer);
}

char *
net_loop_take_read_buffer(NetLoop *self)
{
    char *buffer = net_loop_read_buffer(self);
    self->read_buffer = NULL;
    return buffer;
}

void
net_loop_give_read_buffer(NetLoop *self, char *buffer)
{
    free(self->read_buffer); /* of another read meanwhile */
    self->read_buffer = buffer;
}

char *
net_loop_plain_buffer(NetLoop *self)
{
    return buffer_at(&self->plain_buffer);
}

PyObject *
net_loop_take_bytes(NetLoop *self, Py_ssize_t size, int *spare)
{
    assert(size <= READ_SIZE_BYTES);
    *spare = 0;
    while (SMALLEST_SPARE_BYTES << *spare < size) {
        (*spare)++;
    }
    PyObject *bytes = self->spare_bytes[*spare];
    self->spare_bytes[*spare] = NULL;
    if (bytes == NULL) {
        bytes = PyBytes_FromStringAndSize(NULL, SMALLEST_SPARE_BYTES << *spare);
    }
    if (bytes != NULL) {
        bytes_set_size(bytes, size);
    }
    return bytes;
}

void
net_loop_give_bytes_steal(NetLoop *self, PyObject *bytes, int spare)
{
    if (Py_REFCNT(bytes) != 1 || self->loop.is_closed) {
        Py_DECREF(bytes);
        return;
    }
    Py_XSETREF(self->spare_bytes[spare], bytes);
}

int
net_loop_claim(NetLoop *self, int fd, PyObject *transport)
{
    if (fd >= self->claims_size) {
        int size = self->claims_size == 0 ? 64 : self->claims_size;
        while (size <= fd) {
            size *= 2; /* an fd is far below INT_MAX / 2: the kernel's limit is 2**30 at the most */
        }
        PyObject **claims = realloc(self->claims, (size_t)size * sizeof(PyObject *));
        if (claims == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memset(claims + self->claims_size, 0,
               (size_t)(size - self->claims_size) * sizeof(PyObject *));
        self->claims = claims;
        self->claims_size = size;
    }
    self->claims[fd] = transport;
    return 0;
}

void
net_loop_release(NetLoop *self, int fd, PyObject *transport)
{
    if (net_loop_owner(self, fd) == transport) {
        self->claims[fd] = NULL;
    }
}

/* Whether no open transport of ours owns fd, which the error names as `fileobj`: 0, or -1 with
   RuntimeError. Runs Python. */
static int
ensure_no_transport(NetLoop *self, int fd, PyObject *fileobj)
{
    PyObject *transport = net_loop_owner(self, fd);
    if (transport == NULL || ((Transport *)transport)->is_closing) {
        return 0;
    }
    Py_INCREF(transport);
    PyErr_Format(PyExc_RuntimeError, "File descriptor %R is used by transport %R", fileobj,
                 transport); // runs Python
    Py_DECREF(transport);
    return -1;
}

/* Whether asyncio's table of its own transports, a WeakValueDictionary, has one for this fd: 1, 0 or -1. */
static int
stock_has_transport(NetLoop *self, PyObject *fd)
{
    core_state *state = self->loop.state;
    PyObject *transports = PyObject_GetAttr((PyObject *)self, state->name_transports);
    PyObject *data = transports == NULL ? NULL : PyObject_GetAttr(transports, state->name_data);
    int has = data == NULL               ? -1
              : PyDict_CheckExact(data) ? PyDict_Contains(data, fd)
                                        : PySequence_Contains(transports, fd);
    Py_XDECREF(transports);
    Py_XDECREF(data);
    return has;
}

int
net_loop_ensure_fd_is_free(NetLoop *self, int fd)
{
    PyObject *number = PyLong_FromLong(fd);
    int status = number == NULL ? -1 : ensure_no_transport(self, fd, number);
    if (status == 0) {
        status = stock_has_transport(self, number);
    }
    if (status > 0) { /* asyncio tells whether it is open, and of it */
        status = status_steal(PyObject_CallMethodOneArg(
            (PyObject *)self, self->loop.state->name_ensure_fd_no_transport, number));
    }
    Py_XDECREF(number);
    return status;
}

/* Sends what transports held back while the callbacks ran. Keeps the pending exception. */
static void
flush_corked(Loop *loop)
{
    NetLoop *self = (NetLoop *)loop;
    if (llist_is_empty(&self->corked)) {
        return;
    }
    PyObject *pending = PyErr_GetRaisedException();
    while (!llist_is_empty(&self->corked)) {
        transport_uncork_first(self); // runs Python
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

static PyObject *
NetLoop_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    NetLoop *self = (NetLoop *)Loop_new(type, args, kwargs);
    if (self != NULL) {
        llist_init(&self->corked);
        self->loop.after_batch = flush_corked;
    }
    return (PyObject *)self;
}

static void
NetLoop_dealloc(PyObject *op)
{
    NetLoop *self = (NetLoop *)op;
    PyObject_GC_UnTrack(op);
    free(self->read_buffer);
    free(self->plain_buffer);
    free(self->claims);
    for (int i = 0; i < SPARE_SIZES; i++) {
        Py_CLEAR(self->spare_bytes[i]);
    }
    self->read_buffer = self->plain_buffer = NULL;
    self->claims = NULL;
    self->claims_size = 0;
    Loop_dealloc(op);
}

static PyObject *
NetLoop_owner_of(PyObject *op, PyObject *fd)
{
    long number = PyLong_AsLong(fd);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *owner = number > INT_MAX ? NULL : net_loop_owner((NetLoop *)op, (int)number);
    return new_or_none(owner);
}

/* _set_owner(fd, transport): one of ours, which leaves the table when it lets go of that fd; or None. */
static PyObject *
NetLoop_set_owner(PyObject *op, PyObject *args)
{
    NetLoop *self = (NetLoop *)op;
    int fd;
    PyObject *transport;
    if (!PyArg_ParseTuple(args, "iO:_set_owner", &fd, &transport)) {
        return NULL;
    }
    if (transport == Py_None) {
        net_loop_release(self, fd, net_loop_owner(self, fd));
    }
    else if (!PyObject_TypeCheck(transport, self->loop.state->Transport_type)
             || ((Transport *)transport)->loop != self || ((Transport *)transport)->fd != fd) {
        PyErr_SetString(PyExc_ValueError, "not the open transport of this loop and fd");
        return NULL;
    }
    else if (net_loop_claim(self, fd, transport) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
NetLoop_send_held_back(PyObject *op, PyObject *Py_UNUSED(unused))
{
    flush_corked((Loop *)op); // runs Python
    Py_RETURN_NONE;
}

static PyMethodDef NetLoop_methods[] = {
    NET_ACCEPT_METHODS,
    NET_SOCK_METHODS,
    NET_RESOLVE_METHODS,
    {"_owner_of", NetLoop_owner_of, METH_O,
     "_owner_of($self, fd, /)\n--\n\nOur transport that owns a file descriptor, or None."},
    {"_send_held_back", NetLoop_send_held_back, METH_NOARGS, NULL},
    {"_set_owner", NetLoop_set_owner, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot NetLoop_slots[] = {
    {Py_tp_doc, "The C half of pyasync.EventLoop, with sockets and transports."},
    {Py_tp_new, NetLoop_new},
    {Py_tp_traverse, Loop_traverse},
    {Py_tp_clear, Loop_clear},
    {Py_tp_dealloc, NetLoop_dealloc},
    {Py_tp_methods, NetLoop_methods},
    {0, NULL},
};

static PyType_Spec NetLoop_spec = {
    .name = "pyasync._core.NetLoop",
    .basicsize = sizeof(NetLoop),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = NetLoop_slots,
};

int
net_loop_init_type(PyObject *module, core_state *state)
{
    return state_add_type(module, &state->NetLoop_type, &NetLoop_spec,
                          (PyObject *)state->Loop_type);
}
