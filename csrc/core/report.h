/* report.h -- errors that nobody waits for, told to the loop's exception handler.

   Each keeps or consumes the pending exception as it says; what the handler itself raises goes to
   sys.unraisablehook, but for KeyboardInterrupt and SystemExit where the caller can pass them on.
   Source: the context dictionaries of asyncio's call_exception_handler(). */

#ifndef PYASYNC_CORE_REPORT_H
#define PYASYNC_CORE_REPORT_H

#include "base/compat.h"

#include "core/state.h"

#include <stdbool.h>

/* Whether the pending exception is none to report, but passes through everything: KeyboardInterrupt
   and SystemExit do. */
bool report_must_pass(void);

/* loop.call_exception_handler({"message": message, key: value, ...}); pairs end with a NULL key, one with
   a NULL value is left out. Steals message, which may be NULL with an exception. 0 or -1. Runs
   Python. */
int report_to_handler(core_state *state, PyObject *loop, PyObject *message, PyObject *pairs[][2]);

/* The same as within `except`: the handler finds the exception in sys.exc_info(), and what it raises
   itself has it as context. Borrows exception. Runs Python. */
int report_handled(core_state *state, PyObject *loop, PyObject *message, PyObject *exception,
                   PyObject *pairs[][2]);

/* The pending exception was raised by the callback of `handle` (any kind of Handle), whose
   arguments are the tuple `args`. Consumes it: 0; or -1 with KeyboardInterrupt, SystemExit, or
   what the handler raised. */
int report_callback_error(core_state *state, PyObject *loop, PyObject *handle, PyObject *callback,
                          PyObject *args, PyObject *source_traceback);

/* "<type> exception was never retrieved", from a finalizer. Keeps the pending exception. */
void report_unretrieved(core_state *state, PyObject *loop, PyObject *future, PyObject *exception,
                        PyObject *source_traceback);

/* "Task was destroyed but it is pending!", from a finalizer. Keeps the pending exception. */
void report_destroyed_pending(core_state *state, PyObject *loop, PyObject *task,
                              PyObject *source_traceback);

#endif
