/* args.h -- arguments of methods like call_soon(callback, *args, context=None).

   Source: the signatures of asyncio.BaseEventLoop; the errors say what Python's own would. */

#ifndef PYASYNC_CORE_ARGS_H
#define PYASYNC_CORE_ARGS_H

#include "base/compat.h"

#include "core/state.h"

enum { ARGS_MAX_LEADING = 2 };

typedef struct {
    const char *function;                  /* as Python names it in errors */
    const char *leading[ARGS_MAX_LEADING + 1]; /* required parameters, ended by NULL */
} args_signature;

typedef struct {
    PyObject *leading[ARGS_MAX_LEADING]; /* borrowed, as everything here */
    PyObject *const *rest;
    Py_ssize_t rest_count;
    PyObject *context; /* NULL where None or not given */
} args_bound;

/* Binds a vectorcall's arguments: 0, or -1 with TypeError. */
int args_bind(const core_state *state, const args_signature *signature, PyObject *const *args,
              Py_ssize_t nargs, PyObject *kwnames, args_bound *bound);

#endif
