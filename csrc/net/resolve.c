/* resolve.c -- NetLoop's getaddrinfo and getnameinfo: what needs no resolver is answered at once.

   Three ways: the list of the usual call (a literal address, a numeric port) is put together here; other
   calls with a literal or no host are made by socket.getaddrinfo at once, told not to ask anyone;
   everything else is asyncio's, in a thread.
   Source: asyncio.BaseEventLoop.getaddrinfo, socket.getaddrinfo, getaddrinfo(3); RFC 3493. */

#include "net/net_methods.h"

#include "core/args.h"
#include "net/net_coroutine.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

enum { MOST_ENTRIES = 3, LONGEST_PORT = 5, LONGEST_HOST = 63 };

/* Flags that change nothing for a literal address. */
enum { NEUTRAL_FLAGS = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };

/* The items of a getaddrinfo() that is put together; of one that has been answered, the list. */
enum { ITEM_HOST, ITEM_PORT };
enum { ITEM_ANSWER };

typedef struct {
    PyObject *host, *port; /* borrowed */
    int family, type, proto, flags;
} query;

/* ---- reading the arguments ---- */

/* The text of a str or bytes without zeros, or NULL. May leave an exception. */
static const char *
text_of(PyObject *object, Py_ssize_t *size)
{
    const char *text = NULL;
    if (PyUnicode_CheckExact(object)) {
        text = PyUnicode_AsUTF8AndSize(object, size);
    }
    else if (PyBytes_CheckExact(object)) {
        text = PyBytes_AS_STRING(object);
        *size = PyBytes_GET_SIZE(object);
    }
    return text != NULL && strlen(text) == (size_t)*size ? text : NULL;
}

/* The number that a port is or spells, 0 for None: whether it is one. */
static bool
read_port(PyObject *object, long *port)
{
    *port = 0;
    if (object == Py_None) {
        return true;
    }
    if (PyLong_CheckExact(object)) {
        *port = PyLong_AsLong(object);
    }
    else {
        Py_ssize_t size;
        const char *text = text_of(object, &size);
        if (text == NULL || size < 1 || size > LONGEST_PORT) {
            return false;
        }
        for (Py_ssize_t i = 0; i < size; i++) {
            if (text[i] < '0' || text[i] > '9') {
                return false;
            }
            *port = *port * 10 + (text[i] - '0');
        }
    }
    return *port >= 0 && *port <= 0xFFFF;
}

/* Whether the host is a literal of the family, or of any where that is AF_UNSPEC: fills address in. */
static bool
read_host(PyObject *object, int family, long port, inet_address *address)
{
    Py_ssize_t size;
    const char *text = text_of(object, &size);
    if (text == NULL) {
        return false;
    }
    memset(address, 0, sizeof(*address));
    if (family != AF_INET6 && inet_pton(AF_INET, text, &address->name.in.sin_addr) == 1) {
        address->name.in.sin_family = AF_INET;
        address->name.in.sin_port = htons((uint16_t)port);
        address->is_known = true;
    }
    else if (family != AF_INET && inet_pton(AF_INET6, text, &address->name.in6.sin6_addr) == 1) {
        address->name.in6.sin6_family = AF_INET6;
        address->name.in6.sin6_port = htons((uint16_t)port);
        address->is_known = true;
    }
    return address->is_known;
}

/* Whether it is a literal of any family, perhaps with a zone: nothing to ask a resolver for. */
static bool
host_is_literal(PyObject *object)
{
    char host[LONGEST_HOST + 1];
    struct in6_addr binary;
    Py_ssize_t size;
    const char *text = text_of(object, &size);
    const char *zone = text == NULL ? NULL : strchr(text, '%');
    if (text == NULL || (zone == NULL ? size : zone - text) > LONGEST_HOST) {
        return false;
    }
    size_t length = zone == NULL ? (size_t)size : (size_t)(zone - text);
    memcpy(host, text, length);
    host[length] = 0;
    return inet_pton(AF_INET6, host, &binary) == 1
           || (zone == NULL && inet_pton(AF_INET, host, &binary) == 1);
}

static bool
read_int(PyObject *object, int *value)
{
    *value = 0;
    if (object == NULL) {
        return true;
    }
    int overflow;
    long number = PyLong_Check(object) ? PyLong_AsLongAndOverflow(object, &overflow) : -1;
    *value = (int)number;
    return number >= 0 && number <= INT_MAX && overflow == 0;
}

/* Whether the arguments of getaddrinfo() are what they should be. */
static bool
read_query(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, query *asked)
{
    static const args_names parameters = {
        {"host", "port", "family", "type", "proto", "flags"}, 6, 2, 2};
    PyObject *bound[ARGS_MAX_NAMES];
    if (!args_bind_names(&parameters, args, nargs, kwnames, bound)) {
        return false;
    }
    asked->host = bound[0];
    asked->port = bound[1];
    return read_int(bound[2], &asked->family) && read_int(bound[3], &asked->type)
           && read_int(bound[4], &asked->proto) && read_int(bound[5], &asked->flags);
}

/* ---- the usual call ---- */

/* One kind of socket in the answer: its SocketKind, borrowed, and protocol. */
typedef struct {
    PyObject *kind;
    int proto;
} answer_kind;

/* The kinds of socket that fit a type and protocol, of which either may be 0: their number; 0 where that
   is for getaddrinfo(3) to say, as it always is in another library than glibc: musl gives other kinds,
   and the host as canonical name. */
static int
find_kinds(core_state *state, int type, int proto, answer_kind kinds[MOST_ENTRIES])
{
#ifdef __GLIBC__
    const answer_kind stream = {state->socket_SOCK_STREAM, IPPROTO_TCP};
    const answer_kind datagram = {state->socket_SOCK_DGRAM, IPPROTO_UDP};
    if (type == SOCK_STREAM && (proto == 0 || proto == IPPROTO_TCP)) {
        kinds[0] = stream;
        return 1;
    }
    if (type == SOCK_DGRAM && (proto == 0 || proto == IPPROTO_UDP)) {
        kinds[0] = datagram;
        return 1;
    }
    if (type == 0 && proto == 0) {
        kinds[0] = stream;
        kinds[1] = datagram;
        kinds[2] = (answer_kind){state->socket_SOCK_RAW, 0};
        return 3;
    }
#else
    (void)state, (void)type, (void)proto, (void)kinds;
#endif
    return 0;
}

/* [(family, kind, protocol, '', address)] for each kind of socket. */
static PyObject *
make_answer(core_state *state, const inet_address *address, const answer_kind *kinds, int count)
{
    PyObject *family = address->name.any.sa_family == AF_INET ? state->socket_AF_INET
                                                              : state->socket_AF_INET6;
    PyObject *name = inet_address_as_python(address);
    PyObject *no_canonname = PyUnicode_FromStringAndSize(NULL, 0);
    PyObject *list = PyList_New(count);
    for (int i = 0; i < count && list != NULL; i++) {
        PyObject *proto = PyLong_FromLong(kinds[i].proto);
        PyObject *entry = name == NULL || no_canonname == NULL || proto == NULL
                              ? NULL
                              : PyTuple_Pack(5, family, kinds[i].kind, proto, no_canonname, name);
        Py_XDECREF(proto);
        if (entry == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, entry);
    }
    Py_XDECREF(name);
    Py_XDECREF(no_canonname);
    return list;
}

static int
start_literal(Coroutine *op, PyObject **result)
{
    NetCoroutine *self = (NetCoroutine *)op;
    core_state *state = self->loop->loop.state;
    answer_kind kinds[MOST_ENTRIES];
    if (PySys_Audit("socket.getaddrinfo", "OOiii", self->items[ITEM_HOST], self->items[ITEM_PORT],
                    self->family, self->type, self->proto) < 0) { // runs Python
        return -1;
    }
    int count = find_kinds(state, self->type, self->proto, kinds);
    *result = make_answer(state, &self->peer, kinds, count);
    return *result == NULL ? -1 : 1;
}

static PyObject *
literal_coroutine(NetLoop *loop, const query *asked, const inet_address *address)
{
    static const coroutine_kind kind = {
        NET_COROUTINE_KIND("getaddrinfo", "BaseEventLoop"),
        .drop = net_coroutine_drop,
        .start = start_literal,
    };
    NetCoroutine *self = net_coroutine_new(loop, &kind,
                                           (PyObject *[]){asked->host, asked->port}, 2);
    if (self == NULL) {
        return NULL;
    }
    self->peer = *address;
    self->family = asked->family;
    self->type = asked->type;
    self->proto = asked->proto;
    return coroutine_begin(&self->coroutine);
}

/* ---- other calls that ask nobody ---- */

static int
start_answered(Coroutine *op, PyObject **result)
{
    NetCoroutine *self = (NetCoroutine *)op;
    *result = Py_NewRef(self->items[ITEM_ANSWER]);
    return 1;
}

static PyObject *
answered_coroutine(NetLoop *loop, PyObject *answer)
{
    static const coroutine_kind kind = {
        NET_COROUTINE_KIND("getaddrinfo", "BaseEventLoop"),
        .drop = net_coroutine_drop,
        .start = start_answered,
    };
    NetCoroutine *self = net_coroutine_new(loop, &kind, &answer, 1);
    return self == NULL ? NULL : coroutine_begin(&self->coroutine);
}

/* socket.getaddrinfo() of a literal or no host: the list; or NULL where the answer is an error, which
   asyncio's method will meet in its turn. Runs Python. */
static PyObject *
ask_socket(core_state *state, const query *asked)
{
    return PyObject_CallFunction(state->socket_getaddrinfo, "OOiiii", asked->host, asked->port,
                                 asked->family, asked->type, asked->proto,
                                 asked->flags | AI_NUMERICHOST | AI_NUMERICSERV);
}

/* Whether socket.<name> is what it was when we were imported: tests put other functions there. */
static bool
is_unpatched(core_state *state, PyObject *name, PyObject *original)
{
    PyObject *found = PyDict_GetItemWithError(state->socket_namespace, name);
    return found == original;
}

PyObject *
NetLoop_getaddrinfo(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    NetLoop *self = (NetLoop *)op;
    core_state *state = self->loop.state;
    query asked;
    long port;
    inet_address address;
    answer_kind kinds[MOST_ENTRIES];
    if (loop_debug_is_plain_off(&self->loop) && !self->loop.is_closed
        && is_unpatched(state, state->name_getaddrinfo, state->socket_getaddrinfo)
        && read_query(args, nargs, kwnames, &asked) && read_port(asked.port, &port)) {
        if ((asked.flags & ~NEUTRAL_FLAGS) == 0
            && (asked.family == AF_UNSPEC || asked.family == AF_INET || asked.family == AF_INET6)
            && find_kinds(state, asked.type, asked.proto, kinds) > 0
            && read_host(asked.host, asked.family, port, &address)) {
            return literal_coroutine(self, &asked, &address);
        }
        if (asked.host == Py_None || host_is_literal(asked.host)) {
            PyObject *answer = ask_socket(state, &asked); // runs Python
            if (answer != NULL) {
                PyObject *coroutine = answered_coroutine(self, answer);
                Py_DECREF(answer);
                return coroutine;
            }
        }
    }
    PyErr_Clear(); /* asyncio's method meets it again */
    return net_loop_call_stock(self, "getaddrinfo", args, nargs, kwnames);
}

/* ---- getnameinfo ---- */

static int
start_getnameinfo(Coroutine *op, PyObject **result)
{
    NetCoroutine *self = (NetCoroutine *)op;
    core_state *state = self->loop->loop.state;
    *result = PyObject_CallFunctionObjArgs(state->socket_getnameinfo, self->items[0],
                                           self->items[1], NULL); // runs Python
    return *result == NULL ? -1 : 1;
}

PyObject *
NetLoop_getnameinfo(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_names parameters = {{"sockaddr", "flags"}, 2, 2, 1};
    static const coroutine_kind kind = {
        NET_COROUTINE_KIND("getnameinfo", "BaseEventLoop"),
        .drop = net_coroutine_drop,
        .start = start_getnameinfo,
    };
    NetLoop *self = (NetLoop *)op;
    core_state *state = self->loop.state;
    PyObject *bound[ARGS_MAX_NAMES];
    int flags;
    /* With both flags nobody is asked, and host and port come back as they are. */
    if (loop_debug_is_plain_off(&self->loop) && !self->loop.is_closed
        && is_unpatched(state, state->name_getnameinfo, state->socket_getnameinfo)
        && args_bind_names(&parameters, args, nargs, kwnames, bound) && read_int(bound[1], &flags)
        && (flags & NI_NUMERICHOST) && (flags & NI_NUMERICSERV)) {
        NetCoroutine *coroutine = net_coroutine_new(self, &kind, bound, 2);
        return coroutine == NULL ? NULL : coroutine_begin(&coroutine->coroutine);
    }
    PyErr_Clear(); /* asyncio's method meets it again */
    return net_loop_call_stock(self, "getnameinfo", args, nargs, kwnames);
}
