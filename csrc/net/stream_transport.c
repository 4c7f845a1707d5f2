/* stream_transport.c -- making a stream transport, its type, and what sendfile() asks of it. */

#include "net/stream_transport.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/args.h"
#include "core/awaitable.h"

#include <unistd.h>

static PyObject *
Stream_can_write_eof(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(unused))
{
    Py_RETURN_TRUE;
}

int
stream_fail_empty_waiter(StreamTransport *self, PyObject *exception)
{
    if (self->empty_waiter == NULL) {
        return 0;
    }
    return awaitable_set_exception(transport_state_of(&self->transport), self->empty_waiter,
                                   exception);
}

/* ---- for sendfile ---- */

static PyObject *
Stream_make_empty_waiter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    StreamTransport *self = (StreamTransport *)op;
    if (self->empty_waiter != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Empty waiter is already set");
        return NULL;
    }
    stream_flush(&self->transport); // runs Python where that fails
    if (self->transport.loop == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Transport is closing");
        return NULL;
    }
    core_state *state = transport_state_of(&self->transport);
    PyObject *waiter = loop_create_future(state, (PyObject *)self->transport.loop);
    if (waiter == NULL) {
        return NULL;
    }
    self->empty_waiter = Py_NewRef(waiter);
    if (self->queue.count == 0 && awaitable_set_result(state, waiter, Py_None) < 0) {
        Py_CLEAR(waiter);
    }
    return waiter;
}

static PyObject *
Stream_reset_empty_waiter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Py_CLEAR(((StreamTransport *)op)->empty_waiter);
    Py_RETURN_NONE;
}

/* ---- what the base asks of its kind ---- */

static size_t
Stream_buffer_size(Transport *transport)
{
    return ((StreamTransport *)transport)->queue.size_bytes;
}

static void
Stream_drop_buffer(Transport *transport)
{
    write_queue_clear(&((StreamTransport *)transport)->queue);
}

static int
Stream_protocol_changed(Transport *transport)
{
    StreamTransport *self = (StreamTransport *)transport;
    core_state *state = transport_state_of(&self->transport);
    int is_buffered = PyObject_IsInstance(transport->protocol, state->BufferedProtocol);
    if (is_buffered < 0) {
        return -1;
    }
    PyObject *method = is_buffered ? state->name_buffer_updated : state->name_data_received;
    self->is_buffered = is_buffered;
    self->receive = native_protocol_receive(state, transport->protocol, method);
    return 0;
}

static void
Stream_lost(Transport *transport)
{
    StreamTransport *self = (StreamTransport *)transport;
    PyObject *exception = PyObject_CallFunction(PyExc_ConnectionError, "s",
                                                "Connection is closed by peer");
    if (exception == NULL || stream_fail_empty_waiter(self, exception) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_XDECREF(exception);
}

static const transport_kind stream_kind = {
    .buffer_size = Stream_buffer_size,
    .drop_buffer = Stream_drop_buffer,
    .flush = stream_flush,
    .protocol_changed = Stream_protocol_changed,
    .lost = Stream_lost,
};

PyObject *
stream_transport_new(NetLoop *loop, PyObject *protocol, PyObject *waiter,
                     const transport_source *source)
{
    PyTypeObject *type = loop->loop.state->StreamTransport_type;
    StreamTransport *self = (StreamTransport *)type->tp_alloc(type, 0);
    if (self == NULL) {
        if (source->sock == NULL) {
            (void)close(source->fd);
        }
        return NULL;
    }
    LIVE_ADD(loop->loop.state, LIVE_TRANSPORT);
    self->sent_in = loop->loop.iteration - 1;
    if (transport_init(&self->transport, loop, protocol, source, &stream_kind) < 0
        || transport_schedule_start(&self->transport, waiter) < 0) {
        Py_DECREF(self); /* __del__ tells of it, and closes what it has taken */
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- the type ---- */

/* (loop, sock, protocol, waiter=None, extra=None, server=None, context=None) */
static PyObject *
Stream_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"loop", "sock", "protocol", "waiter", "extra",
                               "server", "context", NULL};
    core_state *state = state_of_type(type);
    PyObject *loop, *sock, *protocol, *waiter = Py_None, *extra = Py_None, *server = Py_None,
                                      *context = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OO|OOOO:_SelectorSocketTransport", keywords,
                                     state->NetLoop_type, &loop, &sock, &protocol, &waiter, &extra,
                                     &server, &context)) {
        return NULL;
    }
    transport_source source = {
        .sock = sock,
        .fd = -1,
        .extra = extra == Py_None ? NULL : extra,
        .server = server,
        .context = context == Py_None ? NULL : context,
    };
    return stream_transport_new((NetLoop *)loop, protocol, waiter, &source);
}

/* What is not sent yet: memoryviews, as in asyncio; before 3.12 one bytearray. */
static PyObject *
Stream_get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    StreamTransport *self = (StreamTransport *)op;
    stream_flush(&self->transport); // runs Python where that fails
    return WRITELINES_JOINS ? write_queue_as_bytearray(&self->queue)
                            : write_queue_as_list(&self->queue);
}

/* Who takes what is read: None once the transport is closing, as in asyncio. */
static PyObject *
Stream_get_read_ready_cb(PyObject *op, void *Py_UNUSED(closure))
{
    StreamTransport *self = (StreamTransport *)op;
    if (self->transport.is_closing) {
        Py_RETURN_NONE;
    }
    return PyObject_GetAttr(op, transport_state_of(&self->transport)->name_read_ready);
}

static PyObject *
Stream_get_empty_waiter(PyObject *op, void *Py_UNUSED(closure))
{
    return new_or_none(((StreamTransport *)op)->empty_waiter);
}

static int
Stream_traverse(PyObject *op, visitproc visit, void *arg)
{
    StreamTransport *self = (StreamTransport *)op;
    int status = write_queue_traverse(&self->queue, visit, arg);
    if (status != 0) {
        return status;
    }
    Py_VISIT(self->empty_waiter);
    return transport_traverse(op, visit, arg);
}

static int
Stream_clear(PyObject *op)
{
    StreamTransport *self = (StreamTransport *)op;
    write_queue_clear(&self->queue);
    Py_CLEAR(self->empty_waiter);
    return transport_clear(op);
}

static PyMethodDef Stream_methods[] = {
    {"write", FAST_METHOD(Stream_write),
     "write($self, data)\n--\n\nSend bytes; what the kernel does not take at once is sent when it "
     "does.\n\nRaises TypeError, and RuntimeError after write_eof(). As asyncio.WriteTransport."},
    {"writelines", FAST_METHOD(Stream_writelines),
     "writelines($self, list_of_data)\n--\n\nAs write() of all of them. As "
     "asyncio.WriteTransport."},
    {"write_eof", Stream_write_eof, METH_NOARGS,
     "write_eof($self, /)\n--\n\nClose the sending side when everything is sent. As "
     "asyncio.WriteTransport."},
    {"can_write_eof", Stream_can_write_eof, METH_NOARGS,
     "can_write_eof($self, /)\n--\n\nTrue. As asyncio.WriteTransport."},
    {"_read_ready", Stream_read_ready, METH_NOARGS, NULL},
    {"_write_ready", Stream_write_ready, METH_NOARGS, NULL},
    {"_make_empty_waiter", Stream_make_empty_waiter, METH_NOARGS, NULL},
    {"_reset_empty_waiter", Stream_reset_empty_waiter, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Stream_members[] = {
    {"_eof", T_BOOL, offsetof(StreamTransport, eof), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Stream_getset[] = {
    {"_buffer", Stream_get_buffer, NULL, NULL, NULL},
    {"_read_ready_cb", Stream_get_read_ready_cb, NULL, NULL, NULL},
    {"_empty_waiter", Stream_get_empty_waiter, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Stream_slots[] = {
    {Py_tp_doc, "A stream socket's transport. As asyncio.Transport."},
    {Py_tp_new, Stream_tp_new},
    {Py_tp_traverse, Stream_traverse},
    {Py_tp_clear, Stream_clear},
    {Py_tp_dealloc, transport_dealloc},
    {Py_tp_methods, Stream_methods},
    {Py_tp_members, Stream_members},
    {Py_tp_getset, Stream_getset},
    {0, NULL},
};

static PyType_Spec Stream_spec = {
    .name = "pyasync._core._SelectorSocketTransport",
    .basicsize = sizeof(StreamTransport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = Stream_slots,
};

/* The two attributes by which loop.start_tls() and loop.sendfile() know what a transport can do. */
static int
set_abilities(core_state *state)
{
    PyObject *type = (PyObject *)state->StreamTransport_type;
    PyObject *mode = PyObject_GetAttrString(state->SendfileMode, "TRY_NATIVE");
    int status = mode == NULL || PyObject_SetAttrString(type, "_sendfile_compatible", mode) < 0
                         || PyObject_SetAttrString(type, "_start_tls_compatible", Py_True) < 0
                     ? -1
                     : 0;
    Py_XDECREF(mode);
    return status;
}

int
stream_transport_init_type(PyObject *module, core_state *state)
{
    if (state_add_type(module, &state->StreamTransport_type, &Stream_spec,
                       (PyObject *)state->Transport_type) < 0) {
        return -1;
    }
    return set_abilities(state);
}
