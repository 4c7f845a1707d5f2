/* tls_read.c -- ciphertext from the lower transport becomes plaintext for the application.

   One call of the application's protocol for all that arrived together, as in asyncio. Ciphertext
   goes through the engine in slices, plaintext is gathered in the loop's second buffer.

   Invariants
   1. The loop's plaintext buffer is used by one decryption at a time (NetLoop.is_decrypting). */

#include "net/tls_protocol.h"

#include "base/check.h"
#include "core/answer.h"
#include "net/join.h"
#include "net/net_loop.h"

#include <string.h>

/* The loop whose buffer this connection decrypts into now, or NULL. */
static NetLoop *
loop_to_decrypt_in(core_state *state, TLSProtocol *self)
{
    NetLoop *loop = self->loop == NULL ? NULL : net_loop_cast(state, self->loop);
    return loop != NULL && !loop->is_decrypting && self->engine->native != NULL ? loop : NULL;
}

/* ---- decrypting ---- */

typedef struct {
    char *buffer; /* READ_SIZE_BYTES */
    Py_ssize_t used;
    PyObject *full; /* a list of bytes: buffers that were filled before; or NULL */
} plaintext;

/* Makes room: 0 or -1. */
static int
put_aside(plaintext *text)
{
    PyObject *chunk = PyBytes_FromStringAndSize(text->buffer, text->used);
    if (chunk != NULL && text->full == NULL) {
        text->full = PyList_New(0);
    }
    int status = chunk == NULL || text->full == NULL ? -1 : PyList_Append(text->full, chunk);
    Py_XDECREF(chunk);
    text->used = 0;
    return status;
}

/* Decrypts what has been fed: TLS_AGAIN when that is used up, or less than the largest record and more
   will be fed; 0 where the peer has closed its side, or TLS_FAILED. */
static Py_ssize_t
decrypt_fed(TLSEngine *engine, plaintext *text, bool will_feed)
{
    for (;;) {
        Py_ssize_t count = tls_engine_read(engine, text->buffer + text->used,
                                           READ_SIZE_BYTES - text->used);
        if (count <= 0) {
            return count;
        }
        text->used += count;
        if (text->used == READ_SIZE_BYTES) {
            if (put_aside(text) < 0) {
                return TLS_FAILED;
            }
            continue; /* the record may go on */
        }
        /* There was room left, so the record is at its end: asking again with nothing to decrypt
           would cost an exception. */
        Py_ssize_t left = tls_engine_incoming_size(engine);
        if (left <= 0 || (will_feed && left < TLS_FEED_BYTES)) {
            return left < 0 ? TLS_FAILED : TLS_AGAIN;
        }
    }
}

/* Feeds and decrypts slice by slice; as decrypt_fed(). */
static Py_ssize_t
decrypt(TLSEngine *engine, const char *input, Py_ssize_t input_size, plaintext *text)
{
    Py_ssize_t count;
    do {
        Py_ssize_t slice = input_size < TLS_FEED_BYTES ? input_size : TLS_FEED_BYTES;
        if (slice > 0 && tls_engine_feed(engine, input, slice) < 0) {
            return TLS_FAILED;
        }
        input += slice;
        input_size -= slice;
        count = decrypt_fed(engine, text, input_size > 0);
    } while (count == TLS_AGAIN && input_size > 0);
    if (count == 0 && input_size > 0 && tls_engine_feed(engine, input, input_size) < 0) {
        return TLS_FAILED;
    }
    return count;
}

/* The whole as one bytes object, or NULL. */
static PyObject *
plaintext_as_bytes(plaintext *text)
{
    if (text->full == NULL) {
        return PyBytes_FromStringAndSize(text->buffer, text->used);
    }
    if (text->used > 0 && put_aside(text) < 0) {
        return NULL;
    }
    return join_bytes(text->full);
}

/* ---- passing it on ---- */

static int
pass_on(core_state *state, TLSProtocol *self, plaintext *text)
{
    if (text->used == 0 && text->full == NULL) {
        return 0;
    }
    PyObject *protocol = new_or_none(self->app_protocol);
    native_receive receive = self->app_receive;
    PyObject *data = receive != NULL && text->full == NULL ? NULL : plaintext_as_bytes(text);
    int status = -1;
    if (data == NULL && !PyErr_Occurred()) {
        status = receive(protocol, text->buffer, text->used); // runs Python
    }
    else if (data != NULL && receive != NULL) {
        status = receive(protocol, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
    }
    else if (data != NULL) {
        PyObject *args[] = {protocol, data};
        status = status_steal(PyObject_VectorcallMethod(state->name_data_received, args, 2, NULL));
    }
    Py_XDECREF(data);
    Py_DECREF(protocol);
    return status;
}

/* The peer has closed its side. 0 or -1. Runs Python. */
static int
read_end(core_state *state, TLSProtocol *self)
{
    PyObject *answer = PyObject_CallMethodNoArgs((PyObject *)self, state->name_call_eof_received);
    if (answer != NULL) {
        Py_SETREF(answer,
                  PyObject_CallMethodNoArgs((PyObject *)self, state->name_start_shutdown));
    }
    return status_steal(answer);
}

static int
read_for_protocol(core_state *state, TLSProtocol *self, NetLoop *loop, const char *input,
                  Py_ssize_t input_size)
{
    plaintext text = {.buffer = net_loop_plain_buffer(loop)};
    if (text.buffer == NULL) {
        return -1;
    }
    loop->is_decrypting = true;
    Py_ssize_t count = decrypt(self->engine, input, input_size, &text); // runs Python
    loop->is_decrypting = false;
    int status = count == TLS_FAILED ? -1 : pass_on(state, self, &text); // runs Python
    Py_XDECREF(text.full);
    return status == 0 && count == 0 ? read_end(state, self) : status;
}

/* Reads into the buffer of an asyncio.BufferedProtocol until it is full: how much, and in *count what the
   engine said last. Runs Python. */
static Py_ssize_t
fill(TLSEngine *engine, char *buffer, Py_ssize_t size, Py_ssize_t *count)
{
    Py_ssize_t filled = 0;
    do {
        *count = tls_engine_read(engine, buffer + filled, size - filled); // runs Python
        filled += *count > 0 ? *count : 0;
    } while (*count > 0 && filled < size);
    return filled;
}

/* The buffer that get_buffer() gave, to be written into: 0, or -1 with what len() or ssl's read() say of
   what is none. Runs Python. */
static int
get_writable(PyObject *buffer, Py_buffer *view)
{
    if (PyObject_Size(buffer) < 0) {
        return -1;
    }
    if (PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE) == 0) {
        return 0;
    }
    PyErr_Clear();
    PyObject *args = PyTuple_Pack(2, buffer, buffer);
    PyObject *size;
    int is_parsed = args != NULL && PyArg_ParseTuple(args, "Ow*:read", &size, view);
    Py_XDECREF(args);
    return is_parsed ? 0 : -1;
}

/* loop.call_soon(self._do_read), for what did not fit into the buffer. */
static int
read_again_soon(core_state *state, TLSProtocol *self, NetLoop *loop)
{
    PyObject *method = PyObject_GetAttr((PyObject *)self, state->name_do_read);
    PyObject *answer = method == NULL ? NULL
                                      : PyObject_CallMethodOneArg((PyObject *)loop,
                                                                  state->name_call_soon, method);
    Py_XDECREF(method);
    return status_steal(answer);
}

/* One of the two methods kept of an asyncio.BufferedProtocol, as it is now. Runs Python, which may put
   another one there. */
static PyObject *
call_kept(PyObject **place, PyObject *argument)
{
    PyObject *method = new_or_none(*place);
    PyObject *answer = PyObject_CallOneArg(method, argument); // runs Python
    Py_DECREF(method);
    return answer;
}

static int
read_into_protocol(core_state *state, TLSProtocol *self, NetLoop *loop)
{
    Py_buffer view;
    Py_ssize_t hint = tls_engine_incoming_size(self->engine);
    PyObject *number = hint < 0 ? NULL : PyLong_FromSsize_t(hint);
    PyObject *buffer = number == NULL ? NULL : call_kept(&self->app_get_buffer, number);
    int status = buffer == NULL ? -1 : get_writable(buffer, &view);
    Py_ssize_t count = 0, filled = 0;
    if (status == 0) {
        filled = fill(self->engine, view.buf, view.len, &count); // runs Python
        status = count == TLS_FAILED ? -1 : 0;
        if (status == 0 && count > 0) {
            status = read_again_soon(state, self, loop);
        }
        PyBuffer_Release(&view);
    }
    if (status == 0 && filled > 0) {
        Py_SETREF(number, PyLong_FromSsize_t(filled));
        status = number == NULL ? -1
                                : status_steal(call_kept(&self->app_buffer_updated, number));
    }
    Py_XDECREF(number);
    Py_XDECREF(buffer);
    return status == 0 && count == 0 ? read_end(state, self) : status;
}

/* Pauses and resumes the lower transport's reading: 0 or -1. Runs Python. */
static int
control_reading(core_state *state, TLSProtocol *self)
{
    PyObject *method = NULL;
    if (self->engine->native == NULL) {
        return tls_do_as_stock(self, "_control_ssl_reading"); // runs Python
    }
    Py_ssize_t size = tls_engine_incoming_size(self->engine);
    if (size < 0) {
        return -1;
    }
    if ((size_t)size >= self->incoming.high_water && !self->incoming.is_paused) {
        method = state->name_pause_reading;
    }
    else if ((size_t)size <= self->incoming.low_water && self->incoming.is_paused) {
        method = state->name_resume_reading;
    }
    if (method == NULL) {
        return 0;
    }
    self->incoming.is_paused = !self->incoming.is_paused;
    PyObject *transport = new_or_none(self->transport);
    PyObject *answer = PyObject_CallMethodNoArgs(transport, method); // runs Python
    Py_DECREF(transport);
    return status_steal(answer);
}

/* Decrypts what has been fed, and after that `input`, and passes it on; errors end the connection.
   0, or -1 with KeyboardInterrupt and the like. Runs Python. */
static int
tls_read(TLSProtocol *self, const char *input, Py_ssize_t input_size)
{
    core_state *state = self->engine->state;
    int status = 0;
    if (!self->app_reading_paused) {
        NetLoop *loop = loop_to_decrypt_in(state, self);
        if (loop == NULL) {
            assert(input_size == 0);
            return tls_do_as_stock(self, "_do_read"); // runs Python
        }
        Py_INCREF((PyObject *)loop);
        status = self->app_is_buffered ? read_into_protocol(state, self, loop)
                                       : read_for_protocol(state, self, loop, input, input_size);
        Py_DECREF((PyObject *)loop);
        if (status == 0) { // ran Python
            status = tls_write_backlog(self);
        }
    }
    if (status == 0) {
        status = control_reading(state, self); // runs Python
    }
    return status == 0 ? 0 : tls_end_by_exception(self);
}

/* Ciphertext that can't be decrypted at once: 0 or -1. */
static int
feed(TLSProtocol *self, const char *data, Py_ssize_t size)
{
    if (self->engine->native != NULL) {
        return tls_engine_feed(self->engine, data, size);
    }
    PyObject *answer = PyObject_CallMethod(self->engine->incoming, "write", "y#", data, size);
    return status_steal(answer); // runs Python
}

/* What the state asks for when ciphertext has arrived. 0 or -1. Runs Python. */
static int
go_on(core_state *state, TLSProtocol *self)
{
    if (self->state == state->ssl_WRAPPED) {
        return tls_read(self, NULL, 0);
    }
    PyObject *method = self->state == state->ssl_DO_HANDSHAKE ? state->name_do_handshake
                       : self->state == state->ssl_FLUSHING   ? state->name_do_flush
                       : self->state == state->ssl_SHUTDOWN   ? state->name_do_shutdown
                                                              : NULL;
    PyObject *answer = method == NULL ? Py_NewRef(Py_None)
                                      : PyObject_CallMethodNoArgs((PyObject *)self, method);
    return status_steal(answer);
}

int
tls_receive(PyObject *op, const char *data, Py_ssize_t size)
{
    TLSProtocol *self = (TLSProtocol *)op;
    core_state *state = self->engine->state;
    NetLoop *loop = loop_to_decrypt_in(state, self);
    if (loop != NULL && self->state == state->ssl_WRAPPED && !self->app_reading_paused
        && !self->app_is_buffered && !net_loop_is_plain_buffer(loop, data)) {
        return tls_read(self, data, size);
    }
    return feed(self, data, size) < 0 ? -1 : go_on(state, self);
}

/* ---- what Python sees ---- */

PyObject *
TLS_get_buffer(PyObject *op, PyObject *Py_UNUSED(size))
{
    TLSProtocol *self = (TLSProtocol *)op;
    if (tls_is_gone(self->ssl_buffer_view)) { /* our own transports do without */
        PyObject *buffer = PyByteArray_FromStringAndSize(NULL, READ_SIZE_BYTES);
        PyObject *view = buffer == NULL ? NULL : PyMemoryView_FromObject(buffer);
        if (view == NULL) {
            Py_XDECREF(buffer);
            return NULL;
        }
        Py_XSETREF(self->ssl_buffer, buffer);
        Py_XSETREF(self->ssl_buffer_view, view);
    }
    return Py_NewRef(self->ssl_buffer_view);
}

PyObject *
TLS_buffer_updated(PyObject *op, PyObject *size)
{
    TLSProtocol *self = (TLSProtocol *)op;
    Py_ssize_t count = PyLong_AsSsize_t(size);
    if (count == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(self->ssl_buffer_view == NULL ? Py_None : self->ssl_buffer_view, &view,
                           PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    count = count < 0 ? 0 : count < view.len ? count : view.len;
    int status = feed(self, view.buf, count); // runs Python
    PyBuffer_Release(&view);
    if (status == 0) {
        status = go_on(self->engine->state, self);
    }
    return none_or_null(status);
}

PyObject *
TLS_do_read(PyObject *op, PyObject *Py_UNUSED(unused))
{
    TLSProtocol *self = (TLSProtocol *)op;
    if (!tls_is_reading(self->engine->state, self)) {
        Py_RETURN_NONE;
    }
    return none_or_null(tls_read(self, NULL, 0));
}

PyObject *
TLS_control_ssl_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    TLSProtocol *self = (TLSProtocol *)op;
    return none_or_null(control_reading(self->engine->state, self));
}

PyObject *
TLS_get_read_buffer_size(PyObject *op, PyObject *Py_UNUSED(unused))
{
    TLSProtocol *self = (TLSProtocol *)op;
    if (self->engine->native == NULL) {
        return tls_call_stock(self, "_get_read_buffer_size", NULL);
    }
    Py_ssize_t size = tls_engine_incoming_size(self->engine);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}
