/* flow_control.c -- limits as asyncio checks them, and the two calls to the protocol. */

#include "net/flow_control.h"

#include "core/attributes.h"
#include "net/transport_report.h"

enum { DEFAULT_HIGH_WATER = 64 * 1024 };

void
flow_control_init(flow_control *self)
{
    self->high_water = DEFAULT_HIGH_WATER;
    self->low_water = DEFAULT_HIGH_WATER / 4;
    self->is_paused = false;
}

/* A limit as a size: the whole bytes of a number, SIZE_MAX where it is larger. */
static int
as_limit(PyObject *number, size_t *limit)
{
    double value = PyFloat_AsDouble(number);
    if (value == -1.0 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return -1;
        }
        PyErr_Clear(); /* larger than any buffer */
        value = (double)SIZE_MAX;
    }
    *limit = value >= (double)SIZE_MAX ? SIZE_MAX : (size_t)value;
    return 0;
}

/* high >= low >= 0: 1, 0 or -1. */
static int
is_in_order(PyObject *high, PyObject *low)
{
    PyObject *zero = PyLong_FromLong(0);
    int answer = zero == NULL ? -1 : PyObject_RichCompareBool(high, low, Py_GE);
    if (answer > 0) {
        answer = PyObject_RichCompareBool(low, zero, Py_GE);
    }
    Py_XDECREF(zero);
    return answer;
}

/* Fills in what was not given, as asyncio does; both become new references. */
static int
complete_limits(PyObject **high, PyObject **low)
{
    Py_INCREF(*high);
    Py_INCREF(*low);
    PyObject *four = PyLong_FromLong(4);
    if (four != NULL && *high == Py_None) {
        Py_SETREF(*high, *low == Py_None ? PyLong_FromLong(DEFAULT_HIGH_WATER)
                                         : PyNumber_Multiply(four, *low));
    }
    if (four != NULL && *high != NULL && *low == Py_None) {
        Py_SETREF(*low, PyNumber_FloorDivide(*high, four));
    }
    Py_XDECREF(four);
    return four == NULL || *high == NULL || *low == NULL ? -1 : 0;
}

int
flow_control_parse_limits(PyObject *args, PyObject *kwargs, size_t *high_water, size_t *low_water)
{
    static char *keywords[] = {"high", "low", NULL};
    PyObject *high = Py_None, *low = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:set_write_buffer_limits", keywords, &high,
                                     &low)) {
        return -1;
    }
    int status = -1, in_order = -1;
    if (complete_limits(&high, &low) == 0) {
        in_order = is_in_order(high, low);
    }
    if (in_order == 0) {
        PyErr_Format(PyExc_ValueError, "high (%R) must be >= low (%R) must be >= 0", high, low);
    }
    if (in_order > 0 && as_limit(high, high_water) == 0 && as_limit(low, low_water) == 0) {
        status = 0;
    }
    Py_XDECREF(high);
    Py_XDECREF(low);
    return status;
}

PyObject *
flow_control_limits(const flow_control *self)
{
    PyObject *low = PyLong_FromSize_t(self->low_water);
    PyObject *high = PyLong_FromSize_t(self->high_water);
    PyObject *pair = low == NULL || high == NULL ? NULL : PyTuple_Pack(2, low, high);
    Py_XDECREF(low);
    Py_XDECREF(high);
    return pair;
}

PyObject *
flow_control_get_limit(PyObject *transport, void *offset)
{
    return PyLong_FromSize_t(*(size_t *)attribute_field(transport, offset));
}

int
flow_control_set_limit(PyObject *transport, PyObject *value, void *offset)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "a limit can't be deleted");
        return -1;
    }
    return as_limit(value, attribute_field(transport, offset));
}

/* The method may end the transport, and what was borrowed from it. */
static int
call_protocol(NetLoop *loop, PyObject *transport, PyObject *protocol, PyObject *method,
              const char *message)
{
    Py_XINCREF((PyObject *)loop);
    Py_INCREF(protocol);
    PyObject *answer = PyObject_CallMethodNoArgs(protocol, method); // runs Python
    int status = answer == NULL ? transport_report_pending(loop, transport, protocol, message) : 0;
    Py_XDECREF(answer);
    Py_DECREF(protocol);
    Py_XDECREF((PyObject *)loop);
    return status;
}

int
flow_control_maybe_pause(flow_control *self, size_t unsent_bytes, NetLoop *loop,
                         PyObject *transport, PyObject *protocol)
{
    if (self->is_paused || protocol == NULL || unsent_bytes <= self->high_water) {
        return 0;
    }
    self->is_paused = true;
    return call_protocol(loop, transport, protocol, state_of(transport)->name_pause_writing,
                         "protocol.pause_writing() failed");
}

int
flow_control_maybe_resume(flow_control *self, size_t unsent_bytes, NetLoop *loop,
                          PyObject *transport, PyObject *protocol)
{
    if (!self->is_paused || protocol == NULL || unsent_bytes > self->low_water) {
        return 0;
    }
    self->is_paused = false;
    return call_protocol(loop, transport, protocol, state_of(transport)->name_resume_writing,
                         "protocol.resume_writing() failed");
}
