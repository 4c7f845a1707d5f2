/* structured.h -- the package's classes over the C halves of Timeout and TaskGroup. */

#ifndef PYASYNC_SYNC_STRUCTURED_H
#define PYASYNC_SYNC_STRUCTURED_H

#include "base/compat.h"

#include "core/state.h"

/* _set_structured(Timeout, TaskGroup): the package's classes over the C halves, once, at its
   import. */
PyObject *core_set_structured(PyObject *module, PyObject *args);

#endif
