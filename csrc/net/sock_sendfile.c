/* sock_sendfile.c -- NetLoop's _sock_sendfile_native: a file to a socket, by the kernel.

   asyncio's own sock_sendfile() and sendfile() call it: they check the arguments, and read and send the
   file themselves where this raises SendfileNotAvailableError. All of that happens once a call.

   Invariants
   1. count of the NetCoroutine is what was sent; offset is where in the file the next byte is.
   2. The file's position is set to offset when it ends by itself; a cancelled one leaves it.
   Source: asyncio.unix_events._UnixSelectorEventLoop._sock_sendfile_native; sendfile(2). */

#include "net/sock_sendfile.h"

#include "core/report.h"
#include "net/net_methods.h"
#include "net/sock_op.h"
#include "poller/poller.h"

#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ITEM_FILE = ITEM_SECOND, ITEM_OFFSET = ITEM_THIRD, ITEM_COUNT };

typedef struct {
    NetCoroutine net;
    int file_fd;
    bool has_count;
    off_t offset;
    Py_ssize_t size; /* bytes to send; where there is no count, what the file had when it began */
} FileSending;

/* The pending exception was raised while `earlier` was being dealt with. Steals that. */
static void
chain_steal(PyObject *earlier)
{
    PyObject *pending = PyErr_GetRaisedException();
    PyException_SetContext(pending, earlier);
    PyErr_SetRaisedException(pending);
}

/* As os.lseek(), which older versions leave out where nothing was sent: 0, or -1 with OSError. */
static int
set_position(const FileSending *self)
{
    if (self->net.count == 0 && !self->net.coroutine.module_state->sendfile_always_seeks) {
        return 0;
    }
    if (lseek(self->file_fd, self->offset, SEEK_SET) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

/* "not a regular file", which the pending exception has shown. -1. */
static int
refuse_file(core_state *state)
{
    PyObject *reason = PyErr_GetRaisedException();
    PyErr_SetString(state->SendfileNotAvailableError, "not a regular file");
    chain_steal(reason);
    return -1;
}

/* file.fileno() as os.fstat() takes it: 0 or -1. Runs Python. */
static int
read_file_fd(FileSending *self)
{
    core_state *state = self->net.coroutine.module_state;
    PyObject *number = PyObject_CallMethodNoArgs(self->net.items[ITEM_FILE], state->name_fileno);
    if (number == NULL) {
        return PyErr_ExceptionMatches(PyExc_AttributeError)
                       || PyErr_ExceptionMatches(state->io_UnsupportedOperation)
                   ? refuse_file(state)
                   : -1;
    }
    long fd = PyLong_AsLong(number);
    Py_DECREF(number);
    if (fd > INT_MAX || fd < INT_MIN) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C int");
    }
    self->file_fd = (int)fd;
    return PyErr_Occurred() ? -1 : 0;
}

/* An int that fits, with room to add another. Leaves no exception. */
static bool
read_number(PyObject *object, long long *value)
{
    int overflow;
    *value = PyLong_Check(object) ? PyLong_AsLongLongAndOverflow(object, &overflow) : -1;
    return 0 <= *value && *value <= PY_SSIZE_T_MAX / 2;
}

/* What comes before the first try: 0, 1 where there is nothing to send, or -1. Runs Python. */
static int
start_sendfile(Coroutine *op, PyObject **result)
{
    FileSending *self = (FileSending *)op;
    struct stat about;
    long long offset, size = 0;
    if (read_file_fd(self) < 0) {
        return -1;
    }
    if (fstat(self->file_fd, &about) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return refuse_file(op->module_state);
    }
    (void)read_number(self->net.items[ITEM_OFFSET], &offset);
    self->has_count = read_number(self->net.items[ITEM_COUNT], &size) && size > 0;
    self->offset = (off_t)offset;
    self->size = self->has_count ? (Py_ssize_t)size : (Py_ssize_t)about.st_size;
    if (self->size == 0) {
        *result = PyLong_FromLong(0);
        return *result == NULL ? -1 : 1;
    }
    return sock_op_start(op, result);
}

/* One call of sendfile(): the disk may have to be waited for, so other threads run meanwhile. */
static ssize_t
send_part(FileSending *self, int fd, Py_ssize_t size)
{
    off_t offset = self->offset;
    ssize_t sent;
    do {
        Py_BEGIN_ALLOW_THREADS
        sent = sendfile(fd, self->file_fd, &offset, (size_t)size);
        Py_END_ALLOW_THREADS
    } while (sent < 0 && errno == EINTR && PyErr_CheckSignals() == 0); // runs Python
    return sent;
}

/* Raises what the OSError of a sendfile() is to the caller. Steals it. */
static void
raise_refusal_steal(FileSending *self, PyObject *error, int number, bool has_waited)
{
    if (self->net.count == 0) {
        PyErr_SetString(self->net.coroutine.module_state->SendfileNotAvailableError,
                        "os.sendfile call failed");
        Py_DECREF(error);
        return;
    }
    if (number == ENOTCONN && has_waited) {
        PyObject *cause = error;
        error = PyObject_CallFunction(PyExc_ConnectionError, "si", "socket is not connected",
                                      ENOTCONN);
        if (error == NULL) {
            Py_DECREF(cause);
            return;
        }
        PyException_SetCause(error, cause);
    }
    PyErr_SetRaisedException(error);
}

/* After a failed send_part(): 0 where it would block, else -1. */
static int
send_failed(FileSending *self, bool has_waited)
{
    int number = errno;
    bool is_refused = !PyErr_Occurred(); /* else a signal handler raised */
    if (is_refused) {
        if (sock_would_block(number)) {
            return 0;
        }
        PyErr_SetFromErrno(PyExc_OSError);
    }
    else if (report_must_pass()) {
        return -1;
    }
    PyObject *exception = PyErr_GetRaisedException();
    if (set_position(self) < 0) {
        chain_steal(exception);
    }
    else if (is_refused) {
        raise_refusal_steal(self, exception, number, has_waited);
    }
    else {
        PyErr_SetRaisedException(exception);
    }
    return -1;
}

/* Whether all is sent, as far as is known without asking. */
static bool
is_at_end(const FileSending *self)
{
    return self->has_count ? self->net.count >= self->size : self->offset >= (off_t)self->size;
}

static int
attempt_sendfile(NetCoroutine *net, int fd, PyObject **result)
{
    FileSending *self = (FileSending *)net;
    bool has_waited = net->fd >= 0;
    bool was_at_end = false;
    for (;;) {
        Py_ssize_t size = self->has_count ? self->size - net->count : self->size;
        ssize_t sent = size == 0 ? 0 : send_part(self, fd, size);
        if (sent < 0) {
            return send_failed(self, has_waited);
        }
        if (sent == 0) {
            break;
        }
        /* Here asyncio begins to wait in any case, and finds out. */
        if (net->count == 0 && !has_waited && net_loop_ensure_fd_is_free(net->loop, fd) < 0) {
            return -1;
        }
        self->offset += sent;
        net->count += sent;
        /* The end of the file shows by another call; a file that grows as fast as we send waits. */
        if (was_at_end || !is_at_end(self)) {
            return 0;
        }
        was_at_end = true;
    }
    if (set_position(self) < 0) {
        return -1;
    }
    *result = PyLong_FromSsize_t(net->count);
    return *result == NULL ? -1 : 1;
}

/* Whether asyncio would call the os.sendfile() that we know, and with numbers that fit. */
static bool
accepts_sendfile(core_state *state, PyObject *const *arguments, socket_address *Py_UNUSED(address))
{
    long long number;
    PyObject *count = arguments[ITEM_COUNT];
    if (!read_number(arguments[ITEM_OFFSET], &number)
        || (count != Py_None && !read_number(count, &number))) {
        return false;
    }
    PyObject *os = PyDict_GetItemWithError(state->unix_events_namespace, state->name_os);
    PyObject *function = os == NULL ? NULL : PyObject_GetAttr(os, state->name_sendfile);
    Py_XDECREF(function);
    return function != NULL && function == state->os_sendfile;
}

PyObject *
NetLoop_sock_sendfile_native(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames)
{
    static const sock_op sendfile_op = {
        .kind = {.name = "_sock_sendfile_native",
                 .qualname = "_UnixSelectorEventLoop._sock_sendfile_native",
                 .size_bytes = sizeof(FileSending),
                 .start = start_sendfile,
                 .traverse = net_coroutine_traverse,
                 .drop = sock_op_drop},
        .parameters = {{"sock", "file", "offset", "count"}, 4, 4, 4},
        .event = POLLER_WRITE,
        .waits_often = true,
        .accepts = accepts_sendfile,
        .attempt = attempt_sendfile,
    };
    return sock_op_call((NetLoop *)op, &sendfile_op, args, nargs, kwnames);
}

/* Whether asyncio's method that sets the position is told how much was sent, up to 3.13. */
int
sock_sendfile_init(core_state *state)
{
    PyObject *code = PyObject_GetAttrString(state->sendfile_update_position, "__code__");
    PyObject *count = code == NULL ? NULL : PyObject_GetAttrString(code, "co_argcount");
    long parameters = count == NULL ? -1 : PyLong_AsLong(count);
    Py_XDECREF(code);
    Py_XDECREF(count);
    state->sendfile_always_seeks = parameters == 3;
    return parameters < 0 ? -1 : 0;
}
