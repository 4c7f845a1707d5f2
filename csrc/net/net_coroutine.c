/* net_coroutine.c -- making a NetCoroutine, and giving back what it holds. */

#include "net/net_coroutine.h"

#include <assert.h>

NetCoroutine *
net_coroutine_new(NetLoop *loop, const coroutine_kind *kind, PyObject *const *items,
                  Py_ssize_t count)
{
    assert(count <= NET_COROUTINE_ITEMS);
    NetCoroutine *self = (NetCoroutine *)coroutine_new(loop->loop.state, kind);
    if (self == NULL) {
        return NULL;
    }
    self->loop = (NetLoop *)Py_NewRef((PyObject *)loop);
    for (Py_ssize_t i = 0; i < count; i++) {
        self->items[i] = Py_XNewRef(items[i]);
    }
    self->fd = -1;
    return self;
}

int
net_coroutine_traverse(Coroutine *op, visitproc visit, void *arg)
{
    NetCoroutine *self = (NetCoroutine *)op;
    Py_VISIT((PyObject *)self->loop);
    for (Py_ssize_t i = 0; i < NET_COROUTINE_ITEMS; i++) {
        Py_VISIT(self->items[i]);
    }
    Py_VISIT(self->view.obj);
    return 0;
}

void
net_coroutine_drop(Coroutine *op)
{
    NetCoroutine *self = (NetCoroutine *)op;
    if (self->view.obj != NULL) {
        PyBuffer_Release(&self->view);
    }
    for (Py_ssize_t i = 0; i < NET_COROUTINE_ITEMS; i++) {
        Py_CLEAR(self->items[i]);
    }
    Py_CLEAR(self->loop);
}
