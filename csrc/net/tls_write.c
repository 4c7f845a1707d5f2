/* tls_write.c -- the application's plaintext becomes ciphertext for the lower transport.

   What is written at once is encrypted in slices and sent in one piece. Before the handshake is done
   it waits in the backlog; while the lower transport is paused, ciphertext waits here.

   Invariants
   1. Flow control is asked after every change of what is unsent. */

#include "net/tls_protocol.h"

#include "core/answer.h"
#include "core/report.h"
#include "net/join.h"
#include "net/stream_transport.h"

#include <string.h>

/* ---- flow control ---- */

/* Bytes that the application has written and the lower transport has not got; or -1. */
static Py_ssize_t
unsent(TLSProtocol *self)
{
    Py_ssize_t outgoing = tls_engine_outgoing_size(self->engine);
    return outgoing < 0 ? -1 : outgoing + self->held_size + self->write_buffer_size;
}

/* protocol.pause_writing() or resume_writing(): what that raises goes to the exception handler. */
static int
call_flow(TLSProtocol *self, PyObject *name, const char *message)
{
    core_state *state = self->engine->state;
    PyObject *protocol = new_or_none(self->app_protocol);
    PyObject *loop = new_or_none(self->loop);
    int status = status_steal(PyObject_CallMethodNoArgs(protocol, name)); // runs Python
    if (status < 0 && !report_must_pass()) {
        PyObject *exception = PyErr_GetRaisedException();
        PyObject *transport = new_or_none(self->app_transport);
        status = report_handled(state, loop, PyUnicode_FromString(message), exception,
                                (PyObject *[][2]){{state->name_exception, exception},
                                                  {state->name_transport, transport},
                                                  {state->name_protocol, (PyObject *)self},
                                                  {NULL, NULL}}); // runs Python
        Py_DECREF(transport);
        Py_DECREF(exception);
    }
    Py_DECREF(loop);
    Py_DECREF(protocol);
    return status;
}

/* Pauses and resumes the application's writing: 0 or -1. Runs Python. */
static int
tls_control_writing(TLSProtocol *self)
{
    core_state *state = self->engine->state;
    flow_control *flow = &self->outgoing;
    if (self->engine->native == NULL) {
        return tls_do_as_stock(self, "_control_app_writing"); // runs Python
    }
    Py_ssize_t size = unsent(self);
    if (size < 0) {
        return -1;
    }
    if ((size_t)size >= flow->high_water && !flow->is_paused) {
        flow->is_paused = true;
        return call_flow(self, state->name_pause_writing, "protocol.pause_writing() failed");
    }
    if ((size_t)size <= flow->low_water && flow->is_paused) {
        flow->is_paused = false;
        return call_flow(self, state->name_resume_writing, "protocol.resume_writing() failed");
    }
    return 0;
}

/* ---- sending ciphertext ---- */

/* Whether the lower transport is our own, and nobody has put a spy in its method's place. */
static bool
is_plain_stream(core_state *state, PyObject *transport)
{
    return transport != NULL && Py_IS_TYPE(transport, state->StreamTransport_type)
           && ((Transport *)transport)->dict == NULL;
}

/* transport.write() of chunks in one piece, as asyncio calls it. Runs Python. */
static PyObject *
write_joined(core_state *state, PyObject *transport, PyObject *chunks)
{
    PyObject *data = join_bytes(chunks);
    PyObject *answer = data == NULL ? NULL
                                    : PyObject_CallMethodOneArg(transport, state->name_write, data);
    Py_XDECREF(data);
    return answer;
}

/* Writes bytes, or a list of bytes, to the lower transport: 0 or -1. Runs Python. */
static int
call_transport(core_state *state, TLSProtocol *self, PyObject *data)
{
    PyObject *transport = new_or_none(self->transport);
    PyObject *answer;
    bool is_list = PyList_CheckExact(data);
    if (is_plain_stream(state, transport)) {
        answer = is_list ? Stream_writelines(transport, &data, 1, NULL)
                         : Stream_write(transport, &data, 1, NULL);
    }
    else {
        answer = is_list ? write_joined(state, transport, data)
                         : PyObject_CallMethodOneArg(transport, state->name_write, data);
    }
    Py_DECREF(transport);
    return status_steal(answer);
}

/* Moves what the engine has encrypted to the held chunks: 0 or -1. */
static int
hold(TLSProtocol *self)
{
    PyObject *chunk = tls_engine_drain(self->engine);
    if (chunk == NULL) {
        return -1;
    }
    Py_ssize_t size = PyBytes_GET_SIZE(chunk);
    if (self->held == NULL) {
        self->held = PyList_New(0);
    }
    int status = self->held == NULL ? -1 : size == 0 ? 0 : PyList_Append(self->held, chunk);
    Py_DECREF(chunk);
    self->held_size += status == 0 ? size : 0;
    return status;
}

/* Sends what is held, with what the engine has: 0 or -1. Runs Python. */
static int
send_held(core_state *state, TLSProtocol *self)
{
    if (hold(self) < 0) {
        return -1;
    }
    PyObject *held = self->held;
    self->held = NULL;
    self->held_size = 0;
    int status = call_transport(state, self, held); // runs Python
    Py_DECREF(held);
    return status;
}

/* Sends what the engine has: 0 or -1. Runs Python. */
static int
send_outgoing(core_state *state, TLSProtocol *self)
{
    PyObject *data = tls_engine_drain(self->engine);
    int status = data == NULL ? -1 : call_transport(state, self, data);
    Py_XDECREF(data);
    return status;
}

/* As tls_send(), where a write that began before the lower transport paused goes on. */
static int
send_unless(TLSProtocol *self, bool is_paused)
{
    core_state *state = self->engine->state;
    int status = 0;
    if (self->engine->native == NULL) {
        return tls_do_as_stock(self, "_process_outgoing"); // runs Python
    }
    Py_ssize_t size = tls_engine_outgoing_size(self->engine);
    if (size < 0) {
        return -1;
    }
    if (is_paused) {
        status = size > TLS_SLICE_BYTES ? hold(self) : 0;
    }
    else if (self->held != NULL) {
        status = send_held(state, self); // runs Python
    }
    else if (size > 0) {
        status = send_outgoing(state, self); // runs Python
    }
    return status < 0 ? -1 : tls_control_writing(self);
}

int
tls_send(TLSProtocol *self)
{
    return send_unless(self, self->ssl_writing_paused);
}

/* ---- encrypting ---- */

/* Encrypts a large buffer slice by slice, each of which is sent or held: how much of it, or TLS_FAILED.
   Memory that is given back at once is used again; that of a whole burst comes fresh from the kernel
   (1 MiB: 1.07 ms of CPU time held together, see docs/performance.md). */
static Py_ssize_t
encrypt_slices(TLSProtocol *self, const char *data, Py_ssize_t size, bool is_paused)
{
    core_state *state = self->engine->state;
    Py_ssize_t done = 0;
    while (done < size) {
        Py_ssize_t left = size - done;
        Py_ssize_t slice = left < TLS_SLICE_BYTES ? left : TLS_SLICE_BYTES;
        Py_ssize_t taken = tls_engine_write_memory(self->engine, data + done, slice);
        if (taken < 0) {
            return taken == TLS_AGAIN ? done : TLS_FAILED;
        }
        done += taken;
        if (done < size && (is_paused ? hold(self) : send_outgoing(state, self)) < 0) {
            return TLS_FAILED; // ran Python
        }
    }
    return done;
}

/* Encrypts data of `length` units (asyncio's len()): how many of them; TLS_AGAIN, or TLS_FAILED. */
static Py_ssize_t
encrypt_data(TLSProtocol *self, PyObject *data, Py_ssize_t length, bool is_paused)
{
    Py_buffer view;
    if (length <= TLS_SLICE_BYTES || !is_plain_stream(self->engine->state, self->transport)
        || PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear(); /* the engine meets it again */
        return tls_engine_write(self->engine, data); // runs Python
    }
    Py_ssize_t taken = encrypt_slices(self, view.buf, view.len, is_paused); // runs Python
    PyBuffer_Release(&view);
    return taken;
}

/* Puts data, as it is now, at the backlog's end: 0 or -1. */
static int
queue(core_state *state, TLSProtocol *self, PyObject *data)
{
    PyObject *bytes = PyBytes_CheckExact(data) ? Py_NewRef(data) : PyBytes_FromObject(data);
    if (bytes == NULL) {
        return -1;
    }
    PyObject *backlog = new_or_none(self->write_backlog);
    PyObject *answer = PyObject_CallMethodOneArg(backlog, state->name_append, bytes);
    Py_DECREF(backlog);
    self->write_buffer_size += answer == NULL ? 0 : PyBytes_GET_SIZE(bytes);
    Py_DECREF(bytes);
    return status_steal(answer);
}

/* Queues what encrypting has left over. */
static int
queue_rest(core_state *state, TLSProtocol *self, PyObject *data, Py_ssize_t taken,
           Py_ssize_t length)
{
    if (taken <= 0) {
        return queue(state, self, data);
    }
    PyObject *rest = PySequence_GetSlice(data, taken, length); // runs Python
    int status = rest == NULL ? -1 : queue(state, self, rest);
    Py_XDECREF(rest);
    return status;
}

static Py_ssize_t
backlog_count(TLSProtocol *self)
{
    return PyObject_Size(self->write_backlog == NULL ? Py_None : self->write_backlog);
}

/* As tls_write_backlog(); and send_unless(). */
static int
write_backlog(TLSProtocol *self, bool is_paused)
{
    Py_ssize_t count = backlog_count(self);
    if (count <= 0) {
        return count < 0 ? -1 : send_unless(self, is_paused);
    }
    return tls_do_as_stock(self, "_do_write"); // runs Python
}

int
tls_write_backlog(TLSProtocol *self)
{
    return write_backlog(self, self->ssl_writing_paused);
}

/* Whether data may be encrypted at once: 1, 0 or -1. */
static int
can_encrypt(core_state *state, TLSProtocol *self)
{
    if (self->state != state->ssl_WRAPPED || self->engine->native == NULL) {
        return 0;
    }
    Py_ssize_t count = backlog_count(self);
    return count < 0 ? -1 : count == 0;
}

/* A write to a connection that is closing or closed: counts it, and warns from the fifth on. */
static int
count_lost_write(core_state *state, TLSProtocol *self)
{
    enum { WRITES_BEFORE_WARNING = 5 }; /* asyncio.constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES */
    PyObject *answer = NULL;
    if (self->conn_lost >= WRITES_BEFORE_WARNING) {
        answer = PyObject_CallMethod(state->logger, "warning", "s", "SSL connection is closed");
        if (answer == NULL) {
            return -1;
        }
        Py_DECREF(answer);
    }
    self->conn_lost++;
    return 0;
}

/* Encrypts data, or queues it where that is not possible now: 0 or -1. Runs Python. */
static int
take(core_state *state, TLSProtocol *self, PyObject *data, bool is_paused)
{
    int is_now = can_encrypt(state, self);
    if (is_now <= 0) {
        return is_now < 0 ? -1 : queue(state, self, data);
    }
    Py_ssize_t length = PyObject_Size(data);
    Py_ssize_t taken = length < 0 ? TLS_FAILED
                                  : encrypt_data(self, data, length, is_paused); // runs Python
    if (taken == TLS_FAILED) {
        return -1;
    }
    return taken < length ? queue_rest(state, self, data, taken, length) : 0;
}

int
tls_write(TLSProtocol *self, PyObject *const *chunks, Py_ssize_t count)
{
    core_state *state = self->engine->state;
    if (self->state != state->ssl_WRAPPED && self->state != state->ssl_DO_HANDSHAKE) {
        return count_lost_write(state, self);
    }
    int status = 0;
    bool is_paused = self->ssl_writing_paused;
    for (Py_ssize_t i = 0; status == 0 && i < count; i++) {
        status = take(state, self, chunks[i], is_paused); // runs Python
    }
    if (status == 0 && self->state == state->ssl_WRAPPED) {
        status = write_backlog(self, is_paused); // runs Python
    }
    return status == 0 ? 0 : tls_end_by_exception(self);
}

/* ---- what Python sees ---- */

/* Whether lines are a list or a tuple of what write() takes: of others, and of iterators that may
   raise, asyncio keeps what came before. */
static bool
are_bytes_like(PyObject *lines)
{
    if (!PyList_CheckExact(lines) && !PyTuple_CheckExact(lines)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(lines); i++) {
        PyObject *chunk = PySequence_Fast_GET_ITEM(lines, i);
        if (!PyBytes_Check(chunk) && !PyByteArray_Check(chunk) && !PyMemoryView_Check(chunk)) {
            return false;
        }
    }
    return true;
}

/* (list_of_data): all of them are sent together. */
PyObject *
TLS_write_appdata(PyObject *op, PyObject *lines)
{
    TLSProtocol *self = (TLSProtocol *)op;
    core_state *state = self->engine->state;
    if (self->state != state->ssl_WRAPPED && self->state != state->ssl_DO_HANDSHAKE) {
        return none_or_null(count_lost_write(state, self));
    }
    if (!are_bytes_like(lines)) {
        return tls_call_stock(self, "_write_appdata", lines); // runs Python
    }
    PyObject *chunks = PySequence_Tuple(lines);
    if (chunks == NULL) {
        return NULL;
    }
    int status = tls_write(self, &PyTuple_GET_ITEM(chunks, 0), PyTuple_GET_SIZE(chunks));
    Py_DECREF(chunks);
    return none_or_null(status);
}

PyObject *
TLS_do_write(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_null(tls_write_backlog((TLSProtocol *)op));
}

PyObject *
TLS_process_outgoing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_null(tls_send((TLSProtocol *)op));
}

PyObject *
TLS_control_app_writing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_null(tls_control_writing((TLSProtocol *)op));
}

PyObject *
TLS_get_write_buffer_size(PyObject *op, PyObject *Py_UNUSED(unused))
{
    TLSProtocol *self = (TLSProtocol *)op;
    if (self->engine->native == NULL) {
        return tls_call_stock(self, "_get_write_buffer_size", NULL);
    }
    Py_ssize_t size = unsent(self);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

PyObject *
TLS_pause_writing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ((TLSProtocol *)op)->ssl_writing_paused = true;
    Py_RETURN_NONE;
}

PyObject *
TLS_resume_writing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ((TLSProtocol *)op)->ssl_writing_paused = false;
    return TLS_process_outgoing(op, NULL);
}

/* The connection is lost: so is what was not sent. */
PyObject *
TLS_drop_held(PyObject *op, PyObject *Py_UNUSED(unused))
{
    TLSProtocol *self = (TLSProtocol *)op;
    self->held_size = 0;
    Py_CLEAR(self->held);
    Py_RETURN_NONE;
}
