/* loop_executor.c -- run_in_executor: the executor does the work, a future of ours follows.

   Closed loops, debug mode, the first call that makes the default executor and whatever somebody
   has replaced in asyncio go the way of asyncio's own method.
   Source: BaseEventLoop.run_in_executor. */

#include "core/loop.h"

#include "core/chain.h"
#include "core/loop_methods.h"
#include "core/stock.h"
#include "core/work.h"

/* Whether the method and function of asyncio that do the work are those of the import, or ours. */
static bool
is_plain(core_state *state)
{
    PyObject *method = PyObject_GetAttr(state->stock_BaseEventLoop, state->name_run_in_executor);
    Py_XDECREF(method);
    PyObject *wrap = PyDict_GetItemWithError(state->futures_namespace, state->name_wrap_future);
    PyErr_Clear(); /* one of the two is gone: asyncio's own will say so */
    return method == state->stock_run_in_executor && wrap != NULL
           && (wrap == state->stock_wrap_future
               || Py_IS_TYPE(wrap, state->Function_type));
}

/* The default executor, None where there is none yet. Runs Python. */
static PyObject *
default_executor(Loop *self)
{
    core_state *state = self->state;
    PyObject *executor = PyObject_GetAttr((PyObject *)self, state->name_default_executor);
    if (executor == NULL || executor == Py_None) {
        return executor;
    }
    PyObject *answer =
        PyObject_CallMethodNoArgs((PyObject *)self, state->name_check_default_executor);
    if (answer == NULL) {
        Py_CLEAR(executor);
    }
    Py_XDECREF(answer);
    return executor;
}

/* executor.submit(*args), whose place in front of them is the executor's. */
static PyObject *
submit(core_state *state, PyObject *executor, PyObject *const *args, Py_ssize_t nargs)
{
    enum { FEW = 6 };
    PyObject *few[FEW];
    PyObject **stack = nargs <= FEW ? few : PyMem_New(PyObject *, nargs);
    if (stack == NULL) {
        return PyErr_NoMemory();
    }
    stack[0] = executor;
    for (Py_ssize_t i = 1; i < nargs; i++) {
        stack[i] = args[i];
    }
    PyObject *future = PyObject_VectorcallMethod(state->name_submit, stack, (size_t)nargs, NULL);
    if (stack != few) {
        PyMem_Free(stack);
    }
    return future;
}

/* asyncio's own method, or what is in its place. Runs Python. */
static PyObject *
call_stock(Loop *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return stock_call_method(self->state->stock_BaseEventLoop, "run_in_executor",
                             (PyObject *)self, args, nargs, kwnames);
}

PyObject *
Loop_run_in_executor(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Loop *self = (Loop *)op;
    core_state *state = self->state;
    if (nargs < 2 || kwnames != NULL || !loop_is_direct(self) || !is_plain(state)) {
        return call_stock(self, args, nargs, kwnames);
    }
    PyObject *executor = args[0] == Py_None ? default_executor(self) : Py_NewRef(args[0]);
    if (executor == NULL) {
        return NULL;
    }
    if (executor == Py_None) {
        Py_DECREF(executor);
        return call_stock(self, args, nargs, kwnames);
    }
    int fits = work_fits(state, executor); // runs Python the first time
    PyObject *own = fits > 0 ? work_submit(self, executor, args, nargs) : NULL;
    if (own != NULL || PyErr_Occurred()) {
        Py_DECREF(executor);
        return own;
    }
    PyObject *future = submit(state, executor, args, nargs); // runs Python
    Py_DECREF(executor);
    PyObject *wrapper = future == NULL ? NULL : chain_wrap(state, future, op);
    if (wrapper == NULL && !PyErr_Occurred()) { /* it is no future */
        PyObject *keyword = PyTuple_Pack(1, state->name_loop);
        PyObject *stack[] = {future, op};
        wrapper = keyword == NULL
                      ? NULL
                      : PyObject_Vectorcall(state->stock_wrap_future, stack, 1, keyword);
        Py_XDECREF(keyword);
    }
    Py_XDECREF(future);
    return wrapper;
}
