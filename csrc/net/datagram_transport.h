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

int datagram_transport_init_type(PyObject *module, core_state *state);

#endif
