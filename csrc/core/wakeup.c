/* wakeup.c -- the eventfd (or pipe) behind wakeup.h. */

#include "core/wakeup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#if defined(__linux__)

#include <sys/eventfd.h>

static int
open_fds(wakeup *self)
{
    self->read_fd = self->write_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return self->read_fd < 0 ? -errno : 0;
}

#else

static int
open_fds(wakeup *self)
{
    int fds[2];
    if (pipe(fds) < 0) {
        return -errno;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    self->read_fd = fds[0];
    self->write_fd = fds[1];
    return 0;
}

#endif

int
wakeup_init(wakeup *self)
{
    self->is_sent = false;
    return open_fds(self);
}

void
wakeup_fini(wakeup *self)
{
    if (self->read_fd >= 0) {
        close(self->read_fd);
    }
    if (self->write_fd >= 0 && self->write_fd != self->read_fd) {
        close(self->write_fd);
    }
    self->read_fd = self->write_fd = -1;
}

void
wakeup_send(wakeup *self)
{
    if (self->is_sent || self->write_fd < 0) {
        return;
    }
    uint64_t one = 1;
    ssize_t written;
    do {
        written = write(self->write_fd, &one, sizeof(one));
    } while (written < 0 && errno == EINTR);
    /* EAGAIN means the fd is readable already, which is what was wanted. */
    self->is_sent = true;
}

void
wakeup_drain(wakeup *self)
{
    uint64_t buffer[8];
    ssize_t count;
    do {
        count = read(self->read_fd, buffer, sizeof(buffer));
    } while (count < 0 && errno == EINTR);
    self->is_sent = false;
}
