/* args.c -- binding (leading..., *args, context=None); the usual call takes the first branch. */

#include "core/args.h"

#include <string.h>

static int
bind_keyword(const core_state *state, const args_signature *signature, Py_ssize_t positional,
             PyObject *keyword, PyObject *value, args_bound *bound)
{
    if (keyword == state->name_context || PyUnicode_Compare(keyword, state->name_context) == 0) {
        bound->context = value == Py_None ? NULL : value;
        return 0;
    }
    for (int i = 0; signature->leading[i] != NULL; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, signature->leading[i]) == 0) {
            if (i < positional) {
                PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'",
                             signature->function, signature->leading[i]);
                return -1;
            }
            bound->leading[i] = value;
            return 0;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                 signature->function, keyword);
    return -1;
}

static int
check_leading(const args_signature *signature, const args_bound *bound)
{
    const char *missing[ARGS_MAX_LEADING];
    int count = 0;
    for (int i = 0; signature->leading[i] != NULL; i++) {
        if (bound->leading[i] == NULL) {
            missing[count++] = signature->leading[i];
        }
    }
    if (count == 1) {
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'",
                     signature->function, missing[0]);
    }
    else if (count == 2) {
        PyErr_Format(PyExc_TypeError,
                     "%s() missing 2 required positional arguments: '%s' and '%s'",
                     signature->function, missing[0], missing[1]);
    }
    return count == 0 ? 0 : -1;
}

int
args_bind(const core_state *state, const args_signature *signature, PyObject *const *args,
          Py_ssize_t nargs, PyObject *kwnames, args_bound *bound)
{
    memset(bound, 0, sizeof(*bound));
    Py_ssize_t leading = 0;
    while (signature->leading[leading] != NULL && leading < nargs) {
        bound->leading[leading] = args[leading];
        leading++;
    }
    bound->rest = args + leading;
    bound->rest_count = nargs - leading;
    if (kwnames == NULL && signature->leading[leading] == NULL) {
        return 0;
    }
    Py_ssize_t keyword_count = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < keyword_count; i++) {
        if (bind_keyword(state, signature, nargs, PyTuple_GET_ITEM(kwnames, i), args[nargs + i],
                         bound) < 0) {
            return -1;
        }
    }
    return check_leading(signature, bound);
}

bool
args_bind_names(const args_names *parameters, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames, PyObject **bound)
{
    Py_ssize_t keyword_count = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs > parameters->positional) {
        return false;
    }
    for (int i = 0; i < parameters->count; i++) {
        bound[i] = i < nargs ? args[i] : NULL;
    }
    for (Py_ssize_t k = 0; k < keyword_count; k++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, k);
        int i = 0;
        while (i < parameters->count
               && PyUnicode_CompareWithASCIIString(keyword, parameters->names[i]) != 0) {
            i++;
        }
        if (i == parameters->count || bound[i] != NULL) {
            return false;
        }
        bound[i] = args[nargs + k];
    }
    for (int i = 0; i < parameters->required; i++) {
        if (bound[i] == NULL) {
            return false;
        }
    }
    return true;
}

PyObject *
args_bind_one_slow(const char *function, const char *name, PyObject *const *args,
                   Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *key = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(key, name) != 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function,
                         key);
            return NULL;
        }
    }
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes 2 positional arguments but %zd were given",
                     function, nargs + 1); /* Python counts self */
        return NULL;
    }
    if (nargs + named == 0) {
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'", function,
                     name);
        return NULL;
    }
    if (nargs + named > 1) {
        PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'", function, name);
        return NULL;
    }
    return args[0];
}
