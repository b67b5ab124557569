/* The module `extension`: what Python sees of the native extension.
 *
 * It is initialised in phases (PEP 489): each interpreter that imports it has types and a state
 * (ModuleState) that no other one sees. The state owns a hold on its Pages, which `free_module`
 * releases; it owns no Python object, so that the module needs no traverse and clear. The module
 * owns its types, and each type holds its module.
 */
#include "entries.h"

#ifndef SOURCES_DIGEST
#define SOURCES_DIGEST ""
#endif

static PyObject *short_key_hash(PyObject *module, PyObject *argument) {
    (void)module;
    if (!PyBytes_Check(argument) || PyBytes_GET_SIZE(argument) < 1
        || PyBytes_GET_SIZE(argument) > 16)
        return PyErr_Format(PyExc_ValueError, "1 to 16 bytes");
    return PyLong_FromUnsignedLongLong(xxh3_short((const uint8_t *)PyBytes_AS_STRING(argument),
                                                  (size_t)PyBytes_GET_SIZE(argument)));
}

static size_t counted(const uint8_t *data, size_t length, uint8_t wanted) {
    size_t total = 0;
    for (size_t at = 0; at < length; at += 255) { /* so many fit a byte, and the loop a vector */
        size_t end = at + 255 < length ? at + 255 : length;
        uint8_t found = 0;
        for (size_t byte = at; byte < end; byte++)
            found += data[byte] == wanted;
        total += found;
    }
    return total;
}

/* bytes.count looks for each byte anew, which is slow where there are many, and holds the GIL. The
 * caller's argument keeps the bytes alive. */
static PyObject *byte_count(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *bytes;
    unsigned char wanted;
    if (!PyArg_ParseTuple(arguments, "Sb", &bytes, &wanted))
        return NULL;
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(bytes);
    size_t length = (size_t)PyBytes_GET_SIZE(bytes), total;
    Py_BEGIN_ALLOW_THREADS
    total = counted(data, length, wanted);
    Py_END_ALLOW_THREADS
    return PyLong_FromSize_t(total);
}

/* -1 where a line is not one that begins and ends with a brace: an object of JSON for each line. */
static PyObject *braced_lines(PyObject *module, PyObject *argument) {
    (void)module;
    if (!PyBytes_Check(argument))
        return PyErr_Format(PyExc_TypeError, "braced_lines(bytes)");
    const char *at = PyBytes_AS_STRING(argument), *end = at + PyBytes_GET_SIZE(argument);
    Py_ssize_t lines = 0;
    for (; at < end; lines++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *stop = feed ? feed : end;
        if (*at != '{' || stop[-1] != '}') /* an empty line begins with its line feed */
            return PyLong_FromLong(-1);
        at = stop + 1;
    }
    return PyLong_FromSsize_t(lines);
}

static PyMethodDef methods[] = {
    {"braced_lines", braced_lines, METH_O,
     "Return how many lines there are in bytes; -1 if one does not begin and end with a brace."},
    {"byte_count", byte_count, METH_VARARGS,
     "byte_count(data, byte): how often a byte is in bytes; other threads run meanwhile."},
    {"groups", (PyCFunction)(void (*)(void))extension_groups, METH_FASTCALL,
     "groups(frame, decode_value): [(key, [value, ...]), ...] for each run of equal keys."},
    {"last_key", (PyCFunction)(void (*)(void))extension_last_key, METH_FASTCALL,
     "last_key(frame, previous): the last key; None when the lengths do not add up or the keys do "
     "not ascend."},
    {"rows", (PyCFunction)(void (*)(void))extension_rows, METH_FASTCALL,
     "rows(frame, before, between, behind): pairs as JSON, and the heaviest value's rank; None when "
     "Python must write one."},
    {"json_lines", extension_json_lines, METH_VARARGS,
     "json_lines(data, ((name, kind), ...)): (rows, [(nulls, valid, values, ends), ...]) of the "
     "fields of whole lines, as Arrow holds them; kinds: 0 text, 1 int, 2 float, 3 bool; None where "
     "Python must read the lines"},
    {"records", extension_records, METH_VARARGS,
     "records(names, ((kind, valid, values, ends), ...), begin, end): a dict for each of these rows of "
     "Arrow's arrays; kinds are the letters of its formats: csilCSILfgbuz"},
    {"separated", extension_separated, METH_VARARGS,
     "separated(data, delimiter, quote, width, places): (rows, [(ends, texts), ...]) of the fields "
     "at `places`; None when a row is not one of `width` fields."},
    {"short_hash", short_key_hash, METH_O, "Return the xxh3_64 of 1 to 16 bytes."},
    {NULL, NULL, 0, NULL}};

static int draw_seeds(HashSeeds *seeds) {
    PyObject *os = PyImport_ImportModule("os");
    PyObject *bytes = os ? PyObject_CallMethod(os, "urandom", "i", (int)sizeof *seeds) : NULL;
    Py_XDECREF(os);
    if (!bytes)
        return -1;
    int failed = -1;
    if (PyBytes_Check(bytes) && PyBytes_GET_SIZE(bytes) == (Py_ssize_t)sizeof *seeds) {
        memcpy(seeds, PyBytes_AS_STRING(bytes), sizeof *seeds);
        failed = 0;
    } else {
        PyErr_SetString(PyExc_RuntimeError, "os.urandom returned something else than asked for");
    }
    Py_DECREF(bytes);
    return failed;
}

static int add_types(PyObject *module) {
    PyType_Spec *specs[] = {&word_counts_spec, &collector_spec, &merge_spec, &fold_spec,
                            &held_rows_spec};
    for (size_t at = 0; at < sizeof specs / sizeof *specs; at++) {
        PyObject *type = PyType_FromModuleAndSpec(module, specs[at], NULL);
        int failed = !type || PyModule_AddType(module, (PyTypeObject *)type) < 0;
        Py_XDECREF(type);
        if (failed)
            return -1;
    }
    return 0;
}

static int add_numbers(PyObject *module) {
    static const struct {
        const char *name;
        int number;
    } numbers[] = {{"KEEP", KEEP},   {"SUM", SUM},           {"COUNT", COUNT},
                   {"LEAST", LEAST}, {"GREATEST", GREATEST}, {"FIRST", FIRST},
                   {"ENDED", ENDED}, {"FULL", FULL},         {"REFUSED", REFUSED}};
    for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++)
        if (PyModule_AddIntConstant(module, numbers[at].name, numbers[at].number) < 0)
            return -1;
    return 0;
}

static int execute(PyObject *module) {
    ModuleState *state = PyModule_GetState(module);
    if (draw_seeds(&state->seeds) < 0 || !(state->pages = pages_new()))
        return -1;
    if (PyModule_AddStringConstant(module, "SOURCES_DIGEST", SOURCES_DIGEST) < 0)
        return -1;
    return add_numbers(module) < 0 || add_types(module) < 0 ? -1 : 0;
}

/* The state is NULL when the module was never executed. */
static void free_module(void *module) {
    ModuleState *state = PyModule_GetState(module);
    if (state)
        pages_release(state->pages);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#ifdef Py_mod_multiple_interpreters /* CPython 3.12 and newer */
    /* Interpreters share nothing that is written: there is no writable static variable. */
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil /* CPython 3.13 and newer */
    /* Collector, Merge and Pages rely on the GIL: `busy` is no lock, and lists and tuples are read
     * by borrowed references. A free-threaded Python turns its GIL on for this module. */
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "extension",
    .m_doc = "The native extension of the engine.",
    .m_size = sizeof(ModuleState),
    .m_methods = methods,
    .m_slots = slots,
    .m_free = free_module,
};

PyMODINIT_FUNC PyInit_extension(void) {
    return PyModuleDef_Init(&definition);
}
