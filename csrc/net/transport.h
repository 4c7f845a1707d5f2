/* transport.h -- what stream and datagram transports share: the socket, the protocol, closing, and
   flow control of what is written.

   A Transport is an asyncio.Transport to isinstance; its struct begins with the slots of asyncio's
   _FlowControlMixin: two of them are ours too, the others hold what somebody puts there, no more. An
   accepted connection is a bare fd until somebody asks for the socket object: then that object owns
   the fd.

   Invariants
   1. loop, protocol and fd are there until connection_lost() has been called (is_lost then).
   2. conn_lost > 0 once that call is scheduled, or made; then nothing is written any more.
   3. fd is closed once: by sock where that is set, else by us where owns_fd.
   Ownership: every object field is a reference of ours.
   Source: asyncio.selector_events._SelectorTransport, asyncio.transports._FlowControlMixin. */

#ifndef PYASYNC_NET_TRANSPORT_H
#define PYASYNC_NET_TRANSPORT_H

#include "base/compat.h"

#include "net/address.h"
#include "net/flow_control.h"
#include "net/mixin_slots.h"
#include "net/net_loop.h"

#include <stdbool.h>

typedef struct Transport {
    MIXIN_SLOTS_HEAD /* extra is NULL until somebody asks */
    PyObject *dict;
    PyObject *weakrefs;
    PyObject *protocol;
    PyObject *sock;
    PyObject *server;
    PyObject *context; /* 3.15: callbacks run in it; else NULL */
    int fd;
    uint16_t family, type, proto;
    inet_address local, peer;
    flow_control flow;
    unsigned conn_lost;
    uint32_t max_size; /* bytes asked of one recv() */
    llist_node cork_node;
    /* What a kind of transport does in its own way. */
    const struct transport_kind *kind;
    bool owns_fd;
    bool sock_shows_fd; /* sock's own fd can be read from its struct: see transport_fd */
    bool sock_is_foreign; /* somebody has put another object into _sock: its methods are called */
    bool is_lost;
    bool is_closing;
    bool is_paused;
    bool is_protocol_connected;
} Transport;

typedef struct transport_kind {
    /* Bytes that wait to be written. */
    size_t (*buffer_size)(Transport *self);
    void (*drop_buffer)(Transport *self);
    /* Sends what was held back for the end of the iteration; reports errors itself. Runs Python. */
    void (*flush)(Transport *self);
    /* A protocol was set. 0 or -1. */
    int (*protocol_changed)(Transport *self);
    /* connection_lost() has been called. Runs Python. */
    void (*lost)(Transport *self);
} transport_kind;

/* A socket to begin with: an object, or a bare fd that the transport will own. */
typedef struct {
    PyObject *sock;
    int fd;
    int family, type, proto;
    const struct sockaddr *peer; /* of an accepted connection */
    socklen_t peer_size;
    PyObject *extra; /* a dict or NULL */
    PyObject *server;
    PyObject *context;
} transport_source;

/* Fills a zeroed transport in and claims its fd: 0 or -1. Takes over source->fd in either case, where
   there is no sock. Runs Python. */
int transport_init(Transport *self, NetLoop *loop, PyObject *protocol,
                   const transport_source *source, const transport_kind *kind);

/* The three callbacks that asyncio schedules for a new transport: connection_made, then reading, then
   the waiter. 0 or -1. */
int transport_schedule_start(Transport *self, PyObject *waiter);

static inline core_state *
transport_state_of(Transport *self)
{
    return self->loop != NULL ? self->loop->loop.state : state_of((PyObject *)self);
}

/* The fd to use now: -1 where it is closed, by us or by somebody who closed the socket object behind us:
   self->fd may be somebody else's by now. */
static inline int
transport_fd(const Transport *self)
{
    if (self->sock_shows_fd) {
        return *(const int *)((const char *)self->sock + sizeof(PyObject));
    }
    return self->owns_fd || self->sock != NULL ? self->fd : -1;
}

/* Takes the socket over (net/transport_socket.c): 0 or -1. Runs Python where it is an object. */
int transport_take_socket(Transport *self, const transport_source *source);

/* The socket object, made now where there was none: borrowed, or NULL. Runs Python. */
PyObject *transport_sock(Transport *self);

/* Closes the fd, by the socket object where there is one: 0 or -1. Runs Python then. */
int transport_close_fd(Transport *self);

/* The dict behind get_extra_info(), complete: borrowed, or NULL. Runs Python. */
PyObject *transport_complete_extra(Transport *self);

/* protocol.<name>([argument]), with a reference to the protocol; None where connection_lost() has been
   called already. Runs Python. */
PyObject *transport_call_protocol(Transport *self, PyObject *name, PyObject *argument);

/* Waits for reading, unless paused or closing; for writing. 0 or -1. */
int transport_start_reading(Transport *self);
int transport_start_writing(Transport *self);

/* The pending exception, raised by a system call or a protocol's method, ends the connection: OSErrors
   are logged in debug mode, others go to the exception handler. 0, or -1 with KeyboardInterrupt,
   SystemExit or what the handler raised. Runs Python. */
int transport_fatal_error(Transport *self, const char *message);

/* The same of an exception object, not pending. */
int transport_end_by(Transport *self, PyObject *exception, const char *message);

/* The pending exception to the exception handler alone: the connection stays. */
int transport_report(Transport *self, const char *message);

/* Raises the OSError of an errno value. */
void transport_raise_errno(int error);

/* Drops what is unsent and schedules connection_lost(exception or None): 0 or -1. */
int transport_force_close(Transport *self, PyObject *exception);

/* As close(). */
int transport_close(Transport *self);

/* protocol.connection_lost(exception), then the socket is closed and the rest let go. Runs Python. */
int transport_call_connection_lost(Transport *self, PyObject *exception);

/* Flow control, after the buffer has grown or shrunk: 0 or -1. Runs Python. */
int transport_maybe_pause_protocol(Transport *self);
int transport_maybe_resume_protocol(Transport *self);

/* TypeError of what can't be written, in the words of the running version. */
void transport_refuse_data(PyObject *data);

/* A write after the connection was lost: counts it, and warns from the fifth on. 0 or -1. */
int transport_count_lost_write(Transport *self);

/* Holds the transport's writes back until the iteration ends; or no longer. */
void transport_cork(Transport *self);
static inline bool
transport_is_corked(const Transport *self)
{
    return llist_is_linked(&self->cork_node);
}
void transport_uncork(Transport *self);
void transport_uncork_first(NetLoop *loop);

/* logger.debug(format, transport) where the loop is in debug mode: 0 or -1. Runs Python. */
int transport_log_debug(Transport *self, const char *format);

/* For the types of both kinds. */
int transport_traverse(PyObject *op, visitproc visit, void *arg);
int transport_clear(PyObject *op);
void transport_dealloc(PyObject *op);
void transport_finalize(PyObject *op);

int transport_init_type(PyObject *module, core_state *state);

#endif
