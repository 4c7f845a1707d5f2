/* net_coroutine.h -- the Coroutine of a loop's method: the loop, the arguments, and an fd's matters.

   Ownership: loop and items are references, view is held where its obj is set; given back at the end.
   Source: the methods of asyncio.selector_events.BaseSelectorEventLoop. */

#ifndef PYASYNC_NET_NET_COROUTINE_H
#define PYASYNC_NET_NET_COROUTINE_H

#include "core/coroutine.h"
#include "net/address.h"
#include "net/net_loop.h"

enum { NET_COROUTINE_ITEMS = 6 };

typedef struct {
    Coroutine coroutine;
    NetLoop *loop; /* NULL once it is done */
    PyObject *items[NET_COROUTINE_ITEMS];
    Py_buffer view;
    Py_ssize_t count;
    int fd; /* -1 for none */
    int family, type, proto; /* of a socket, where the kind wants to know */
    inet_address peer;
    socket_address address; /* set, as far as its size goes, by those kinds that use it */
} NetCoroutine;

/* A new one with `count` items (each may be NULL); the maker still calls coroutine_begin(). */
NetCoroutine *net_coroutine_new(NetLoop *loop, const coroutine_kind *kind, PyObject *const *items,
                                Py_ssize_t count);

/* A kind's traverse, and its drop or the end of that. */
int net_coroutine_traverse(Coroutine *self, visitproc visit, void *arg);
void net_coroutine_drop(Coroutine *self);

#define NET_COROUTINE_KIND(method, qualified)                                                \
    .name = method, .qualname = qualified "." method, .size_bytes = sizeof(NetCoroutine),    \
    .traverse = net_coroutine_traverse

#endif
