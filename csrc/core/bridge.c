/* bridge.c -- the only file that touches private state of CPython and of its asyncio. */

#include "core/bridge.h"

#include "core/answer.h"

#include <string.h>

enum {
    /* Words of the thread state searched behind its public part. On 3.14 and 3.15 the field is
       among the first ten. */
    SEARCHED_WORDS = 24,
};

static inline PyObject **
running_task_place(const core_state *state)
{
    return (PyObject **)((char *)PyThreadState_Get() + state->running_task_offset);
}

/* Where in the thread state `needle` stands, or 0: behind the public part, once. */
static Py_ssize_t
find_in_thread_state(const void *needle)
{
    const char *start = (const char *)PyThreadState_Get();
    Py_ssize_t found = 0;
    for (int i = 0; i < SEARCHED_WORDS; i++) {
        Py_ssize_t offset = (Py_ssize_t)(sizeof(PyThreadState) + i * sizeof(void *));
        if (*(void *const *)(start + offset) == needle) {
            if (found != 0) {
                return 0;
            }
            found = offset;
        }
    }
    return found;
}

static int
get_function(PyObject *module, const char *name, PyObject **place)
{
    PyObject *key = PyUnicode_FromString(name);
    int found = key == NULL ? -1 : PyObject_GetOptionalAttr(module, key, place);
    Py_XDECREF(key);
    return found < 0 ? -1 : 0;
}

/* Stores a sentinel as the running task of a sentinel loop and looks for it. */
static int
find_running_task(core_state *state, PyObject *set_running_loop, PyObject *get_running_loop)
{
    int status = -1;
    PyObject *previous_task = NULL, *answer = NULL;
    PyObject *loop = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    PyObject *task = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    PyObject *previous_loop = PyObject_CallNoArgs(get_running_loop);
    if (loop == NULL || task == NULL || previous_loop == NULL) {
        goto done;
    }
    if (previous_loop != Py_None) {
        previous_task = bridge_swap(state, previous_loop, Py_None);
        if (previous_task == NULL) {
            goto done;
        }
    }
    answer = PyObject_CallOneArg(set_running_loop, loop);
    if (answer == NULL) {
        goto done;
    }
    Py_SETREF(answer, bridge_swap(state, loop, task));
    if (answer != NULL) {
        state->running_task_offset = find_in_thread_state(task);
        Py_SETREF(answer, bridge_swap(state, loop, Py_None));
    }
    Py_XDECREF(answer);
    answer = PyObject_CallOneArg(set_running_loop, previous_loop);
    if (answer != NULL && previous_task != NULL) {
        Py_SETREF(answer, bridge_swap(state, previous_loop, previous_task));
    }
    status = answer == NULL ? -1 : 0;
done:
    Py_XDECREF(answer);
    Py_XDECREF(loop);
    Py_XDECREF(task);
    Py_XDECREF(previous_loop);
    Py_XDECREF(previous_task);
    return status;
}

/* Sets a variable in a new Context and looks for the word that this changes: the mapping. The
   answer is tried out before it is believed. */
static int
find_context_vars(core_state *state)
{
    enum { MAX_WORDS = 16 };
    void *before[MAX_WORDS], *after[MAX_WORDS];
    size_t size = (size_t)PyContext_Type.tp_basicsize;
    int status = -1;
    PyObject *token = NULL, *fresh = PyContext_New(), *context = PyContext_New();
    PyObject *variable = PyContextVar_New("pyasync", NULL);
    if (fresh == NULL || context == NULL || variable == NULL) {
        goto done;
    }
    status = 0;
    if (size > sizeof(before) || size % sizeof(void *) != 0) {
        goto done;
    }
    memcpy(before, context, size);
    status = PyContext_Enter(context);
    if (status < 0) {
        goto done;
    }
    token = PyContextVar_Set(variable, Py_None);
    if (PyContext_Exit(context) < 0 || token == NULL) {
        status = -1;
        goto done;
    }
    Py_CLEAR(token);
    memcpy(after, context, size);
    Py_ssize_t offset = 0;
    int changed = 0;
    for (size_t i = sizeof(PyObject) / sizeof(void *); i < size / sizeof(void *); i++) {
        if (before[i] != after[i]) {
            offset = (Py_ssize_t)(i * sizeof(void *));
            changed++;
        }
    }
    if (changed != 1) {
        goto done;
    }
    PyObject **mapping = (PyObject **)((char *)context + offset);
    PyObject **no_mapping = (PyObject **)((char *)fresh + offset);
    if (*mapping == NULL || *no_mapping == NULL || Py_TYPE(*mapping) != Py_TYPE(*no_mapping)
        || strcmp(Py_TYPE(*mapping)->tp_name, "hamt") != 0) {
        goto done;
    }
    state->no_context_vars = Py_NewRef(*no_mapping);
    Py_SETREF(*no_mapping, Py_NewRef(*mapping));
    if (PyObject_Size(fresh) == 1) {
        state->context_vars_offset = offset;
        state->context_vars_type = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(*mapping));
    }
    status = PyErr_Occurred() ? -1 : 0;
done:
    Py_XDECREF(token);
    Py_XDECREF(fresh);
    Py_XDECREF(context);
    Py_XDECREF(variable);
    return status;
}

int
bridge_init(core_state *state)
{
    PyObject *set_running_loop = NULL, *get_running_loop = NULL;
    PyObject *module = PyImport_ImportModule("_asyncio");
    int status = -1;
    if (module == NULL || get_function(module, "_current_tasks", &state->current_tasks) < 0
        || get_function(module, "_swap_current_task", &state->swap_current_task) < 0
        || get_function(module, "_enter_task", &state->enter_task) < 0
        || get_function(module, "_leave_task", &state->leave_task) < 0
        || get_function(module, "_set_running_loop", &set_running_loop) < 0
        || get_function(module, "_get_running_loop", &get_running_loop) < 0) {
        goto done;
    }
    if (state->current_tasks != NULL && !PyDict_CheckExact(state->current_tasks)) {
        Py_CLEAR(state->current_tasks);
    }
    status = 0;
    if (state->current_tasks == NULL && state->swap_current_task != NULL) {
        status = find_running_task(state, set_running_loop, get_running_loop);
    }
    if (status == 0) {
        status = find_context_vars(state);
    }
done:
    Py_XDECREF(module);
    Py_XDECREF(set_running_loop);
    Py_XDECREF(get_running_loop);
    return status;
}

static int
raise_cannot_enter(PyObject *task, PyObject *other)
{
    PyErr_Format(PyExc_RuntimeError,
                 "Cannot enter into task %R while another task %R is being executed.", task, other);
    return -1;
}

int
bridge_enter(Loop *loop, PyObject *task)
{
    core_state *state = loop->state;
    if (state->running_task_offset != 0) {
        PyObject **place = running_task_place(state);
        if (*place != NULL) {
            return raise_cannot_enter(task, *place);
        }
        *place = Py_NewRef(task);
        return 0;
    }
    if (state->current_tasks == NULL) {
        return bridge_enter_any(state, (PyObject *)loop, task);
    }
    if (!loop->has_lingering_task) {
        PyObject *other;
        int found = PyDict_GetItemRef(state->current_tasks, (PyObject *)loop, &other);
        if (found != 0) {
            if (found > 0) {
                raise_cannot_enter(task, other);
                Py_DECREF(other);
            }
            return -1;
        }
    }
    loop->has_lingering_task = false;
    return PyDict_SetItem(state->current_tasks, (PyObject *)loop, task);
}

void
bridge_leave(Loop *loop, PyObject *task)
{
    core_state *state = loop->state;
    if (state->running_task_offset != 0) {
        PyObject **place = running_task_place(state);
        if (*place == task) {
            *place = NULL;
            Py_DECREF(task);
        }
        return;
    }
    if (state->current_tasks != NULL) {
        loop->has_lingering_task = true;
        return;
    }
    PyObject *pending = PyErr_GetRaisedException();
    if (bridge_leave_any(state, (PyObject *)loop, task) < 0) {
        PyErr_WriteUnraisable(task);
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

void
bridge_flush_slow(Loop *loop)
{
    PyObject *pending = PyErr_GetRaisedException();
    loop->has_lingering_task = false;
    if (PyDict_DelItem(loop->state->current_tasks, (PyObject *)loop) < 0) {
        PyErr_Clear(); /* somebody else took it out: it is out */
    }
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

PyObject *
bridge_swap(core_state *state, PyObject *loop, PyObject *task)
{
    if (state->swap_current_task != NULL) {
        return PyObject_CallFunctionObjArgs(state->swap_current_task, loop, task, NULL);
    }
    /* 3.11 has no eager tasks and no such function: the same on its dict. */
    PyObject *previous;
    if (PyDict_GetItemRef(state->current_tasks, loop, &previous) < 0) {
        return NULL;
    }
    int status = 0;
    if (task != Py_None) {
        status = PyDict_SetItem(state->current_tasks, loop, task);
    }
    else if (previous != NULL) {
        status = PyDict_DelItem(state->current_tasks, loop);
    }
    if (status < 0) {
        Py_XDECREF(previous);
        return NULL;
    }
    return previous != NULL ? previous : Py_NewRef(Py_None);
}

PyObject *
bridge_current_task(core_state *state, PyObject *loop)
{
    if (state->running_task_offset != 0) {
        PyObject *task = *running_task_place(state);
        return new_or_none(task);
    }
    if (state->current_tasks == NULL) {
        return PyObject_CallOneArg(state->current_task, loop);
    }
    PyObject *task;
    int found = PyDict_GetItemRef(state->current_tasks, loop, &task);
    return found == 0 ? Py_NewRef(Py_None) : task;
}

static int
call_with_loop_and_task(PyObject *function, PyObject *loop, PyObject *task)
{
    return status_steal(PyObject_CallFunctionObjArgs(function, loop, task, NULL));
}

int
bridge_enter_any(core_state *state, PyObject *loop, PyObject *task)
{
    return call_with_loop_and_task(state->enter_task, loop, task);
}

int
bridge_leave_any(core_state *state, PyObject *loop, PyObject *task)
{
    return call_with_loop_and_task(state->leave_task, loop, task);
}

PyObject *
bridge_instance_dict(PyObject *object)
{
    PyObject **place = _PyObject_GetDictPtr(object);
    return place == NULL ? NULL : *place;
}

int
bridge_insert_base(PyTypeObject *type, PyTypeObject *base)
{
    PyObject *old = type->tp_mro;
    Py_ssize_t size = PyTuple_GET_SIZE(old);
    PyObject *mro = PyTuple_New(size + 1);
    if (mro == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i <= size; i++) {
        PyObject *entry = i == 1 ? (PyObject *)base : PyTuple_GET_ITEM(old, i == 0 ? 0 : i - 1);
        PyTuple_SET_ITEM(mro, i, Py_NewRef(entry));
    }
    type->tp_mro = mro;
    Py_DECREF(old);
    PyType_Modified(type);
    return 0;
}

int
bridge_set_metaclass(PyObject *type, PyObject *metaclass)
{
    if (!PyType_Check(type) || !PyType_Check(metaclass)
        || !PyType_IsSubtype((PyTypeObject *)metaclass, &PyType_Type)
        || ((PyTypeObject *)metaclass)->tp_itemsize != PyType_Type.tp_itemsize) {
        PyErr_SetString(PyExc_TypeError, "a type and a metaclass were expected");
        return -1;
    }
    PyTypeObject *old = Py_TYPE(type);
    Py_SET_TYPE(type, (PyTypeObject *)Py_NewRef(metaclass));
    if (PyType_HasFeature(old, Py_TPFLAGS_HEAPTYPE)) { /* objects hold no reference to others */
        Py_DECREF(old);
    }
    PyType_Modified((PyTypeObject *)type);
    return 0;
}
