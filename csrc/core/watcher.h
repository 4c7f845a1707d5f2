/* watcher.h -- which handles wait for which file descriptor.

   A table by fd number: fds are small numbers, so finding one is an index.

   Invariants
   1. An entry with no reader and no writer has no file object either, and the poller reports nothing
      of its fd, though it may know it still (is_parked).
   2. is_once: there is one handle, and the poller reports its event one time.
   Ownership: the table owns the handles, and the file object the user gave (asyncio's selector
   keeps it alive as well); fd_count counts the entries in use. */

#ifndef PYASYNC_CORE_WATCHER_H
#define PYASYNC_CORE_WATCHER_H

#include "base/compat.h"

#include <stdbool.h>

typedef struct {
    PyObject *reader;
    PyObject *writer;
    PyObject *fileobj; /* NULL where the user gave the number */
    bool is_once;
    bool is_parked; /* perhaps: the fd may have been closed since */
} watcher;

typedef struct {
    watcher *entries;
    int size;
    int fd_count;
} watcher_table;

/* The entry of an fd in use, or NULL. */
static inline watcher *
watcher_find(const watcher_table *self, int fd)
{
    if (fd < 0 || fd >= self->size) {
        return NULL;
    }
    watcher *entry = &self->entries[fd];
    return entry->reader != NULL || entry->writer != NULL ? entry : NULL;
}

/* Makes the table large enough for fd: 0, or -1 with MemoryError. */
int watcher_reserve(watcher_table *self, int fd);

/* Drops every entry and the memory. Runs Python (destructors). */
void watcher_clear(watcher_table *self);

#endif
