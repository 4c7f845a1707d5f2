/* streams.h -- what StreamReader, StreamReaderProtocol and StreamWriter have in common.

   Each is a C type that the package derives a class from, with asyncio's class of the same name
   behind it: what is not in C, or is asked for in an unusual way, is done by the method of that
   one, which works with the attributes of the C type. An object whose class or __dict__ has
   another method in the place of one that such work would call is left to asyncio's methods
   altogether.

   Source: asyncio.streams. */

#ifndef PYASYNC_NET_STREAMS_H
#define PYASYNC_NET_STREAMS_H

#include "base/compat.h"

#include "core/attributes.h"
#include "core/state.h"

#include <stdbool.h>

/* The __init__() of whatever class comes behind `type` in the order of self's class: 0 or -1. Runs
   Python. */
int streams_init_by_stock(PyTypeObject *type, PyObject *self, PyObject *args, PyObject *kwargs);

/* Whether no class between that of `self` and `ours` has an attribute of its own of one of the
   names (ended by NULL): 1, 0 or -1. */
int streams_class_is_plain(PyObject *self, PyObject *ours, const char *const *names);

/* The same of the __dict__ of an object; NULL is one. */
int streams_dict_is_plain(PyObject *dict, const char *const *names);

/* tp_dealloc of each, with its tp_clear. Runs Python. */
void streams_dealloc(PyObject *self, inquiry clear);

/* Raises any object as the statement does. */
void streams_raise(PyObject *exception);

/* The setter of an attribute that is NULL for None; and of one that is a C bool. Closures are
   offsets. */
int streams_set_object(PyObject *self, PyObject *value, void *offset);
int streams_set_bool(PyObject *self, PyObject *value, void *offset);

#define STREAMS_OBJECT(name, type, field)                                                    \
    {name, attribute_get_object, streams_set_object, NULL, (void *)offsetof(type, field)}
#define STREAMS_BOOL(name, type, field)                                                      \
    {name, attribute_get_bool, streams_set_bool, NULL, (void *)offsetof(type, field)}

/* _set_stream_types(reader, protocol, writer, features): the package's classes, and what the
   running version's do; see pyasync/_streams.py. */
PyObject *streams_set_types(PyObject *module, PyObject *args);

#endif
