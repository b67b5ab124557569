/* Frames as Python and as people want them: groups of values by key, and rows of JSON.
 *
 * A cursor borrows from the frame, which the caller's argument keeps alive, also while `groups`
 * calls back into Python: a tuple and its bytes never change. Nothing else outlives a call.
 */
#include "extension.h"

/* A new reference to a pair's value. */
static PyObject *value_of(const Pair *pair, PyObject *decode) {
    if (pair->value_length == IS_INT)
        return PyLong_FromLongLong(pair->number);
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

/* Write a string as JSON does (RFC 8259, section 7): a byte becomes 1, 2 (\n) or 6 (\u001f), for
 * which the caller has made space, with 2 for the quotes. Returns how many. */
static size_t add_text(uint8_t *out, const uint8_t *text, size_t length) {
    static const char escapes[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\",
                      digits[] = "0123456789abcdef";
    uint8_t *begin = out;
    *out++ = '"';
    for (size_t at = 0; at < length; at++) {
        uint8_t byte = text[at];
        const char *found = byte ? strchr(escapes, byte) : NULL;
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            *out++ = byte;
        } else if (found) {
            *out++ = '\\';
            *out++ = (uint8_t)letters[found - escapes];
        } else {
            memcpy(out, "\\u00", 4);
            out[4] = (uint8_t)digits[byte >> 4];
            out[5] = (uint8_t)digits[byte & 15];
            out += 6;
        }
    }
    *out++ = '"';
    return (size_t)(out - begin);
}

/* Write an integer in up to 20 bytes; returns how many. */
static size_t add_integer(uint8_t *out, int64_t number) {
    char digits[20];
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    size_t count = 0, used = 0;
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0)
        out[used++] = '-';
    while (count)
        out[used++] = (uint8_t)digits[--count];
    return used;
}

/* rows(frame, before, between, behind): each pair as these around a key that is a str and a value
 * that is an integer; None when a key or value is something else. */
PyObject *extension_rows(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    FrameCursor cursor;
    if (count != 4 || !PyBytes_Check(arguments[1]) || !PyBytes_Check(arguments[2])
        || !PyBytes_Check(arguments[3]))
        return PyErr_Format(PyExc_TypeError, "rows(frame, before, between, behind)");
    if (cursor_open(&cursor, arguments[0]) < 0)
        return NULL;
    if (cursor.kind != INTEGERS)
        Py_RETURN_NONE;
    Buffer rows = {0};
    PyObject *text = NULL;
    size_t around = 0;
    for (int part = 1; part < 4; part++)
        around += (size_t)PyBytes_GET_SIZE(arguments[part]);
    for (; cursor.at < cursor.pairs; cursor_next(&cursor)) {
        Pair pair = cursor_pair(&cursor);
        if (!pair.key_length || pair.key[0] != STR_TAG) {
            text = Py_NewRef(Py_None);
            goto done;
        }
        if (buffer_reserve(&rows, around + 6 * (size_t)pair.key_length + 32) < 0)
            goto done;
        /* none of these can fail: the space is reserved */
        buffer_add(&rows, PyBytes_AS_STRING(arguments[1]), (size_t)PyBytes_GET_SIZE(arguments[1]));
        rows.used += add_text(rows.data + rows.used, pair.key + 1, pair.key_length - 1);
        buffer_add(&rows, PyBytes_AS_STRING(arguments[2]), (size_t)PyBytes_GET_SIZE(arguments[2]));
        rows.used += add_integer(rows.data + rows.used, pair.number);
        buffer_add(&rows, PyBytes_AS_STRING(arguments[3]), (size_t)PyBytes_GET_SIZE(arguments[3]));
    }
    text = PyBytes_FromStringAndSize((const char *)rows.data, (Py_ssize_t)rows.used);
done:
    buffer_free(&rows);
    return text;
}
