/* Frames as Python and as people want them: groups of values by key, and rows of JSON.
 *
 * A cursor borrows from the frame, which the caller's argument keeps alive, also while `groups`
 * calls back into Python: a tuple and its bytes never change. Nothing else outlives a call.
 */
#include "json.h"
#include "pack.h"

/* A new reference to a pair's value. */
static PyObject *value_of(const Pair *pair, PyObject *decode) {
    if (pair->value_length == IS_INT)
        return PyLong_FromLongLong(pair->number);
    PyObject *plain = unpack_value(pair->encoded, pair->value_length);
    if (plain || PyErr_Occurred())
        return plain;
    PyObject *encoded = PyBytes_FromStringAndSize((const char *)pair->encoded, pair->value_length);
    PyObject *value = encoded ? PyObject_CallOneArg(decode, encoded) : NULL;
    Py_XDECREF(encoded);
    return value;
}

/* Append (key, [value, ...]) to `groups` for each run of equal keys; -1 with an exception.
 *
 * `values` is borrowed: the group owns it, and `groups` owns the group. */
static int add_groups(PyObject *groups, FrameCursor *cursor, PyObject *decode) {
    while (cursor->at < cursor->pairs) {
        Pair first = cursor_pair(cursor);
        PyObject *values = PyList_New(0);
        PyObject *group =
            values ? Py_BuildValue("(y#N)", first.key, (Py_ssize_t)first.key_length, values) : NULL;
        if (!group)
            return -1;
        int failed = PyList_Append(groups, group) < 0;
        Py_DECREF(group);
        for (; !failed && cursor->at < cursor->pairs; cursor_next(cursor)) {
            Pair pair = cursor_pair(cursor);
            if (pair.key_length != first.key_length
                || memcmp(pair.key, first.key, first.key_length))
                break;
            PyObject *value = value_of(&pair, decode);
            failed = !value || PyList_Append(values, value) < 0;
            Py_XDECREF(value);
        }
        if (failed)
            return -1;
    }
    return 0;
}

PyObject *extension_groups(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    FrameCursor cursor;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "groups(frame, decode_value)");
    if (cursor_open(&cursor, arguments[0]) < 0)
        return NULL;
    PyObject *groups = PyList_New(0);
    if (groups && add_groups(groups, &cursor, arguments[1]) < 0)
        Py_CLEAR(groups);
    return groups;
}

/* The heaviest value so far: an integer, a real number, or both. */
typedef struct {
    int has_integer, has_real;
    int64_t integer;
    double real;
} Heaviest;

static void weigh(Heaviest *heaviest, const Weight *weight) {
    if (weight->is_real) {
        if (!heaviest->has_real || weight->real > heaviest->real)
            heaviest->real = weight->real;
        heaviest->has_real = 1;
    } else {
        if (!heaviest->has_integer || weight->integer > heaviest->integer)
            heaviest->integer = weight->integer;
        heaviest->has_integer = 1;
    }
}

/* A new reference to the heaviest value as a number of Python, which compares an int with a float
 * exactly; None where there is none. */
static PyObject *heaviest_number(const Heaviest *heaviest) {
    PyObject *integer = heaviest->has_integer ? PyLong_FromLongLong(heaviest->integer) : NULL;
    PyObject *real = heaviest->has_real ? PyFloat_FromDouble(heaviest->real) : NULL;
    if ((heaviest->has_integer && !integer) || (heaviest->has_real && !real)) {
        Py_XDECREF(integer);
        Py_XDECREF(real);
        return NULL;
    }
    if (!integer && !real)
        Py_RETURN_NONE;
    if (!integer || !real)
        return integer ? integer : real;
    int is_less = PyObject_RichCompareBool(integer, real, Py_LT);
    PyObject *found = is_less < 0 ? NULL : Py_NewRef(is_less ? real : integer);
    Py_DECREF(integer);
    Py_DECREF(real);
    return found;
}

/* Append a `bytes`; -1 with MemoryError. */
static int add_object(Buffer *rows, PyObject *bytes) {
    return buffer_add(rows, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

/* Append one pair as JSON; PLAIN, NOT_PLAIN or -1. */
static int add_row(Buffer *rows, const Pair *pair, PyObject *const *around, Heaviest *heaviest) {
    Weight weight = {.integer = pair->number};
    if (add_object(rows, around[0]) < 0)
        return -1;
    int found = json_key(rows, pair->key, pair->key_length);
    if (found != PLAIN)
        return found;
    if (add_object(rows, around[1]) < 0)
        return -1;
    if (pair->value_length == IS_INT)
        found = json_integer(rows, pair->number) < 0 ? -1 : PLAIN;
    else
        found = json_value(rows, pair->encoded, pair->value_length, &weight);
    if (found != PLAIN)
        return found;
    weigh(heaviest, &weight);
    return add_object(rows, around[2]) < 0 ? -1 : PLAIN;
}

/* rows(frame, before, between, behind): each pair as these around its key and value, and the
 * heaviest value's rank; None when Python must write a key or value. */
PyObject *extension_rows(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    FrameCursor cursor;
    if (count != 4 || !PyBytes_Check(arguments[1]) || !PyBytes_Check(arguments[2])
        || !PyBytes_Check(arguments[3]))
        return PyErr_Format(PyExc_TypeError, "rows(frame, before, between, behind)");
    if (cursor_open(&cursor, arguments[0]) < 0)
        return NULL;
    Buffer rows = {0};
    Heaviest heaviest = {0};
    int found = PLAIN;
    for (; found == PLAIN && cursor.at < cursor.pairs; cursor_next(&cursor)) {
        Pair pair = cursor_pair(&cursor);
        found = add_row(&rows, &pair, arguments + 1, &heaviest);
    }
    PyObject *result = found == NOT_PLAIN ? Py_NewRef(Py_None) : NULL;
    if (found == PLAIN) {
        PyObject *rank = heaviest_number(&heaviest);
        result = rank ? Py_BuildValue("(y#N)", rows.data ? (char *)rows.data : "",
                                      (Py_ssize_t)rows.used, rank)
                      : NULL;
    }
    buffer_free(&rows);
    return result;
}
