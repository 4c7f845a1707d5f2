/* loop.h -- the event loop's state and what the other types ask of it.

   Invariants (loop_check, debug builds)
   1. ready holds owned references: Tasks (to step), our Handles, Waiters (to notify), or foreign
      handles (to _run()).
   2. timers holds one owned reference for each TimerHandle in it.
   3. is_direct (asked by loop_is_direct, which sees classes patched later) is true exactly where a
      callback may go into the ring without asking anyone: not closed, not in debug mode, and
      nobody has put another call_soon in the way.
   4. While is_sleeping the GIL is free and the loop's thread waits in the poller; whoever then
      puts something into ready must wake it (loop_wake).
   5. Free lists hold memory of dead objects, no references, and are touched under the GIL only.
   Ownership: the loop owns its poller, its wake-up fd, and every object in its queues.
   Source: asyncio.BaseEventLoop, asyncio.BaseSelectorEventLoop. */

#ifndef PYASYNC_CORE_LOOP_H
#define PYASYNC_CORE_LOOP_H

#include "base/compat.h"

#include "base/ring.h"
#include "base/timer_heap.h"
#include "core/state.h"
#include "core/wakeup.h"
#include "core/watcher.h"
#include "poller/poller.h"

#include <stdbool.h>

enum { FREE_LIST_SIZE = 256 };

typedef struct {
    int count;
    PyObject *items[FREE_LIST_SIZE];
} free_list;

typedef struct Loop {
    PyObject_HEAD
    core_state *state;
    PyObject *module;        /* keeps state alive; not visited: see Loop_traverse */
    ring ready;
    timer_heap timers;
    const poller_backend *backend;
    poller *poller;
    wakeup wakeup;
    watcher_table watchers;

    bool is_closed;
    bool is_stopping;
    bool is_direct;
    bool is_sleeping;
    bool must_poll;          /* ask the poller in the next iteration, whatever is ready */
    bool has_lingering_task; /* see core/bridge.h */
    bool call_soon_is_ours;
    bool call_at_is_ours;
    bool time_is_ours;
    bool get_debug_is_ours;
    bool create_future_is_ours;
    bool create_task_is_ours;
    bool threadsafe_is_ours; /* call_soon_threadsafe() and is_closed() */
    unsigned calls_since_poll;
    unsigned int type_version; /* of Py_TYPE(self) when the *_is_ours were found */
    bool is_running;
    bool is_in_batch;        /* the callbacks of an iteration run: after_batch will be called */
    unsigned iteration;      /* counts them, round and round */
    void (*after_batch)(struct Loop *self); /* core/loop_run.c calls it, where not NULL */

    PyObject *debug;         /* what set_debug was given */
    PyObject *thread_id_object;
    PyObject *task_factory;
    PyObject *current_handle;
    PyObject *spare_context; /* core/context.h; NULL while it is lent out */

    free_list free_futures;
    free_list free_tasks;
    free_list free_iters;
    free_list free_waiters;
    free_list free_handles[2]; /* with room for 1 and for 2 arguments */
    free_list free_timer_handles;
} Loop;

/* `object` as a Loop, or NULL where it is another kind of loop. */
static inline Loop *
loop_cast(const core_state *state, PyObject *object)
{
    return PyObject_TypeCheck(object, state->Loop_type) ? (Loop *)object : NULL;
}

/* Finds out anew what of the loop is overridden, by its type or on the instance: 0 or -1. */
int loop_refresh_overrides(Loop *self);

/* The same for what else loop_is_direct() asks: debug mode, and whether the loop is closed. */
void loop_refresh_is_direct(Loop *self);

/* Drops everything that waits to run. Runs Python (destructors). */
void loop_drop_queues(Loop *self);

static inline bool
loop_debug_is_plain_off(const Loop *self)
{
    return self->debug == Py_False && self->get_debug_is_ours;
}

/* Whether a callback may go into the ring without asking anyone. Keeps the pending exception. */
static inline bool
loop_is_direct(Loop *self)
{
    if (Py_TYPE(self)->tp_version_tag != self->type_version && loop_refresh_overrides(self) < 0) {
        PyErr_Clear(); /* a broken class: the slow way will tell */
        return false;
    }
    return self->is_direct;
}

/* Whether its create_task(coro) does nothing but make a task of ours. Keeps the pending exception. */
static inline bool
loop_makes_plain_tasks(Loop *self)
{
    return loop_is_direct(self) && self->create_task_is_ours && self->task_factory == Py_None;
}

/* Memory of a dead object of this type as a new, tracked object with one reference and all
   fields zero; NULL (no exception) where there is none. */
static inline PyObject *
loop_free_list_take(free_list *list, PyTypeObject *type)
{
    if (list->count == 0) {
        return NULL;
    }
    PyObject *object = list->items[--list->count];
    PyObject_Init(object, type);
    PyObject_GC_Track(object);
    return object;
}

/* Whether the memory of a dead, untracked object was taken in. */
static inline bool
loop_free_list_put(free_list *list, PyObject *object)
{
    if (list->count == FREE_LIST_SIZE) {
        return false;
    }
    list->items[list->count++] = object;
    return true;
}

/* Puts an entry into the ready ring and takes its reference over, on failure too: 0 or -1. */
static inline int
loop_put_steal(Loop *self, PyObject *entry)
{
    if (ring_put(&self->ready, entry) < 0) {
        Py_DECREF(entry);
        PyErr_NoMemory();
        return -1;
    }
    if (self->is_sleeping) {
        wakeup_send(&self->wakeup);
    }
    return 0;
}

/* Wakes a loop that sleeps in another thread, or has it look at the poller before it goes on; safe to
   call at any time under the GIL. */
static inline void
loop_wake(Loop *self)
{
    if (self->is_sleeping) {
        wakeup_send(&self->wakeup);
    }
    else {
        self->must_poll = true;
    }
}

/* Asserts the invariants; debug builds call it once an iteration. The heap is looked through while
   it is small. */
#ifdef PYASYNC_DEBUG
void loop_check(const Loop *self);
#else
#  define loop_check(self) ((void)(self))
#endif

/* RuntimeError where the loop is closed. */
int loop_check_closed(Loop *self);

/* loop.get_debug() of any loop: 1, 0 or -1. Runs Python, but for one of ours that is not in debug
   mode. */
int loop_is_debug(core_state *state, PyObject *loop);

/* loop.time() as a double, and as a deadline that is due: 0 or -1. Runs Python where the clock is
   not ours. */
int loop_time(Loop *self, double *seconds);
int loop_now_ns(Loop *self, int64_t *now);

/* loop.create_future() of any loop. Runs Python, but for one of ours that does not override it. */
PyObject *loop_create_future(core_state *state, PyObject *loop);

/* What a program (one that traces tasks, say) has put in the place of BaseEventLoop.create_task, or
   NULL. Borrowed. Looked for again when that class has changed; that changes our class as well. */
PyObject *loop_replaced_create_task(core_state *state);

/* loop.create_task(coro) of one that loop_makes_plain_tasks(). */
PyObject *loop_create_plain_task(Loop *self, PyObject *coro);

/* The handle of an entry of the ring, whose reference it takes over (core/loop_queues.c); NULL with an
   exception. */
PyObject *loop_handle_of_steal(Loop *self, PyObject *entry);

/* loop.call_soon(callback[, argument]) in `context`, or in a copy of the current one where that is
   NULL; by the shortest way. 0 or -1. Runs Python where call_soon is overridden. */
int loop_call_soon(Loop *self, PyObject *callback, PyObject *argument, PyObject *context);

/* loop.call_soon_threadsafe(callback, *args) of any loop, with two arguments at most: 0 or -1. Runs
   Python, but for one of ours that does not override it and is not in debug mode. */
int loop_call_soon_threadsafe(core_state *state, PyObject *loop, PyObject *callback,
                              PyObject *const *args, Py_ssize_t nargs);

/* loop.is_closed() of any loop: 1, 0 or -1. Runs Python as the one above. */
int loop_is_closed(core_state *state, PyObject *loop);

/* Has callback([argument]) called whenever fd is ready for an event (POLLER_READ or POLLER_WRITE), in
   place of who waited for it before (core/loop_watch.c). The Handle, or NULL. */
PyObject *loop_watch_fd(Loop *self, int fd, unsigned event, PyObject *callback,
                        PyObject *argument, PyObject *context);

/* The same for who waits for one event, unless other events of the fd are waited for already: the poller
   may report it one time only. The callback is to call one of the two below. */
PyObject *loop_watch_fd_once(Loop *self, int fd, unsigned event, PyObject *callback,
                             PyObject *argument);

/* The event has been reported, and was none: once more. 0 or -1. */
int loop_watch_fd_again(Loop *self, int fd);

/* As loop_unwatch_fd, when the event has been reported: that may spare the poller a call. */
int loop_unwatch_reported_fd(Loop *self, int fd, unsigned event);

/* Nobody waits for that event any more: 1, 0 where nobody did, or -1. */
int loop_unwatch_fd(Loop *self, int fd, unsigned event);
bool loop_is_watching(const Loop *self, int fd, unsigned event);

/* Whether what waits for that event is a callback with just this argument. */
bool loop_is_watching_with(const Loop *self, int fd, unsigned event, PyObject *argument);

/* tp_new, tp_traverse, tp_clear and tp_dealloc, for types whose struct begins with a Loop. */
PyObject *Loop_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
int Loop_traverse(PyObject *op, visitproc visit, void *arg);
int Loop_clear(PyObject *op);
void Loop_dealloc(PyObject *op);

int loop_init_type(PyObject *module, core_state *state);

#endif
