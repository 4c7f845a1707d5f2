/* context_manager.c -- the coroutines that acquire and release. */

#include "sync/context_manager.h"

#include "core/answer.h"

int
acquire_start(Coroutine *op, PyObject **result)
{
    Waiting *self = (Waiting *)op;
    return waiting_answer(self->owner->class->acquirable->begin(self->owner, self), result,
                          Py_True);
}

int
acquire_resume(Coroutine *op, PyObject **result)
{
    Waiting *self = (Waiting *)op;
    PyObject *error = waiting_error(result);
    return waiting_answer(self->owner->class->acquirable->end(self->owner, self, error), result,
                          Py_True);
}

static int
enter_start(Coroutine *op, PyObject **result)
{
    Waiting *self = (Waiting *)op;
    return waiting_answer(self->owner->class->acquirable->begin(self->owner, self), result,
                          Py_None);
}

static int
enter_resume(Coroutine *op, PyObject **result)
{
    Waiting *self = (Waiting *)op;
    PyObject *error = waiting_error(result);
    return waiting_answer(self->owner->class->acquirable->end(self->owner, self, error), result,
                          Py_None);
}

static int
exit_start(Coroutine *op, PyObject **result)
{
    Waiting *self = (Waiting *)op;
    int status = self->owner->class->acquirable->release(self->owner) < 0 ? -1 : 1;
    return waiting_answer(status, result, Py_None);
}

PyObject *
context_manager_enter(SyncObject *owner)
{
    static const coroutine_kind enter_kind = {
        WAITING_KIND("__aenter__", "_ContextManagerMixin.__aenter__"),
        .start = enter_start,
        .resume = enter_resume,
    };
    return waiting_new(owner, &enter_kind, NULL);
}

PyObject *
context_manager_exit(SyncObject *owner)
{
    static const coroutine_kind exit_kind = {
        WAITING_KIND("__aexit__", "_ContextManagerMixin.__aexit__"),
        .start = exit_start,
    };
    return waiting_new(owner, &exit_kind, NULL);
}

PyObject *
Acquirable_acquire(PyObject *op, PyObject *Py_UNUSED(unused))
{
    SyncObject *self = (SyncObject *)op;
    return sync_is_plain(self) ? waiting_new(self, self->class->acquirable->acquire, NULL)
                               : sync_call_stock_bare(self, "acquire");
}

PyObject *
Acquirable_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    SyncObject *self = (SyncObject *)op;
    if (!sync_is_plain(self)) {
        return sync_call_stock_bare(self, "release");
    }
    return none_or_null(self->class->acquirable->release(self));
}

PyObject *
Acquirable_aenter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    SyncObject *self = (SyncObject *)op;
    return sync_is_plain(self) ? context_manager_enter(self)
                               : sync_call_stock_bare(self, "__aenter__");
}

PyObject *
Acquirable_aexit(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    SyncObject *self = (SyncObject *)op;
    if (nargs != 3 || kwnames != NULL || !sync_is_plain(self)) {
        return sync_call_stock(self, "__aexit__", args, nargs, kwnames);
    }
    return context_manager_exit(self);
}
