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
#include <string.h>

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
    /* What asyncio runs instead, from the outermost in, each "module:qualified.name"; empty where
       that is the method called qualname alone. Tools see them (core/coroutine_frame.h), once
       coroutine_learn() was called, or the method was adopted. */
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

/* The place in state->spare_coroutines for those that have so much beyond the head. */
static inline size_t
coroutine_spare_index(Py_ssize_t extra_bytes)
{
    return (size_t)extra_bytes / sizeof(void *);
}

/* coroutine_new() where no memory of a dead one is there, or its origin must be noted. */
Coroutine *coroutine_new_slow(core_state *state, const coroutine_kind *kind);

/* What a new one has in its head. */
static inline void
coroutine_init(Coroutine *self, core_state *state, const coroutine_kind *kind)
{
    self->module_state = state;
    self->kind = kind;
    self->future = NULL;
    self->weakrefs = NULL;
    self->state = COROUTINE_NEW;
    self->mark = false;
    self->is_awaiting = false;
    self->is_finalized = false;
    self->has_origin = false;
}

/* A new one, all zero behind the head; the GC sees it once coroutine_begin() has been called, which
   one that will refer to nothing but None can do without. size_bytes is the kind's, which the compiler
   may know: most await something that is ready, and making a coroutine is much of the cost then. */
static inline Coroutine *
coroutine_new_of(core_state *state, const coroutine_kind *kind, Py_ssize_t size_bytes)
{
    Py_ssize_t extra = size_bytes - (Py_ssize_t)sizeof(Coroutine);
    size_t index = coroutine_spare_index(extra);
    if (index >= SPARE_COROUTINE_SIZES || state->spare_coroutines[index].count == 0
        || PyThreadState_Get()->coroutine_origin_tracking_depth != 0) {
        return coroutine_new_slow(state, kind);
    }
    Coroutine *self = state->spare_coroutines[index].first;
    state->spare_coroutines[index].first = self->future;
    state->spare_coroutines[index].count--;
    Py_SET_REFCNT((PyObject *)self, 1); /* its type it has kept, with a reference */
    LIVE_ADD(state, LIVE_COROUTINE);
    coroutine_init(self, state, kind);
    memset(self + 1, 0, (size_t)extra);
    return self;
}

static inline Coroutine *
coroutine_new(core_state *state, const coroutine_kind *kind)
{
    return coroutine_new_of(state, kind, kind->size_bytes);
}

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
