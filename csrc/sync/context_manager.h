/* context_manager.h -- acquire() and `async with` of what is acquirable: locks and semaphores.

   Source: asyncio.locks._ContextManagerMixin. */

#ifndef PYASYNC_SYNC_CONTEXT_MANAGER_H
#define PYASYNC_SYNC_CONTEXT_MANAGER_H

#include "base/compat.h"

#include "sync/waiters.h"

/* A kind of coroutine that acquires its owner: its start, and its resume. */
int acquire_start(Coroutine *self, PyObject **result);
int acquire_resume(Coroutine *self, PyObject **result);

/* The coroutines of __aenter__ and __aexit__ on an acquirable. */
PyObject *context_manager_enter(SyncObject *owner);
PyObject *context_manager_exit(SyncObject *owner);

/* Methods. */
PyObject *Acquirable_acquire(PyObject *self, PyObject *unused);
PyObject *Acquirable_release(PyObject *self, PyObject *unused);
PyObject *Acquirable_aenter(PyObject *self, PyObject *unused);
PyObject *Acquirable_aexit(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *kwnames);

#define CONTEXT_MANAGER_METHODS(aenter, aexit)                                               \
    {"__aenter__", aenter, METH_NOARGS,                                                      \
     "__aenter__($self, /)\n--\n\nAcquire it. As asyncio.Lock."},                            \
    {"__aexit__", FAST_METHOD(aexit),                                                        \
     "__aexit__($self, exc_type, exc, tb)\n--\n\nRelease it. As asyncio.Lock."}

#endif
