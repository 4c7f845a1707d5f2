/* sleep.h -- asyncio.sleep(). */

#ifndef PYASYNC_SYNC_SLEEP_H
#define PYASYNC_SYNC_SLEEP_H

#include "core/state.h"

int sleep_init(PyObject *module, core_state *state);

#endif
