/* coroutine.h -- an awaitable made in C, for what asyncio defines with `async def`.

   It tries at once when it is first resumed; where that has to wait it yields one Future of its
   loop, and ends when that Future is done. What it does is a table of functions (coroutine_kind);
   what it works on lies in the object.

   Invariants
   1. NEW until the first resumption, then RUNNING or WAITING (future is set), then DONE; never back.
   2. kind->drop is called once, when it is DONE or freed, even if it never began.
   Ownership: loop, items and future are references; kind is static.
   Source: types.CoroutineType; the methods of asyncio.selector_events.BaseSelectorEventLoop. */

#ifndef PYASYNC_NET_COROUTINE_H
#define PYASYNC_NET_COROUTINE_H

#include "base/compat.h"

#include "net/address.h"
#include "net/net_loop.h"

enum { COROUTINE_ITEMS = 5 };

typedef struct Coroutine Coroutine;

typedef struct {
    const char *name;     /* as the `async def` is called, and with its class */
    const char *qualname;
    /* Begins: 1 with a new reference in *result where it is done already, 0 where self->future has
       been set to what must be waited for, or -1. Runs Python. */
    int (*start)(Coroutine *self, PyObject **result);
    /* The future is done: *result is its result, or NULL with its exception (or the one thrown into
       the coroutine) raised. May replace either; NULL where nothing is to be done. Runs Python. */
    void (*finish)(Coroutine *self, PyObject **result);
    /* Gives back what the maker and start() put in; keeps the pending exception. May be NULL. */
    void (*drop)(Coroutine *self);
} coroutine_kind;

enum coroutine_state {
    COROUTINE_NEW,
    COROUTINE_RUNNING,
    COROUTINE_WAITING,
    COROUTINE_DONE,
};

struct Coroutine {
    PyObject_HEAD
    const coroutine_kind *kind;
    NetLoop *loop;
    PyObject *future;
    PyObject *items[COROUTINE_ITEMS];
    Py_buffer view; /* released at the end, where obj is set */
    Py_ssize_t count;
    int fd;
    int family, type, proto; /* of a socket, where the kind wants to know */
    inet_address peer;
    socket_address address; /* set, as far as its size goes, by those kinds that use it */
    enum coroutine_state state;
    PyObject *weakrefs;
};

/* A new one with `count` items (each may be NULL). */
PyObject *coroutine_new(NetLoop *loop, const coroutine_kind *kind, PyObject *const *items,
                        Py_ssize_t count);

int coroutine_init_type(PyObject *module, core_state *state);

#endif
