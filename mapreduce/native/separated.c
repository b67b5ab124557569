/* Separated values (RFC 4180) as columns: the wanted fields of whole rows, one behind the other.
 *
 * The scan borrows from the bytes object, which the caller's argument keeps alive and which ends
 * with a 0 behind its last byte, and calls nothing of Python while it runs. It returns None for all
 * that the row parser in Python would refuse, or would read in another way: so it needs no error of
 * its own. The columns own their buffers until they become bytes objects.
 */
#include "extension.h"

typedef struct {
    uint8_t *data;
    int32_t *ends;
    size_t length, rows, space;
} Column;

typedef struct {
    const uint8_t *at, *end;
    uint8_t delimiter;
    int quote;
    Py_ssize_t width, wanted;
    /* Whether a byte ends a field, or may not be in it; 0 among them, which is behind `end`. */
    uint8_t special[256];
    /* For each field of a row: its column, or NULL. */
    Column **columns;
} Scan;

enum { OTHER = -1, NO_MEMORY = -2 };

/* Make space for one more row in a column. */
static int grown(Column *column) {
    if (column->rows + 2 <= column->space)
        return 0;
    size_t space = column->space ? column->space * 2 : 1024;
    int32_t *ends = PyMem_RawRealloc(column->ends, space * sizeof *ends);
    if (!ends)
        return NO_MEMORY;
    column->ends = ends;
    column->space = space;
    ends[0] = 0;
    return 0;
}

/* Append a part of a field. A column is never longer than `data`, for which there is space. */
static inline void append(Column *column, const uint8_t *from, size_t length) {
    memcpy(column->data + column->length, from, length);
    column->length += length;
}

/* Read a quoted field, whose opening quote is at `at`; 0, or OTHER where it is not closed. */
static int quoted_field(Scan *scan, Column *column) {
    scan->at++;
    for (;;) {
        const uint8_t *from = scan->at;
        const uint8_t *found = memchr(from, scan->quote, (size_t)(scan->end - from));
        if (!found)
            return OTHER;
        if (column)
            append(column, from, (size_t)(found - from));
        scan->at = found + 1;
        if (scan->at == scan->end || *scan->at != scan->quote)
            return 0;
        if (column)
            append(column, found, 1); /* a doubled quote is one */
        scan->at++;
    }
}

/* Read a field without quotes; OTHER where it holds one. */
static int plain_field(Scan *scan, Column *column) {
    const uint8_t *from = scan->at, *at = from;
    for (;; at++) {
        while (!scan->special[*at])
            at++;
        if (*at || at == scan->end)
            break;
    }
    if (at < scan->end && *at == scan->quote)
        return OTHER;
    if (column)
        append(column, from, (size_t)(at - from));
    scan->at = at;
    return 0;
}

/* Whether `at` stands at the end of a row; moves behind it. A carriage return before a line feed
 * belongs to the end; one that ends the data is text where there are no quotes, and left to Python.
 */
static int row_ended(Scan *scan) {
    if (scan->at == scan->end)
        return 1;
    const uint8_t *at = scan->at + (*scan->at == '\r');
    if (at == scan->end ? scan->quote >= 0 : *at == '\n') {
        scan->at = at + (at < scan->end);
        return 1;
    }
    return 0;
}

/* Read one row; OTHER where it is not one of `width` fields. */
static int row(Scan *scan) {
    for (Py_ssize_t field = 0;; field++) {
        if (field == scan->width)
            return OTHER;
        Column *column = scan->columns[field];
        if (column && grown(column) < 0)
            return NO_MEMORY;
        int quoted = scan->at < scan->end && *scan->at == scan->quote;
        if ((quoted ? quoted_field(scan, column) : plain_field(scan, column)) < 0)
            return OTHER;
        if (column)
            column->ends[++column->rows] = (int32_t)column->length;
        if (scan->at < scan->end && *scan->at == scan->delimiter) {
            scan->at++;
            continue;
        }
        if (!row_ended(scan)) /* text behind a closing quote, or a lone carriage return */
            return OTHER;
        return field + 1 == scan->width ? 0 : OTHER;
    }
}

/* Read all rows; an empty line is none. The number of rows, or OTHER or NO_MEMORY. */
static Py_ssize_t rows(Scan *scan) {
    Py_ssize_t count = 0;
    while (scan->at < scan->end) {
        if ((*scan->at == '\n' || *scan->at == '\r') && row_ended(scan))
            continue;
        int failed = row(scan);
        if (failed)
            return failed;
        count++;
    }
    return count;
}

/* A new reference to [(ends, data), ...] of the wanted columns. */
static PyObject *listed(const Column *columns, Py_ssize_t wanted) {
    static const int32_t none = 0;
    PyObject *list = PyList_New(wanted);
    for (Py_ssize_t at = 0; list && at < wanted; at++) {
        const Column *column = &columns[at];
        const int32_t *ends = column->ends ? column->ends : &none;
        PyObject *pair = Py_BuildValue(
            "(y#y#)", ends, (Py_ssize_t)((column->rows + 1) * sizeof *ends),
            column->length ? (const char *)column->data : "", (Py_ssize_t)column->length);
        if (!pair)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, at, pair);
    }
    return list;
}

/* Find the column of each wanted field; -1 with an exception. */
static int placed(Scan *scan, Column *columns, PyObject *places, size_t space) {
    for (Py_ssize_t at = 0; at < scan->wanted; at++) {
        Py_ssize_t field = PyLong_AsSsize_t(PyTuple_GET_ITEM(places, at));
        if (field == -1 && PyErr_Occurred())
            return -1;
        if (field < 0 || field >= scan->width || scan->columns[field]) {
            PyErr_SetString(PyExc_ValueError, "the places are different fields of a row");
            return -1;
        }
        columns[at].data = PyMem_RawMalloc(space + 1);
        if (!columns[at].data) {
            PyErr_NoMemory();
            return -1;
        }
        scan->columns[field] = &columns[at];
    }
    return 0;
}

static PyObject *scanned(Scan *scan, Column *columns, PyObject *places) {
    if (placed(scan, columns, places, (size_t)(scan->end - scan->at)) < 0)
        return NULL;
    Py_ssize_t count = rows(scan);
    if (count == NO_MEMORY)
        return PyErr_NoMemory();
    if (count == OTHER)
        Py_RETURN_NONE;
    PyObject *list = listed(columns, scan->wanted);
    return list ? Py_BuildValue("(nN)", count, list) : NULL;
}

PyObject *extension_separated(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_ssize_t width;
    int delimiter, quote;
    PyObject *bytes, *places;
    if (!PyArg_ParseTuple(arguments, "SiinO!", &bytes, &delimiter, &quote, &width, &PyTuple_Type,
                          &places))
        return NULL;
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(bytes);
    Py_ssize_t length = PyBytes_GET_SIZE(bytes);
    Py_ssize_t wanted = PyTuple_GET_SIZE(places);
    if (length > INT32_MAX || width < 1 || width > 1 << 20 || wanted > width || delimiter < 1
        || delimiter > 127 || quote > 127 || delimiter == '\n' || delimiter == '\r'
        || quote == 0 || quote == delimiter)
        return PyErr_Format(PyExc_ValueError, "separated(data, delimiter, quote, width, places)");
    Scan scan = {.at = data,
                 .end = data + length,
                 .delimiter = (uint8_t)delimiter,
                 .quote = quote,
                 .width = width,
                 .wanted = wanted};
    scan.special[0] = scan.special['\n'] = scan.special['\r'] = scan.special[delimiter] = 1;
    if (quote >= 0)
        scan.special[quote] = 1;
    Column *columns = PyMem_RawCalloc((size_t)wanted + 1, sizeof *columns);
    scan.columns = PyMem_RawCalloc((size_t)width, sizeof *scan.columns);
    PyObject *result
        = columns && scan.columns ? scanned(&scan, columns, places) : PyErr_NoMemory();
    for (Py_ssize_t at = 0; columns && at < wanted; at++) {
        PyMem_RawFree(columns[at].data);
        PyMem_RawFree(columns[at].ends);
    }
    PyMem_RawFree(columns);
    PyMem_RawFree(scan.columns);
    return result;
}
