/* queue.h -- asyncio.Queue: items, who waits to put one, who waits to get one.

   The order of the items is the class's: a deque of first in, first out; a list as a stack; a list
   as a heap. Who wants another overrides _init, _put and _get, and asyncio's own methods call them.

   Invariants
   1. finished is NULL until somebody asks for it; then it is set exactly where unfinished is 0.
   2. Where head.is_overridden is not set, queue_has_own_parts(), and both numbers hold values.
   Source: asyncio.queues. */

#ifndef PYASYNC_SYNC_QUEUE_H
#define PYASYNC_SYNC_QUEUE_H

#include "base/compat.h"

#include "sync/event.h"
#include "sync/waiters.h"

typedef struct {
    SyncObject head;
    PyObject *items;
    PyObject *getters;
    PyObject *putters;
    PyObject *finished;
    sync_number maxsize;
    sync_number unfinished;
    bool is_shutdown;
} Queue;

/* Whether items, getters, putters and finished are what queue_reset() would make. */
bool queue_has_own_parts(const Queue *self);

/* Makes it empty, with a container as the class has it: 0 or -1. */
int queue_reset(Queue *self);

/* 1, 0 or -1. */
int queue_is_empty(Queue *self);
int queue_is_full(Queue *self);
Py_ssize_t queue_count(Queue *self);

/* put_nowait(), 0 or -1, and get_nowait(). Run Python. */
int queue_put_now(Queue *self, PyObject *item);
PyObject *queue_get_now(Queue *self);

/* The event that join() waits for, a new reference, or NULL. */
PyObject *queue_finished(Queue *self);

/* One item less is unfinished: 0 or -1. May run Python. */
int queue_task_done(Queue *self);

/* Coroutines. */
PyObject *queue_put(Queue *self, PyObject *item);
PyObject *queue_get(Queue *self);
PyObject *queue_join(Queue *self);

int queue_init_types(PyObject *module, core_state *state);

#endif
