/* watcher.c -- growing, visiting and dropping the table of watchers. */

#include "core/watcher.h"

#include "core/handle.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

int
watcher_reserve(watcher_table *self, int fd)
{
    if (fd < self->size) {
        return 0;
    }
    int size = self->size == 0 ? 64 : self->size;
    while (size <= fd && size <= INT_MAX / 2) {
        size *= 2;
    }
    watcher *entries = size <= fd ? NULL : realloc(self->entries, (size_t)size * sizeof(watcher));
    if (entries == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memset(entries + self->size, 0, (size_t)(size - self->size) * sizeof(watcher));
    self->entries = entries;
    self->size = size;
    return 0;
}

void
watcher_clear(watcher_table *self)
{
    watcher_table old = *self;
    *self = (watcher_table){0};
    for (int fd = 0; fd < old.size; fd++) {
        PyObject *handles[] = {old.entries[fd].reader, old.entries[fd].writer};
        for (int i = 0; i < 2; i++) {
            if (handles[i] != NULL) {
                handle_release_steal(handles[i]);
            }
        }
        Py_XDECREF(old.entries[fd].fileobj);
    }
    free(old.entries);
}
