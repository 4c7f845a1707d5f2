/* wait_for.h -- asyncio.wait_for() of 3.12 and newer: it awaits in the calling task. */

#ifndef PYASYNC_SYNC_WAIT_FOR_H
#define PYASYNC_SYNC_WAIT_FOR_H

#include "core/state.h"

int wait_for_init(PyObject *module, core_state *state);

#endif
