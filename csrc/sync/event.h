/* event.h -- asyncio.Event: a flag to wait for.

   Source: asyncio.locks.Event. */

#ifndef PYASYNC_SYNC_EVENT_H
#define PYASYNC_SYNC_EVENT_H

#include "base/compat.h"

#include "sync/waiters.h"

typedef struct {
    SyncObject head;
    PyObject *waiters;
    bool is_set;
} Event;

/* Waits, as acquirable's begin and end. */
int event_wait_begin(Event *self, Waiting *waiting);
int event_wait_end(Event *self, Waiting *waiting, PyObject *error);

/* Sets the flag and wakes everybody: 0 or -1. May run Python. */
int event_set(Event *self);

int event_init_type(PyObject *module, core_state *state);

#endif
