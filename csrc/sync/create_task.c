/* create_task.c -- create_task() on the running loop; a bare call on one of ours stays in C.

   Whatever is unusual is asyncio's own: keywords, which each version passes on in its own way, a task
   factory, debug mode, where the task tells of the call, another kind of loop, or none.
   Source: asyncio.create_task (Lib/asyncio/tasks.py). */

#include "sync/create_task.h"

#include "core/function.h"
#include "core/loop.h"

static PyObject *
create_task_call(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    core_state *state = function_state(function);
    if (PyVectorcall_NARGS(nargsf) != 1 || kwnames != NULL) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    PyObject *running = PyObject_CallNoArgs(state->running_loop_or_none);
    if (running == NULL) {
        return NULL;
    }
    Loop *own = loop_cast(state, running);
    PyObject *task = own != NULL && loop_makes_plain_tasks(own)
                         ? loop_create_plain_task(own, args[0]) // runs Python
                         : function_call_stock(function, args, nargsf, kwnames);
    Py_DECREF(running);
    return task;
}

static const function_definition create_task_definition = {
    .name = "create_task",
    .module = "pyasync.tasks",
    .call = create_task_call,
    .doc = "Have the running loop run a coroutine; returns its Task.\n\n"
           "Keywords, as name and context, are those of the running version. Raises RuntimeError where "
           "no loop\nruns, TypeError for anything but a coroutine. As asyncio.create_task.",
};

int
create_task_init(PyObject *module)
{
    return function_add(module, &create_task_definition);
}
