/* Records from columns: a dict for each row of Arrow's arrays.
 *
 * A Cell holds views of the buffers of its column, which keep them alive and in place, from
 * `opened` to `closed`. Each read is checked against their lengths, so that any buffers may come.
 * The names are borrowed from the caller's tuple. No code of Python runs in between: the keys of
 * the dicts are texts.
 */
#include "extension.h"

typedef struct {
    int kind; /* the letter of Arrow's format */
    Py_buffer valid, values, ends;
} Cell;

/* The bytes of a value; 0 for bits, -1 for texts and bytes, -2 for what is none of these. */
static int width_of(int kind) {
    switch (kind) {
    case 'c': case 'C':
        return 1;
    case 's': case 'S':
        return 2;
    case 'i': case 'I': case 'f':
        return 4;
    case 'l': case 'L': case 'g':
        return 8;
    case 'b':
        return 0;
    case 'u': case 'z':
        return -1;
    default:
        return -2;
    }
}

static int bit(const Py_buffer *bits, Py_ssize_t at) {
    return ((const uint8_t *)bits->buf)[at >> 3] >> (at & 7) & 1;
}

/* Whether the buffers have so many values. The ends are compared where they are read. */
static int holds(const Cell *cell, Py_ssize_t rows) {
    Py_ssize_t width = width_of(cell->kind), bits = rows / 8 + (rows % 8 > 0);
    if (cell->valid.obj && cell->valid.len < bits)
        return 0;
    if (width == 0)
        return cell->values.len >= bits;
    if (width < 0)
        return cell->ends.obj && cell->ends.len / 4 > rows;
    return cell->values.len / width >= rows;
}

static PyObject *text_at(const Cell *cell, Py_ssize_t at) {
    int32_t ends[2];
    memcpy(ends, (const uint8_t *)cell->ends.buf + at * 4, sizeof ends);
    if (ends[0] < 0 || ends[0] > ends[1] || ends[1] > cell->values.len)
        return PyErr_Format(PyExc_ValueError, "a text lies outside its buffer");
    const char *from = (const char *)cell->values.buf + ends[0];
    return cell->kind == 'u' ? PyUnicode_DecodeUTF8(from, ends[1] - ends[0], NULL)
                             : PyBytes_FromStringAndSize(from, ends[1] - ends[0]);
}

/* A new reference to a value, or NULL with an exception; the column `holds` it. */
static PyObject *value_at(const Cell *cell, Py_ssize_t at) {
    union {
        int8_t c;
        uint8_t C;
        int16_t s;
        uint16_t S;
        int32_t i;
        uint32_t I;
        int64_t l;
        uint64_t L;
        float f;
        double g;
    } value;
    if (cell->valid.obj && !bit(&cell->valid, at))
        return Py_NewRef(Py_None);
    int width = width_of(cell->kind);
    if (width < 0)
        return text_at(cell, at);
    if (width == 0)
        return PyBool_FromLong(bit(&cell->values, at));
    memcpy(&value, (const uint8_t *)cell->values.buf + at * width, (size_t)width);
    switch (cell->kind) {
    case 'c':
        return PyLong_FromLong(value.c);
    case 'C':
        return PyLong_FromLong(value.C);
    case 's':
        return PyLong_FromLong(value.s);
    case 'S':
        return PyLong_FromLong(value.S);
    case 'i':
        return PyLong_FromLong(value.i);
    case 'I':
        return PyLong_FromUnsignedLong(value.I);
    case 'l':
        return PyLong_FromLongLong(value.l);
    case 'L':
        return PyLong_FromUnsignedLongLong(value.L);
    case 'f':
        return PyFloat_FromDouble((double)value.f);
    default:
        return PyFloat_FromDouble(value.g);
    }
}

static PyObject *record(PyObject *names, const Cell *cells, Py_ssize_t at) {
    PyObject *made = PyDict_New();
    for (Py_ssize_t column = 0; made && column < PyTuple_GET_SIZE(names); column++) {
        PyObject *value = value_at(&cells[column], at);
        if (!value || PyDict_SetItem(made, PyTuple_GET_ITEM(names, column), value) < 0)
            Py_CLEAR(made);
        Py_XDECREF(value);
    }
    return made;
}

/* Take views of the buffers of (kind, valid, values, ends); -1 with an exception. */
static int opened(Cell *cell, PyObject *column, Py_ssize_t rows) {
    PyObject *given[3];
    Py_buffer *views[3] = {&cell->valid, &cell->values, &cell->ends};
    if (!PyTuple_Check(column)
        || !PyArg_ParseTuple(column, "COOO", &cell->kind, &given[0], &given[1], &given[2]))
        return PyErr_Occurred() ? -1 : (PyErr_SetString(PyExc_TypeError, "a column is a tuple"), -1);
    if (width_of(cell->kind) == -2) {
        PyErr_SetString(PyExc_ValueError, "the kind of a column is one of csilCSILfgbuz");
        return -1;
    }
    for (int at = 0; at < 3; at++)
        if (given[at] != Py_None && PyObject_GetBuffer(given[at], views[at], PyBUF_SIMPLE) < 0)
            return -1;
    if (!cell->values.obj || !holds(cell, rows)) {
        PyErr_SetString(PyExc_ValueError, "a column has fewer values than rows");
        return -1;
    }
    return 0;
}

static void closed(Cell *cell) {
    PyBuffer_Release(&cell->valid); /* of a zeroed view too */
    PyBuffer_Release(&cell->values);
    PyBuffer_Release(&cell->ends);
}

static PyObject *listed(PyObject *names, const Cell *cells, Py_ssize_t begin, Py_ssize_t end) {
    PyObject *list = PyList_New(end - begin);
    for (Py_ssize_t at = begin; list && at < end; at++) {
        PyObject *made = record(names, cells, at);
        if (!made)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, at - begin, made);
    }
    return list;
}

PyObject *extension_records(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *names, *columns, *list = NULL;
    Py_ssize_t begin, end;
    if (!PyArg_ParseTuple(arguments, "O!O!nn", &PyTuple_Type, &names, &PyTuple_Type, &columns,
                          &begin, &end))
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(names), made = 0;
    if (count != PyTuple_GET_SIZE(columns) || begin < 0 || end < begin)
        return PyErr_Format(PyExc_ValueError, "records(names, columns, begin, end)");
    for (Py_ssize_t at = 0; at < count; at++)
        if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(names, at)))
            return PyErr_Format(PyExc_TypeError, "a name is a text");
    Cell *cells = PyMem_Calloc((size_t)count + 1, sizeof *cells);
    if (!cells)
        return PyErr_NoMemory();
    while (made < count && opened(&cells[made], PyTuple_GET_ITEM(columns, made), end) == 0)
        made++;
    if (made == count)
        list = listed(names, cells, begin, end);
    for (Py_ssize_t at = 0; at < count; at++)
        closed(&cells[at]);
    PyMem_Free(cells);
    return list;
}
