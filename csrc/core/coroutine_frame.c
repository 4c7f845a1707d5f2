/* coroutine_frame.c -- the frames behind coroutine_frame.h, made when somebody looks. */

#include "core/coroutine_frame.h"

#include "core/answer.h"
#include "core/function.h"

typedef struct {
    PyObject_HEAD
    Coroutine *coroutine;
    int level;
} CoroutineFrame;

static int
level_count(const coroutine_kind *kind)
{
    int count = 0;
    while (count < COROUTINE_MAX_FUNCTIONS && kind->functions[count] != NULL) {
        count++;
    }
    return count;
}

/* Under which name the code of a level was learnt, or NULL. */
static const char *
function_of(const coroutine_kind *kind, int level)
{
    if (level < level_count(kind)) {
        return kind->functions[level];
    }
    return level == 0 ? kind->qualname : NULL; /* a method's: core/coroutine_method.c has learnt it */
}

int
coroutine_learn(core_state *state, const coroutine_kind *kind)
{
    for (int level = 0; level < level_count(kind); level++) {
        if (function_learn_code(state, kind->functions[level]) < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
coroutine_code(const Coroutine *coroutine, int level)
{
    const char *function = function_of(coroutine->kind, level);
    PyObject *code = function == NULL
                         ? NULL
                         : function_learnt_code(coroutine->module_state, function);
    return new_or_none(code);
}

PyObject *
coroutine_frame(Coroutine *coroutine, int level)
{
    PyObject *code = coroutine->state == COROUTINE_DONE ? Py_NewRef(Py_None)
                                                        : coroutine_code(coroutine, level);
    bool has_code = code != NULL && code != Py_None;
    Py_XDECREF(code);
    if (!has_code) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    CoroutineFrame *self = PyObject_GC_New(CoroutineFrame,
                                           coroutine->module_state->CoroutineFrame_type);
    if (self == NULL) {
        return NULL;
    }
    self->coroutine = (Coroutine *)Py_NewRef((PyObject *)coroutine);
    self->level = level;
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

PyObject *
coroutine_awaits(Coroutine *coroutine, int level)
{
    if (coroutine->state == COROUTINE_WAITING && level + 1 < level_count(coroutine->kind)) {
        PyObject *frame = coroutine_frame(coroutine, level + 1);
        if (frame != Py_None) {
            return frame;
        }
        Py_DECREF(frame);
    }
    return new_or_none(coroutine->future);
}

/* ---- what Python sees ---- */

static PyObject *
get_code(PyObject *op, void *Py_UNUSED(closure))
{
    return coroutine_code(((CoroutineFrame *)op)->coroutine, ((CoroutineFrame *)op)->level);
}

static PyObject *
get_line(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *code = get_code(op, NULL);
    PyObject *line = code == NULL ? NULL : PyObject_GetAttrString(code, "co_firstlineno");
    Py_XDECREF(code);
    return line;
}

static PyObject *
get_generator(PyObject *op, void *Py_UNUSED(closure))
{
    CoroutineFrame *self = (CoroutineFrame *)op;
    return Py_NewRef(self->level == 0 ? (PyObject *)self->coroutine : op);
}

static PyObject *
get_frame(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(op);
}

static PyObject *
get_await(PyObject *op, void *Py_UNUSED(closure))
{
    return coroutine_awaits(((CoroutineFrame *)op)->coroutine, ((CoroutineFrame *)op)->level);
}

static PyObject *
get_none(PyObject *Py_UNUSED(op), void *Py_UNUSED(closure))
{
    Py_RETURN_NONE;
}

static PyObject *
get_empty(PyObject *Py_UNUSED(op), void *Py_UNUSED(closure))
{
    return PyDict_New();
}

static PyObject *
CoroutineFrame_repr(PyObject *op)
{
    PyObject *code = get_code(op, NULL);
    PyObject *repr = code == NULL ? NULL
                                  : PyUnicode_FromFormat("<frame at %p, code %S>", op, code);
    Py_XDECREF(code);
    return repr;
}

static int
CoroutineFrame_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT((PyObject *)((CoroutineFrame *)op)->coroutine);
    return 0;
}

static void
CoroutineFrame_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_DECREF((PyObject *)((CoroutineFrame *)op)->coroutine);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyGetSetDef CoroutineFrame_getset[] = {
    {"f_code", get_code, NULL, NULL, NULL},
    {"f_lineno", get_line, NULL, NULL, NULL},
    {"f_generator", get_generator, NULL, NULL, NULL},
    {"f_back", get_none, NULL, NULL, NULL},
    {"f_locals", get_empty, NULL, NULL, NULL},
    {"f_globals", get_empty, NULL, NULL, NULL},
    {"cr_code", get_code, NULL, NULL, NULL},
    {"cr_frame", get_frame, NULL, NULL, NULL},
    {"cr_await", get_await, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot CoroutineFrame_slots[] = {
    {Py_tp_doc, "Where a coroutine made in C would be suspended."},
    {Py_tp_repr, CoroutineFrame_repr},
    {Py_tp_traverse, CoroutineFrame_traverse},
    {Py_tp_dealloc, CoroutineFrame_dealloc},
    {Py_tp_getset, CoroutineFrame_getset},
    {0, NULL},
};

static PyType_Spec CoroutineFrame_spec = {
    .name = "pyasync._core.coroutine_frame",
    .basicsize = sizeof(CoroutineFrame),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = CoroutineFrame_slots,
};

int
coroutine_frame_init_type(PyObject *module, core_state *state)
{
    return state_make_type(module, &state->CoroutineFrame_type, &CoroutineFrame_spec, NULL);
}
