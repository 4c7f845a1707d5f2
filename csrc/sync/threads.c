/* threads.c -- wrap_future(), run_coroutine_threadsafe() and to_thread(), over core/chain.h.

   Source: asyncio.wrap_future and _chain_future (Lib/asyncio/futures.py), run_coroutine_threadsafe
   (Lib/asyncio/tasks.py), to_thread (Lib/asyncio/threads.py). */

#include "sync/threads.h"

#include "core/answer.h"
#include "core/args.h"
#include "core/awaitable.h"
#include "core/chain.h"
#include "core/coroutine.h"
#include "core/function.h"
#include "core/future.h"
#include "core/handled.h"
#include "core/loop.h"
#include "core/waiter.h"

/* ---- wrap_future ---- */

static PyObject *
wrap_future_call(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const args_names parameters = {{"future", "loop"}, 2, 1, 1};
    PyObject *bound[2], *wrapper = NULL;
    if (args_bind_names(&parameters, args, PyVectorcall_NARGS(nargsf), kwnames, bound)) {
        PyObject *loop = bound[1] == Py_None ? NULL : bound[1];
        wrapper = chain_wrap(function_state(function), bound[0], loop); // runs Python
        if (wrapper == NULL && PyErr_Occurred()) {
            return NULL;
        }
    }
    return wrapper == NULL ? function_call_stock(function, args, nargsf, kwnames) : wrapper;
}

static const function_definition wrap_future_definition = {
    .name = "wrap_future",
    .module = "pyasync.futures",
    .call = wrap_future_call,
    .doc = "A future of the loop that follows a concurrent.futures.Future, and cancels it with\n"
           "itself; a future of a loop as it is. As asyncio.wrap_future.",
};

static PyObject *
chain_future_call(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const args_names parameters = {{"source", "destination"}, 2, 2, 2};
    PyObject *bound[2];
    if (!args_bind_names(&parameters, args, PyVectorcall_NARGS(nargsf), kwnames, bound)) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    if (chain_futures(function_state(function), bound[0], bound[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static const function_definition chain_future_definition = {
    .name = "_chain_future",
    .module = "pyasync.futures",
    .call = chain_future_call,
    .doc = "Have one future follow another. As asyncio.futures._chain_future.",
};

/* ---- run_coroutine_threadsafe ---- */

/* What the loop is to call: the coroutine, the loop and the future of who submitted it. */
enum submission_item {
    SUBMITTED_CORO,
    SUBMITTED_LOOP,
    SUBMITTED_FUTURE,
};

/* Tells the future of the pending exception, and leaves it pending. */
static void
tell_error(core_state *state, PyObject *future)
{
    if (PyErr_ExceptionMatches(PyExc_SystemExit)
        || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        return;
    }
    PyObject *error = PyErr_GetRaisedException();
    PyObject *outer = handled_begin(error); /* what is raised here has it as context */
    int is_running = chain_begin(state, future); // runs Python
    PyObject *answer = Py_NewRef(Py_None);
    if (is_running > 0) {
        Py_SETREF(answer,
                  PyObject_CallMethodOneArg(future, state->name_set_exception, error));
    }
    handled_end(outer);
    if (is_running < 0 || answer == NULL) {
        Py_DECREF(error);
    }
    else {
        PyErr_SetRaisedException(error);
    }
    Py_XDECREF(answer);
}

static PyObject *
call_submission(core_state *state, PyObject *owner, PyObject *args)
{
    if (!PyArg_ParseTuple(args, ":callback")) {
        return NULL;
    }
    PyObject *future = PyTuple_GET_ITEM(owner, SUBMITTED_FUTURE);
    PyObject *task = awaitable_ensure_future(state, PyTuple_GET_ITEM(owner, SUBMITTED_CORO),
                                             PyTuple_GET_ITEM(owner, SUBMITTED_LOOP));
    int status = task == NULL ? -1 : chain_futures(state, task, future); // runs Python
    if (status < 0) {
        tell_error(state, future);
    }
    Py_XDECREF(task);
    return none_or_null(status);
}

static const waiter_kind submission = {
    .qualname = "run_coroutine_threadsafe.<locals>.callback",
    .module = "asyncio.tasks",
    .call = call_submission,
};

static PyObject *
run_coroutine_threadsafe_call(PyObject *function, PyObject *const *args, size_t nargsf,
                              PyObject *kwnames)
{
    static const args_names parameters = {{"coro", "loop"}, 2, 2, 2};
    core_state *state = function_state(function);
    PyObject *bound[2];
    int is_coroutine = 0;
    if (args_bind_names(&parameters, args, PyVectorcall_NARGS(nargsf), kwnames, bound)) {
        is_coroutine = awaitable_is_coroutine(state, bound[0]); // runs Python
    }
    if (is_coroutine <= 0) {
        return is_coroutine < 0 ? NULL : function_call_stock(function, args, nargsf, kwnames);
    }
    int is_debug = loop_is_debug(state, bound[1]); // runs Python for one not of ours
    if (is_debug != 0) { /* who looks is to see asyncio's lines; or it is no loop */
        PyErr_Clear();
        return function_call_stock(function, args, nargsf, kwnames);
    }
    PyObject *future = PyObject_CallNoArgs(state->concurrent_Future); // runs Python
    PyObject *owner = future == NULL ? NULL : PyTuple_Pack(3, bound[0], bound[1], future);
    PyObject *callback = owner == NULL ? NULL : waiter_callable(state, &submission, owner);
    if (callback == NULL
        || loop_call_soon_threadsafe(state, bound[1], callback, NULL, 0) < 0) { // runs Python
        Py_CLEAR(future);
    }
    Py_XDECREF(owner);
    Py_XDECREF(callback);
    return future;
}

static const function_definition run_coroutine_threadsafe_definition = {
    .name = "run_coroutine_threadsafe",
    .module = "pyasync.tasks",
    .call = run_coroutine_threadsafe_call,
    .doc = "Have a loop that runs in another thread run a coroutine; a concurrent.futures.Future\n"
           "follows. Raises TypeError where coro is none. As asyncio.run_coroutine_threadsafe.",
};

/* ---- to_thread ---- */

typedef struct {
    Coroutine coroutine;
    PyObject *arguments; /* of functools.partial: the place of context.run, func, *args */
    PyObject *keywords;  /* a dict or NULL */
} ToThread;

/* functools.partial(context.run, func, *args, **kwargs) with the current context copied. */
static PyObject *
make_call(ToThread *self)
{
    PyObject *context = PyContext_CopyCurrent();
    PyObject *run = context == NULL ? NULL : PyObject_GetAttrString(context, "run");
    Py_XDECREF(context);
    if (run == NULL) {
        return NULL;
    }
    PyObject *arguments = self->arguments, *keywords = self->keywords;
    self->arguments = self->keywords = NULL;
    Py_DECREF(PyTuple_GET_ITEM(arguments, 0));
    PyTuple_SET_ITEM(arguments, 0, run);
    PyObject *call = PyObject_Call(self->coroutine.module_state->partial, arguments, keywords);
    Py_DECREF(arguments);
    Py_XDECREF(keywords);
    return call;
}

/* `await future`, whose reference it takes over; it may be done. */
static int
wait_for_steal(Coroutine *op, Future *future, PyObject **result)
{
    if (future->state == FUTURE_PENDING) {
        op->future = (PyObject *)future;
        return COROUTINE_WAITS;
    }
    *result = future_result(op->module_state, future);
    Py_DECREF(future);
    return *result == NULL ? COROUTINE_FAILED : COROUTINE_RETURNS;
}

static int
to_thread_start(Coroutine *op, PyObject **result)
{
    core_state *state = op->module_state;
    PyObject *loop = awaitable_running_loop(state);
    PyObject *call = loop == NULL ? NULL : make_call((ToThread *)op);
    PyObject *stack[] = {loop, Py_None, call};
    PyObject *future = call == NULL ? NULL
                                    : PyObject_VectorcallMethod(state->name_run_in_executor, stack,
                                                                3, NULL); // runs Python
    Py_XDECREF(loop);
    Py_XDECREF(call);
    if (future == NULL) {
        return COROUTINE_FAILED;
    }
    if (future_is_exact(state, future)) {
        return wait_for_steal(op, (Future *)future, result);
    }
    op->future = coroutine_awaitable_iter(state, future); // runs Python
    if (op->future == NULL && !PyErr_Occurred()) {
        PyObject *wrapped = PyObject_CallOneArg(state->wrap_awaitable, future);
        op->future = wrapped == NULL ? NULL : coroutine_awaitable_iter(state, wrapped);
        Py_XDECREF(wrapped);
    }
    if (op->future == NULL && !PyErr_Occurred()) { /* 3.11's is nothing that C awaits */
        PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression",
                     Py_TYPE(future)->tp_name);
    }
    Py_DECREF(future);
    return op->future == NULL ? COROUTINE_FAILED : COROUTINE_AWAITS;
}

static int
to_thread_traverse(Coroutine *op, visitproc visit, void *arg)
{
    Py_VISIT(((ToThread *)op)->arguments);
    Py_VISIT(((ToThread *)op)->keywords);
    return 0;
}

static void
to_thread_drop(Coroutine *op)
{
    Py_CLEAR(((ToThread *)op)->arguments);
    Py_CLEAR(((ToThread *)op)->keywords);
}

static const coroutine_kind to_thread_kind = {
    .name = "to_thread",
    .qualname = "to_thread",
    .functions = {"asyncio.threads:to_thread"},
    .size_bytes = sizeof(ToThread),
    .start = to_thread_start,
    .traverse = to_thread_traverse,
    .drop = to_thread_drop,
};

/* {name: value} of a vectorcall's keywords. */
static PyObject *
keywords_as_dict(PyObject *const *values, PyObject *kwnames)
{
    PyObject *dict = PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(kwnames, i), values[i]) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

static PyObject *
to_thread_call(PyObject *function, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs == 0) {
        return function_call_stock(function, args, nargsf, kwnames);
    }
    PyObject *keywords = NULL;
    if (kwnames != NULL && (keywords = keywords_as_dict(args + nargs, kwnames)) == NULL) {
        return NULL;
    }
    PyObject *arguments = PyTuple_New(nargs + 1);
    Coroutine *coroutine =
        arguments == NULL ? NULL : coroutine_new(function_state(function), &to_thread_kind);
    if (coroutine == NULL) {
        Py_XDECREF(keywords);
        Py_XDECREF(arguments);
        return NULL;
    }
    PyTuple_SET_ITEM(arguments, 0, Py_NewRef(Py_None));
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(arguments, i + 1, Py_NewRef(args[i]));
    }
    ((ToThread *)coroutine)->arguments = arguments;
    ((ToThread *)coroutine)->keywords = keywords;
    return coroutine_begin(coroutine);
}

static const function_definition to_thread_definition = {
    .name = "to_thread",
    .module = "pyasync.threads",
    .call = to_thread_call,
    .doc = "A coroutine that has the default executor call func(*args, **kwargs), in a copy of\n"
           "the current context, and ends with its result. As asyncio.to_thread.",
};

int
threads_init(PyObject *module, core_state *state)
{
    if (coroutine_learn(state, &to_thread_kind) < 0
        || function_learn_code(state,
                               "asyncio.tasks:run_coroutine_threadsafe.<locals>.callback") < 0
        || function_add(module, &wrap_future_definition) < 0
        || function_add(module, &chain_future_definition) < 0
        || function_add(module, &run_coroutine_threadsafe_definition) < 0) {
        return -1;
    }
    return function_add(module, &to_thread_definition);
}
