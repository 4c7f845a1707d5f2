/* epoll.c -- the poller contract on Linux's epoll(7).

   Timeouts go to epoll_pwait2(2) (Linux 5.11), to the nanosecond. Where the kernel or a sandbox
   refuses it, epoll_wait(2) with the timeout rounded up to whole milliseconds: late, not early.
   The system call is made directly, for C libraries that do not know it (glibc < 2.35). */

#if defined(__linux__)

#include "poller/poller.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#  define SYS_epoll_pwait2 441 /* one number on every architecture */
#endif

enum {
    MAX_EVENTS = 1024,
    NS_IN_MS = 1000000,
    NS_IN_SECOND = 1000000000,
};

struct poller {
    int fd;
    bool has_pwait2;
    struct epoll_event events[MAX_EVENTS];
};

/* struct __kernel_timespec: 64 bits a field on every architecture. */
struct timespec64 {
    int64_t seconds;
    int64_t nanoseconds;
};

static int
epoll_open(poller **result)
{
    poller *self = malloc(sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    self->has_pwait2 = true;
    self->fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->fd < 0) {
        int error = -errno;
        free(self);
        return error;
    }
    *result = self;
    return 0;
}

static void
epoll_close(poller *self)
{
    close(self->fd);
    free(self);
}

static int
control(poller *self, int operation, int fd, unsigned events)
{
    struct epoll_event event = {.data.fd = fd};
    event.events = ((events & POLLER_READ) ? EPOLLIN : 0u)
                   | ((events & POLLER_WRITE) ? EPOLLOUT : 0u)
                   | ((events & POLLER_ONCE) ? EPOLLONESHOT : 0u);
    return epoll_ctl(self->fd, operation, fd, &event) < 0 ? -errno : 0;
}

static int
epoll_add(poller *self, int fd, unsigned events)
{
    return control(self, EPOLL_CTL_ADD, fd, events);
}

static int
epoll_modify(poller *self, int fd, unsigned events)
{
    return control(self, EPOLL_CTL_MOD, fd, events);
}

static int
epoll_remove(poller *self, int fd)
{
    return control(self, EPOLL_CTL_DEL, fd, 0);
}

static int
wait_ms(poller *self, int64_t timeout_ns, int capacity)
{
    int timeout_ms = -1;
    if (timeout_ns >= 0) {
        int64_t rounded = timeout_ns / NS_IN_MS + (timeout_ns % NS_IN_MS != 0);
        timeout_ms = rounded > INT_MAX ? INT_MAX : (int)rounded;
    }
    return epoll_wait(self->fd, self->events, capacity, timeout_ms);
}

static int
wait_ns(poller *self, int64_t timeout_ns, int capacity)
{
    struct timespec64 timeout = {timeout_ns / NS_IN_SECOND, timeout_ns % NS_IN_SECOND};
    return (int)syscall(SYS_epoll_pwait2, self->fd, self->events, capacity, &timeout, NULL,
                        _NSIG / 8);
}

static int
epoll_wait_events(poller *self, int64_t timeout_ns, poller_event *events, int capacity)
{
    capacity = capacity < MAX_EVENTS ? capacity : MAX_EVENTS;
    int count;
    if (timeout_ns > 0 && self->has_pwait2) {
        count = wait_ns(self, timeout_ns, capacity);
        if (count < 0 && (errno == ENOSYS || errno == EPERM)) {
            self->has_pwait2 = false;
            count = wait_ms(self, timeout_ns, capacity);
        }
    }
    else {
        count = wait_ms(self, timeout_ns, capacity);
    }
    if (count < 0) {
        return -errno;
    }
    for (int i = 0; i < count; i++) {
        uint32_t seen = self->events[i].events;
        events[i].fd = self->events[i].data.fd;
        events[i].events = ((seen & ~(uint32_t)EPOLLOUT) ? POLLER_READ : 0u)
                           | ((seen & ~(uint32_t)EPOLLIN) ? POLLER_WRITE : 0u);
    }
    return count;
}

const poller_backend poller_epoll = {
    .name = "epoll",
    .has_once = true,
    .open = epoll_open,
    .close = epoll_close,
    .add = epoll_add,
    .modify = epoll_modify,
    .remove = epoll_remove,
    .wait = epoll_wait_events,
};

#else

typedef int poller_epoll_is_linux_only; /* ISO C wants a declaration in every file */

#endif
