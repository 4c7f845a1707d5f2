/* shield.h -- asyncio.shield(). */

#ifndef PYASYNC_SYNC_SHIELD_H
#define PYASYNC_SYNC_SHIELD_H

#include "core/state.h"

int shield_init(PyObject *module, core_state *state);

#endif
