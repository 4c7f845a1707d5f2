/* create_task.h -- asyncio.create_task(). */

#ifndef PYASYNC_SYNC_CREATE_TASK_H
#define PYASYNC_SYNC_CREATE_TASK_H

#include "core/state.h"

int create_task_init(PyObject *module);

#endif
