/* handle_threadsafe.h -- a callback of call_soon_threadsafe() that runs, and other threads that wait
   for it to return.

   Since 3.14 cancel() and cancelled() of such a handle wait, in another thread than the loop's,
   while the callback runs: who has cancelled it knows that it does not run any more.

   Invariants
   1. A handle_runner is linked in the state exactly while its thread calls the handle's callback.
   Threads: under the GIL, which waiting gives up.
   Ownership: both kinds of node live on the stack of their thread, which holds the handle. A forked
   child has the stack of one thread: handle_forget_other_threads() has to be called there.
   Source: asyncio.events._ThreadSafeHandle. */

#ifndef PYASYNC_CORE_HANDLE_THREADSAFE_H
#define PYASYNC_CORE_HANDLE_THREADSAFE_H

#include "base/compat.h"

#include "base/llist.h"
#include "core/handle.h"

typedef struct {
    llist_node node;
    Handle *handle;
    unsigned long thread_id;
} handle_runner;

/* Before and after a thread-safe handle's callback is called. */
void handle_runner_begin(core_state *state, handle_runner *self, Handle *handle);
void handle_runner_end(core_state *state, handle_runner *self);

/* Waits while another thread runs the callback, as the lock of asyncio's _ThreadSafeHandle makes
   it: 0 or -1. Gives the GIL up. */
int handle_wait_for_callback(core_state *state, Handle *self);

/* In a forked child, before it starts a thread: those of its parent run and wait no more. */
void handle_forget_other_threads(core_state *state);

#endif
