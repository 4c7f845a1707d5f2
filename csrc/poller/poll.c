/* poll.c -- the poller contract on poll(2), for where nothing better is, and to check the
   contract by a second backend.

   The fds lie in one dense array, found again through a table by fd number.
   Invariants
   1. items[0 .. count) are the watched fds, in no order; place[fd] is an fd's index, or -1. */

#include "poller/poller.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct poller {
    struct pollfd *items;
    int count;
    int capacity;
    int *place;
    int place_size;
    struct pollfd *waited; /* what wait hands to the kernel: items may change meanwhile */
    int waited_capacity;
    int next; /* where the next scan starts, so that a short event array starves nobody */
};

static short
to_native(unsigned events)
{
    return (short)(((events & POLLER_READ) ? POLLIN : 0) | ((events & POLLER_WRITE) ? POLLOUT : 0));
}

static int
poll_open(poller **result)
{
    poller *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    *result = self;
    return 0;
}

static void
poll_close(poller *self)
{
    free(self->items);
    free(self->waited);
    free(self->place);
    free(self);
}

static int
find(const poller *self, int fd)
{
    return fd >= 0 && fd < self->place_size ? self->place[fd] : -1;
}

static int
reserve(poller *self, int fd)
{
    if (fd >= self->place_size) {
        int size = self->place_size == 0 ? 64 : self->place_size;
        while (size <= fd) {
            if (size > INT_MAX / 2) {
                return -ENOMEM;
            }
            size *= 2;
        }
        int *place = realloc(self->place, (size_t)size * sizeof(int));
        if (place == NULL) {
            return -ENOMEM;
        }
        for (int i = self->place_size; i < size; i++) {
            place[i] = -1;
        }
        self->place = place;
        self->place_size = size;
    }
    if (self->count == self->capacity) {
        int capacity = self->capacity == 0 ? 64 : self->capacity * 2;
        struct pollfd *items = realloc(self->items, (size_t)capacity * sizeof(*items));
        if (items == NULL) {
            return -ENOMEM;
        }
        self->items = items;
        self->capacity = capacity;
    }
    return 0;
}

static int
poll_add(poller *self, int fd, unsigned events)
{
    if (fd < 0) {
        return -EBADF;
    }
    if (find(self, fd) >= 0) {
        return -EEXIST;
    }
    int error = reserve(self, fd);
    if (error < 0) {
        return error;
    }
    self->items[self->count] = (struct pollfd){.fd = fd, .events = to_native(events)};
    self->place[fd] = self->count++;
    return 0;
}

static int
poll_modify(poller *self, int fd, unsigned events)
{
    int index = find(self, fd);
    if (index < 0) {
        return -ENOENT;
    }
    self->items[index].events = to_native(events);
    return 0;
}

static int
poll_remove(poller *self, int fd)
{
    int index = find(self, fd);
    if (index < 0) {
        return -ENOENT;
    }
    struct pollfd last = self->items[--self->count];
    self->items[index] = last;
    self->place[last.fd] = index;
    self->place[fd] = -1;
    return 0;
}

static int
native_wait(struct pollfd *items, int count, int64_t timeout_ns)
{
#if defined(__linux__)
    struct timespec timeout = {(time_t)(timeout_ns / 1000000000), (long)(timeout_ns % 1000000000)};
    return ppoll(items, (nfds_t)count, timeout_ns < 0 ? NULL : &timeout, NULL);
#else
    int64_t rounded = timeout_ns < 0 ? -1 : timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return poll(items, (nfds_t)count, rounded > INT_MAX ? INT_MAX : (int)rounded);
#endif
}

static int
poll_wait_events(poller *self, int64_t timeout_ns, poller_event *events, int capacity)
{
    if (self->waited_capacity < self->capacity) {
        struct pollfd *waited = realloc(self->waited, (size_t)self->capacity * sizeof(*waited));
        if (waited == NULL) {
            return -ENOMEM;
        }
        self->waited = waited;
        self->waited_capacity = self->capacity;
    }
    int count = self->count;
    memcpy(self->waited, self->items, (size_t)count * sizeof(*self->waited));
    int ready = native_wait(self->waited, count, timeout_ns);
    if (ready < 0) {
        return -errno;
    }
    int filled = 0;
    int start = self->next < count ? self->next : 0;
    for (int i = 0; i < count && filled < ready && filled < capacity; i++) {
        int index = start + i < count ? start + i : start + i - count;
        int seen = self->waited[index].revents;
        if (seen == 0) {
            continue;
        }
        events[filled].fd = self->waited[index].fd;
        events[filled].events = ((seen & ~POLLOUT) ? POLLER_READ : 0u)
                                | ((seen & ~POLLIN) ? POLLER_WRITE : 0u);
        filled++;
        self->next = index + 1;
    }
    return filled;
}

const poller_backend poller_poll = {
    .name = "poll",
    .open = poll_open,
    .close = poll_close,
    .add = poll_add,
    .modify = poll_modify,
    .remove = poll_remove,
    .wait = poll_wait_events,
};
