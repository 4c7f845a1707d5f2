/* waiters.c -- futures in a deque, and the coroutine that waits for one of them. */

#include "sync/waiters.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/future.h"

PyObject *
waiting_new(SyncObject *owner, const coroutine_kind *kind, PyObject *item)
{
    Waiting *self = (Waiting *)coroutine_new_of(owner->state, kind, sizeof(Waiting));
    if (self == NULL) {
        return NULL;
    }
    self->owner = (SyncObject *)Py_NewRef((PyObject *)owner);
    self->item = Py_XNewRef(item);
    return coroutine_begin(&self->coroutine);
}

int
waiting_traverse(Coroutine *op, visitproc visit, void *arg)
{
    Waiting *self = (Waiting *)op;
    Py_VISIT((PyObject *)self->owner);
    Py_VISIT(self->future);
    Py_VISIT(self->item);
    Py_VISIT(self->error);
    Py_VISIT(self->latest);
    return 0;
}

void
waiting_drop(Coroutine *op)
{
    Waiting *self = (Waiting *)op;
    Py_CLEAR(self->owner);
    Py_CLEAR(self->future);
    Py_CLEAR(self->item);
    Py_CLEAR(self->error);
    Py_CLEAR(self->latest);
}

int
waiting_answer(int status, PyObject **result, PyObject *value)
{
    Py_XSETREF(*result, status == 1 ? Py_NewRef(value) : NULL);
    return status;
}

/* Cuts the chain of contexts where it comes to `raised`: it must not end in itself. One that never
   ends is left when it comes to where `slow` is, which goes half as fast. */
static void
unlink_context(PyObject *exception, PyObject *raised)
{
    PyObject *slow = exception, *context;
    bool moves_slow = false;
    while ((context = PyException_GetContext(exception)) != NULL) {
        Py_DECREF(context); /* the chain holds it */
        if (context == raised) {
            PyException_SetContext(exception, NULL);
            return;
        }
        if (context == slow) {
            return;
        }
        exception = context;
        if (moves_slow) {
            slow = PyException_GetContext(slow);
            Py_DECREF(slow);
        }
        moves_slow = !moves_slow;
    }
}

void
waiters_chain_steal(PyObject *earlier)
{
    if (earlier == NULL) {
        return;
    }
    PyObject *raised = PyErr_GetRaisedException();
    if (raised == earlier) {
        Py_DECREF(earlier);
    }
    else {
        unlink_context(earlier, raised);
        PyException_SetContext(raised, earlier);
    }
    PyErr_SetRaisedException(raised);
}

/* deque.method(argument), by the method's name where it is another kind of container. */
static int
call_deque(PyObject *deque, PyObject *is_deques, PyObject *name, PyObject *argument,
           core_state *state)
{
    PyObject *answer = is_deque(state, deque) ? deque_call(is_deques, deque, argument)
                                              : PyObject_CallMethodOneArg(deque, name, argument);
    return status_steal(answer);
}

static PyObject *
pop_first(core_state *state, PyObject *deque)
{
    return is_deque(state, deque) ? deque_call(state->deque_popleft, deque, NULL)
                                  : PyObject_CallMethodNoArgs(deque, state->name_popleft);
}

int
waiters_join(PyObject **place, Waiting *waiting, SyncObject *bound_to)
{
    core_state *state = bound_to->state;
    PyObject *future = sync_create_future(bound_to); // runs Python
    if (future == NULL) {
        return -1;
    }
    if (waiters_are_none(place)) {
        PyObject *made = PyObject_CallNoArgs(state->deque);
        if (made == NULL) {
            Py_DECREF(future);
            return -1;
        }
        Py_XSETREF(*place, made);
    }
    PyObject *deque = Py_NewRef(*place);
    int status = call_deque(deque, state->deque_append, state->name_append, future, state);
    Py_DECREF(deque);
    if (status < 0) {
        Py_DECREF(future);
        return -1;
    }
    Py_XSETREF(waiting->coroutine.future, Py_NewRef(future));
    Py_XSETREF(waiting->future, future);
    return 0;
}

int
waiters_leave(PyObject **place, Waiting *waiting)
{
    core_state *state = waiting->coroutine.module_state;
    PyObject *deque = Py_XNewRef(*place);
    int status = -1;
    if (deque == NULL) {
        PyErr_SetString(PyExc_ValueError, "deque.remove(x): x not in deque");
        return -1;
    }
    if (is_deque(state, deque) && Py_SIZE(deque) > 0) {
        PyObject *first = PySequence_GetItem(deque, 0);
        Py_XDECREF(first);
        if (first == waiting->future) { /* those that were woken leave in their order */
            first = pop_first(state, deque);
            Py_XDECREF(first);
            Py_DECREF(deque);
            return first == NULL ? -1 : 0;
        }
    }
    status = call_deque(deque, state->deque_remove, state->name_remove, waiting->future, state);
    Py_DECREF(deque);
    return status;
}

int
waiters_init(core_state *state)
{
    PyObject *methods[] = {state->deque_append, state->deque_popleft, state->deque_remove};
    const int flags[] = {METH_O, METH_NOARGS, METH_O};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (!Py_IS_TYPE(methods[i], &PyMethodDescr_Type)
            || ((PyMethodDescrObject *)methods[i])->d_method->ml_flags != flags[i]) {
            PyErr_SetString(PyExc_ImportError, "collections.deque is not the one that we know");
            return -1;
        }
    }
    return 0;
}

Py_ssize_t
waiters_count(PyObject *const *place)
{
    return waiters_are_none(place) ? 0 : PyObject_Size(*place);
}

PyObject *
waiters_at(PyObject *const *place, Py_ssize_t index)
{
    return PySequence_GetItem(*place == NULL ? Py_None : *place, index); /* its len() may run Python */
}

int
waiters_are_cancelled_slow(core_state *state, PyObject *const *place)
{
    PyObject *waiters = Py_NewRef(*place); /* who is asked may put others into their place */
    PyObject *iterator = NULL;
    int status = 1;
    if (is_deque(state, waiters)) {
        /* Most often the first one is not: no iterator is needed to find that. */
        if (Py_SIZE(waiters) == 0) {
            goto done;
        }
        PyObject *first = PySequence_GetItem(waiters, 0);
        status = first == NULL ? -1 : awaitable_is_cancelled(state, first); // may run Python
        Py_XDECREF(first);
        if (status <= 0) {
            goto done;
        }
    }
    iterator = PyObject_GetIter(waiters);
    PyObject *future;
    while (iterator != NULL && status > 0 && (future = PyIter_Next(iterator)) != NULL) {
        status = awaitable_is_cancelled(state, future); // may run Python
        Py_DECREF(future);
    }
    status = PyErr_Occurred() ? -1 : status;
done:
    Py_XDECREF(iterator);
    Py_DECREF(waiters);
    return status;
}

/* The next of an iterator that is not done: as waiters_first_pending. */
static int
next_pending(core_state *state, PyObject *iterator, PyObject **future)
{
    while ((*future = PyIter_Next(iterator)) != NULL) {
        int is_done = awaitable_is_done(state, *future);
        if (is_done == 0) {
            return 1;
        }
        Py_CLEAR(*future);
        if (is_done < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* The same among the first few of a deque that are futures of ours, without an iterator: 1 with *future
   set, 0 where that does not find out, or -1. */
static int
look_for_pending(core_state *state, PyObject *deque, PyObject **future)
{
    enum { FEW = 8 };
    Py_ssize_t count = Py_SIZE(deque);
    for (Py_ssize_t i = 0; i < count && i < FEW; i++) {
        *future = PySequence_GetItem(deque, i);
        if (*future == NULL) {
            return -1;
        }
        bool is_own = future_is_exact(state, *future);
        if (is_own && ((Future *)*future)->state == FUTURE_PENDING) {
            return 1;
        }
        Py_CLEAR(*future); /* the deque has it still */
        if (!is_own) {
            break;
        }
    }
    return 0;
}

int
waiters_first_pending(core_state *state, PyObject *const *place, PyObject **future)
{
    *future = NULL;
    if (waiters_are_none(place)) {
        return 0;
    }
    if (is_deque(state, *place)) {
        int status = Py_SIZE(*place) == 0 ? 0 : look_for_pending(state, *place, future);
        if (status != 0 || Py_SIZE(*place) == 0) {
            return status;
        }
    }
    PyObject *iterator = PyObject_GetIter(*place);
    int status = iterator == NULL ? -1 : next_pending(state, iterator, future);
    Py_XDECREF(iterator);
    return status;
}

int
waiters_wake(core_state *state, PyObject *const *place, Py_ssize_t limit, PyObject *value)
{
    if (waiters_are_none(place) || (is_deque(state, *place) && Py_SIZE(*place) == 0)) {
        return 0;
    }
    PyObject *iterator = PyObject_GetIter(*place);
    PyObject *future;
    int status = iterator == NULL ? -1 : 1;
    while (status > 0 && limit-- > 0) {
        status = next_pending(state, iterator, &future);
        if (status > 0) {
            status = awaitable_set_result(state, future, value) < 0 ? -1 : 1; // may run Python
            Py_DECREF(future);
        }
    }
    Py_XDECREF(iterator);
    return status < 0 ? -1 : 0;
}

int
waiters_pop_and_wake_slow(core_state *state, PyObject *const *place)
{
    int is_done = 1;
    while (is_done > 0) {
        if (waiters_are_none(place)) {
            return 0;
        }
        PyObject *deque = Py_NewRef(*place);
        Py_ssize_t count = PyObject_Size(deque); // may run Python
        PyObject *future = count > 0 ? pop_first(state, deque) : NULL;
        Py_DECREF(deque);
        if (count <= 0) {
            return count < 0 ? -1 : 0;
        }
        is_done = future == NULL ? -1 : awaitable_is_done(state, future);
        if (is_done == 0 && awaitable_set_result(state, future, Py_None) < 0) { // may run Python
            is_done = -1;
        }
        Py_XDECREF(future);
    }
    return is_done < 0 ? -1 : 0;
}

PyObject *
waiters_get(PyObject *self, void *offset)
{
    PyObject **place = (PyObject **)((char *)self + (Py_ssize_t)offset);
    if (*place == NULL) {
        *place = PyObject_CallNoArgs(((SyncObject *)self)->state->deque);
    }
    return Py_XNewRef(*place);
}
