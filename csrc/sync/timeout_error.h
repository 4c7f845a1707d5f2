/* timeout_error.h -- what a Timeout that has expired makes of the exception that leaves it.

   Source: Timeout.__aexit__ and, since 3.13, Timeout._insert_timeout_error of asyncio.timeouts. */

#ifndef PYASYNC_SYNC_TIMEOUT_ERROR_H
#define PYASYNC_SYNC_TIMEOUT_ERROR_H

#include "base/compat.h"

#include "core/state.h"

/* All cancellations since the Timeout was entered were its own: -1 with a TimeoutError for a
   CancelledError (or with what went wrong), 0 for another exception, which goes on as it is but for
   its context. exc may be NULL or None. Runs Python. */
int timeout_error_convert(core_state *state, PyObject *exc_type, PyObject *exc);

#endif
