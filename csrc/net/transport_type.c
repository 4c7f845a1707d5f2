/* transport_type.c -- what Python sees of every transport: methods and attributes of the base type.

   Source: asyncio.selector_events._SelectorTransport. */

#include "net/transport.h"

#include "core/answer.h"
#include "core/attributes.h"
#include "net/transport_report.h"

#include <stddef.h>

/* How many bytes are unsent. What was held back is sent first, so that the answer is asyncio's. */
static size_t
count_unsent(Transport *self)
{
    self->kind->flush(self); // runs Python where that fails
    return self->kind->buffer_size(self);
}

static PyObject *
Transport_abort(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_null(transport_force_close((Transport *)op, Py_None));
}

static PyObject *
Transport_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_null(transport_close((Transport *)op));
}

static PyObject *
Transport_force_close(PyObject *op, PyObject *exception)
{
    return none_or_null(transport_force_close((Transport *)op, exception));
}

static PyObject *
Transport_fatal_error(PyObject *op, PyObject *args, PyObject *kwargs)
{
    const char *message = "Fatal error on transport";
    PyObject *exception = transport_parse_fatal_error(args, kwargs, &message);
    if (exception == NULL) {
        return NULL;
    }
    return none_or_null(transport_end_by((Transport *)op, exception, message));
}

static PyObject *
Transport_call_connection_lost(PyObject *op, PyObject *exception)
{
    return none_or_null(transport_call_connection_lost((Transport *)op, exception));
}

static PyObject *
Transport_set_protocol(PyObject *op, PyObject *protocol)
{
    Transport *self = (Transport *)op;
    Py_XSETREF(self->protocol, Py_NewRef(protocol));
    self->is_protocol_connected = true;
    return none_or_null(self->kind->protocol_changed(self));
}

static PyObject *
Transport_get_protocol(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return new_or_none(((Transport *)op)->protocol);
}

static PyObject *
Transport_is_closing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Transport *self = (Transport *)op;
    self->kind->flush(self); // runs Python where that fails
    return PyBool_FromLong(self->is_closing);
}

static PyObject *
Transport_is_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Transport *self = (Transport *)op;
    self->kind->flush(self); // runs Python where that fails
    return PyBool_FromLong(!self->is_closing && !self->is_paused);
}

static PyObject *
Transport_pause_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Transport *self = (Transport *)op;
    if (self->is_closing || self->is_paused || self->loop == NULL) {
        Py_RETURN_NONE;
    }
    self->is_paused = true;
    if (loop_unwatch_fd(&self->loop->loop, self->fd, POLLER_READ) < 0) {
        return NULL;
    }
    return none_or_null(transport_log_debug(self, "%r pauses reading"));
}

static PyObject *
Transport_resume_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Transport *self = (Transport *)op;
    if (self->is_closing || !self->is_paused || self->loop == NULL) {
        Py_RETURN_NONE;
    }
    self->is_paused = false;
    if (transport_start_reading(self) < 0) {
        return NULL;
    }
    return none_or_null(transport_log_debug(self, "%r resumes reading"));
}

static PyObject *
Transport_start_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_null(transport_start_reading((Transport *)op));
}

/* Wakes whoever waits for the connection to be made, unless he has given up. */
static PyObject *
Transport_wake_maker(PyObject *op, PyObject *waiter)
{
    core_state *state = state_of(op);
    PyObject *stack[] = {waiter, Py_None};
    return PyObject_Vectorcall(state->set_result_unless_cancelled, stack, 2, NULL); // runs Python
}

static PyObject *
Transport_get_write_buffer_size(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromSize_t(count_unsent((Transport *)op));
}

static PyObject *
Transport_get_write_buffer_limits(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return flow_control_limits(&((Transport *)op)->flow);
}

static PyObject *
Transport_set_write_buffer_limits(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Transport *self = (Transport *)op;
    size_t high_water, low_water;
    if (flow_control_parse_limits(args, kwargs, &high_water, &low_water) < 0) {
        return NULL;
    }
    self->kind->flush(self); // runs Python where that fails
    self->flow.high_water = high_water;
    self->flow.low_water = low_water;
    return none_or_null(transport_maybe_pause_protocol(self));
}

static PyObject *
Transport_get_extra_info(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"name", "default", NULL};
    Transport *self = (Transport *)op;
    PyObject *name, *fallback = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:get_extra_info", keywords, &name,
                                     &fallback)) {
        return NULL;
    }
    self->kind->flush(self); // runs Python where that fails; who has the socket may send by it
    PyObject *extra = transport_complete_extra(self), *found;
    if (extra == NULL || PyDict_GetItemRef(extra, name, &found) < 0) {
        return NULL;
    }
    return found != NULL ? found : Py_NewRef(fallback);
}

/* ---- attributes that tools and libraries read ---- */

static PyObject *
get_extra(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_XNewRef(transport_complete_extra((Transport *)op));
}

static PyObject *
get_sock(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *sock = transport_sock((Transport *)op);
    return sock == NULL && PyErr_Occurred() ? NULL : new_or_none(sock);
}

/* Tests and tools put a wrapper of the socket into its place: from then on it is called. */
static int
set_sock(PyObject *op, PyObject *sock, void *Py_UNUSED(closure))
{
    Transport *self = (Transport *)op;
    if (transport_sock(self) == NULL || sock == NULL || sock == Py_None) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_AttributeError, "_sock of a closed transport can't be set");
        }
        return -1;
    }
    self->sock_shows_fd = false;
    self->sock_is_foreign = true;
    Py_XSETREF(self->sock, Py_NewRef(sock));
    return 0;
}

static PyObject *
get_closing(PyObject *op, void *Py_UNUSED(closure))
{
    return Transport_is_closing(op, NULL);
}

static PyObject *
get_max_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((Transport *)op)->max_size);
}

/* What is larger than it can hold is as good as that: no read is so large. */
static int
set_max_size(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    size_t size = value == NULL ? READ_SIZE_BYTES : PyLong_AsSize_t(value);
    if (size == (size_t)-1 && PyErr_Occurred()) {
        return -1;
    }
    ((Transport *)op)->max_size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    return 0;
}

static PyMemberDef Transport_members[] = {
    {"_sock_fd", T_INT, offsetof(Transport, fd), READONLY, NULL},
    {"_conn_lost", T_UINT, offsetof(Transport, conn_lost), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Transport, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Transport, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Transport_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"max_size", get_max_size, set_max_size, "Bytes asked of one recv().", NULL},
    {"_extra", get_extra, NULL, NULL, NULL},
    FLOW_CONTROL_GETSET(offsetof(Transport, flow)),
    {"_sock", get_sock, set_sock, NULL, NULL},
    {"_loop", attribute_get_object, NULL, NULL, (void *)offsetof(mixin_slots, loop)},
    {"_protocol", attribute_get_object, NULL, NULL, (void *)offsetof(Transport, protocol)},
    {"_server", attribute_get_object, NULL, NULL, (void *)offsetof(Transport, server)},
    {"_context", attribute_get_object, NULL, NULL, (void *)offsetof(Transport, context)},
    {"_closing", get_closing, NULL, NULL, NULL},
    {"_paused", attribute_get_bool, NULL, NULL, (void *)offsetof(Transport, is_paused)},
    {"_protocol_paused", attribute_get_bool, NULL, NULL,
     (void *)offsetof(Transport, flow.is_paused)},
    {"_protocol_connected", attribute_get_bool, NULL, NULL,
     (void *)offsetof(Transport, is_protocol_connected)},
    {NULL, NULL, NULL, NULL, NULL},
};

static const char *
poll_state(const Transport *self, unsigned event)
{
    return loop_is_watching(&self->loop->loop, self->fd, event) ? "polling" : "idle";
}

static PyObject *
Transport_repr(PyObject *op)
{
    Transport *self = (Transport *)op;
    size_t unsent = self->loop == NULL ? 0 : count_unsent(self); // runs Python
    const char *life = self->is_lost || (self->sock == NULL && !self->owns_fd) ? " closed"
                       : self->is_closing                                      ? " closing"
                                                                               : "";
    PyObject *name = PyType_GetName(Py_TYPE(op));
    if (name == NULL) {
        return NULL;
    }
    PyObject *text;
    if (self->loop == NULL || self->loop->loop.is_closed) {
        text = PyUnicode_FromFormat("<%U%s fd=%d>", name, life, self->fd);
    }
    else {
        text = PyUnicode_FromFormat("<%U%s fd=%d read=%s write=<%s, bufsize=%zu>>", name, life,
                                    self->fd, poll_state(self, POLLER_READ),
                                    poll_state(self, POLLER_WRITE), unsent);
    }
    Py_DECREF(name);
    return text;
}

#define KEYWORDS(function) (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef Transport_methods[] = {
    {"abort", Transport_abort, METH_NOARGS,
     "abort($self, /)\n--\n\nClose at once, dropping what is unsent. As asyncio.WriteTransport."},
    {"close", Transport_close, METH_NOARGS,
     "close($self, /)\n--\n\nClose when everything is sent. As asyncio.BaseTransport."},
    {"set_protocol", Transport_set_protocol, METH_O,
     "set_protocol($self, protocol, /)\n--\n\nAs asyncio.BaseTransport."},
    {"get_protocol", Transport_get_protocol, METH_NOARGS,
     "get_protocol($self, /)\n--\n\nAs asyncio.BaseTransport."},
    {"is_closing", Transport_is_closing, METH_NOARGS,
     "is_closing($self, /)\n--\n\nAs asyncio.BaseTransport."},
    {"is_reading", Transport_is_reading, METH_NOARGS,
     "is_reading($self, /)\n--\n\nAs asyncio.ReadTransport."},
    {"pause_reading", Transport_pause_reading, METH_NOARGS,
     "pause_reading($self, /)\n--\n\nAs asyncio.ReadTransport."},
    {"resume_reading", Transport_resume_reading, METH_NOARGS,
     "resume_reading($self, /)\n--\n\nAs asyncio.ReadTransport."},
    {"get_write_buffer_size", Transport_get_write_buffer_size, METH_NOARGS,
     "get_write_buffer_size($self, /)\n--\n\nUnsent bytes. As asyncio.WriteTransport."},
    {"get_write_buffer_limits", Transport_get_write_buffer_limits, METH_NOARGS,
     "get_write_buffer_limits($self, /)\n--\n\n(low, high) in bytes. As asyncio.WriteTransport."},
    {"set_write_buffer_limits", KEYWORDS(Transport_set_write_buffer_limits),
     "set_write_buffer_limits($self, high=None, low=None)\n--\n\nIn bytes.\n\nRaises ValueError "
     "unless high >= low >= 0. As asyncio.WriteTransport."},
    {"get_extra_info", KEYWORDS(Transport_get_extra_info),
     "get_extra_info($self, name, default=None)\n--\n\nAs asyncio.BaseTransport."},
    {"_force_close", Transport_force_close, METH_O, NULL},
    {"_fatal_error", KEYWORDS(Transport_fatal_error), NULL},
    {"_call_connection_lost", Transport_call_connection_lost, METH_O, NULL},
    {"_start_reading", Transport_start_reading, METH_NOARGS, NULL},
    {"_wake_maker", Transport_wake_maker, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* tp_new has done it all: asyncio's __init__ is not to be called. */
static int
Transport_init(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return 0;
}

static PyType_Slot Transport_slots[] = {
    {Py_tp_doc, "What the transports of sockets share. As asyncio.Transport."},
    {Py_tp_init, Transport_init},
    {Py_tp_repr, Transport_repr},
    {Py_tp_traverse, transport_traverse},
    {Py_tp_clear, transport_clear},
    {Py_tp_dealloc, transport_dealloc},
    {Py_tp_finalize, transport_finalize},
    {Py_tp_methods, Transport_methods},
    {Py_tp_members, Transport_members},
    {Py_tp_getset, Transport_getset},
    {0, NULL},
};

static PyType_Spec Transport_spec = {
    .name = "pyasync._core._SelectorTransport",
    .basicsize = sizeof(Transport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = Transport_slots,
};

/* Whether a slot of asyncio's class lies where our field of the same meaning does: 1, 0 or -1. */
static int
slot_is_at(PyObject *type, const char *name, size_t offset)
{
    PyObject *slot = PyObject_GetAttrString(type, name);
    if (slot == NULL) {
        return -1;
    }
    int is_there = Py_IS_TYPE(slot, &PyMemberDescr_Type)
                   && (size_t)((PyMemberDescrObject *)slot)->d_member->offset == offset;
    Py_DECREF(slot);
    return is_there;
}

int
transport_init_type(PyObject *module, core_state *state)
{
    PyObject *stock = state->stock_FlowControlMixin;
    int is_known = ((PyTypeObject *)stock)->tp_basicsize == sizeof(mixin_slots);
    if (is_known && (is_known = slot_is_at(stock, "_extra", offsetof(mixin_slots, extra))) > 0) {
        is_known = slot_is_at(stock, "_loop", offsetof(Transport, loop));
    }
    if (is_known <= 0) {
        if (is_known == 0) {
            PyErr_SetString(PyExc_ImportError, "asyncio's _FlowControlMixin has other slots than "
                                               "those that pyasync was built for");
        }
        return -1;
    }
    return state_add_type(module, &state->Transport_type, &Transport_spec, stock);
}
