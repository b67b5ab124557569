/* The module `kernel`: what Python sees of the compiled part. */
#include "kernel.h"

#ifndef SOURCES_DIGEST
#define SOURCES_DIGEST ""
#endif

static PyObject *short_hash(PyObject *module, PyObject *argument) {
    (void)module;
    if (!PyBytes_Check(argument) || PyBytes_GET_SIZE(argument) < 1
        || PyBytes_GET_SIZE(argument) > 16)
        return PyErr_Format(PyExc_ValueError, "1 to 16 bytes");
    return PyLong_FromUnsignedLongLong(xxh3_short((const uint8_t *)PyBytes_AS_STRING(argument),
                                                  (size_t)PyBytes_GET_SIZE(argument)));
}

/* bytes.count looks for each line feed anew, which is slow where lines are short. */
static PyObject *line_feeds(PyObject *module, PyObject *argument) {
    (void)module;
    if (!PyBytes_Check(argument))
        return PyErr_Format(PyExc_TypeError, "line_feeds(bytes)");
    const char *data = PyBytes_AS_STRING(argument);
    size_t length = (size_t)PyBytes_GET_SIZE(argument), total = 0;
    for (size_t at = 0; at < length; at += 255) { /* so many fit a byte, and the loop a vector */
        size_t end = at + 255 < length ? at + 255 : length;
        uint8_t found = 0;
        for (size_t byte = at; byte < end; byte++)
            found += data[byte] == '\n';
        total += found;
    }
    return PyLong_FromSize_t(total);
}

static PyMethodDef methods[] = {
    {"line_feeds", line_feeds, METH_O, "How many line feeds there are in bytes."},
    {"groups", (PyCFunction)(void (*)(void))kernel_groups, METH_FASTCALL,
     "groups(frame, decode_value): [(key, [value, ...]), ...] for each run of equal keys."},
    {"last_key", (PyCFunction)(void (*)(void))kernel_last_key, METH_FASTCALL,
     "last_key(frame, previous): the last key; None when the lengths do not add up or the keys do "
     "not ascend."},
    {"rows", (PyCFunction)(void (*)(void))kernel_rows, METH_FASTCALL,
     "rows(frame, before, between, behind): str keys and integers as JSON; None when there are "
     "others."},
    {"short_hash", short_hash, METH_O, "xxh3_64 of 1 to 16 bytes."},
    {NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                        "kernel",
                                        "The compiled part of the engine.",
                                        -1,
                                        methods,
                                        NULL,
                                        NULL,
                                        NULL,
                                        NULL};

PyMODINIT_FUNC PyInit_kernel(void) {
    static const struct {
        const char *name;
        PyTypeObject *type;
    } types[] = {
        {"WordCounts", &WordCountsType}, {"Collector", &CollectorType}, {"Merge", &MergeType}};
    static const struct {
        const char *name;
        int number;
    } operations[] = {
        {"KEEP", KEEP}, {"SUM", SUM}, {"COUNT", COUNT}, {"LEAST", LEAST}, {"GREATEST", GREATEST}};
    PyObject *seeds =
        PyObject_CallMethod(PyImport_ImportModule("os"), "urandom", "i", (int)sizeof hash_seeds);
    if (!seeds)
        return NULL;
    memcpy(hash_seeds, PyBytes_AS_STRING(seeds), sizeof hash_seeds);
    Py_DECREF(seeds);
    PyObject *module = PyModule_Create(&definition);
    if (!module || PyModule_AddStringConstant(module, "SOURCES_DIGEST", SOURCES_DIGEST) < 0)
        return NULL;
    for (size_t at = 0; at < sizeof types / sizeof *types; at++)
        if (PyType_Ready(types[at].type) < 0
            || PyModule_AddObjectRef(module, types[at].name, (PyObject *)types[at].type) < 0)
            return NULL;
    for (size_t at = 0; at < sizeof operations / sizeof *operations; at++)
        if (PyModule_AddIntConstant(module, operations[at].name, operations[at].number) < 0)
            return NULL;
    return module;
}
