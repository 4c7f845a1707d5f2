/* transport.c -- the life of a transport, from connection_made() to connection_lost(), and what
   holds its writes back.

   Whatever is asked of a closed or lost transport does what asyncio's does: nothing, or an answer
   from what is left. Its socket is in transport_socket.c, what Python sees in transport_type.c.
   Source: asyncio.selector_events._SelectorTransport. */

#include "net/transport.h"

#include "base/check.h"
#include "core/answer.h"
#include "core/report.h"
#include "core/stock.h"
#include "net/transport_report.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

void
transport_raise_errno(int error)
{
    errno = error;
    PyErr_SetFromErrno(PyExc_OSError);
}

/* Small writes are to go out at once: the condition is that of asyncio's _set_nodelay(). */
static void
set_nodelay(const Transport *self)
{
    if ((self->family == AF_INET || self->family == AF_INET6) && self->type == SOCK_STREAM
        && self->proto == IPPROTO_TCP) {
        int yes = 1;
        (void)setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    }
}

static int
attach_to_server(core_state *state, Transport *self)
{
    PyObject *stack[] = {self->server, (PyObject *)self};
    return status_steal(PyObject_VectorcallMethod(
        state->name_attach, stack, state->server_counts_transports ? 1 : 2, NULL)); // runs Python
}

static int
detach_from_server(core_state *state, Transport *self)
{
    PyObject *server = self->server;
    if (server == NULL) {
        return 0;
    }
    self->server = NULL;
    PyObject *stack[] = {server, (PyObject *)self};
    int status = status_steal(PyObject_VectorcallMethod(
        state->name_detach, stack, state->server_counts_transports ? 1 : 2, NULL)); // runs Python
    Py_DECREF(server);
    return status;
}

int
transport_init(Transport *self, NetLoop *loop, PyObject *protocol, const transport_source *source,
               const transport_kind *kind)
{
    core_state *state = loop->loop.state;
    self->kind = kind;
    flow_control_init(&self->flow);
    self->max_size = READ_SIZE_BYTES;
    self->loop = (NetLoop *)Py_NewRef((PyObject *)loop);
    self->protocol = Py_NewRef(protocol);
    self->context = Py_XNewRef(source->context);
    if (transport_take_socket(self, source) < 0) { // runs Python
        return -1;
    }
    if (source->extra != NULL) {
        self->extra = PyDict_Copy(source->extra);
        if (self->extra == NULL) {
            return -1;
        }
    }
    self->is_protocol_connected = true;
    if (kind->protocol_changed(self) < 0) { // runs Python
        return -1;
    }
    if (source->server != NULL && source->server != Py_None) {
        self->server = Py_NewRef(source->server);
        if (attach_to_server(state, self) < 0) {
            Py_CLEAR(self->server);
            return -1;
        }
    }
    set_nodelay(self);
    return net_loop_claim(loop, self->fd, (PyObject *)self);
}

/* loop.call_soon of one of the transport's own methods, by name. 0 or -1. */
static int
call_soon(Transport *self, PyObject *method_name, PyObject *argument)
{
    PyObject *method = PyObject_GetAttr((PyObject *)self, method_name);
    int status = method == NULL ? -1
                                : loop_call_soon(&self->loop->loop, method, argument, self->context);
    Py_XDECREF(method);
    return status;
}

PyObject *
transport_call_protocol(Transport *self, PyObject *name, PyObject *argument)
{
    if (self->protocol == NULL) {
        Py_RETURN_NONE;
    }
    /* The method may call set_protocol(). */
    PyObject *stack[] = {Py_NewRef(self->protocol), argument};
    PyObject *answer = PyObject_VectorcallMethod(name, stack, argument == NULL ? 1 : 2, NULL);
    Py_DECREF(stack[0]);
    return answer;
}

int
transport_schedule_start(Transport *self, PyObject *waiter)
{
    core_state *state = self->loop->loop.state;
    PyObject *made = PyObject_GetAttr(self->protocol, state->name_connection_made);
    int status = made == NULL ? -1
                              : loop_call_soon(&self->loop->loop, made, (PyObject *)self,
                                               self->context);
    Py_XDECREF(made);
    /* It may start to read only when connection_made() has been called, */
    if (status < 0 || call_soon(self, state->name_start_reading, NULL) < 0) {
        return -1;
    }
    if (waiter == NULL || waiter == Py_None) {
        return 0;
    }
    /* and whoever made it goes on only then, too. */
    return call_soon(self, state->name_wake_maker, waiter);
}

/* Has a method of the transport called when fd is ready. A handle of the type's own method, with the
   transport as its argument, is smaller than one of a bound method. */
static int
watch(Transport *self, unsigned event, PyObject *method_name)
{
    Loop *loop = &self->loop->loop;
    bool is_plain = self->dict == NULL && loop_debug_is_plain_off(loop);
    PyObject *owner = is_plain ? (PyObject *)Py_TYPE(self) : (PyObject *)self;
    PyObject *method = PyObject_GetAttr(owner, method_name);
    PyObject *handle = method == NULL ? NULL
                                      : loop_watch_fd(loop, self->fd, event, method,
                                                      is_plain ? (PyObject *)self : NULL,
                                                      self->context);
    Py_XDECREF(method);
    return status_steal(handle);
}

int
transport_start_reading(Transport *self)
{
    if (self->is_closing || self->is_paused || self->loop == NULL) {
        return 0;
    }
    return watch(self, POLLER_READ, self->loop->loop.state->name_read_ready);
}

int
transport_start_writing(Transport *self)
{
    return watch(self, POLLER_WRITE, self->loop->loop.state->name_write_ready);
}

int
transport_log_debug(Transport *self, const char *format)
{
    return transport_report_debug(self->loop, (PyObject *)self, "debug", format);
}

int
transport_report(Transport *self, const char *message)
{
    return transport_report_pending(self->loop, (PyObject *)self, self->protocol, message);
}

/* As _fatal_error() of an exception object. */
int
transport_end_by(Transport *self, PyObject *exception, const char *message)
{
    int status = transport_report_fatal(self->loop, (PyObject *)self, self->protocol, message,
                                        exception);
    return status < 0 ? -1 : transport_force_close(self, exception);
}

int
transport_fatal_error(Transport *self, const char *message)
{
    if (report_must_pass()) {
        return -1;
    }
    PyObject *exception = PyErr_GetRaisedException();
    int status = transport_end_by(self, exception, message);
    Py_DECREF(exception);
    return status;
}

int
transport_force_close(Transport *self, PyObject *exception)
{
    if (self->conn_lost > 0 || self->loop == NULL) {
        return 0;
    }
    self->kind->flush(self); // runs Python where that fails
    if (self->conn_lost > 0 || self->loop == NULL) {
        return 0;
    }
    Loop *loop = &self->loop->loop;
    if (self->kind->buffer_size(self) > 0) {
        self->kind->drop_buffer(self);
        if (loop_unwatch_fd(loop, self->fd, POLLER_WRITE) < 0) {
            return -1;
        }
    }
    if (!self->is_closing) {
        self->is_closing = true;
        if (loop_unwatch_fd(loop, self->fd, POLLER_READ) < 0) {
            return -1;
        }
    }
    self->conn_lost++;
    return call_soon(self, loop->state->name_call_connection_lost, exception);
}

int
transport_close(Transport *self)
{
    if (self->is_closing || self->loop == NULL) {
        return 0;
    }
    self->kind->flush(self); // runs Python where that fails
    if (self->is_closing || self->loop == NULL) {
        return 0;
    }
    Loop *loop = &self->loop->loop;
    self->is_closing = true;
    if (loop_unwatch_fd(loop, self->fd, POLLER_READ) < 0) {
        return -1;
    }
    if (self->kind->buffer_size(self) > 0) {
        return 0; /* it ends when everything is written */
    }
    self->conn_lost++;
    if (loop_unwatch_fd(loop, self->fd, POLLER_WRITE) < 0) {
        return -1;
    }
    return call_soon(self, loop->state->name_call_connection_lost, Py_None);
}

int
transport_call_connection_lost(Transport *self, PyObject *exception)
{
    if (self->is_lost || self->loop == NULL) {
        return 0;
    }
    core_state *state = self->loop->loop.state;
    int status = 0;
    if (self->is_protocol_connected) {
        status = status_steal(transport_call_protocol(self, state->name_connection_lost,
                                                      exception)); // runs Python
    }
    if (self->is_lost || self->loop == NULL) {
        return status;
    }
    self->is_lost = true;
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *loop = (PyObject *)self->loop;
    if (transport_close_fd(self) < 0) { // runs Python
        status = -1;
    }
    Py_CLEAR(self->protocol);
    self->loop = NULL;
    if (detach_from_server(state, self) < 0) {
        status = -1;
    }
    self->kind->lost(self);
    Py_DECREF(loop);
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
    return status;
}

int
transport_maybe_pause_protocol(Transport *self)
{
    return flow_control_maybe_pause(&self->flow, self->kind->buffer_size(self), self->loop,
                                    (PyObject *)self, self->protocol);
}

int
transport_maybe_resume_protocol(Transport *self)
{
    return flow_control_maybe_resume(&self->flow, self->kind->buffer_size(self), self->loop,
                                     (PyObject *)self, self->protocol);
}

void
transport_refuse_data(PyObject *data)
{
    PyObject *name = PyType_GetName(Py_TYPE(data));
    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, WRITE_TYPE_ERROR, name);
        Py_DECREF(name);
    }
}

int
transport_count_lost_write(Transport *self)
{
    return transport_report_lost_write((PyObject *)self, &self->conn_lost,
                                       "socket.send() raised exception.");
}

void
transport_cork(Transport *self)
{
    Py_INCREF((PyObject *)self);
    llist_append(&self->loop->corked, &self->cork_node);
}

void
transport_uncork(Transport *self)
{
    if (transport_is_corked(self)) {
        llist_remove(&self->cork_node);
        Py_DECREF((PyObject *)self); /* the caller has a reference too */
    }
}

void
transport_uncork_first(NetLoop *loop)
{
    Transport *self = container_of(loop->corked.next, Transport, cork_node);
    Py_INCREF((PyObject *)self);
    self->kind->flush(self); // runs Python where that fails
    transport_uncork(self);
    Py_DECREF((PyObject *)self);
}

int
transport_traverse(PyObject *op, visitproc visit, void *arg)
{
    Transport *self = (Transport *)op;
    Py_VISIT(self->dict);
    Py_VISIT(self->protocol);
    Py_VISIT(self->sock);
    Py_VISIT(self->server);
    Py_VISIT(self->context);
    return mixin_slots_traverse(op, visit, arg);
}

int
transport_clear(PyObject *op)
{
    Transport *self = (Transport *)op;
    if (self->loop != NULL) {
        net_loop_release(self->loop, self->fd, op);
    }
    mixin_slots_clear(op);
    Py_CLEAR(self->dict);
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->sock);
    Py_CLEAR(self->server);
    Py_CLEAR(self->context);
    return 0;
}

void
transport_dealloc(PyObject *op)
{
    Transport *self = (Transport *)op;
    PyTypeObject *type = Py_TYPE(op);
    if (PyObject_CallFinalizerFromDealloc(op) < 0) {
        return; /* resurrected */
    }
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    assert(!transport_is_corked(self));
    if (self->kind != NULL) {
        self->kind->drop_buffer(self);
    }
    if (self->owns_fd) {
        (void)close(self->fd);
        self->owns_fd = false;
    }
    type->tp_clear(op); // runs Python (destructors)
    LIVE_SUB(state_of_dying_type(type), LIVE_TRANSPORT);
    type->tp_free(op);
    Py_DECREF(type);
}

/* asyncio's own __del__ tells of an open transport, and closes its socket: the warning is of a line of
   asyncio's, as filters of warnings expect it. */
void
transport_finalize(PyObject *op)
{
    Transport *self = (Transport *)op;
    if (self->is_lost || (self->sock == NULL && !self->owns_fd)) {
        return;
    }
    stock_finalize(transport_state_of(self)->stock_transport_del, op); // runs Python
    if (self->loop != NULL) {
        net_loop_release(self->loop, self->fd, op);
        self->loop->loop.must_poll = true; /* whoever is at the other end hears of it */
    }
}
