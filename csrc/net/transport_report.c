/* transport_report.c -- the log's lines and the exception handler's contexts of transports. */

#include "net/transport_report.h"

#include "core/answer.h"
#include "core/report.h"

enum {
    WARN_FROM_LOST_WRITE = 5, /* asyncio.constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES */
};

/* 1, with asyncio's logger (borrowed from the module), 0 or -1. Runs Python for a loop that overrides
   get_debug(). */
static int
is_in_debug(NetLoop *loop, PyObject **logger)
{
    if (loop == NULL) {
        return 0;
    }
    *logger = loop->loop.state->logger;
    return loop_is_debug(loop->loop.state, (PyObject *)loop);
}

int
transport_report_debug(NetLoop *loop, PyObject *transport, const char *level, const char *format)
{
    PyObject *logger;
    int is_debug = is_in_debug(loop, &logger);
    if (is_debug <= 0) {
        return is_debug;
    }
    return status_steal(PyObject_CallMethod(logger, level, "sO", format, transport));
}

int
transport_report_debug_error(NetLoop *loop, PyObject *transport, const char *message,
                             PyObject *exception)
{
    PyObject *logger;
    int is_debug = is_in_debug(loop, &logger);
    if (is_debug <= 0) {
        return is_debug;
    }
    PyObject *debug = PyObject_GetAttrString(logger, "debug");
    PyObject *args = Py_BuildValue("(sOs)", "%r: %s", transport, message);
    PyObject *keywords = Py_BuildValue("{sO}", "exc_info", exception);
    PyObject *answer = debug == NULL || args == NULL || keywords == NULL
                           ? NULL
                           : PyObject_Call(debug, args, keywords);
    Py_XDECREF(debug);
    Py_XDECREF(args);
    Py_XDECREF(keywords);
    return status_steal(answer);
}

int
transport_report_error(NetLoop *loop, PyObject *transport, PyObject *protocol, const char *message,
                       PyObject *exception)
{
    if (loop == NULL) {
        return 0;
    }
    core_state *state = loop->loop.state;
    Py_INCREF((PyObject *)loop);
    int status = report_handled(
        state, (PyObject *)loop, PyUnicode_FromString(message), exception,
        (PyObject *[][2]){{state->name_exception, exception},
                          {state->name_transport, transport},
                          {state->name_protocol, protocol != NULL ? protocol : Py_None},
                          {NULL, NULL}});
    Py_DECREF((PyObject *)loop);
    return status;
}

int
transport_report_fatal(NetLoop *loop, PyObject *transport, PyObject *protocol, const char *message,
                       PyObject *exception)
{
    return PyErr_GivenExceptionMatches(exception, PyExc_OSError)
               ? transport_report_debug_error(loop, transport, message, exception)
               : transport_report_error(loop, transport, protocol, message, exception);
}

int
transport_report_pending(NetLoop *loop, PyObject *transport, PyObject *protocol,
                         const char *message)
{
    if (report_must_pass()) {
        return -1;
    }
    PyObject *exception = PyErr_GetRaisedException();
    int status = transport_report_error(loop, transport, protocol, message, exception);
    Py_DECREF(exception);
    return status;
}

int
transport_report_lost_write(PyObject *transport, unsigned *conn_lost, const char *warning)
{
    (*conn_lost)++;
    if (*conn_lost <= WARN_FROM_LOST_WRITE) {
        return 0;
    }
    return status_steal(PyObject_CallMethod(state_of(transport)->logger, "warning", "s", warning));
}

PyObject *
transport_parse_fatal_error(PyObject *args, PyObject *kwargs, const char **message)
{
    static char *keywords[] = {"exc", "message", NULL};
    PyObject *exception;
    return PyArg_ParseTupleAndKeywords(args, kwargs, "O|s:_fatal_error", keywords, &exception,
                                       message)
               ? exception
               : NULL;
}
