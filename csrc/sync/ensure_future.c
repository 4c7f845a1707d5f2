/* ensure_future.c -- ensure_future(), for Python (core/awaitable.h has it for C).

   Source: asyncio.ensure_future (Lib/asyncio/tasks.py). */

#include "sync/ensure_future.h"

#include "core/args.h"
#include "core/awaitable.h"
#include "core/function.h"

static PyObject *
ensure_future_call(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const args_names parameters = {{"coro_or_future", "loop"}, 2, 1, 1};
    PyObject *bound[2];
    if (!args_bind_names(&parameters, args, PyVectorcall_NARGS(nargsf), kwnames, bound)) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    PyObject *loop = bound[1] == Py_None ? NULL : bound[1];
    return awaitable_ensure_future(function_state(function), bound[0], loop); // runs Python
}

static const function_definition ensure_future_definition = {
    .name = "ensure_future",
    .module = "pyasync.tasks",
    .call = ensure_future_call,
    .doc = "A future as it is; for a coroutine or another awaitable, a new task of the loop.\n\n"
           "Raises TypeError for anything else, ValueError for a future of another loop than loop. "
           "As\nasyncio.ensure_future.",
};

int
ensure_future_init(PyObject *module)
{
    return function_add(module, &ensure_future_definition);
}
