/* handle_threadsafe.c -- the lists of who runs and who waits, and waking. */

#include "core/handle_threadsafe.h"

#include <pythread.h>

/* A thread that waits for a callback to return. */
typedef struct {
    llist_node node;
    Handle *handle;
    PyThread_type_lock lock;
} handle_waiter;

static bool
runs_in_other_thread(core_state *state, Handle *self)
{
    for (llist_node *node = state->handle_runners.next; node != &state->handle_runners;
         node = node->next) {
        const handle_runner *runner = container_of(node, handle_runner, node);
        if (runner->handle == self && runner->thread_id != PyThread_get_thread_ident()) {
            return true;
        }
    }
    return false;
}

int
handle_wait_for_callback(core_state *state, Handle *self)
{
    if (!THREADSAFE_HANDLE_BLOCKS || !self->is_threadsafe) {
        return 0;
    }
    while (runs_in_other_thread(state, self)) {
        handle_waiter waiter = {.handle = self, .lock = PyThread_allocate_lock()};
        if (waiter.lock == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        PyThread_acquire_lock(waiter.lock, WAIT_LOCK);
        llist_append(&state->handle_waiters, &waiter.node);
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(waiter.lock, WAIT_LOCK);
        Py_END_ALLOW_THREADS
        PyThread_release_lock(waiter.lock);
        PyThread_free_lock(waiter.lock);
    }
    return 0;
}

static void
wake_waiters(core_state *state, Handle *self)
{
    llist_node *next;
    for (llist_node *node = state->handle_waiters.next; node != &state->handle_waiters;
         node = next) {
        next = node->next;
        handle_waiter *waiter = container_of(node, handle_waiter, node);
        if (waiter->handle == self) {
            llist_remove(node);
            PyThread_release_lock(waiter->lock); /* the waiter is gone once it has the GIL */
        }
    }
}

void
handle_runner_begin(core_state *state, handle_runner *self, Handle *handle)
{
    *self = (handle_runner){.handle = handle, .thread_id = PyThread_get_thread_ident()};
    llist_append(&state->handle_runners, &self->node);
}

void
handle_runner_end(core_state *state, handle_runner *self)
{
    llist_remove(&self->node);
    wake_waiters(state, self->handle);
}

void
handle_forget_other_threads(core_state *state)
{
    llist_node *next;
    for (llist_node *node = state->handle_runners.next; node != &state->handle_runners;
         node = next) {
        next = node->next;
        if (container_of(node, handle_runner, node)->thread_id != PyThread_get_thread_ident()) {
            llist_remove(node);
        }
    }
    llist_init(&state->handle_waiters); /* no thread forks while it waits */
}
