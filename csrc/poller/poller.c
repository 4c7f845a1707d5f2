/* poller.c -- which backends this platform has, and finding one by name. */

#include "poller/poller.h"

#include <stddef.h>
#include <string.h>

const poller_backend *const poller_backends[] = {
#if defined(__linux__)
    &poller_epoll,
#endif
#ifdef POLLER_HAS_KQUEUE
    &poller_kqueue,
#endif
    &poller_poll,
    NULL,
};

const poller_backend *
poller_find(const char *name)
{
    for (const poller_backend *const *backend = poller_backends; *backend != NULL; backend++) {
        if (name == NULL || strcmp((*backend)->name, name) == 0) {
            return *backend;
        }
    }
    return NULL;
}
