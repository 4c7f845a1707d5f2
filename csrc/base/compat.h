/* compat.h -- the one file that names Python versions (core/bridge.c may, too).

   What it gives: <Python.h>, the functions of newer Pythons for older ones under their own
   names, and the numbers that differ between versions.

   Invariants
   1. No other file tests PY_VERSION_HEX, but for core/bridge.c: private state differs by version.
   2. A name defined here behaves as documented for the Python that introduced it.  */

#ifndef PYASYNC_BASE_COMPAT_H
#define PYASYNC_BASE_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#if PY_VERSION_HEX < 0x030B0000
#  error "pyasync needs Python 3.11 or newer"
#endif

/* For the half of a function that is seldom needed: kept out of the other half, which then saves fewer
   registers. */
#define SELDOM __attribute__((noinline, cold))

/* Bytes laid aside at the start of a Future or Task for the asyncio type it derives from: the
   basic size of asyncio.Task. Checked at import: a larger base refuses to load. */
#if defined(Py_GIL_DISABLED)
#  define STOCK_BASE_SIZE 200 /* 160 on 3.13; its objects' heads are larger */
#elif PY_VERSION_HEX >= 0x030E0000
#  define STOCK_BASE_SIZE 168
#elif PY_VERSION_HEX >= 0x030D0000
#  define STOCK_BASE_SIZE 144
#else
#  define STOCK_BASE_SIZE 176
#endif

/* The words of that base, counted behind the object's head, that hold in asyncio's own structs what
   a Future or Task of ours keeps there as well. */
#define STOCK_RESULT_WORD 6 /* and the source traceback, and the cancel message */
#if PY_VERSION_HEX >= 0x030E0000
#  define STOCK_CANCELLED_ERROR_WORD 9
#  define STOCK_FUT_WAITER_WORD 13 /* and the coroutine */
#elif PY_VERSION_HEX >= 0x030D0000
#  define STOCK_CANCELLED_ERROR_WORD 9
#  define STOCK_FUT_WAITER_WORD 12
#else
#  define STOCK_CANCELLED_ERROR_WORD 13
#  define STOCK_FUT_WAITER_WORD 14
#endif

/* What asyncio itself does differently from version to version, as Modules/_asynciomodule.c. */
#define TASK_HAS_CONTEXT_AND_EAGER_START (PY_VERSION_HEX >= 0x030C0000)
#define UNCANCEL_CLEARS_MUST_CANCEL (PY_VERSION_HEX >= 0x030D0000)
#define THROW_WARNS_OF_THREE_ARGUMENTS (PY_VERSION_HEX >= 0x030C0000)
#define FUTURE_HAS_AWAITED_BY (PY_VERSION_HEX >= 0x030E0000)
#define SLEEP_REFUSES_NAN (PY_VERSION_HEX >= 0x030D0000)
#define GATHER_LOOKS_AT_DONE_ONES (PY_VERSION_HEX >= 0x030C0000) /* and may be done at once */
#define SHIELD_LOGS_LATE_EXCEPTIONS (PY_VERSION_HEX >= 0x030E0000) /* of what was cancelled */
#define AS_COMPLETED_IS_ASYNC (PY_VERSION_HEX >= 0x030D0000) /* too; before it is a generator */
#define AS_COMPLETED_TAKES_BACK (PY_VERSION_HEX >= 0x030E0000) /* the turn of who gave up */
#define TASK_CHECKS_CONTEXT (PY_VERSION_HEX >= 0x030F0000)
#define FUTURE_REFUSES_SECOND_INIT (PY_VERSION_HEX >= 0x030F0000)
#define FUTURE_ITER_ANSWERS_AGAIN (PY_VERSION_HEX >= 0x030E0000)
#define AWAIT_ERROR_NAMES_TYPE (PY_VERSION_HEX >= 0x030F0000)
#define THREADSAFE_HANDLE_BLOCKS (PY_VERSION_HEX >= 0x030E0000)
#define STOP_ITERATION_IS_WRAPPED (PY_VERSION_HEX >= 0x030D0000)
#define ASYNC_WITH_BINDS_METHODS (PY_VERSION_HEX < 0x030E0000) /* both, each time */
#define WRITELINES_JOINS (PY_VERSION_HEX < 0x030C0000) /* and unsent bytes are one bytearray */
#define READUNTIL_TAKES_TUPLES (PY_VERSION_HEX >= 0x030D0000)
#define SENDS_EMPTY_DATAGRAMS (PY_VERSION_HEX >= 0x030D0000)
#define DATAGRAM_HEADER_BYTES (PY_VERSION_HEX >= 0x030D0000 ? 8 : 0) /* as unsent ones are counted */
#if PY_VERSION_HEX >= 0x030E0000
#  define WRITE_TYPE_ERROR                                                                   \
      "data argument must be a bytes, bytearray, or memoryview object, not '%U'"
#else
#  define WRITE_TYPE_ERROR "data argument must be a bytes-like object, not '%U'"
#endif

#if AS_COMPLETED_IS_ASYNC
#  define AS_COMPLETED_LOCALS "_AsCompletedIterator."
#  define AS_COMPLETED_CALLBACK "_handle_completion"
#  define AS_COMPLETED_REFUSAL "expects an iterable of awaitables"
#else
#  define AS_COMPLETED_LOCALS "as_completed.<locals>."
#  define AS_COMPLETED_CALLBACK "_on_completion"
#  define AS_COMPLETED_REFUSAL "expect an iterable of futures"
#endif

#if PY_VERSION_HEX < 0x030C0000

static inline PyObject *
PyErr_GetRaisedException(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
        Py_DECREF(traceback);
    }
    Py_DECREF(type);
    return value;
}

static inline void
PyErr_SetRaisedException(PyObject *exc)
{
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exc)), exc, PyException_GetTraceback(exc));
}

#endif

#if PY_VERSION_HEX < 0x030D0000

static inline int
PyObject_GetOptionalAttr(PyObject *object, PyObject *name, PyObject **result)
{
    *result = PyObject_GetAttr(object, name);
    if (*result != NULL) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear(); /* "no such attribute" is an answer here */
    return 0;
}

static inline int
PyDict_GetItemRef(PyObject *dict, PyObject *key, PyObject **result)
{
    *result = Py_XNewRef(PyDict_GetItemWithError(dict, key));
    if (*result != NULL) {
        return 1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

static inline int
PyWeakref_GetRef(PyObject *reference, PyObject **object)
{
    PyObject *found = PyWeakref_GetObject(reference);
    *object = found == NULL || found == Py_None ? NULL : Py_NewRef(found);
    return found == NULL ? -1 : *object != NULL;
}

#endif

/* Gives a bytes object that nobody else refers to another size, within what it was made with: as
   _PyBytes_Resize(), but the memory stays. Its hash has to be computed anew. */
static inline void
bytes_set_size(PyObject *bytes, Py_ssize_t size)
{
    Py_SET_SIZE((PyVarObject *)bytes, size);
    PyBytes_AS_STRING(bytes)[size] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    ((PyBytesObject *)bytes)->ob_shash = -1;
#pragma GCC diagnostic pop
}

static inline int
interpreter_is_finalizing(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

/* What the module declares: subinterpreters with a GIL of their own work; a free-threaded build turns
   the GIL on, and the package refuses to be imported where that has been forbidden. */
#if PY_VERSION_HEX >= 0x030C0000
#  define MODULE_INTERPRETERS_SLOT                                                           \
      {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#else
#  define MODULE_INTERPRETERS_SLOT
#endif
#if PY_VERSION_HEX >= 0x030D0000
#  define MODULE_GIL_SLOT {Py_mod_gil, Py_MOD_GIL_USED},
#else
#  define MODULE_GIL_SLOT
#endif

#endif
