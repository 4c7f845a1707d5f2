/* loop_run.c -- the iteration: poll, move due timers, run what is ready.

   Invariants
   1. An iteration runs what was ready when its last phase began; what these callbacks schedule
      waits for the next one.
   2. With work always ready the poller is still asked after at most CALLS_BETWEEN_POLLS callbacks.
   3. The GIL is given up only to sleep; a look at the poller without waiting keeps it.
   Source: BaseEventLoop._run_once. */

#include "core/loop.h"

#include "base/check.h"
#include "base/clock.h"
#include "core/answer.h"
#include "core/bridge.h"
#include "core/handle.h"
#include "core/loop_methods.h"
#include "core/task.h"
#include "core/waiter.h"

#include <errno.h>

enum {
    /* One task that yields for ever, 3.14: 217-256 ns a step when the poller is asked each time,
       105 ns every 8th time, 80 ns never. So I/O is late by 8 callbacks at most. */
    CALLS_BETWEEN_POLLS = 8,
    EVENTS_A_POLL = 512,
};

/* As asyncio's MAXIMUM_SELECT_TIMEOUT. */
static const int64_t LONGEST_SLEEP_NS = 24 * 3600 * NS_PER_SECOND;

/* How long nothing will be due: negative for ever. */
static int
time_to_sleep(Loop *self, int64_t *timeout_ns)
{
    *timeout_ns = -1;
    if (self->timers.count == 0) {
        return 0;
    }
    int64_t now;
    if (loop_now_ns(self, &now) < 0) { // runs Python where time() is overridden
        return -1;
    }
    if (self->timers.count > 0) {
        int64_t first = self->timers.entries[0].deadline_ns;
        uint64_t left = first > now ? (uint64_t)first - (uint64_t)now : 0;
        *timeout_ns = left > (uint64_t)LONGEST_SLEEP_NS ? LONGEST_SLEEP_NS : (int64_t)left;
    }
    return 0;
}

/* Puts the handle that waits for an event into the ring; a cancelled one leaves the table. */
static int
put_watcher(Loop *self, int fd, PyObject *handle, unsigned event)
{
    if (!((Handle *)handle)->is_cancelled) {
        return loop_put_steal(self, Py_NewRef(handle));
    }
    PyObject *answer = PyObject_CallMethod(
        (PyObject *)self, event == POLLER_READ ? "_remove_reader" : "_remove_writer", "i", fd);
    return status_steal(answer);
}

/* Who waits for an event; NULL for the wake-up and for an fd that nobody waits for. */
static watcher *
watcher_of(Loop *self, poller_event event)
{
    if (event.fd == self->wakeup.read_fd) {
        wakeup_drain(&self->wakeup);
        return NULL;
    }
    watcher *entry = watcher_find(&self->watchers, event.fd);
    if (entry == NULL && self->poller != NULL) { /* it may be closed by what ran before */
        (void)self->backend->remove(self->poller, event.fd); /* nobody waits: closed behind us */
    }
    return entry;
}

static int
put_event(Loop *self, poller_event event)
{
    watcher *entry = watcher_of(self, event);
    if (entry == NULL) {
        return 0;
    }
    PyObject *reader = event.events & POLLER_READ ? entry->reader : NULL;
    PyObject *writer = event.events & POLLER_WRITE ? entry->writer : NULL;
    if (reader != NULL && put_watcher(self, event.fd, reader, POLLER_READ) < 0) {
        return -1;
    }
    /* Taking a cancelled reader out may have run Python: is the writer still there? */
    if (writer != NULL && (entry = watcher_find(&self->watchers, event.fd)) != NULL
        && entry->writer == writer) {
        return put_watcher(self, event.fd, writer, POLLER_WRITE);
    }
    return 0;
}

static int
wait_for_events(Loop *self, int64_t timeout_ns, poller_event *events)
{
    int count;
    if (timeout_ns == 0) {
        count = self->backend->wait(self->poller, 0, events, EVENTS_A_POLL);
    }
    else {
        self->is_sleeping = true;
        Py_BEGIN_ALLOW_THREADS
        count = self->backend->wait(self->poller, timeout_ns, events, EVENTS_A_POLL);
        Py_END_ALLOW_THREADS
        self->is_sleeping = false;
        if (PyErr_CheckSignals() < 0) { // runs Python
            return -1;
        }
    }
    if (count < 0 && count != -EINTR) {
        errno = -count;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return count < 0 ? 0 : count;
}

/* Looks at the poller, sleeping where nothing is ready. */
static int
poll_events(Loop *self)
{
    bridge_flush(self);
    int64_t timeout_ns = 0;
    if (ring_count(&self->ready) == 0 && !self->is_stopping) {
        if (PyErr_CheckSignals() < 0 || time_to_sleep(self, &timeout_ns) < 0) { // runs Python
            return -1;
        }
        if (ring_count(&self->ready) > 0 || self->is_stopping) {
            timeout_ns = 0;
        }
    }
    self->must_poll = false;
    self->calls_since_poll = 0;
    if (self->is_closed) {
        return loop_check_closed(self);
    }
    poller_event events[EVENTS_A_POLL];
    int count = wait_for_events(self, timeout_ns, events);
    for (int i = 0; i < count; i++) {
        if (put_event(self, events[i]) < 0) {
            return -1;
        }
    }
    return count < 0 ? -1 : 0;
}

static int
move_due_timers(Loop *self)
{
    int64_t now;
    if (loop_now_ns(self, &now) < 0) { // runs Python where time() is overridden
        return -1;
    }
    while (self->timers.count > 0 && self->timers.entries[0].deadline_ns <= now) {
        timer_node *node = timer_heap_pop(&self->timers);
        if (loop_put_steal(self, handle_of_node(node)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* A Handle that is not of ours: asyncio's own or a duck. */
static int
run_foreign_handle(core_state *state, PyObject *handle)
{
    int is_cancelled = truth_steal(PyObject_GetAttr(handle, state->name_cancelled_attribute));
    if (is_cancelled != 0) {
        return is_cancelled < 0 ? -1 : 0;
    }
    return status_steal(PyObject_CallMethodNoArgs(handle, state->name_run)); // runs Python
}

/* Finds out whether a program has put a function of its own into the place of asyncio.Handle._run,
   as those do that time every callback. */
static void
look_for_replaced_run(core_state *state)
{
    PyObject *found = PyObject_GetAttr(state->stock_Handle, state->name_run);
    if (found == NULL) {
        PyErr_Clear(); /* deleted: there is none to call */
    }
    state->handle_run_is_replaced =
        found != NULL
        && !(PyFunction_Check(found) && PyFunction_GET_GLOBALS(found) == state->events_namespace);
    state->handle_version = ((PyTypeObject *)state->stock_Handle)->tp_version_tag;
    Py_XDECREF(found);
}

/* Runs a handle of ours by what is in the place of asyncio.Handle._run. */
static int
run_by_replacement(core_state *state, PyObject *handle)
{
    if (((Handle *)handle)->is_cancelled) {
        return 0;
    }
    PyObject *run = PyObject_GetAttr(state->stock_Handle, state->name_run);
    PyObject *answer = run == NULL ? NULL : PyObject_CallOneArg(run, handle); // runs Python
    Py_XDECREF(run);
    return status_steal(answer);
}

/* Runs an entry of the ring: a task steps, a handle calls. Runs Python. */
static inline int
run_entry(Loop *self, PyObject *entry)
{
    core_state *state = self->state;
    if (Py_IS_TYPE(entry, state->Task_type)) {
        return task_run(self, (Task *)entry);
    }
    bridge_flush(self);
    if (handle_is_exact(state, entry)) {
        return state->handle_run_is_replaced ? run_by_replacement(state, entry)
                                             : handle_run(state, (Handle *)entry);
    }
    if (waiter_check(state, entry)) {
        return waiter_run(self, (Waiter *)entry);
    }
    return run_foreign_handle(state, entry);
}

/* Whether an entry is a Handle of any kind, which Python code knows. */
static bool
is_handle(const core_state *state, PyObject *entry)
{
    return !Py_IS_TYPE(entry, state->Task_type) && !waiter_check(state, entry);
}

/* The logger and how an entry is named are asked in asyncio's module: tests replace them there. */
static int
warn_of_slow(core_state *state, PyObject *entry, PyObject *duration)
{
    PyObject *namespace = state->base_events_namespace, *what = NULL, *answer = NULL;
    PyObject *format = PyObject_GetItem(namespace, state->name_format_handle);
    PyObject *logger = format == NULL ? NULL : PyObject_GetItem(namespace, state->name_logger);
    if (logger != NULL) {
        what = is_handle(state, entry) ? PyObject_CallOneArg(format, entry) : PyObject_Repr(entry);
    }
    if (what != NULL) {
        answer = PyObject_CallMethod(logger, "warning", "sOO",
                                     "Executing %s took %.3f seconds", what, duration);
    }
    Py_XDECREF(format);
    Py_XDECREF(logger);
    Py_XDECREF(what);
    return status_steal(answer);
}

static int
log_slow_entry(Loop *self, PyObject *entry, double seconds)
{
    core_state *state = self->state;
    PyObject *limit = PyObject_GetAttr((PyObject *)self, state->name_slow_callback_duration);
    PyObject *duration = PyFloat_FromDouble(seconds);
    int is_slow = limit == NULL || duration == NULL
                      ? -1
                      : PyObject_RichCompareBool(duration, limit, Py_GE);
    Py_XDECREF(limit);
    if (is_slow > 0) {
        bridge_flush(self); /* a log record names the current task, which is none */
        is_slow = warn_of_slow(state, entry, duration);
    }
    Py_XDECREF(duration);
    return is_slow < 0 ? -1 : 0;
}

/* The same in debug mode: tells what is slow, and which handle runs. */
static int
run_entry_in_debug(Loop *self, PyObject *entry)
{
    double start, end;
    if (loop_time(self, &start) < 0) {
        return -1;
    }
    PyObject *current = is_handle(self->state, entry) ? entry : Py_None;
    Py_XSETREF(self->current_handle, Py_NewRef(current));
    int status = run_entry(self, entry);
    if (status == 0 && loop_time(self, &end) == 0) {
        status = log_slow_entry(self, entry, end - start);
    }
    Py_XSETREF(self->current_handle, Py_NewRef(Py_None));
    return status < 0 || PyErr_Occurred() ? -1 : 0;
}

static int
run_ready(Loop *self)
{
    size_t todo = ring_count(&self->ready);
    int status = 0;
    core_state *state = self->state;
    unsigned version = ((PyTypeObject *)state->stock_Handle)->tp_version_tag;
    if (version != state->handle_version || version == 0) {
        look_for_replaced_run(state);
    }
    self->calls_since_poll += (unsigned)todo;
    self->iteration++;
    self->is_in_batch = true;
    for (; status == 0 && todo > 0 && ring_count(&self->ready) > 0; todo--) {
        PyObject *entry = ring_take(&self->ready);
        if (state->handle_run_is_replaced
            && (entry = loop_handle_of_steal(self, entry)) == NULL) {
            status = -1;
            break;
        }
        status = loop_debug_is_plain_off(self) ? run_entry(self, entry)
                                               : run_entry_in_debug(self, entry);
        if (is_handle(state, entry)) {
            handle_release_steal(entry);
        }
        else {
            Py_DECREF(entry);
        }
    }
    self->is_in_batch = false;
    if (self->after_batch != NULL) {
        self->after_batch(self); // runs Python; keeps the pending exception
    }
    ring_trim(&self->ready);
    return status;
}

#ifdef PYASYNC_DEBUG

void
loop_check(const Loop *self)
{
    enum { SMALL_HEAP = 64 };
    assert(!self->is_sleeping);
    assert(!self->is_direct || (!self->is_closed && self->debug == Py_False));
    assert(self->is_closed || self->poller != NULL);
    assert(self->spare_context == NULL || Py_REFCNT(self->spare_context) >= 1);
    if (self->timers.count <= SMALL_HEAP) {
        timer_heap_check(&self->timers);
    }
}

#endif

/* One iteration: 0, or -1 with KeyboardInterrupt, SystemExit or a failure of the loop itself. */
static int
loop_run_once(Loop *self)
{
    loop_check(self);
    if (self->is_in_batch && self->after_batch != NULL) {
        self->after_batch(self); // runs Python; run within a callback: it may sleep for the answer
    }
    bool must_look = self->must_poll || self->is_stopping || ring_count(&self->ready) == 0
                     || self->calls_since_poll >= CALLS_BETWEEN_POLLS;
    if (must_look && poll_events(self) < 0) {
        return -1;
    }
    if (self->timers.count > 0 && move_due_timers(self) < 0) {
        return -1;
    }
    return run_ready(self);
}

/* For Python code that iterates the loop itself: what is ready may have come since it computed how
   long to sleep, and would not be woken. */
PyObject *
Loop_poll(PyObject *op, PyObject *timeout)
{
    Loop *self = (Loop *)op;
    int64_t timeout_ns = -1;
    if (timeout != Py_None) {
        double seconds = PyFloat_AsDouble(timeout);
        if (seconds == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
        timeout_ns = seconds > 0 ? clock_deadline_ns(seconds) : 0;
    }
    if (self->after_batch != NULL) {
        self->after_batch(self); // runs Python
    }
    bridge_flush(self);
    if (loop_check_closed(self) < 0) {
        return NULL;
    }
    if (ring_count(&self->ready) > 0) {
        timeout_ns = 0;
    }
    poller_event events[EVENTS_A_POLL];
    int count = wait_for_events(self, timeout_ns, events); // runs Python
    PyObject *list = count < 0 ? NULL : PyList_New(0);
    for (int i = 0; list != NULL && i < count; i++) {
        if (watcher_of(self, events[i]) == NULL) {
            continue;
        }
        PyObject *pair = Py_BuildValue("iI", events[i].fd, events[i].events);
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(pair);
    }
    return list;
}

static int
prepare_to_run(Loop *self)
{
    self->must_poll = true;
    if (loop_check_closed(self) < 0) {
        return -1;
    }
    return loop_refresh_overrides(self);
}

PyObject *
Loop_run_once(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Loop *self = (Loop *)op;
    int status = prepare_to_run(self);
    if (status == 0) {
        status = loop_run_once(self);
        bridge_flush(self);
    }
    return none_or_null(status);
}

PyObject *
Loop_run_until_stopped(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Loop *self = (Loop *)op;
    int status = prepare_to_run(self);
    while (status == 0) {
        status = loop_run_once(self);
        if (self->is_stopping) {
            break;
        }
    }
    bridge_flush(self);
    return none_or_null(status);
}
