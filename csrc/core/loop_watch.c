/* loop_watch.c -- readers and writers of file descriptors: asyncio's hooks _add_reader and so on.

   The public add_reader() and the rest are asyncio's: they check for transports and come here.

   Invariants
   1. The poller watches an fd exactly where the table has an entry for it, with its events. One
      that it reports once stays known to it, asleep, when the event has been dealt with
      (is_parked): the next who waits wakes it by one call, where adding and removing are two.
   2. A handle that is replaced or removed is cancelled, so it does not run though it is ready.
   Source: asyncio.BaseSelectorEventLoop, selectors._fileobj_to_fd. */

#include "core/loop.h"

#include "core/args.h"
#include "core/handle.h"
#include "core/loop_methods.h"

#include <errno.h>

/* The fd of a number or of an object with fileno(): >= 0, or -1 with ValueError. Runs Python. */
static int
fd_of(core_state *state, PyObject *fileobj)
{
    long fd = -1;
    if (PyLong_Check(fileobj)) {
        fd = PyLong_AsLong(fileobj);
    }
    else {
        PyObject *number = PyObject_CallMethodNoArgs(fileobj, state->name_fileno);
        PyObject *whole = number == NULL ? NULL : PyNumber_Long(number);
        fd = whole == NULL ? -1 : PyLong_AsLong(whole);
        Py_XDECREF(number);
        Py_XDECREF(whole);
        if (fd == -1 && PyErr_Occurred()) {
            if (PyErr_ExceptionMatches(PyExc_AttributeError)
                || PyErr_ExceptionMatches(PyExc_TypeError)
                || PyErr_ExceptionMatches(PyExc_ValueError)) {
                PyErr_Clear(); /* told as selectors tells it */
                PyErr_Format(PyExc_ValueError, "Invalid file object: %R", fileobj);
            }
            return -1;
        }
    }
    if (fd == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (fd < 0 || fd > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %ld", fd);
        return -1;
    }
    return (int)fd;
}

/* As fd_of; an object that cannot say its fd any more is looked for among the watched ones. */
static int
watched_fd_of(Loop *self, PyObject *fileobj)
{
    int fd = fd_of(self->state, fileobj);
    if (fd >= 0 || !PyErr_ExceptionMatches(PyExc_ValueError)) {
        return fd;
    }
    for (int i = 0; i < self->watchers.size; i++) {
        if (self->watchers.entries[i].fileobj == fileobj) {
            PyErr_Clear(); /* found after all */
            return i;
        }
    }
    return -1;
}

static PyObject **
handle_place(watcher *entry, unsigned event)
{
    return event == POLLER_READ ? &entry->reader : &entry->writer;
}

static unsigned
events_of(const watcher *entry)
{
    return (entry->reader != NULL ? POLLER_READ : 0u) | (entry->writer != NULL ? POLLER_WRITE : 0u);
}

static int
raise_errno(int error)
{
    errno = -error;
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* Has the poller watch fd for these events. An fd that was closed and opened again behind our back
   is known to the table but not to the kernel, or the other way round. */
static int
tell_poller(Loop *self, int fd, unsigned old_events, unsigned events, bool once)
{
    const poller_backend *backend = self->backend;
    watcher *entry = &self->watchers.entries[fd];
    entry->is_once = once && old_events == 0 && backend->has_once;
    unsigned asked = events | (entry->is_once ? POLLER_ONCE : 0u);
    int error;
    if (old_events != 0 || entry->is_parked) {
        entry->is_parked = false;
        error = backend->modify(self->poller, fd, asked);
        if (error == -ENOENT) {
            error = backend->add(self->poller, fd, asked);
        }
    }
    else {
        error = backend->add(self->poller, fd, asked);
        if (error == -EEXIST) {
            error = backend->modify(self->poller, fd, asked);
        }
    }
    /* Where one handle replaces another there is no failure, as in asyncio. */
    return error < 0 && old_events != events ? raise_errno(error) : 0;
}

/* Has `handle`, whose reference it takes over, wait for an event of fd: 0 or -1. Runs Python where
   it replaces another one, in debug mode. */
static int
put_watcher_steal(Loop *self, int fd, unsigned event, PyObject *handle, PyObject *fileobj,
                  bool once)
{
    /* What made the handle may have run Python. */
    if (loop_check_closed(self) < 0 || watcher_reserve(&self->watchers, fd) < 0) {
        Py_DECREF(handle);
        return -1;
    }
    watcher *entry = &self->watchers.entries[fd];
    unsigned old_events = events_of(entry);
    if (tell_poller(self, fd, old_events, old_events | event, once) < 0) {
        Py_DECREF(handle);
        return -1;
    }
    if (old_events == 0) {
        self->watchers.fd_count++;
        entry->fileobj = fileobj == NULL || PyLong_Check(fileobj) ? NULL : Py_NewRef(fileobj);
    }
    PyObject **place = handle_place(entry, event);
    PyObject *replaced = *place;
    *place = handle;
    if (self->is_sleeping) {
        wakeup_send(&self->wakeup); /* from a foreign thread: poll(2) does not see additions */
    }
    int status = 0;
    if (replaced != NULL) {
        status = handle_cancel(self->state, (Handle *)replaced); // runs Python
        handle_release_steal(replaced);
    }
    return status;
}

static PyObject *
watch_fd(Loop *self, int fd, unsigned event, PyObject *callback, PyObject *argument,
         PyObject *context, bool once)
{
    PyObject *handle = handle_new(self, callback, &argument, argument == NULL ? 0 : 1, context);
    if (handle == NULL || put_watcher_steal(self, fd, event, Py_NewRef(handle), NULL, once) < 0) {
        Py_XDECREF(handle);
        return NULL;
    }
    return handle;
}

PyObject *
loop_watch_fd(Loop *self, int fd, unsigned event, PyObject *callback, PyObject *argument,
              PyObject *context)
{
    return watch_fd(self, fd, event, callback, argument, context, false);
}

PyObject *
loop_watch_fd_once(Loop *self, int fd, unsigned event, PyObject *callback, PyObject *argument)
{
    return watch_fd(self, fd, event, callback, argument, NULL, true);
}

int
loop_watch_fd_again(Loop *self, int fd)
{
    watcher *entry = watcher_find(&self->watchers, fd);
    if (entry == NULL || !entry->is_once) {
        return 0;
    }
    int error = self->backend->modify(self->poller, fd, events_of(entry) | POLLER_ONCE);
    return error < 0 ? raise_errno(error) : 0;
}

static PyObject *
add_watcher(Loop *self, const args_bound *bound, unsigned event)
{
    if (loop_check_closed(self) < 0) {
        return NULL;
    }
    PyObject *fileobj = bound->leading[0];
    int fd = fd_of(self->state, fileobj); // runs Python
    if (fd < 0) {
        return NULL;
    }
    PyObject *handle = handle_new(self, bound->leading[1], bound->rest, bound->rest_count,
                                  bound->context);
    if (handle == NULL
        || put_watcher_steal(self, fd, event, Py_NewRef(handle), fileobj, false) < 0) {
        Py_XDECREF(handle);
        return NULL;
    }
    return handle;
}

/* loop_unwatch_fd() and loop_unwatch_reported_fd(). Runs Python in debug mode, and destructors. */
static int
unwatch(Loop *self, int fd, unsigned event, bool is_reported)
{
    watcher *entry = watcher_find(&self->watchers, fd);
    PyObject **place = entry == NULL ? NULL : handle_place(entry, event);
    if (place == NULL || *place == NULL) {
        return 0;
    }
    unsigned events = events_of(entry) & ~event;
    PyObject *removed = *place;
    *place = NULL;
    PyObject *kept_alive = NULL;
    entry->is_parked = is_reported && entry->is_once;
    entry->is_once = false;
    /* Failures do not matter: the fd may have been closed, and then it is out already. */
    if (events != 0) {
        (void)self->backend->modify(self->poller, fd, events);
    }
    else {
        if (!entry->is_parked) {
            (void)self->backend->remove(self->poller, fd);
        }
        kept_alive = entry->fileobj;
        entry->fileobj = NULL;
        self->watchers.fd_count--;
    }
    int status = handle_cancel(self->state, (Handle *)removed); // runs Python
    handle_release_steal(removed);
    Py_XDECREF(kept_alive);
    return status < 0 ? -1 : 1;
}

int
loop_unwatch_fd(Loop *self, int fd, unsigned event)
{
    return unwatch(self, fd, event, false);
}

int
loop_unwatch_reported_fd(Loop *self, int fd, unsigned event)
{
    return unwatch(self, fd, event, true);
}

bool
loop_is_watching(const Loop *self, int fd, unsigned event)
{
    const watcher *entry = watcher_find(&self->watchers, fd);
    return entry != NULL && (events_of(entry) & event);
}

bool
loop_is_watching_with(const Loop *self, int fd, unsigned event, PyObject *argument)
{
    watcher *entry = watcher_find(&self->watchers, fd);
    Handle *handle = entry == NULL ? NULL : (Handle *)*handle_place(entry, event);
    return handle != NULL && Py_SIZE(handle) == 1 && handle_args(handle)[0] == argument;
}

static PyObject *
remove_watcher(Loop *self, PyObject *fileobj, unsigned event)
{
    if (self->is_closed) {
        Py_RETURN_FALSE;
    }
    int fd = watched_fd_of(self, fileobj); // runs Python
    int removed = fd < 0 ? -1 : loop_unwatch_fd(self, fd, event);
    return removed < 0 ? NULL : PyBool_FromLong(removed);
}

static PyObject *
add_by_arguments(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                 const args_signature *signature, unsigned event)
{
    Loop *self = (Loop *)op;
    args_bound bound;
    if (args_bind(self->state, signature, args, nargs, kwnames, &bound) < 0) {
        return NULL;
    }
    return add_watcher(self, &bound, event);
}

PyObject *
Loop_add_reader(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_signature signature = {"BaseSelectorEventLoop._add_reader",
                                             {"fd", "callback", NULL}};
    return add_by_arguments(op, args, nargs, kwnames, &signature, POLLER_READ);
}

PyObject *
Loop_add_writer(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const args_signature signature = {"BaseSelectorEventLoop._add_writer",
                                             {"fd", "callback", NULL}};
    return add_by_arguments(op, args, nargs, kwnames, &signature, POLLER_WRITE);
}

PyObject *
Loop_remove_reader(PyObject *op, PyObject *fileobj)
{
    return remove_watcher((Loop *)op, fileobj, POLLER_READ);
}

PyObject *
Loop_remove_writer(PyObject *op, PyObject *fileobj)
{
    return remove_watcher((Loop *)op, fileobj, POLLER_WRITE);
}

/* {fd: (events, reader or None, writer or None)} of what is watched: for tools that look. */
PyObject *
Loop_watched(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Loop *self = (Loop *)op;
    PyObject *map = PyDict_New();
    for (int fd = 0; map != NULL && fd < self->watchers.size; fd++) {
        const watcher *entry = watcher_find(&self->watchers, fd);
        if (entry == NULL) {
            continue;
        }
        PyObject *key = PyLong_FromLong(fd);
        PyObject *value = Py_BuildValue("IOOO", events_of(entry),
                                        entry->reader != NULL ? entry->reader : Py_None,
                                        entry->writer != NULL ? entry->writer : Py_None,
                                        entry->fileobj != NULL ? entry->fileobj : key);
        if (key == NULL || value == NULL || PyDict_SetItem(map, key, value) < 0) {
            Py_CLEAR(map);
        }
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return map;
}
