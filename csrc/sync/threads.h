/* threads.h -- asyncio's functions between loops and threads. */

#ifndef PYASYNC_SYNC_THREADS_H
#define PYASYNC_SYNC_THREADS_H

#include "core/state.h"

int threads_init(PyObject *module, core_state *state);

#endif
