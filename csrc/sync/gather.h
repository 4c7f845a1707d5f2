/* gather.h -- asyncio.gather(). */

#ifndef PYASYNC_SYNC_GATHER_H
#define PYASYNC_SYNC_GATHER_H

#include "core/state.h"

int gather_init(PyObject *module, core_state *state);

#endif
