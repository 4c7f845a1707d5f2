/* sync_object.h -- what locks and queues have in common: the loop they are bound to, and whether
   somebody has overridden what the C code would otherwise do without asking.

   Each type stands before asyncio's own class in the classes that Python sees, and keeps the same
   attributes: asyncio's methods run on the same object. So wherever a subclass, a patched class
   or an attribute of the instance has replaced something, asyncio's own method does the whole call.

   Invariants
   1. sync_is_plain() says that every name in class->methods and class->data is found in the type as
      it was at import, no name of class->methods on the instance, and that the attributes are of
      the types made here: whatever else Python assigns sets is_overridden, for good.
   2. loop is NULL until the object had to wait for the first time.
   Ownership: loop is a reference; class is static.
   Source: asyncio.mixins._LoopBoundMixin. */

#ifndef PYASYNC_SYNC_SYNC_OBJECT_H
#define PYASYNC_SYNC_SYNC_OBJECT_H

#include "base/compat.h"

#include "core/args.h"
#include "core/attributes.h"
#include "core/coroutine.h"
#include "core/state.h"

#include <stdbool.h>

typedef struct SyncObject SyncObject;
typedef struct Waiting Waiting;

/* What `async with` needs of a lock or semaphore. Each may run Python. */
typedef struct {
    /* Takes it: 1, 0 where `waiting` has joined the waiters, or -1. */
    int (*begin)(SyncObject *self, Waiting *waiting);
    /* The wait is over, by an exception where error is not NULL, which it steals: 1 or -1. */
    int (*end)(SyncObject *self, Waiting *waiting, PyObject *error);
    int (*release)(SyncObject *self); /* 0 or -1 */
    const coroutine_kind *acquire;    /* what acquire() makes */
} acquirable;

typedef struct {
    enum sync_class_index index;
    size_t stock; /* asyncio's class, by the offset of its place in core_state */
    const char *const *methods; /* that asyncio's methods call on self; ended by NULL */
    const char *const *data;    /* that they read or assign; ended by NULL */
    const acquirable *acquirable; /* NULL where it is none */
} sync_class;

struct SyncObject {
    PyObject_HEAD
    core_state *state;
    const sync_class *class;
    PyObject *loop;
    bool is_overridden; /* on the instance, or an attribute was assigned that C does not work on */
};

/* A number that Python may assign: most often an int that fits, else kept as it is. */
typedef struct {
    Py_ssize_t value;
    PyObject *odd; /* NULL where value holds */
} sync_number;

/* Remembers what asyncio's class and ours have under the names of `class`: 0 or -1. */
int sync_class_init(core_state *state, const sync_class *class, PyTypeObject *type);

/* Where `type` is Python's class right over one of ours, with its methods adopted, it is the measure of
   what is plain from now on. 0 or -1. */
int sync_measure_by(core_state *state, PyTypeObject *type);

/* tp_new's work. */
PyObject *sync_new(PyTypeObject *type, const sync_class *class);

/* The slow half of sync_is_plain(). Keeps the pending exception. */
bool sync_ask_class(SyncObject *self);

static inline bool
sync_is_plain(SyncObject *self)
{
    unsigned version = Py_TYPE(self)->tp_version_tag;
    const class_verdict *verdict =
        &self->state->sync_verdicts[self->class->index][version % VERDICT_COUNT];
    if (self->is_overridden) {
        return false;
    }
    return verdict->version == version && version != 0 ? verdict->is_plain : sync_ask_class(self);
}

/* What asyncio's own method answers. Runs Python. */
PyObject *sync_call_stock(SyncObject *self, const char *method, PyObject *const *args,
                          Py_ssize_t nargs, PyObject *kwnames);
static inline PyObject *
sync_call_stock_bare(SyncObject *self, const char *method)
{
    return sync_call_stock(self, method, NULL, 0, NULL);
}

/* The same for __init__: 0 or -1. */
int sync_init_as_stock(SyncObject *self, PyObject *args, PyObject *kwargs);

/* Whether the arguments are none, or one under that name: *argument is it, borrowed, or NULL. Sets no
   exception. */
bool sync_parse_one(PyObject *args, PyObject *kwargs, const char *name, PyObject **argument);

/* A new future on the running loop, to which the object is bound from now on. Runs Python. */
PyObject *sync_create_future(SyncObject *self);

/* Takes over what Python assigned. Runs Python (destructors). */
void sync_number_set(sync_number *self, PyObject *value);
PyObject *sync_number_get(const sync_number *self);

/* tp_setattro; traverse, clear and dealloc for the head. */
int sync_setattro(PyObject *self, PyObject *name, PyObject *value);
int sync_traverse(PyObject *self, visitproc visit, void *arg);
void sync_clear(PyObject *self);
void sync_dealloc(PyObject *self);

/* Attributes whose closure is the offset of the field; those that are read only as one has them are
   read by core/attributes.h. */
int sync_set_object(PyObject *self, PyObject *value, void *offset);
int sync_set_bool(PyObject *self, PyObject *value, void *offset);
PyObject *sync_get_number(PyObject *self, void *offset);
int sync_set_number(PyObject *self, PyObject *value, void *offset);

#define SYNC_GETSET                                                                          \
    {"_loop", attribute_get_object, sync_set_object, NULL, (void *)offsetof(SyncObject, loop)}

#define SYNC_SLOTS(clear_function, traverse_function)                                        \
    {Py_tp_setattro, sync_setattro}, {Py_tp_dealloc, sync_dealloc},                          \
        {Py_tp_traverse, traverse_function}, {Py_tp_clear, clear_function}

#define SYNC_SPEC(type_name, struct_name, slot_array)                                        \
    {.name = "pyasync._core." type_name, .basicsize = sizeof(struct_name),                   \
     .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE                  \
              | Py_TPFLAGS_IMMUTABLETYPE,                                                    \
     .slots = slot_array}

#endif
