/* wait.h -- asyncio.wait(). */

#ifndef PYASYNC_SYNC_WAIT_H
#define PYASYNC_SYNC_WAIT_H

#include "core/state.h"

int wait_init(PyObject *module, core_state *state);

#endif
