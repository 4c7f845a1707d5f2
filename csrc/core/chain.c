/* chain.c -- telling a future of another one's outcome, in the thread where it belongs.

   The usual outcome, a result, is handed over in C; anything else by asyncio's own functions. In
   debug mode asyncio's closures are left to do it all: who looks is to see its lines.

   Invariants
   1. What a waiter here refers to is what asyncio's closures do: the source's has the destination
      but not the source, the destination's the other way round. A concurrent future keeps its
      callbacks for ever: a reference back would be a cycle.
   2. concurrent_verdict says, for a version of concurrent.futures.Future, whether its methods are
      those of the import: then an outcome that is there is read from its attributes.
   Ownership: an end is a tuple, see enum end_item.
   Source: _chain_future, wrap_future, _copy_future_state and _set_concurrent_future_state of
   Lib/asyncio/futures.py; Lib/concurrent/futures/_base.py. */

#include "core/chain.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/function.h"
#include "core/future.h"
#include "core/loop.h"
#include "core/stock.h"
#include "core/waiter.h"
#include "core/work.h"

/* What a waiter knows of the chain: the future at the other end, and the loops of both, None for a
   concurrent future. */
enum end_item {
    END_OTHER,
    END_SOURCE_LOOP,
    END_DESTINATION_LOOP,
};

/* ---- a concurrent future's outcome ---- */

bool
chain_concurrent_is_plain(core_state *state)
{
    PyTypeObject *type = (PyTypeObject *)state->concurrent_Future;
    class_verdict *verdict = &state->concurrent_verdict;
    if (verdict->version == type->tp_version_tag && verdict->version != 0) {
        return verdict->is_plain;
    }
    PyObject *pending = PyErr_GetRaisedException();
    bool is_plain = PyTuple_GET_SIZE(state->concurrent_methods) > 0;
    for (Py_ssize_t i = 0; is_plain && i < PyTuple_GET_SIZE(state->concurrent_methods); i++) {
        PyObject *pair = PyTuple_GET_ITEM(state->concurrent_methods, i);
        PyObject *found = PyObject_GetAttr((PyObject *)type, PyTuple_GET_ITEM(pair, 0));
        is_plain = found == PyTuple_GET_ITEM(pair, 1);
        Py_XDECREF(found);
    }
    PyErr_Clear(); /* a method is gone: it is not plain */
    *verdict = (class_verdict){.version = type->tp_version_tag, .is_plain = is_plain};
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
    return is_plain;
}

/* Looks into its attributes: 1 with a new reference where there is a result, 0 where not, or -1. */
static int
look_for_result(core_state *state, PyObject *future, PyObject **result)
{
    PyObject *status = PyObject_GetAttr(future, state->name_state_attribute);
    PyObject *exception =
        status == NULL ? NULL : PyObject_GetAttr(future, state->name_exception_attribute);
    int found = -1;
    if (exception != NULL) {
        found = exception == Py_None && PyUnicode_Check(status)
                && PyUnicode_Compare(status, state->name_finished) == 0;
    }
    Py_XDECREF(status);
    Py_XDECREF(exception);
    if (found > 0) {
        *result = PyObject_GetAttr(future, state->name_result_attribute);
        found = *result == NULL ? -1 : 1;
    }
    return found;
}

/* The same, and 0 where only its methods may be asked, too. */
static int
read_result(core_state *state, PyObject *future, PyObject **result)
{
    if (work_check(state, future)) {
        *result = work_result(future);
        return *result != NULL;
    }
    bool is_plain = Py_IS_TYPE(future, (PyTypeObject *)state->concurrent_Future)
                    && chain_concurrent_is_plain(state);
    return is_plain ? look_for_result(state, future, result) : 0;
}

int
chain_begin(core_state *state, PyObject *future)
{
    return truth_steal(
        PyObject_CallMethodNoArgs(future, state->name_set_running_or_notify_cancel));
}

/* ---- from one to the other ---- */

/* Calls one of asyncio's functions with both. */
static int
call_stock(PyObject *function, PyObject *first, PyObject *second)
{
    return status_steal(PyObject_CallFunctionObjArgs(function, first, second, NULL)); // runs Python
}

/* The same, of what asyncio.futures has under a name by now. */
static int
copy_by_stock(core_state *state, PyObject *name, PyObject *first, PyObject *second)
{
    PyObject *function = PyDict_GetItemWithError(state->futures_namespace, name);
    if (function == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetObject(PyExc_NameError, name);
        }
        return -1;
    }
    Py_INCREF(function);
    int status = call_stock(function, first, second); // runs Python
    Py_DECREF(function);
    return status;
}

static int
set_loop_future(core_state *state, PyObject *future, PyObject *source)
{
    PyObject *result = NULL;
    bool is_ours = Py_IS_TYPE(future, state->Future_type)
                   && ((Future *)future)->state != FUTURE_FINISHED;
    int found = is_ours ? read_result(state, source, &result) : 0;
    int status = found < 0 ? -1 : 0;
    if (found == 0) {
        source = work_check(state, source) ? work_as_concurrent(state, source) // runs Python
                                           : Py_NewRef(source);
        status = source == NULL
                     ? -1
                     : copy_by_stock(state, state->name_copy_future_state, source, future);
        Py_XDECREF(source);
        return status;
    }
    if (status == 0 && ((Future *)future)->state != FUTURE_CANCELLED) {
        status = future_set_result(state, (Future *)future, result);
    }
    Py_XDECREF(result);
    return status;
}

static int
set_concurrent_future(core_state *state, PyObject *future, PyObject *source)
{
    bool has_result = future_is_exact(state, source)
                      && ((Future *)source)->state == FUTURE_FINISHED
                      && !((Future *)source)->has_exception;
    if (!has_result) {
        return copy_by_stock(state, state->name_set_concurrent_future_state, future, source);
    }
    int is_running = chain_begin(state, future); // runs Python
    if (is_running <= 0) {
        return is_running;
    }
    PyObject *result = awaitable_result(state, source);
    int status = result == NULL ? -1 : awaitable_set_result(state, future, result);
    Py_XDECREF(result);
    return status;
}

static int
set_state(core_state *state, PyObject *future, PyObject *source)
{
    if (Py_IS_TYPE(future, (PyTypeObject *)state->concurrent_Future)) {
        return set_concurrent_future(state, future, source);
    }
    int is_loops = awaitable_is_future(state, future); // runs Python for one not of ours
    if (is_loops < 0) {
        return -1;
    }
    return is_loops ? set_loop_future(state, future, source)
                    : set_concurrent_future(state, future, source);
}

static PyObject *
call_set_state(core_state *state, PyObject *Py_UNUSED(owner), PyObject *args)
{
    PyObject *future, *source;
    if (!PyArg_ParseTuple(args, "OO:_set_state", &future, &source)
        || set_state(state, future, source) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static const waiter_kind set_state_kind = {
    .qualname = "_chain_future.<locals>._set_state",
    .module = "asyncio.futures",
    .call = call_set_state,
};

/* ---- one of the two is done ---- */

/* Whether what belongs to `loop` may be done at once, here: 1, 0 or -1. */
static int
is_here(core_state *state, PyObject *loop, PyObject *other_loop)
{
    if (loop == Py_None || !state->chain_asks_running_loop) {
        return loop == Py_None || loop == other_loop;
    }
    PyObject *running = PyObject_CallNoArgs(state->running_loop_or_none);
    Py_XDECREF(running);
    return running == NULL ? -1 : running == loop;
}

int
chain_source_is_done(core_state *state, PyObject *end, PyObject *source)
{
    PyObject *destination = PyTuple_GET_ITEM(end, END_OTHER);
    PyObject *loop = PyTuple_GET_ITEM(end, END_DESTINATION_LOOP);
    int is_cancelled = awaitable_is_cancelled(state, destination); // runs Python, as all here
    if (is_cancelled > 0 && loop != Py_None) {
        int is_closed = loop_is_closed(state, loop);
        if (is_closed != 0) {
            return is_closed < 0 ? -1 : 0;
        }
    }
    int is_near = is_cancelled < 0 ? -1
                                   : is_here(state, loop, PyTuple_GET_ITEM(end, END_SOURCE_LOOP));
    if (is_near != 0) {
        return is_near < 0 ? -1 : set_state(state, destination, source);
    }
    int is_closed = loop_is_closed(state, loop);
    if (is_closed != 0) {
        return is_closed < 0 ? -1 : 0;
    }
    PyObject *args[] = {destination, source};
    PyObject *callback = waiter_callable(state, &set_state_kind, Py_None);
    int status = callback == NULL
                     ? -1
                     : loop_call_soon_threadsafe(state, loop, callback, args, 2);
    Py_XDECREF(callback);
    return status;
}

static const waiter_kind source_waiter = {
    .qualname = "_chain_future.<locals>._call_set_state",
    .module = "asyncio.futures",
    .notify = chain_source_is_done,
};

static int
destination_is_done(core_state *state, PyObject *end, PyObject *destination)
{
    int is_cancelled = awaitable_is_cancelled(state, destination); // runs Python, as all here
    if (is_cancelled <= 0) {
        return is_cancelled;
    }
    PyObject *source = PyTuple_GET_ITEM(end, END_OTHER);
    PyObject *loop = PyTuple_GET_ITEM(end, END_SOURCE_LOOP);
    int is_near = is_here(state, loop, PyTuple_GET_ITEM(end, END_DESTINATION_LOOP));
    if (is_near != 0) {
        return is_near < 0 || awaitable_cancel(state, source, NULL) < 0 ? -1 : 0;
    }
    PyObject *cancel = PyObject_GetAttr(source, state->name_cancel);
    int status = cancel == NULL ? -1 : loop_call_soon_threadsafe(state, loop, cancel, NULL, 0);
    Py_XDECREF(cancel);
    return status;
}

static const waiter_kind destination_waiter = {
    .qualname = "_chain_future.<locals>._call_check_cancel",
    .module = "asyncio.futures",
    .notify = destination_is_done,
};

/* ---- making a chain ---- */

enum future_kind {
    NO_FUTURE,
    LOOP_FUTURE, /* asyncio.isfuture() */
    CONCURRENT_FUTURE,
};

/* Which kind it is, or -1. Runs Python where it is of no type that we know. */
static int
kind_of(core_state *state, PyObject *object)
{
    if (Py_IS_TYPE(object, (PyTypeObject *)state->concurrent_Future)) {
        return CONCURRENT_FUTURE;
    }
    int is_loops = awaitable_is_future(state, object);
    if (is_loops != 0) {
        return is_loops < 0 ? -1 : LOOP_FUTURE;
    }
    int is_concurrent = PyObject_IsInstance(object, state->concurrent_Future);
    return is_concurrent < 0 ? -1 : is_concurrent ? CONCURRENT_FUTURE : NO_FUTURE;
}

/* The loop of a future, None for a concurrent one; TypeError for anything else. */
static PyObject *
loop_of(core_state *state, PyObject *future, const char *role)
{
    int kind = kind_of(state, future); // runs Python
    if (kind == NO_FUTURE) {
        PyErr_Format(PyExc_TypeError, "A future is required for %s argument", role);
    }
    if (kind <= NO_FUTURE) {
        return NULL;
    }
    return kind == LOOP_FUTURE ? awaitable_loop_of(state, future) : Py_NewRef(Py_None);
}

static int
add_waiter(core_state *state, PyObject *future, const waiter_kind *kind, PyObject *end)
{
    return end == NULL ? -1 : waiter_add_here(state, future, kind, end);
}

/* Has the destination's waiter added; the source's end is the answer, or NULL. Runs Python for a
   destination not of ours. */
static PyObject *
tie_destination(core_state *state, PyObject *source, PyObject *from, PyObject *destination,
                PyObject *to)
{
    PyObject *source_end = PyTuple_Pack(3, destination, from, to);
    PyObject *destination_end = PyTuple_Pack(3, source, from, to);
    if (source_end == NULL
        || add_waiter(state, destination, &destination_waiter, destination_end) < 0) {
        Py_CLEAR(source_end);
    }
    Py_XDECREF(destination_end);
    return source_end;
}

static int
add_waiters(core_state *state, PyObject *source, PyObject *from, PyObject *destination,
            PyObject *to)
{
    PyObject *source_end = tie_destination(state, source, from, destination, to);
    int status = add_waiter(state, source, &source_waiter, source_end); // runs Python
    Py_XDECREF(source_end);
    return status;
}

int
chain_futures(core_state *state, PyObject *source, PyObject *destination)
{
    PyObject *from = loop_of(state, source, "source");
    PyObject *to = from == NULL ? NULL : loop_of(state, destination, "destination");
    int is_debug = to == NULL ? -1 : from == Py_None ? 0 : loop_is_debug(state, from);
    if (is_debug == 0 && to != Py_None) {
        is_debug = loop_is_debug(state, to); // runs Python for one not of ours
    }
    int status = is_debug < 0 ? -1 : 0;
    if (is_debug > 0) {
        status = call_stock(state->stock_chain_future, source, destination);
    }
    else if (status == 0) {
        status = add_waiters(state, source, from, destination, to);
    }
    Py_XDECREF(from);
    Py_XDECREF(to);
    return status;
}

PyObject *
chain_follow(core_state *state, PyObject *source, PyObject *destination)
{
    return tie_destination(state, source, Py_None, destination, ((Future *)destination)->loop);
}

PyObject *
chain_wrap(core_state *state, PyObject *object, PyObject *loop)
{
    int kind = kind_of(state, object); // runs Python
    if (kind != CONCURRENT_FUTURE) {
        return kind == LOOP_FUTURE ? Py_NewRef(object) : NULL;
    }
    loop = loop == NULL ? PyObject_CallNoArgs(state->running_loop_or_none) : Py_NewRef(loop);
    PyObject *wrapper = NULL;
    bool is_debug = loop != NULL && loop_cast(state, loop) != NULL
                    && !loop_debug_is_plain_off((Loop *)loop);
    if (loop != NULL && loop != Py_None && !is_debug) {
        wrapper = loop_create_future(state, loop); // runs Python where it is overridden
    }
    if (wrapper != NULL && chain_futures(state, object, wrapper) < 0) {
        Py_CLEAR(wrapper);
    }
    Py_XDECREF(loop);
    return wrapper;
}

/* ---- how the running version does it ---- */

/* Whether an outcome is where look_for_result() looks for it: 1, 0 or -1. */
static int
can_look(core_state *state)
{
    PyObject *probe = PyObject_CallNoArgs(state->concurrent_Future), *result = NULL;
    int status = probe == NULL ? -1 : awaitable_set_result(state, probe, Py_True);
    if (status == 0) {
        status = look_for_result(state, probe, &result) > 0 && result == Py_True;
        PyErr_Clear(); /* another version: that is an answer */
    }
    Py_XDECREF(result);
    Py_XDECREF(probe);
    return status;
}

/* The methods of its class that would be asked, or none where an outcome cannot be looked for. */
static PyObject *
learn_concurrent_methods(core_state *state)
{
    static const char *const names[] = {
        "done",       "cancelled",  "exception",     "result",
        "set_result", "set_exception", "cancel",     "set_running_or_notify_cancel",
        "__init__",   "add_done_callback", "_invoke_callbacks", "_get_snapshot", NULL,
    };
    PyObject *methods = PyList_New(0);
    int status = methods == NULL ? -1 : can_look(state);
    for (const char *const *name = names; status > 0 && *name != NULL; name++) {
        PyObject *found = PyObject_GetAttrString(state->concurrent_Future, *name);
        if (found == NULL) {
            PyErr_Clear(); /* not in this version */
            continue;
        }
        PyObject *pair = Py_BuildValue("(sN)", *name, found);
        status = pair == NULL || PyList_Append(methods, pair) < 0 ? -1 : 1;
        Py_XDECREF(pair);
    }
    PyObject *all = status < 0 ? NULL : PyList_AsTuple(methods);
    Py_XDECREF(methods);
    return all;
}

static int
learn_is_here(core_state *state)
{
    PyObject *code = function_find_code("asyncio.futures:_chain_future.<locals>._call_set_state");
    int asks = code == NULL ? -1 : code == Py_None ? 0 : stock_code_uses(code, "_get_running_loop");
    Py_XDECREF(code);
    state->chain_asks_running_loop = asks > 0;
    return asks < 0 ? -1 : 0;
}

int
chain_init(core_state *state)
{
    state->concurrent_methods = learn_concurrent_methods(state);
    if (state->concurrent_methods == NULL || learn_is_here(state) < 0
        || function_learn_code(state, "asyncio.futures:_chain_future.<locals>._set_state") < 0
        || function_learn_code(state,
                               "asyncio.futures:_chain_future.<locals>._call_set_state") < 0) {
        return -1;
    }
    return function_learn_code(state,
                               "asyncio.futures:_chain_future.<locals>._call_check_cancel");
}
