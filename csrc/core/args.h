/* args.h -- methods that take their arguments as a vectorcall gives them, and binding these.

   Source: the signatures of asyncio.BaseEventLoop; the errors say what Python's own would. */

#ifndef PYASYNC_CORE_ARGS_H
#define PYASYNC_CORE_ARGS_H

#include "base/compat.h"

#include "core/state.h"

#include <stdbool.h>

/* An entry of a PyMethodDef that takes a vectorcall's arguments. */
#define FAST_METHOD(function)                                                                \
    (PyCFunction)(void (*)(void))function, METH_FASTCALL | METH_KEYWORDS

/* A method that is in another file than its type's table: of such an entry, and of any other. */
#define DECLARE_FAST_METHOD(function)                                                        \
    PyObject *function(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
#define DECLARE_METHOD(function) PyObject *function(PyObject *self, PyObject *argument)

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

/* The same for a signature of one leading parameter: the usual call stays here. */
static inline int
args_bind_one_and_rest(const core_state *state, const args_signature *signature,
                       PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                       args_bound *bound)
{
    if (nargs < 1 || kwnames != NULL) {
        return args_bind(state, signature, args, nargs, kwnames, bound);
    }
    *bound = (args_bound){.leading = {args[0]}, .rest = args + 1, .rest_count = nargs - 1};
    return 0;
}

enum { ARGS_MAX_NAMES = 6 };

/* Parameters of which the first `positional` may be given by position and the first `required` must
   be given. */
typedef struct {
    const char *names[ARGS_MAX_NAMES];
    int count;
    int positional;
    int required;
} args_names;

/* The arguments in the order of the parameters, borrowed, NULL for those not given: whether they fit.
   Sets no exception: where they do not, asyncio's own method can say how. */
bool args_bind_names(const args_names *parameters, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames, PyObject **bound);

/* The only argument, by position or by name: borrowed, or NULL with TypeError. */
PyObject *args_bind_one_slow(const char *function, const char *name, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *kwnames);

static inline PyObject *
args_bind_one(const char *function, const char *name, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    return nargs == 1 && kwnames == NULL
               ? args[0]
               : args_bind_one_slow(function, name, args, nargs, kwnames);
}

#endif
