/* stock.h -- asyncio's own functions and methods, where ours leave the work to them, or do as the
   running version's do.

   What is called is found by name, in the class that the caller gives. */

#ifndef PYASYNC_CORE_STOCK_H
#define PYASYNC_CORE_STOCK_H

#include "base/compat.h"

/* function(self, ...) with the arguments of a method of ours. Runs Python. */
PyObject *stock_call_function(PyObject *function, PyObject *self, PyObject *const *args,
                              Py_ssize_t nargs, PyObject *kwnames);

/* owner.<method>(self, ...) with the arguments of a method of ours. Runs Python. */
PyObject *stock_call_method(PyObject *owner, const char *method, PyObject *self,
                            PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* The method of whatever class comes behind `type` in the order of self's class: a new reference or
   NULL; and calling it. Runs Python. */
PyObject *stock_super_method(PyTypeObject *type, PyObject *self, const char *method);
PyObject *stock_call_super(PyTypeObject *type, PyObject *self, const char *method,
                           PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* function(self) of a finalizer of ours: what it raises goes to sys.unraisablehook. Keeps the
   pending exception. Runs Python. */
void stock_finalize(PyObject *function, PyObject *self);

/* Assigns to the property of that name of the class, or deletes it where value is NULL: 0, or -1 with
   the interpreter's own words for what cannot be. Runs Python. */
int stock_set_property(PyObject *owner, const char *name, PyObject *self, PyObject *value);

/* Whether a code object, or that of a Python function, uses this name, which tells how the running
   version goes about it: 1, 0 or -1. Of a method of a class 0, too, where it has none. */
int stock_code_uses(PyObject *code, const char *name);
int stock_function_uses(PyObject *function, const char *name);
int stock_method_uses(PyObject *owner, const char *method, const char *name);

/* The attributes by which tools know a Python function, for a getset table; the closure of the getter
   is the name. */
#define STOCK_FUNCTION_GETSET(getter)                                                        \
    {"__name__", getter, NULL, NULL, "__name__"},                                            \
    {"__qualname__", getter, NULL, NULL, "__qualname__"},                                    \
    {"__code__", getter, NULL, NULL, "__code__"},                                            \
    {"__defaults__", getter, NULL, NULL, "__defaults__"},                                    \
    {"__kwdefaults__", getter, NULL, NULL, "__kwdefaults__"},                                \
    {"__annotations__", getter, NULL, NULL, "__annotations__"}

#endif
