/* tls_protocol.c -- the type: asyncio's attributes in the struct, and what reading and writing share. */

#include "net/tls_protocol.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/handled.h"

PyObject *
tls_call_stock(TLSProtocol *self, const char *name, PyObject *argument)
{
    PyObject *method = PyObject_GetAttrString(self->engine->state->stock_SSLProtocol, name);
    PyObject *answer = method == NULL ? NULL
                                      : PyObject_CallFunctionObjArgs(method, (PyObject *)self,
                                                                     argument, NULL);
    Py_XDECREF(method);
    return answer;
}

int
tls_do_as_stock(TLSProtocol *self, const char *name)
{
    return status_steal(tls_call_stock(self, name, NULL)); // runs Python
}

int
tls_end_by_exception(TLSProtocol *self)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1;
    }
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *outer = handled_begin(exception); /* the debug log asks for it */
    PyObject *answer = PyObject_CallMethod((PyObject *)self, "_fatal_error", "Os", exception,
                                           "Fatal error on SSL protocol"); // runs Python
    handled_end(outer);
    Py_DECREF(exception);
    return status_steal(answer);
}

/* ---- the application's protocol ---- */

static void
set_protocol_place(TLSProtocol *self, PyObject *protocol)
{
    self->app_receive = NULL;
    Py_XSETREF(self->app_protocol, Py_XNewRef(protocol)); // runs Python (a destructor)
}

/* Keeps the two methods of an asyncio.BufferedProtocol: 0 or -1. Runs Python. */
static int
keep_buffer_methods(core_state *state, TLSProtocol *self, PyObject *protocol)
{
    PyObject *get_buffer = PyObject_GetAttr(protocol, state->name_get_buffer);
    PyObject *updated = get_buffer == NULL ? NULL
                                           : PyObject_GetAttr(protocol, state->name_buffer_updated);
    if (updated == NULL) {
        Py_XDECREF(get_buffer);
        return -1;
    }
    Py_XSETREF(self->app_get_buffer, get_buffer);
    Py_XSETREF(self->app_buffer_updated, updated);
    return 0;
}

static PyObject *
TLS_set_app_protocol(PyObject *op, PyObject *protocol)
{
    TLSProtocol *self = (TLSProtocol *)op;
    core_state *state = self->engine->state;
    set_protocol_place(self, protocol);
    PyObject *get_buffer;
    int is_buffered = PyObject_GetOptionalAttr(protocol, state->name_get_buffer, &get_buffer);
    if (is_buffered > 0) { // ran Python
        Py_DECREF(get_buffer);
        is_buffered = PyObject_IsInstance(protocol, state->BufferedProtocol); // runs Python
    }
    if (is_buffered < 0 || (is_buffered && keep_buffer_methods(state, self, protocol) < 0)) {
        return NULL;
    }
    PyObject *method = is_buffered ? state->name_buffer_updated : state->name_data_received;
    native_receive receive = native_protocol_receive(state, protocol, method); // runs Python
    if (self->app_protocol == protocol) {
        self->app_receive = receive;
        self->app_is_buffered = is_buffered && receive == NULL;
    }
    Py_RETURN_NONE;
}

/* ---- attributes ---- */

static PyObject *
get_app_protocol(PyObject *op, void *Py_UNUSED(closure))
{
    return new_or_none(((TLSProtocol *)op)->app_protocol);
}

static int
set_app_protocol(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    set_protocol_place((TLSProtocol *)op, value);
    return 0;
}

/* _sslobj, _incoming, _outgoing: their places in the engine are the closures. */
static PyObject *
get_of_engine(PyObject *op, void *offset)
{
    return new_or_none(*(PyObject **)((char *)((TLSProtocol *)op)->engine + (size_t)offset));
}

static int
set_of_engine(PyObject *op, PyObject *value, void *offset)
{
    TLSEngine *engine = ((TLSProtocol *)op)->engine;
    return tls_engine_set(engine, (PyObject **)((char *)engine + (size_t)offset), value);
}

/* ---- the type ---- */

static PyObject *
TLS_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    core_state *state = state_of_type(type);
    TLSEngine *engine = tls_engine_new(state);
    TLSProtocol *self = engine == NULL ? NULL : (TLSProtocol *)type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_XDECREF(engine);
        return NULL;
    }
    LIVE_ADD(state, LIVE_TLS_PROTOCOL);
    self->engine = engine;
    self->native.receive = tls_receive;
    return (PyObject *)self;
}

static int
TLS_traverse(PyObject *op, visitproc visit, void *arg)
{
    TLSProtocol *self = (TLSProtocol *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT((PyObject *)self->engine);
    Py_VISIT(self->loop);
    Py_VISIT(self->transport);
    Py_VISIT(self->app_transport);
    Py_VISIT(self->app_protocol);
    Py_VISIT(self->app_get_buffer);
    Py_VISIT(self->app_buffer_updated);
    Py_VISIT(self->state);
    Py_VISIT(self->app_state);
    Py_VISIT(self->write_backlog);
    Py_VISIT(self->held);
    Py_VISIT(self->ssl_buffer);
    Py_VISIT(self->ssl_buffer_view);
    Py_VISIT(self->server_side);
    Py_VISIT(self->handshake_start_time);
    Py_VISIT(self->handshake_timeout_handle);
    Py_VISIT(self->shutdown_timeout_handle);
    return 0;
}

/* The engine stays: every method relies on it, and it breaks cycles of its own. */
static int
TLS_clear(PyObject *op)
{
    TLSProtocol *self = (TLSProtocol *)op;
    self->app_receive = NULL;
    Py_CLEAR(self->loop);
    Py_CLEAR(self->transport);
    Py_CLEAR(self->app_transport);
    Py_CLEAR(self->app_protocol);
    Py_CLEAR(self->app_get_buffer);
    Py_CLEAR(self->app_buffer_updated);
    Py_CLEAR(self->state);
    Py_CLEAR(self->app_state);
    Py_CLEAR(self->write_backlog);
    Py_CLEAR(self->held);
    Py_CLEAR(self->ssl_buffer);
    Py_CLEAR(self->ssl_buffer_view);
    Py_CLEAR(self->server_side);
    Py_CLEAR(self->handshake_start_time);
    Py_CLEAR(self->handshake_timeout_handle);
    Py_CLEAR(self->shutdown_timeout_handle);
    return 0;
}

static void
TLS_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    TLS_clear(op);
    Py_CLEAR(((TLSProtocol *)op)->engine);
    LIVE_SUB(state_of_dying_type(type), LIVE_TLS_PROTOCOL);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef TLS_methods[] = {
    {"get_buffer", TLS_get_buffer, METH_O,
     "get_buffer($self, n, /)\n--\n\nMemory for ciphertext. As asyncio.BufferedProtocol."},
    {"buffer_updated", TLS_buffer_updated, METH_O,
     "buffer_updated($self, nbytes, /)\n--\n\nCiphertext has arrived. As "
     "asyncio.BufferedProtocol."},
    {"pause_writing", TLS_pause_writing, METH_NOARGS,
     "pause_writing($self, /)\n--\n\nThe lower transport's buffer is full. As asyncio.Protocol."},
    {"resume_writing", TLS_resume_writing, METH_NOARGS,
     "resume_writing($self, /)\n--\n\nThe lower transport takes more. As asyncio.Protocol."},
    {"_control_app_writing", TLS_control_app_writing, METH_NOARGS, NULL},
    {"_control_ssl_reading", TLS_control_ssl_reading, METH_NOARGS, NULL},
    {"_do_handshake", TLS_do_handshake, METH_NOARGS, NULL},
    {"_do_read", TLS_do_read, METH_NOARGS, NULL},
    {"_do_write", TLS_do_write, METH_NOARGS, NULL},
    {"_drop_held", TLS_drop_held, METH_NOARGS, NULL},
    {"_get_read_buffer_size", TLS_get_read_buffer_size, METH_NOARGS, NULL},
    {"_get_write_buffer_size", TLS_get_write_buffer_size, METH_NOARGS, NULL},
    {"_process_outgoing", TLS_process_outgoing, METH_NOARGS, NULL},
    {"_set_app_protocol", TLS_set_app_protocol, METH_O, NULL},
    {"_write_appdata", TLS_write_appdata, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

#define OBJECT(name, field) {name, T_OBJECT, offsetof(TLSProtocol, field), 0, NULL}
#define FLAG(name, field) {name, T_BOOL, offsetof(TLSProtocol, field), 0, NULL}
#define SIZE(name, field) {name, T_PYSSIZET, offsetof(TLSProtocol, field), 0, NULL}

static PyMemberDef TLS_members[] = {
    OBJECT("_loop", loop),
    OBJECT("_transport", transport),
    OBJECT("_app_transport", app_transport),
    OBJECT("_app_protocol_get_buffer", app_get_buffer),
    OBJECT("_app_protocol_buffer_updated", app_buffer_updated),
    OBJECT("_state", state),
    OBJECT("_app_state", app_state),
    OBJECT("_write_backlog", write_backlog),
    OBJECT("_ssl_buffer", ssl_buffer),
    OBJECT("_ssl_buffer_view", ssl_buffer_view),
    OBJECT("_server_side", server_side),
    OBJECT("_handshake_start_time", handshake_start_time),
    OBJECT("_handshake_timeout_handle", handshake_timeout_handle),
    OBJECT("_shutdown_timeout_handle", shutdown_timeout_handle),
    SIZE("_conn_lost", conn_lost),
    SIZE("_write_buffer_size", write_buffer_size),
    FLAG("_app_protocol_is_buffer", app_is_buffered),
    FLAG("_app_reading_paused", app_reading_paused),
    FLAG("_app_writing_paused", outgoing.is_paused),
    FLAG("_eof_received", eof_received),
    FLAG("_ssl_reading_paused", incoming.is_paused),
    FLAG("_ssl_writing_paused", ssl_writing_paused),
    {NULL, 0, 0, 0, NULL},
};

#define LIMIT(name, field)                                                                   \
    {name, flow_control_get_limit, flow_control_set_limit, NULL,                             \
     (void *)offsetof(TLSProtocol, field)}
#define IN_ENGINE(name, field)                                                               \
    {name, get_of_engine, set_of_engine, NULL, (void *)offsetof(TLSEngine, field)}

static PyGetSetDef TLS_getset[] = {
    {"_app_protocol", get_app_protocol, set_app_protocol, NULL, NULL},
    LIMIT("_outgoing_high_water", outgoing.high_water),
    LIMIT("_outgoing_low_water", outgoing.low_water),
    LIMIT("_incoming_high_water", incoming.high_water),
    LIMIT("_incoming_low_water", incoming.low_water),
    IN_ENGINE("_sslobj", sslobj),
    IN_ENGINE("_incoming", incoming),
    IN_ENGINE("_outgoing", outgoing),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot TLS_slots[] = {
    {Py_tp_doc, "The C half of a TLS connection's protocol."},
    {Py_tp_new, TLS_new},
    {Py_tp_traverse, TLS_traverse},
    {Py_tp_clear, TLS_clear},
    {Py_tp_dealloc, TLS_dealloc},
    {Py_tp_methods, TLS_methods},
    {Py_tp_members, TLS_members},
    {Py_tp_getset, TLS_getset},
    {0, NULL},
};

static PyType_Spec TLS_spec = {
    .name = "pyasync._core._TLSProtocol",
    .basicsize = sizeof(TLSProtocol),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = TLS_slots,
};

int
tls_protocol_init_type(PyObject *module, core_state *state)
{
    return state_add_type(module, &state->TLSProtocol_type, &TLS_spec,
                          (PyObject *)state->NativeProtocol_type);
}
