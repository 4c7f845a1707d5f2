/* address.h -- socket addresses as the kernel has them and as Python's socket module shows them.

   Source: Modules/socketmodule.c makesockaddr(), getsockaddrarg(); ip(7), ipv6(7), unix(7). */

#ifndef PYASYNC_NET_ADDRESS_H
#define PYASYNC_NET_ADDRESS_H

#include "base/compat.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Enough for IPv4 and IPv6; is_known is false where there is none or it is of another family. */
typedef struct {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } name;
    bool is_known;
} inet_address;

/* Takes an address that the kernel filled in. */
void inet_address_set(inet_address *self, const struct sockaddr *name, socklen_t size);

/* (host, port) or (host, port, flowinfo, scope_id), or None where it is not known. */
PyObject *inet_address_as_python(const inet_address *self);

/* An address of a family that we convert ourselves. */
typedef struct {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage room; /* so that a path has room for a NUL behind it */
    } name;
    socklen_t size; /* 0: there is none, or it is unnamed */
} socket_address;

static inline bool
socket_address_can_convert(int family)
{
    return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

static inline bool
socket_address_equals(const socket_address *self, const socket_address *other)
{
    return self->size == other->size && memcmp(&self->name, &other->name, self->size) == 0;
}

/* What socket.recvfrom() says of an address that the kernel filled in, or None of size 0. */
PyObject *socket_address_as_python(socket_address *self);

/* Whether a Python object was converted to an address of that family: numeric hosts, paths, names.
   What is unusual is not, or what is wrong: the socket object's own method knows it, or its error.
   Raises nothing. */
bool socket_address_from_python(socket_address *self, int family, PyObject *object);

#endif
