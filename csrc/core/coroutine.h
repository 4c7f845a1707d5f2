/* coroutine.h -- an awaitable made in C, for what asyncio defines with `async def`.

   What it does is a table of functions (coroutine_kind); what it works on lies behind the head, in
   a struct of the kind's own that begins with a Coroutine. Whenever it has to wait it yields one
   Future, and it is resumed when that Future is done; or None, to be resumed in the next iteration.
   Or it awaits an awaitable of any kind, to which send(), throw() and close() go through, and it is
   resumed when that one returns or raises.

   Invariants
   1. NEW until the first resumption, then RUNNING or WAITING (future is set), then DONE; never back.
   2. kind->drop is called once, when it is DONE or freed, even if it never began.
   Ownership: future is a reference; kind is static; kind->traverse and kind->drop see to the rest.
   Source: types.CoroutineType. */

#ifndef PYASYNC_CORE_COROUTINE_H
#define PYASYNC_CORE_COROUTINE_H

#include "base/compat.h"

#include "core/state.h"

#include <stdbool.h>

typedef struct Coroutine Coroutine;

enum { COROUTINE_MAX_FUNCTIONS = 3 };

/* What start() and resume() answer. */
enum coroutine_answer {
    COROUTINE_FAILED = -1,
    COROUTINE_WAITS = 0,
    COROUTINE_RETURNS = 1,
    COROUTINE_AWAITS = 2,
};

typedef struct {
    const char *name;     /* as the `async def` is called, and with its class */
    const char *qualname;
    Py_ssize_t size_bytes; /* of the kind's struct */
    /* What asyncio runs instead, from the outermost in, each "module:qualified.name"; may be empty.
       Tools see them (core/coroutine_frame.h), once coroutine_learn() was called. */
    const char *functions[COROUTINE_MAX_FUNCTIONS];
    /* Begins: 1 with a new reference in *result where it is done already, 0 where self->future has
       been set to what must be waited for (a future or None), 2 where it has been set to what
       `await` iterates over (coroutine_awaitable_iter), or -1. Runs Python. */
    int (*start)(Coroutine *self, PyObject **result);
    /* The future is done: *result is its result, or NULL with its exception (or the one thrown into
       the coroutine) raised. Answers as start does, and owns *result: to wait again it gives that
       back and sets self->future anew. NULL: what came is what is returned or raised. Runs Python. */
    int (*resume)(Coroutine *self, PyObject **result);
    /* Visits what the maker and start() put in; may be NULL. */
    int (*traverse)(Coroutine *self, visitproc visit, void *arg);
    /* Gives that back; may be NULL. Called with no exception pending. */
    void (*drop)(Coroutine *self);
} coroutine_kind;

enum coroutine_state {
    COROUTINE_NEW,
    COROUTINE_RUNNING,
    COROUTINE_WAITING,
    COROUTINE_DONE,
};

struct Coroutine {
    PyObject_VAR_HEAD /* ob_size: what the kind's struct has beyond this one, in bytes */
    core_state *module_state;
    const coroutine_kind *kind;
    PyObject *future; /* or, where it is_awaiting, the iterator of an awaitable */
    PyObject *weakrefs;
    enum coroutine_state state;
    bool mark; /* for the kind to use: there is room for it here */
    bool is_awaiting;
    bool is_finalized; /* tp_finalize has run, as it does once in an object's life */
    bool has_origin;   /* see core/coroutine_origin.h */
};

/* A new one, all zero behind the head; the GC sees it once coroutine_begin() has been called, which
   one that will refer to nothing but None can do without. */
Coroutine *coroutine_new(core_state *state, const coroutine_kind *kind);

/* The maker has filled it in. */
static inline PyObject *
coroutine_begin(Coroutine *self)
{
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

/* Gives back the memory of dead ones that is kept. */
void coroutine_drop_spare(core_state *state);

/* Finds the kind's functions, at the import of the module: 0 or -1. */
int coroutine_learn(core_state *state, const coroutine_kind *kind);

/* What `await` iterates over: a new reference, or NULL. Without an exception: it is nothing that C
   awaits, the interpreter may. Runs Python. */
PyObject *coroutine_awaitable_iter(core_state *state, PyObject *awaitable);

int coroutine_init_type(PyObject *module, core_state *state);

#endif
