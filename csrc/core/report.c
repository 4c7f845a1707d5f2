/* report.c -- building the context dictionaries and calling the exception handler. */

#include "core/report.h"

#include "core/answer.h"
#include "core/handled.h"

bool
report_must_pass(void)
{
    return PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)
           || PyErr_ExceptionMatches(PyExc_SystemExit);
}

int
report_to_handler(core_state *state, PyObject *loop, PyObject *message, PyObject *pairs[][2])
{
    PyObject *context = message == NULL ? NULL : PyDict_New();
    int status = -1;
    if (context == NULL || PyDict_SetItem(context, state->name_message, message) < 0) {
        goto done;
    }
    for (; (*pairs)[0] != NULL; pairs++) {
        if ((*pairs)[1] != NULL && PyDict_SetItem(context, (*pairs)[0], (*pairs)[1]) < 0) {
            goto done;
        }
    }
    status = status_steal(
        PyObject_CallMethodOneArg(loop, state->name_call_exception_handler, context));
done:
    Py_XDECREF(context);
    Py_XDECREF(message);
    return status;
}

int
report_handled(core_state *state, PyObject *loop, PyObject *message, PyObject *exception,
               PyObject *pairs[][2])
{
    PyObject *outer = handled_begin(exception);
    int status = report_to_handler(state, loop, message, pairs); // runs Python
    handled_end(outer);
    return status;
}

/* As asyncio's message shows a callback; debug= where the version has it. */
static PyObject *
format_callback(core_state *state, PyObject *loop, PyObject *callback, PyObject *args)
{
    PyObject *keywords = NULL, *text = NULL;
    PyObject *debug = PyObject_CallMethodNoArgs(loop, state->name_get_debug);
    PyObject *positional = PyTuple_Pack(2, callback, args);
    if (debug != NULL && positional != NULL) {
        keywords = Py_BuildValue("{sO}", "debug", debug);
    }
    if (keywords != NULL) {
        text = PyObject_Call(state->format_callback_source, positional, keywords);
        if (text == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear(); /* before 3.12.4 the function has no debug= and always shows all */
            text = PyObject_CallObject(state->format_callback_source, positional);
        }
    }
    Py_XDECREF(debug);
    Py_XDECREF(positional);
    Py_XDECREF(keywords);
    return text;
}

int
report_callback_error(core_state *state, PyObject *loop, PyObject *handle, PyObject *callback,
                      PyObject *args, PyObject *source_traceback)
{
    if (report_must_pass()) {
        return -1;
    }
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *source = format_callback(state, loop, callback, args);
    PyObject *message = source == NULL ? NULL
                                       : PyUnicode_FromFormat("Exception in callback %U", source);
    int status = report_handled(state, loop, message, exception,
                                (PyObject *[][2]){{state->name_exception, exception},
                                                  {state->name_handle, handle},
                                                  {state->name_source_traceback, source_traceback},
                                                  {NULL, NULL}}); // runs Python
    Py_XDECREF(source);
    Py_XDECREF(exception);
    return status;
}

static void
report_from_finalizer(core_state *state, PyObject *loop, PyObject *message, PyObject *pairs[][2])
{
    if (report_to_handler(state, loop, message, pairs) < 0) {
        PyErr_WriteUnraisable(loop);
    }
}

void
report_unretrieved(core_state *state, PyObject *loop, PyObject *future, PyObject *exception,
                   PyObject *source_traceback)
{
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *type_name = PyType_GetName(Py_TYPE(future));
    PyObject *message = type_name == NULL ? NULL : PyUnicode_FromFormat(
                                "%U exception was never retrieved", type_name);
    Py_XDECREF(type_name);
    report_from_finalizer(state, loop, message,
                          (PyObject *[][2]){{state->name_exception, exception},
                                            {state->name_future, future},
                                            {state->name_source_traceback, source_traceback},
                                            {NULL, NULL}});
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}

void
report_destroyed_pending(core_state *state, PyObject *loop, PyObject *task,
                         PyObject *source_traceback)
{
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *message = PyUnicode_FromString("Task was destroyed but it is pending!");
    report_from_finalizer(state, loop, message,
                          (PyObject *[][2]){{state->name_task, task},
                                            {state->name_source_traceback, source_traceback},
                                            {NULL, NULL}});
    if (pending != NULL) {
        PyErr_SetRaisedException(pending);
    }
}
