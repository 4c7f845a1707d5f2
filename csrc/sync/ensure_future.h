/* ensure_future.h -- asyncio.ensure_future(). */

#ifndef PYASYNC_SYNC_ENSURE_FUTURE_H
#define PYASYNC_SYNC_ENSURE_FUTURE_H

#include "core/state.h"

int ensure_future_init(PyObject *module);

#endif
