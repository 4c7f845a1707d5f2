/* kqueue.c -- the poller contract on kqueue(2): BSDs and macOS, and Linux with libkqueue.

   kqueue keeps reading and writing as two filters of an fd; which are in is remembered by the
   kernel alone, so modify states both and forgives a filter that was not there.

   On Linux it is built with PYASYNC_HAVE_KQUEUE and libkqueue, for the contract's tests. */

#include "poller/poller.h"

#ifdef POLLER_HAS_KQUEUE

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/event.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EVENTS = 1024 };

struct poller {
    int fd;
    struct kevent events[MAX_EVENTS];
};

static int
kqueue_open(poller **result)
{
    poller *self = malloc(sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    self->fd = kqueue();
    if (self->fd < 0) {
        int error = -errno;
        free(self);
        return error;
    }
    *result = self;
    return 0;
}

static void
kqueue_close(poller *self)
{
    close(self->fd);
    free(self);
}

static int
change(poller *self, int fd, short filter, unsigned short flags)
{
    struct kevent request;
    EV_SET(&request, (uintptr_t)fd, filter, flags, 0, 0, 0);
    return kevent(self->fd, &request, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

static int
set_filter(poller *self, int fd, short filter, unsigned wanted)
{
    int error = change(self, fd, filter, wanted ? EV_ADD : EV_DELETE);
    return !wanted && error == -ENOENT ? 0 : error;
}

static int
kqueue_modify(poller *self, int fd, unsigned events)
{
    int error = set_filter(self, fd, EVFILT_READ, events & POLLER_READ);
    if (error == 0) {
        error = set_filter(self, fd, EVFILT_WRITE, events & POLLER_WRITE);
    }
    return error;
}

static int
kqueue_add(poller *self, int fd, unsigned events)
{
    int error = 0;
    if (events & POLLER_READ) {
        error = change(self, fd, EVFILT_READ, EV_ADD);
    }
    if (error == 0 && (events & POLLER_WRITE)) {
        error = change(self, fd, EVFILT_WRITE, EV_ADD);
    }
    return error;
}

static int
kqueue_remove(poller *self, int fd)
{
    return kqueue_modify(self, fd, 0);
}

static int
kqueue_wait(poller *self, int64_t timeout_ns, poller_event *events, int capacity)
{
    struct timespec timeout = {(time_t)(timeout_ns / 1000000000), (long)(timeout_ns % 1000000000)};
    capacity = capacity < MAX_EVENTS ? capacity : MAX_EVENTS;
    int count = kevent(self->fd, NULL, 0, self->events, capacity,
                       timeout_ns < 0 ? NULL : &timeout);
    if (count < 0) {
        return -errno;
    }
    for (int i = 0; i < count; i++) {
        const struct kevent *seen = &self->events[i];
        events[i].fd = (int)seen->ident;
        events[i].events = seen->filter == EVFILT_READ ? POLLER_READ : POLLER_WRITE;
        if (seen->flags & EV_ERROR) {
            events[i].events = POLLER_READ | POLLER_WRITE;
        }
    }
    return count;
}

const poller_backend poller_kqueue = {
    .name = "kqueue",
    .open = kqueue_open,
    .close = kqueue_close,
    .add = kqueue_add,
    .modify = kqueue_modify,
    .remove = kqueue_remove,
    .wait = kqueue_wait,
};

#else

typedef int poller_kqueue_is_not_here; /* ISO C wants a declaration in every file */

#endif
