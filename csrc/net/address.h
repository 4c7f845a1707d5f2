/* address.h -- socket addresses as the kernel has them and as Python's socket module shows them.

   Source: Modules/socketmodule.c makesockaddr(); ip(7), ipv6(7), unix(7). */

#ifndef PYASYNC_NET_ADDRESS_H
#define PYASYNC_NET_ADDRESS_H

#include "base/compat.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

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

#endif
