/* chain.h -- a future that follows another one, which may belong to another thread.

   Either of the two may be a future of any loop or a concurrent.futures.Future, which is Python's.
   The result goes from the source to the destination; a cancellation the other way as well.

   Threads: a concurrent future calls what is here in the thread that gave it its result.
   Source: _chain_future and wrap_future of asyncio.futures. */

#ifndef PYASYNC_CORE_CHAIN_H
#define PYASYNC_CORE_CHAIN_H

#include "base/compat.h"

#include "core/state.h"

#include <stdbool.h>

/* As asyncio.futures._chain_future: 0, or -1 with TypeError where one of them is no future. Runs
   Python. */
int chain_futures(core_state *state, PyObject *source, PyObject *destination);

/* As asyncio.wrap_future(object, loop=loop), where NULL is the running loop: a new reference or
   NULL. Without an exception: there is no such loop, it is in debug mode, or the object is no
   future; asyncio's own knows what to do then. Runs Python. */
PyObject *chain_wrap(core_state *state, PyObject *object, PyObject *loop);

/* Has `destination`, a future of ours that nobody else knows yet, follow a source with cancel().
   What that gives to chain_source_is_done(), once, when it is done: a new reference or NULL. */
PyObject *chain_follow(core_state *state, PyObject *source, PyObject *destination);

/* 0 or -1. Runs Python. */
int chain_source_is_done(core_state *state, PyObject *end, PyObject *source);

/* Whether concurrent.futures.Future has the methods that it had at the import. Keeps the pending
   exception. */
bool chain_concurrent_is_plain(core_state *state);

/* future.set_running_or_notify_cancel() of a concurrent one: 1, 0 or -1. Runs Python. */
int chain_begin(core_state *state, PyObject *future);

int chain_init(core_state *state);

#endif
