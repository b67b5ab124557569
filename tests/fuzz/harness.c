/* The module `harness`: libFuzzer's loop around a callable of Python.
 *
 * libFuzzer calls back without an argument of ours, so that the callable lies in a static variable: one run a process.
 * `run` borrows the callable and the strings of the arguments from its caller, which waits for it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one_input)(const uint8_t *, size_t));

static PyObject *callable;

/* An exception is a finding like a crash: libFuzzer keeps the input of a process that aborts. */
static int one_input(const uint8_t *data, size_t size) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    PyObject *answer = bytes ? PyObject_CallOneArg(callable, bytes) : NULL;
    Py_XDECREF(bytes);
    if (!answer) {
        PyErr_Print();
        abort();
    }
    Py_DECREF(answer);
    return 0;
}

/* run(arguments, callable): ends the process when the time is over. */
static PyObject *run(PyObject *module, PyObject *given) {
    (void)module;
    PyObject *arguments;
    if (!PyArg_ParseTuple(given, "O!O", &PyList_Type, &arguments, &callable))
        return NULL;
    int count = (int)PyList_GET_SIZE(arguments);
    char **words = calloc((size_t)count + 1, sizeof *words);
    if (!words)
        return PyErr_NoMemory();
    for (int at = 0; at < count; at++) {
        words[at] = (char *)PyUnicode_AsUTF8(PyList_GET_ITEM(arguments, at));
        if (!words[at]) {
            free(words);
            return NULL;
        }
    }
    char **remaining = words; /* libFuzzer may move it */
    int code = LLVMFuzzerRunDriver(&count, &remaining, one_input);
    free(words);
    return PyLong_FromLong(code);
}

static PyMethodDef methods[] = {{"run", run, METH_VARARGS, "run(arguments, callable): fuzz."}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "harness", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_harness(void) {
    return PyModule_Create(&definition);
}
