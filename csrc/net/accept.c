/* accept.c -- taking connections off a listening socket, and making transports of them.

   Each connection gets a task, as in asyncio: the protocol factory runs in its first step, and the
   task lives until connection_made() has been called. The coroutine of that task is ours. Whatever
   is unusual (debug mode, a lack of resources) is left to asyncio's own method. */

#include "net/accept.h"

#include "core/answer.h"
#include "core/report.h"
#include "net/net_coroutine.h"
#include "net/net_methods.h"
#include "net/stream_transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* The coroutine's items. */
enum {
    ITEM_FACTORY,
    ITEM_SERVER,
    ITEM_CONTEXT, /* 3.15, else NULL */
    ITEM_TLS,     /* (sslcontext, handshake timeout, shutdown timeout), or NULL */
    ITEM_PROTOCOL,
    ITEM_TRANSPORT,
};

static void
drop_connection(Coroutine *op)
{
    NetCoroutine *self = (NetCoroutine *)op;
    if (self->fd >= 0) {
        (void)close(self->fd); /* no transport was made of it */
        self->fd = -1;
    }
    net_coroutine_drop(op);
}

/* The pending exception ended a connection before it began: in debug mode asyncio tells of it, else it
   is dropped in silence. 0 or -1. Runs Python. */
static int
connection_failed(NetCoroutine *self)
{
    if (report_must_pass()) {
        return -1;
    }
    core_state *state = self->loop->loop.state;
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *loop = (PyObject *)self->loop;
    int status = loop_is_debug(state, loop);
    if (status > 0) {
        PyObject *message = PyUnicode_FromString(
            "Error on transport creation for incoming connection");
        status = report_handled(
            state, loop, message, exception,
            (PyObject *[][2]){{state->name_exception, exception},
                              {state->name_protocol, self->items[ITEM_PROTOCOL]},
                              {state->name_transport, self->items[ITEM_TRANSPORT]},
                              {NULL, NULL}});
    }
    Py_DECREF(exception);
    return status < 0 ? -1 : 0;
}

/* Makes the TLS protocol between the application's and the transport: 0 or -1. Runs Python. */
static int
make_tls(NetCoroutine *self, PyObject *waiter, PyObject **tls_protocol)
{
    PyObject *tls = self->items[ITEM_TLS];
    *tls_protocol = PyObject_CallMethod((PyObject *)self->loop, "_make_server_ssl_protocol",
                                        "OOOOO", self->items[ITEM_PROTOCOL],
                                        PyTuple_GET_ITEM(tls, 0), waiter,
                                        PyTuple_GET_ITEM(tls, 1), PyTuple_GET_ITEM(tls, 2));
    return *tls_protocol == NULL ? -1 : 0;
}

/* Makes protocol and transport: 0, or -1 with an exception. Runs Python. */
static int
make_connection(NetCoroutine *self)
{
    self->items[ITEM_PROTOCOL] = PyObject_CallNoArgs(self->items[ITEM_FACTORY]); // runs Python
    if (self->items[ITEM_PROTOCOL] == NULL) {
        return -1;
    }
    PyObject *future = loop_create_future(self->loop->loop.state, (PyObject *)self->loop);
    self->coroutine.future = future;
    if (future == NULL) {
        return -1;
    }
    transport_source source = {
        .fd = self->fd,
        .family = self->family,
        .type = self->type,
        .proto = self->proto,
        .peer = self->peer.is_known ? &self->peer.name.any : NULL,
        .peer_size = sizeof(self->peer.name),
        .server = self->items[ITEM_SERVER],
        .context = self->items[ITEM_CONTEXT],
    };
    if (self->items[ITEM_TLS] == NULL) {
        self->fd = -1; /* the transport's now */
        self->items[ITEM_TRANSPORT] = stream_transport_new(self->loop, self->items[ITEM_PROTOCOL],
                                                           future, &source); // runs Python
        return self->items[ITEM_TRANSPORT] == NULL ? -1 : 0;
    }
    PyObject *tls;
    if (make_tls(self, future, &tls) < 0) {
        return -1;
    }
    self->fd = -1;
    PyObject *lower = stream_transport_new(self->loop, tls, Py_None, &source); // runs Python
    if (lower != NULL) {
        self->items[ITEM_TRANSPORT] = PyObject_GetAttrString(tls, "_app_transport");
    }
    Py_XDECREF(lower);
    Py_DECREF(tls);
    return self->items[ITEM_TRANSPORT] == NULL ? -1 : 0;
}

static int
start_connection(Coroutine *op, PyObject **result)
{
    NetCoroutine *self = (NetCoroutine *)op;
    if (make_connection(self) == 0) {
        return 0;
    }
    if (connection_failed(self) < 0) {
        return -1;
    }
    *result = Py_NewRef(Py_None);
    return 1;
}

/* The transport has begun, or the task was cancelled before. */
static int
end_connection(Coroutine *op, PyObject **result)
{
    NetCoroutine *self = (NetCoroutine *)op;
    if (*result != NULL) {
        return 1;
    }
    PyObject *exception = PyErr_GetRaisedException();
    int closed = status_steal(PyObject_CallMethodNoArgs(
        self->items[ITEM_TRANSPORT], self->loop->loop.state->name_close)); // runs Python
    if (closed == 0) {
        PyErr_SetRaisedException(exception);
        closed = connection_failed(self);
    }
    else {
        Py_DECREF(exception);
    }
    *result = none_or_null(closed);
    return closed < 0 ? -1 : 1;
}

static const coroutine_kind connection_kind = {
    NET_COROUTINE_KIND("_accept_connection2", "BaseSelectorEventLoop"),
    .start = start_connection,
    .resume = end_connection,
    .drop = drop_connection,
};

/* What a listening socket is asked for and called with. */
typedef struct {
    PyObject *factory;
    PyObject *sock;
    PyObject *server;
    PyObject *context;
    PyObject *tls; /* as ITEM_TLS; owned */
    long backlog;
    int fd;
    int family, type, proto;
} listener;

/* Has a task make a connection of an accepted fd, which it takes over: 0 or -1. Runs Python. */
static int
serve_connection(NetLoop *loop, const listener *from, int fd, const inet_address *peer)
{
    core_state *state = loop->loop.state;
    PyObject *context = NULL; /* each connection has its own copy */
    if (from->context != NULL && (context = PyContext_Copy(from->context)) == NULL) {
        (void)close(fd);
        return -1;
    }
    PyObject *items[] = {from->factory, from->server, context, from->tls};
    NetCoroutine *coroutine = net_coroutine_new(loop, &connection_kind, items, 4);
    if (coroutine == NULL) {
        (void)close(fd);
        Py_XDECREF(context);
        return -1;
    }
    coroutine->fd = fd;
    coroutine->peer = *peer;
    coroutine->family = from->family;
    coroutine->type = from->type;
    coroutine->proto = from->proto;
    PyObject *stack[] = {(PyObject *)loop, coroutine_begin(&coroutine->coroutine), context};
    PyObject *task = PyObject_VectorcallMethod(state->name_create_task, stack, 2,
                                               context == NULL ? NULL : state->context_keyword);
    if (task == NULL) {
        PyObject *pending = PyErr_GetRaisedException();
        PyObject *closed = PyObject_CallMethod((PyObject *)coroutine, "close", NULL);
        Py_XDECREF(closed);
        PyErr_SetRaisedException(pending);
    }
    Py_XDECREF(context);
    Py_DECREF(coroutine);
    return status_steal(task);
}

/* asyncio's own method, with the very arguments of ours. Runs Python. */
static PyObject *
accept_by_stock(NetLoop *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *method = PyObject_GetAttrString((PyObject *)self, "_accept_connection");
    PyObject *answer = method == NULL ? NULL : PyObject_Vectorcall(method, args, (size_t)nargs,
                                                                   kwnames);
    Py_XDECREF(method);
    return answer;
}

static int
get_int(PyObject *object, const char *name, int *value)
{
    long found;
    int status = number_steal(PyObject_GetAttrString(object, name), &found);
    *value = (int)found;
    return status;
}

/* The fd of the listening socket now, -1 where it is closed: 0 or -1. */
static int
listener_fd(const listener *from, int *fd)
{
    long found;
    int status = number_steal(PyObject_CallMethod(from->sock, "fileno", NULL), &found);
    *fd = (int)found;
    return status;
}

/* (protocol_factory, sock, sslcontext, server, backlog, handshake_timeout, shutdown_timeout[, context])
   as asyncio's _start_serving gives them, with the timeouts at least: 0 or -1. */
static int
read_listener(PyObject *const *args, Py_ssize_t nargs, listener *from)
{
    *from = (listener){
        .factory = args[0],
        .sock = args[1],
        .server = args[3],
        .context = nargs > 7 && args[7] != Py_None ? args[7] : NULL,
        .backlog = PyLong_AsLong(args[4]),
    };
    if (from->backlog == -1 && PyErr_Occurred()) {
        return -1;
    }
    int is_tls = args[2] == Py_None ? 0 : PyObject_IsTrue(args[2]);
    if (is_tls > 0) {
        from->tls = PyTuple_Pack(3, args[2], args[5], args[6]);
    }
    if (is_tls < 0 || (is_tls && from->tls == NULL)) {
        return -1;
    }
    if (listener_fd(from, &from->fd) < 0) {
        return -1;
    }
    return get_int(from->sock, "family", &from->family) < 0
                   || get_int(from->sock, "type", &from->type) < 0
                   || get_int(from->sock, "proto", &from->proto) < 0
               ? -1
               : 0;
}

enum accept_outcome { ACCEPT_FAILED = -1, ACCEPTED, LEAVE_TO_STOCK };

/* Takes `backlog` connections and one more. Runs Python. */
static enum accept_outcome
accept_all(NetLoop *self, const listener *from)
{
    for (long i = 0; i <= from->backlog; i++) {
        struct sockaddr_storage name;
        socklen_t size = sizeof(name);
        inet_address peer = {.is_known = false};
        int fd = accept4(from->fd, (struct sockaddr *)&name, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR
                || errno == ECONNABORTED) {
                break; /* no more, or one that went away: those behind it make us come again */
            }
            return LEAVE_TO_STOCK; /* it meets the error and tells */
        }
        inet_address_set(&peer, (struct sockaddr *)&name, size);
        if (serve_connection(self, from, fd, &peer) < 0) {
            return ACCEPT_FAILED;
        }
        /* An eager task may have closed the server, and the number be another socket's. */
        if (self->loop.task_factory != Py_None) {
            int fd_now;
            if (listener_fd(from, &fd_now) < 0) {
                return ACCEPT_FAILED;
            }
            if (fd_now != from->fd) {
                return LEAVE_TO_STOCK;
            }
        }
    }
    return ACCEPTED;
}

/* Called when a listening socket is ready. */
PyObject *
NetLoop_accept_ready(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    NetLoop *self = (NetLoop *)op;
    listener from = {.tls = NULL};
    enum accept_outcome outcome = LEAVE_TO_STOCK;
    if (loop_debug_is_plain_off(&self->loop) && nargs > 6) {
        outcome = read_listener(args, nargs, &from) < 0 ? ACCEPT_FAILED : accept_all(self, &from);
    }
    Py_XDECREF(from.tls);
    if (outcome == LEAVE_TO_STOCK) {
        return accept_by_stock(self, args, nargs, kwnames);
    }
    return outcome == ACCEPT_FAILED ? NULL : Py_NewRef(Py_None);
}

/* Whether Server._attach() takes the transport, from 3.12.1 or 3.13 on, or just counts. */
int
accept_init(core_state *state)
{
    PyObject *code = PyObject_GetAttrString(state->server_attach, "__code__");
    int parameters;
    if (code == NULL || get_int(code, "co_argcount", &parameters) < 0) {
        Py_XDECREF(code);
        return -1;
    }
    Py_DECREF(code);
    state->server_counts_transports = parameters == 1;
    return 0;
}
