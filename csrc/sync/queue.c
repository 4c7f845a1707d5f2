/* queue.c -- putting and getting, at once or by waiting for a place or an item. */

#include "sync/queue.h"

#include "core/answer.h"
#include "core/awaitable.h"
#include "core/future.h"

static bool
has_own_items(const Queue *self)
{
    return self->items != NULL
           && (self->head.class->index == SYNC_QUEUE
                   ? Py_IS_TYPE(self->items, (PyTypeObject *)self->head.state->deque)
                   : PyList_CheckExact(self->items));
}

static bool
is_none_or_deque(const core_state *state, PyObject *object)
{
    return object == NULL || Py_IS_TYPE(object, (PyTypeObject *)state->deque);
}

/* The event, where it is one of ours with nothing overridden. */
static bool
has_own_event(const Queue *self)
{
    PyObject *finished = self->finished;
    return finished != NULL && PyObject_TypeCheck(finished, self->head.state->Event_type)
           && sync_is_plain((SyncObject *)finished);
}

bool
queue_has_own_parts(const Queue *self)
{
    const core_state *state = self->head.state;
    return has_own_items(self) && is_none_or_deque(state, self->getters)
           && is_none_or_deque(state, self->putters)
           && (self->finished == NULL
               || PyObject_TypeCheck(self->finished, state->Event_type));
}

int
queue_reset(Queue *self)
{
    PyObject *items = self->head.class->index == SYNC_QUEUE
                          ? PyObject_CallNoArgs(self->head.state->deque)
                          : PyList_New(0);
    if (items == NULL) {
        return -1;
    }
    Py_XSETREF(self->items, items);
    Py_CLEAR(self->getters);
    Py_CLEAR(self->putters);
    Py_CLEAR(self->finished);
    Py_CLEAR(self->unfinished.odd);
    self->unfinished.value = 0;
    self->is_shutdown = false;
    return 0;
}

Py_ssize_t
queue_count(Queue *self)
{
    if (has_own_items(self)) {
        return Py_SIZE(self->items);
    }
    if (self->items == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_queue");
        return -1;
    }
    return PyObject_Size(self->items);
}

int
queue_is_empty(Queue *self)
{
    Py_ssize_t count = queue_count(self);
    return count < 0 ? -1 : count == 0;
}

int
queue_is_full(Queue *self)
{
    if (self->maxsize.value <= 0) {
        return 0;
    }
    Py_ssize_t count = queue_count(self);
    return count < 0 ? -1 : count >= self->maxsize.value;
}

static int
append(Queue *self, PyObject *item)
{
    core_state *state = self->head.state;
    PyObject *answer;
    if (!has_own_items(self)) {
        answer = sync_call_stock(&self->head, "_put", &item, 1, NULL);
    }
    else if (self->head.class->index == SYNC_QUEUE) {
        answer = deque_call(state->deque_append, self->items, item);
    }
    else if (self->head.class->index == SYNC_LIFO_QUEUE) {
        return PyList_Append(self->items, item);
    }
    else {
        PyObject *stack[] = {Py_NewRef(self->items), item};
        answer = PyObject_Vectorcall(state->heappush, stack, 2, NULL); // runs Python (comparisons)
        Py_DECREF(stack[0]);
    }
    return status_steal(answer);
}

static PyObject *
pop(Queue *self)
{
    core_state *state = self->head.state;
    PyObject *items = self->items, *item;
    if (!has_own_items(self)) {
        return sync_call_stock_bare(&self->head, "_get");
    }
    if (self->head.class->index == SYNC_LIFO_QUEUE) {
        Py_ssize_t last = PyList_GET_SIZE(items) - 1;
        if (last < 0) {
            PyErr_SetString(PyExc_IndexError, "pop from empty list");
            return NULL;
        }
        item = Py_NewRef(PyList_GET_ITEM(items, last));
        if (PyList_SetSlice(items, last, last + 1, NULL) < 0) {
            Py_CLEAR(item);
        }
        return item;
    }
    if (self->head.class->index == SYNC_QUEUE) {
        return deque_call(state->deque_popleft, items, NULL);
    }
    Py_INCREF(items);
    item = PyObject_Vectorcall(state->heappop, &items, 1, NULL); // runs Python (comparisons)
    Py_DECREF(items);
    return item;
}

static bool
refuses(const Queue *self)
{
    return self->is_shutdown && self->head.state->QueueShutDown != NULL;
}

/* There is something to finish again. */
static int
clear_finished(Queue *self)
{
    if (self->finished == NULL) {
        return 0;
    }
    if (has_own_event(self)) {
        ((Event *)self->finished)->is_set = false;
        return 0;
    }
    return status_steal(PyObject_CallMethod(self->finished, "clear", NULL)); // runs Python
}

int
queue_put_now(Queue *self, PyObject *item)
{
    core_state *state = self->head.state;
    if (refuses(self)) {
        PyErr_SetNone(state->QueueShutDown);
        return -1;
    }
    int is_full = queue_is_full(self);
    if (is_full != 0) {
        if (is_full > 0) {
            PyErr_SetNone(state->QueueFull);
        }
        return -1;
    }
    if (append(self, item) < 0) { // runs Python
        return -1;
    }
    self->unfinished.value++;
    if (clear_finished(self) < 0) {
        return -1;
    }
    return waiters_pop_and_wake(state, &self->getters); // may run Python
}

PyObject *
queue_get_now(Queue *self)
{
    core_state *state = self->head.state;
    int is_empty = queue_is_empty(self);
    if (is_empty != 0) {
        if (is_empty > 0) {
            PyErr_SetNone(refuses(self) ? state->QueueShutDown : state->QueueEmpty);
        }
        return NULL;
    }
    PyObject *item = pop(self); // runs Python
    if (item != NULL && waiters_pop_and_wake(state, &self->putters) < 0) {
        Py_CLEAR(item);
    }
    return item;
}

PyObject *
queue_finished(Queue *self)
{
    if (self->finished == NULL) {
        PyObject *event = PyObject_CallNoArgs(self->head.state->Event_class);
        if (event == NULL) {
            return NULL;
        }
        if (self->unfinished.odd == NULL && self->unfinished.value == 0) {
            ((Event *)event)->is_set = true;
        }
        Py_XSETREF(self->finished, event);
    }
    return Py_NewRef(self->finished);
}

int
queue_task_done(Queue *self)
{
    if (self->unfinished.value <= 0) {
        PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
        return -1;
    }
    self->unfinished.value--;
    if (self->unfinished.value > 0 || self->finished == NULL) {
        return 0;
    }
    if (has_own_event(self)) {
        return event_set((Event *)self->finished); // may run Python
    }
    return status_steal(PyObject_CallMethod(self->finished, "set", NULL)); // runs Python
}

/* future.cancel(), whatever kind it is: 0 or -1. May run Python. */
static int
cancel(core_state *state, PyObject *future)
{
    if (Py_IS_TYPE(future, state->Future_type)) {
        return future_cancel(state, (Future *)future, NULL) < 0 ? -1 : 0;
    }
    return status_steal(PyObject_CallMethodNoArgs(future, state->name_cancel));
}

/* Takes a waiter out whose wait has ended by an exception. Where it had been woken and what it was
   woken for is still there (is_blocked says no), the next one is: 0 or -1. May run Python. */
static int
give_up(Queue *self, Waiting *waiting, PyObject **place, int (*is_blocked)(Queue *))
{
    core_state *state = self->head.state;
    if (cancel(state, waiting->future) < 0) {
        return -1;
    }
    if (waiters_leave(place, waiting) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
            return -1;
        }
        PyErr_Clear(); /* it was taken out when it was woken */
    }
    int blocked = is_blocked(self);
    if (blocked != 0) {
        return blocked < 0 ? -1 : 0;
    }
    int was_cancelled = awaitable_is_cancelled(state, waiting->future);
    if (was_cancelled != 0) {
        return was_cancelled < 0 ? -1 : 0;
    }
    return waiters_pop_and_wake(state, place);
}

/* The same, with what ended the wait raised again. -1. */
static int
give_up_raising(Queue *self, Waiting *waiting, PyObject **place, int (*is_blocked)(Queue *))
{
    PyObject *error = PyErr_GetRaisedException();
    if (give_up(self, waiting, place, is_blocked) < 0) {
        waiters_chain_steal(error);
    }
    else {
        PyErr_SetRaisedException(error);
    }
    return -1;
}

static int
put_start(Coroutine *op, PyObject **result)
{
    Waiting *waiting = (Waiting *)op;
    Queue *self = (Queue *)waiting->owner;
    int status = queue_is_full(self);
    if (status == 0) {
        status = queue_put_now(self, waiting->item) < 0 ? -1 : 1; // runs Python
    }
    else if (status > 0 && refuses(self)) {
        PyErr_SetNone(self->head.state->QueueShutDown);
        status = -1;
    }
    else if (status > 0) {
        status = waiters_join(&self->putters, waiting, &self->head); // runs Python
    }
    return waiting_answer(status, result, Py_None);
}

static int
put_resume(Coroutine *op, PyObject **result)
{
    Waiting *waiting = (Waiting *)op;
    Queue *self = (Queue *)waiting->owner;
    if (*result == NULL) {
        return give_up_raising(self, waiting, &self->putters, queue_is_full);
    }
    return put_start(op, result); /* another may have been faster */
}

static int
get_start(Coroutine *op, PyObject **result)
{
    Waiting *waiting = (Waiting *)op;
    Queue *self = (Queue *)waiting->owner;
    int is_empty = queue_is_empty(self);
    Py_CLEAR(*result);
    if (is_empty == 0) {
        *result = queue_get_now(self); // runs Python
        return *result == NULL ? -1 : 1;
    }
    if (is_empty > 0 && refuses(self)) {
        PyErr_SetNone(self->head.state->QueueShutDown);
        return -1;
    }
    return is_empty < 0 ? -1 : waiters_join(&self->getters, waiting, &self->head); // runs Python
}

static int
get_resume(Coroutine *op, PyObject **result)
{
    Waiting *waiting = (Waiting *)op;
    Queue *self = (Queue *)waiting->owner;
    if (*result == NULL) {
        return give_up_raising(self, waiting, &self->getters, queue_is_empty);
    }
    return get_start(op, result); /* another may have been faster */
}

static int
join_start(Coroutine *op, PyObject **result)
{
    Waiting *waiting = (Waiting *)op;
    Queue *self = (Queue *)waiting->owner;
    int status = 1;
    if (self->unfinished.value > 0) {
        Py_XSETREF(waiting->item, queue_finished(self));
        status = -1;
        if (waiting->item != NULL && has_own_event(self)) {
            status = event_wait_begin((Event *)waiting->item, waiting); // runs Python
        }
        else if (waiting->item != NULL) {
            PyErr_SetString(PyExc_TypeError, "_finished is no Event any more");
        }
    }
    return waiting_answer(status, result, Py_None);
}

static int
join_resume(Coroutine *op, PyObject **result)
{
    Waiting *waiting = (Waiting *)op;
    PyObject *error = waiting_error(result);
    return waiting_answer(event_wait_end((Event *)waiting->item, waiting, error), result, Py_None);
}

PyObject *
queue_put(Queue *self, PyObject *item)
{
    static const coroutine_kind put_kind = {
        WAITING_KIND("put", "Queue.put"),
        .start = put_start,
        .resume = put_resume,
    };
    return waiting_new(&self->head, &put_kind, item);
}

PyObject *
queue_get(Queue *self)
{
    static const coroutine_kind get_kind = {
        WAITING_KIND("get", "Queue.get"),
        .start = get_start,
        .resume = get_resume,
    };
    return waiting_new(&self->head, &get_kind, NULL);
}

PyObject *
queue_join(Queue *self)
{
    static const coroutine_kind join_kind = {
        WAITING_KIND("join", "Queue.join"),
        .start = join_start,
        .resume = join_resume,
    };
    return waiting_new(&self->head, &join_kind, NULL);
}
