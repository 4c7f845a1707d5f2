/* address.c -- Python's socket addresses from the kernel's and back. */

#include "net/address.h"

#include <arpa/inet.h>
#include <stddef.h>

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

/* A number below 256 in decimal: its end. */
static char *
write_octet(char *end, unsigned octet)
{
    if (octet >= 100) {
        *end++ = (char)('0' + octet / 100);
    }
    if (octet >= 10) {
        *end++ = (char)('0' + octet / 10 % 10);
    }
    *end++ = (char)('0' + octet % 10);
    return end;
}

/* By hand: glibc's inet_ntop() prints by sprintf(), and a UDP server does this for each datagram of
   another peer than the last (165 ns with Py_BuildValue(), 70 ns so). */
static PyObject *
inet_as_python(const struct sockaddr_in *in)
{
    unsigned char octets[4];
    char text[INET_ADDRSTRLEN], *end = text;
    memcpy(octets, &in->sin_addr, sizeof(octets));
    for (int i = 0; i < 4; i++) {
        end = write_octet(end, octets[i]);
        *end++ = '.';
    }
    PyObject *host = PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, text, end - 1 - text);
    PyObject *port = PyLong_FromLong(ntohs(in->sin_port));
    PyObject *pair = host == NULL || port == NULL ? NULL : PyTuple_Pack(2, host, port);
    Py_XDECREF(host);
    Py_XDECREF(port);
    return pair;
}

static PyObject *
inet6_as_python(const struct sockaddr_in6 *in6)
{
    char host[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
    return Py_BuildValue("(siII)", host, ntohs(in6->sin6_port), ntohl(in6->sin6_flowinfo),
                         in6->sin6_scope_id);
}

PyObject *
inet_address_as_python(const inet_address *self)
{
    if (!self->is_known) {
        Py_RETURN_NONE;
    }
    return self->name.any.sa_family == AF_INET ? inet_as_python(&self->name.in)
                                               : inet6_as_python(&self->name.in6);
}

/* A path; a name that begins with NUL is of Linux's abstract namespace, and bytes. */
static PyObject *
unix_as_python(socket_address *self)
{
    const size_t before_path = offsetof(struct sockaddr_un, sun_path);
    char *path = self->name.un.sun_path;
#ifdef __linux__
    if (self->size > before_path && path[0] == '\0') {
        return PyBytes_FromStringAndSize(path, (Py_ssize_t)(self->size - before_path));
    }
#endif
    size_t size = self->size > before_path ? self->size - before_path : 0;
    path[size] = '\0'; /* the kernel may have filled it to the brim: the union has room for more */
    return PyUnicode_DecodeFSDefault(path);
}

PyObject *
socket_address_as_python(socket_address *self)
{
    if (self->size == 0) {
        Py_RETURN_NONE;
    }
    switch (self->name.any.sa_family) {
    case AF_INET:
        return inet_as_python(&self->name.in);
    case AF_INET6:
        return inet6_as_python(&self->name.in6);
    case AF_UNIX:
        return unix_as_python(self);
    default:
        return Py_BuildValue("(iy#)", (int)self->name.any.sa_family, self->name.any.sa_data,
                             (Py_ssize_t)sizeof(self->name.any.sa_data));
    }
}

/* A plain int from 0 to limit, or -1. */
static long long
small_number(PyObject *object, long long limit)
{
    int overflow;
    if (!PyLong_CheckExact(object)) {
        return -1;
    }
    long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
    return overflow != 0 || number > limit ? -1 : number;
}

/* The host at the start of an address tuple, where it is numeric. */
static bool
numeric_host(PyObject *tuple, int family, void *place)
{
    PyObject *host = PyTuple_GET_ITEM(tuple, 0);
    Py_ssize_t size;
    const char *text = PyUnicode_CheckExact(host) ? PyUnicode_AsUTF8AndSize(host, &size) : NULL;
    if (text == NULL) {
        PyErr_Clear(); /* no text: Python's socket will tell */
        return false;
    }
    return strlen(text) == (size_t)size && inet_pton(family, text, place) == 1;
}

static bool
inet_from_python(socket_address *self, PyObject *tuple)
{
    struct sockaddr_in *in = &self->name.in;
    if (!PyTuple_CheckExact(tuple) || PyTuple_GET_SIZE(tuple) != 2) {
        return false;
    }
    long long port = small_number(PyTuple_GET_ITEM(tuple, 1), UINT16_MAX);
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    self->size = sizeof(*in);
    return port >= 0 && numeric_host(tuple, AF_INET, &in->sin_addr);
}

static bool
inet6_from_python(socket_address *self, PyObject *tuple)
{
    enum { FLOW_INFO_MAX = 0xfffff };
    struct sockaddr_in6 *in6 = &self->name.in6;
    Py_ssize_t count = PyTuple_CheckExact(tuple) ? PyTuple_GET_SIZE(tuple) : 0;
    if (count < 2 || count > 4) {
        return false;
    }
    long long port = small_number(PyTuple_GET_ITEM(tuple, 1), UINT16_MAX);
    long long flow = count < 3 ? 0 : small_number(PyTuple_GET_ITEM(tuple, 2), FLOW_INFO_MAX);
    long long scope = count < 4 ? 0 : small_number(PyTuple_GET_ITEM(tuple, 3), UINT32_MAX);
    *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                 .sin6_port = htons((uint16_t)port),
                                 .sin6_flowinfo = htonl((uint32_t)flow),
                                 .sin6_scope_id = (uint32_t)scope};
    self->size = sizeof(*in6);
    return port >= 0 && flow >= 0 && scope >= 0 && numeric_host(tuple, AF_INET6, &in6->sin6_addr);
}

static bool
unix_from_bytes(socket_address *self, const char *path, size_t size)
{
    struct sockaddr_un *un = &self->name.un;
#ifdef __linux__
    size_t ending = size > 0 && path[0] == '\0' ? 0 : 1;
#else
    size_t ending = 1;
#endif
    if (size == 0 || size + ending > sizeof(un->sun_path)) {
        return false;
    }
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, size);
    self->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + ending);
    return true;
}

static bool
unix_from_python(socket_address *self, PyObject *path)
{
    PyObject *bytes = PyUnicode_CheckExact(path) ? PyUnicode_EncodeFSDefault(path)
                      : PyBytes_CheckExact(path) ? Py_NewRef(path)
                                                 : NULL;
    if (bytes == NULL) {
        PyErr_Clear(); /* it has no such name: Python's socket will tell */
        return false;
    }
    bool is_done = unix_from_bytes(self, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return is_done;
}

bool
socket_address_from_python(socket_address *self, int family, PyObject *object)
{
    switch (family) {
    case AF_INET:
        return inet_from_python(self, object);
    case AF_INET6:
        return inet6_from_python(self, object);
    case AF_UNIX:
        return unix_from_python(self, object);
    default:
        return false;
    }
}
