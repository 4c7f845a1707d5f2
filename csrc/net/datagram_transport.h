/* datagram_transport.h -- the transport of a datagram socket: UDP, Unix, netlink, raw.

   Datagrams are sent at once; those the kernel has no room for wait in the queue. Addresses of IPv4,
   IPv6 and Unix sockets are converted here, those of other families by the socket object's methods.

   Invariants
   1. While the queue is not empty, the transport waits for writing, or conn_lost > 0.
   2. sender and receiver pair a Python address with the kernel's, or have no Python address. What is
      in them is immutable, so the same object means the same address.
   Source: asyncio.selector_events._SelectorDatagramTransport. */

#ifndef PYASYNC_NET_DATAGRAM_TRANSPORT_H
#define PYASYNC_NET_DATAGRAM_TRANSPORT_H

#include "base/compat.h"

#include "net/address.h"
#include "net/datagram_queue.h"
#include "net/transport.h"

#include <errno.h>

typedef struct {
    socket_address name;
    PyObject *python;
} known_address;

typedef struct {
    Transport transport;
    datagram_queue queue;
    PyObject *address;      /* what _address shows: where all goes, or None */
    known_address sender;   /* of the last datagram received */
    known_address receiver; /* of the last one sent elsewhere than to `sender` */
    bool has_address;       /* address is true */
    bool is_connected;      /* send() will do */
    bool can_convert;       /* addresses of the socket's family */
    bool is_in_burst;       /* the last wake found more than one datagram */
    uint8_t wake_count;     /* round and round */
} DatagramTransport;

static inline core_state *
state_of_datagram(DatagramTransport *self)
{
    NetLoop *loop = self->transport.loop;
    return loop != NULL ? loop->loop.state : state_of((PyObject *)self);
}

/* Whether there is still a socket to send and receive by: connection_lost() takes it, and __del__. */
static inline bool
datagram_has_socket(const DatagramTransport *self)
{
    return self->transport.loop != NULL && self->transport.sock != NULL;
}

static inline bool
datagram_would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* A method of the socket object failed: 0 where it would block, else -1. */
int datagram_sock_failed(void);

/* The pending exception: an OSError is told to the protocol, any other ends the transport. 0, or -1
   with what the protocol raised. Runs Python. */
int datagram_failed(DatagramTransport *self, const char *message);

/* Methods that live in net/datagram_read.c and net/datagram_write.c. */
PyObject *Datagram_read_ready(PyObject *op, PyObject *unused);
PyObject *Datagram_sendto(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                          PyObject *kwnames);
PyObject *Datagram_write_ready(PyObject *op, PyObject *unused);

int datagram_transport_init_type(PyObject *module, core_state *state);

#endif
