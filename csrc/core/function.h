/* function.h -- a function that asyncio has in Python, done in C.

   To whoever looks it is a Python function still: it has the code object and the defaults of
   asyncio's own, and with them its signature; inspect takes it for what that code is (a coroutine
   function, say), and a class binds it as a method. What does not fit its parameters is given to
   asyncio's own, which knows how to say so.

   Ownership: stock, dict and module are references; definition is static.
   Source: types.FunctionType. */

#ifndef PYASYNC_CORE_FUNCTION_H
#define PYASYNC_CORE_FUNCTION_H

#include "base/compat.h"

#include "core/state.h"

typedef struct {
    const char *name;
    const char *module; /* "pyasync.tasks"; asyncio's own is in "asyncio.tasks" */
    vectorcallfunc call;
    const char *doc;
} function_definition;

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    const function_definition *definition;
    core_state *module_state;
    PyObject *module; /* keeps module_state alive */
    PyObject *stock;
    PyObject *dict;
    PyObject *weakrefs;
} Function;

static inline core_state *
function_state(PyObject *function)
{
    return ((Function *)function)->module_state;
}

/* Puts it into the module, under its name, where the running asyncio has such a function. 0 or
   -1. */
int function_add(PyObject *module, const function_definition *definition);

/* Calls asyncio's own with the same arguments. Runs Python. */
PyObject *function_call_stock(PyObject *function, PyObject *const *args, size_t nargsf,
                              PyObject *kwnames);

/* The code of a Python function, by "module:qualified.name" (with "<locals>", too); None where this
   version has none of that name. A new reference or NULL. */
PyObject *function_find_code(const char *path);

/* Finds it at the import of the module, before anything replaces asyncio's names: 0 or -1. */
int function_learn_code(core_state *state, const char *path);

/* What was learnt: borrowed, or NULL (no exception). */
static inline PyObject *
function_learnt_code(const core_state *state, const char *path)
{
    return PyDict_GetItemString(state->learnt_codes, path);
}

int function_init_type(PyObject *module, core_state *state);

#endif
