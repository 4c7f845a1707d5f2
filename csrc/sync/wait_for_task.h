/* wait_for_task.h -- wait_for() to 3.11: it waits beside a task, and for the end of one it cancels. */

#ifndef PYASYNC_SYNC_WAIT_FOR_TASK_H
#define PYASYNC_SYNC_WAIT_FOR_TASK_H

#include "core/coroutine.h"

extern const coroutine_kind wait_for_task_kind; /* of a WaitFor (sync/wait_for.h) */

#endif
