/* address.c -- making Python's tuples of socket addresses. */

#include "net/address.h"

#include <arpa/inet.h>
#include <string.h>

void
inet_address_set(inet_address *self, const struct sockaddr *name, socklen_t size)
{
    self->is_known = (name->sa_family == AF_INET && size >= sizeof(struct sockaddr_in))
                     || (name->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6));
    if (self->is_known) {
        memcpy(&self->name, name, name->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                             : sizeof(struct sockaddr_in6));
    }
}

PyObject *
inet_address_as_python(const inet_address *self)
{
    char host[INET6_ADDRSTRLEN];
    if (!self->is_known) {
        Py_RETURN_NONE;
    }
    if (self->name.any.sa_family == AF_INET) {
        const struct sockaddr_in *in = &self->name.in;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        return Py_BuildValue("(si)", host, ntohs(in->sin_port));
    }
    const struct sockaddr_in6 *in6 = &self->name.in6;
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
    return Py_BuildValue("(siII)", host, ntohs(in6->sin6_port), ntohl(in6->sin6_flowinfo),
                         in6->sin6_scope_id);
}
