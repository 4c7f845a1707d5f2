/* tls_engine.c -- calling OpenSSL by way of the objects of the ssl module. */

#include "net/tls_engine.h"

#include "core/answer.h"

TLSEngine *
tls_engine_new(core_state *state)
{
    TLSEngine *self = PyObject_GC_New(TLSEngine, state->TLSEngine_type);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->sslobj = self->incoming = self->outgoing = self->native = NULL;
    PyObject_GC_Track((PyObject *)self);
    return self;
}

static bool
is_exactly(PyObject *object, PyObject *type)
{
    return object != NULL && (PyObject *)Py_TYPE(object) == type;
}

int
tls_engine_set(TLSEngine *self, PyObject **place, PyObject *object)
{
    core_state *state = self->state;
    Py_CLEAR(self->native); /* first: what is replaced may run Python */
    Py_XSETREF(*place, Py_XNewRef(object)); // runs Python (a destructor)
    if (state->ssl_MemoryBIO == NULL || !is_exactly(self->sslobj, state->ssl_SSLObject)
        || !is_exactly(self->incoming, state->ssl_MemoryBIO)
        || !is_exactly(self->outgoing, state->ssl_MemoryBIO)) {
        return 0;
    }
    PyObject *native = PyObject_GetAttr(self->sslobj, state->name_sslobj);
    if (native == NULL) {
        return -1;
    }
    if (is_exactly(native, state->ssl_SSLSocket)) {
        Py_XSETREF(self->native, native);
    }
    else {
        Py_DECREF(native);
    }
    return 0;
}

/* False with RuntimeError where what was called meanwhile has put other objects in here. */
static bool
is_usable(const TLSEngine *self)
{
    if (self->native == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the SSLObject was replaced while it was in use");
    }
    return self->native != NULL;
}

/* What the pending exception of a method of _ssl's comes to. */
static Py_ssize_t
failed_or_again(core_state *state)
{
    if (PyErr_ExceptionMatches(state->ssl_SSLWantReadError)
        || PyErr_ExceptionMatches(state->ssl_SSLSyscallError)) {
        PyErr_Clear(); /* as asyncio: it goes on when there is more */
        return TLS_AGAIN;
    }
    return TLS_FAILED;
}

/* The number that a method answered, which is given back. */
static Py_ssize_t
size_of_answer_steal(core_state *state, PyObject *answer)
{
    if (answer == NULL) {
        return failed_or_again(state);
    }
    Py_ssize_t size = PyLong_AsSsize_t(answer);
    Py_DECREF(answer);
    return size; /* _ssl answers no negative number but with an exception */
}

Py_ssize_t
tls_engine_do_handshake(TLSEngine *self)
{
    if (!is_usable(self)) {
        return TLS_FAILED;
    }
    PyObject *native = Py_NewRef(self->native);
    PyObject *answer = PyObject_Vectorcall(self->state->ssl_do_handshake, &native, 1, NULL);
    Py_DECREF(native); // ran Python
    if (answer == NULL) {
        return failed_or_again(self->state);
    }
    Py_DECREF(answer);
    return 0;
}

int
tls_engine_feed(TLSEngine *self, const char *data, Py_ssize_t size)
{
    PyObject *view = is_usable(self) ? PyMemoryView_FromMemory((char *)data, size, PyBUF_READ)
                                     : NULL;
    if (view == NULL) {
        return -1;
    }
    PyObject *args[] = {self->incoming, view};
    PyObject *answer = PyObject_Vectorcall(self->state->ssl_bio_write, args, 2, NULL);
    Py_DECREF(view);
    return status_steal(answer);
}

static Py_ssize_t
pending_in(const TLSEngine *self, PyObject *bio)
{
    if (!is_usable(self)) {
        return -1;
    }
    PyObject *descriptor = self->state->ssl_bio_pending;
    PyObject *number = Py_TYPE(descriptor)->tp_descr_get(descriptor, bio, (PyObject *)Py_TYPE(bio));
    Py_ssize_t size = number == NULL ? -1 : PyLong_AsSsize_t(number);
    Py_XDECREF(number);
    return size;
}

Py_ssize_t
tls_engine_incoming_size(TLSEngine *self)
{
    return pending_in(self, self->incoming);
}

Py_ssize_t
tls_engine_outgoing_size(TLSEngine *self)
{
    return pending_in(self, self->outgoing);
}

Py_ssize_t
tls_engine_read(TLSEngine *self, char *buffer, Py_ssize_t size)
{
    PyObject *number = is_usable(self) ? PyLong_FromSsize_t(size) : NULL;
    PyObject *view = number == NULL ? NULL : PyMemoryView_FromMemory(buffer, size, PyBUF_WRITE);
    PyObject *answer = NULL;
    if (view != NULL) {
        PyObject *native = Py_NewRef(self->native);
        PyObject *args[] = {native, number, view};
        answer = PyObject_Vectorcall(self->state->ssl_read, args, 3, NULL); // runs Python
        Py_DECREF(native);
    }
    Py_XDECREF(number);
    Py_XDECREF(view);
    return size_of_answer_steal(self->state, answer);
}

Py_ssize_t
tls_engine_write(TLSEngine *self, PyObject *data)
{
    if (!is_usable(self)) {
        return TLS_FAILED;
    }
    PyObject *native = Py_NewRef(self->native);
    PyObject *args[] = {native, data};
    PyObject *answer = PyObject_Vectorcall(self->state->ssl_write, args, 2, NULL); // runs Python
    Py_DECREF(native);
    return size_of_answer_steal(self->state, answer);
}

Py_ssize_t
tls_engine_write_memory(TLSEngine *self, const char *data, Py_ssize_t size)
{
    PyObject *view = PyMemoryView_FromMemory((char *)data, size, PyBUF_READ);
    Py_ssize_t taken = view == NULL ? TLS_FAILED : tls_engine_write(self, view);
    Py_XDECREF(view);
    return taken;
}

PyObject *
tls_engine_drain(TLSEngine *self)
{
    return is_usable(self) ? PyObject_Vectorcall(self->state->ssl_bio_read, &self->outgoing, 1, NULL)
                           : NULL;
}

/* ---- what Python sees: the tests drive it without a connection ---- */

/* (sslobj, incoming, outgoing) */
static PyObject *
Engine_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"sslobj", "incoming", "outgoing", NULL};
    PyObject *sslobj, *incoming, *outgoing;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO:_TLSEngine", keywords, &sslobj, &incoming,
                                     &outgoing)) {
        return NULL;
    }
    TLSEngine *self = tls_engine_new(state_of_type(type));
    if (self != NULL
        && (tls_engine_set(self, &self->incoming, incoming) < 0
            || tls_engine_set(self, &self->outgoing, outgoing) < 0
            || tls_engine_set(self, &self->sslobj, sslobj) < 0)) {
        Py_CLEAR(self);
    }
    if (self != NULL && self->native == NULL) {
        PyErr_SetString(PyExc_TypeError, "an ssl.SSLObject and its two ssl.MemoryBIOs are needed");
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static PyObject *
Engine_feed(PyObject *op, PyObject *data)
{
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    int status = tls_engine_feed((TLSEngine *)op, view.buf, view.len);
    PyBuffer_Release(&view);
    return none_or_null(status);
}

/* A size, None for TLS_AGAIN, or an exception. */
static PyObject *
size_as_python(Py_ssize_t size)
{
    return size == TLS_FAILED ? NULL : size == TLS_AGAIN ? Py_NewRef(Py_None)
                                                         : PyLong_FromSsize_t(size);
}

static PyObject *
Engine_read_into(PyObject *op, PyObject *buffer)
{
    Py_buffer view;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    Py_ssize_t size = tls_engine_read((TLSEngine *)op, view.buf, view.len); // runs Python
    PyBuffer_Release(&view);
    return size_as_python(size);
}

static PyObject *
Engine_write(PyObject *op, PyObject *data)
{
    return size_as_python(tls_engine_write((TLSEngine *)op, data)); // runs Python
}

static PyObject *
Engine_drain(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return tls_engine_drain((TLSEngine *)op);
}

static PyObject *
get_size(PyObject *op, void *is_outgoing)
{
    TLSEngine *self = (TLSEngine *)op;
    Py_ssize_t size = is_outgoing != NULL ? tls_engine_outgoing_size(self)
                                          : tls_engine_incoming_size(self);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

static int
Engine_traverse(PyObject *op, visitproc visit, void *arg)
{
    TLSEngine *self = (TLSEngine *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->sslobj);
    Py_VISIT(self->incoming);
    Py_VISIT(self->outgoing);
    Py_VISIT(self->native);
    return 0;
}

static int
Engine_clear(PyObject *op)
{
    TLSEngine *self = (TLSEngine *)op;
    Py_CLEAR(self->native); /* first: the others are not to be used without */
    Py_CLEAR(self->sslobj);
    Py_CLEAR(self->incoming);
    Py_CLEAR(self->outgoing);
    return 0;
}

static void
Engine_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Engine_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef Engine_methods[] = {
    {"feed", Engine_feed, METH_O, "feed($self, data, /)\n--\n\nTake ciphertext."},
    {"read_into", Engine_read_into, METH_O,
     "read_into($self, buffer, /)\n--\n\nPlaintext of a record, or the rest of one: the number of "
     "bytes, 0 where the peer\nhas closed its side, None where more ciphertext is needed.\n\n"
     "Raises ssl.SSLError."},
    {"write", Engine_write, METH_O,
     "write($self, data, /)\n--\n\nEncrypt data: the number of bytes, None where more ciphertext is "
     "needed first.\n\nRaises ssl.SSLError."},
    {"drain", Engine_drain, METH_NOARGS,
     "drain($self, /)\n--\n\nThe ciphertext that waits to be sent, as bytes."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Engine_getset[] = {
    {"incoming_size", get_size, NULL, "Bytes of ciphertext that were fed and not used.", NULL},
    {"outgoing_size", get_size, NULL, "Bytes of ciphertext that wait to be sent.",
     (void *)(uintptr_t)1},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Engine_slots[] = {
    {Py_tp_doc, "_TLSEngine(sslobj, incoming, outgoing)\n--\n\n"
                "One end of a TLS connection, without the connection."},
    {Py_tp_new, Engine_new},
    {Py_tp_traverse, Engine_traverse},
    {Py_tp_clear, Engine_clear},
    {Py_tp_dealloc, Engine_dealloc},
    {Py_tp_methods, Engine_methods},
    {Py_tp_getset, Engine_getset},
    {0, NULL},
};

static PyType_Spec Engine_spec = {
    .name = "pyasync._core._TLSEngine",
    .basicsize = sizeof(TLSEngine),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Engine_slots,
};

int
tls_engine_init_type(PyObject *module, core_state *state)
{
    return state_add_type(module, &state->TLSEngine_type, &Engine_spec, NULL);
}
