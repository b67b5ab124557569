/* Rows as columns of buffers, and their keys and MessagePack.
 *
 * Each buffer is a `bytes` that the caller's tuple keeps alive; its length is checked when it is
 * opened. Nothing here calls Python afterwards, except to set MemoryError.
 */
#include "columns.h"
#include "encoded.h"
#include "pack.h"

/* Whether the lengths of a column's buffers are those of its rows; ValueError where not. */
static int is_sound(const RowColumn *column, size_t rows, Py_ssize_t valid, Py_ssize_t values,
                    Py_ssize_t ends) {
    Py_ssize_t bits = (Py_ssize_t)((rows + 7) / 8);
    int sound = column->name_length && (!valid || valid >= bits);
    switch (column->kind) {
    case TEXTS:
        sound = sound && ends == (Py_ssize_t)(4 * (rows + 1)) && values <= INT32_MAX;
        for (size_t row = 0; sound && row < rows; row++) {
            uint32_t begin = load32(column->ends + 4 * row), end = load32(column->ends + 4 * row + 4);
            sound = begin <= end && end <= (uint32_t)values;
        }
        break;
    case INTEGERS_64:
    case REALS:
        sound = sound && values == (Py_ssize_t)(8 * rows);
        break;
    case TRUTHS:
        sound = sound && values >= bits;
        break;
    default:
        sound = 0;
    }
    if (!sound)
        PyErr_SetString(PyExc_ValueError, "the buffers of a column are not those of its rows");
    return sound;
}

static int is_none(const RowColumn *column, size_t row) {
    return column->valid && !(column->valid[row >> 3] >> (row & 7) & 1);
}

/* Whether all numbers of a column are finite: only those are carried. */
static int is_finite(const RowColumn *column, size_t rows) {
    const uint64_t exponent = (uint64_t)0x7ff << 52;
    for (size_t row = 0; row < rows; row++)
        if ((load64(column->values + 8 * row) & exponent) == exponent && !is_none(column, row))
            return 0;
    return 1;
}

/* Open one column; as columns_open. */
static int column_open(RowColumn *column, PyObject *item, size_t rows) {
    const char *name, *valid, *values, *ends;
    Py_ssize_t name_length, valid_length, values_length, ends_length;
    if (!PyTuple_Check(item)) {
        PyErr_SetString(PyExc_TypeError, "a column is (name, kind, valid, values, ends)");
        return -1;
    }
    if (!PyArg_ParseTuple(item, "y#iy#y#y#", &name, &name_length, &column->kind, &valid,
                          &valid_length, &values, &values_length, &ends, &ends_length))
        return -1;
    column->name = (const uint8_t *)name;
    column->name_length = (size_t)name_length;
    column->valid = valid_length ? (const uint8_t *)valid : NULL;
    column->values = (const uint8_t *)values;
    column->ends = (const uint8_t *)ends;
    if (!is_sound(column, rows, valid_length, values_length, ends_length))
        return -1;
    return column->kind != REALS || is_finite(column, rows);
}

int columns_open(Columns *columns, PyObject *given, Py_ssize_t rows, Py_ssize_t on) {
    *columns = (Columns){.count = (size_t)PyTuple_GET_SIZE(given), .rows = (size_t)rows,
                         .on = (size_t)on};
    if (rows < 0 || rows > INT32_MAX || on < 0 || (size_t)on >= columns->count
        || columns->count > 1 << 20) {
        PyErr_SetString(PyExc_ValueError, "no such column, or no such number of rows");
        return -1;
    }
    columns->columns = PyMem_RawCalloc(columns->count, sizeof *columns->columns);
    if (!columns->columns) {
        PyErr_NoMemory();
        return -1;
    }
    int opened = 1;
    for (size_t at = 0; opened > 0 && at < columns->count; at++)
        opened = column_open(&columns->columns[at], PyTuple_GET_ITEM(given, (Py_ssize_t)at),
                             columns->rows);
    if (opened > 0) {
        int kind = columns->columns[on].kind; /* 1.0 and True equal 1 in a dict */
        opened = kind == TEXTS || kind == INTEGERS_64;
    }
    return opened;
}

void columns_close(Columns *columns) {
    PyMem_RawFree(columns->columns);
    columns->columns = NULL;
}

/* The text of a row, and its length. */
static const uint8_t *text_of(const RowColumn *column, size_t row, size_t *length) {
    uint32_t begin = load32(column->ends + 4 * row);
    *length = load32(column->ends + 4 * row + 4) - begin;
    return column->values + begin;
}

int columns_key(const Columns *columns, size_t row, Buffer *out) {
    const RowColumn *column = &columns->columns[columns->on];
    if (is_none(column, row)) {
        static const uint8_t none = NO_KEY;
        return buffer_add(out, &none, 1);
    }
    if (column->kind == INTEGERS_64)
        return pack_integer_key(out, (int64_t)load64(column->values + 8 * row)) < 0 ? -1 : 0;
    size_t length;
    const uint8_t *text = text_of(column, row, &length);
    if (buffer_reserve(out, 1 + length) < 0)
        return -1;
    out->data[out->used] = STR_TAG;
    memcpy(out->data + out->used + 1, text, length);
    out->used += 1 + length;
    return 0;
}

static uint8_t *put_text(uint8_t *to, const uint8_t *text, size_t length) {
    if (length < 32) {
        *to++ = (uint8_t)(0xa0 | length);
    } else {
        size_t size = length <= UINT8_MAX ? 1 : length <= UINT16_MAX ? 2 : 4;
        *to++ = size == 1 ? 0xd9 : size == 2 ? 0xda : 0xdb;
        to = write_number(to, length, size);
    }
    memcpy(to, text, length);
    return to + length;
}

/* Append a value, for which there is space: a text, and 9 bytes. */
static uint8_t *put_value(uint8_t *to, const RowColumn *column, size_t row) {
    size_t length;
    const uint8_t *text;
    if (is_none(column, row)) {
        *to = 0xc0;
        return to + 1;
    }
    switch (column->kind) {
    case TEXTS:
        text = text_of(column, row, &length);
        return put_text(to, text, length);
    case INTEGERS_64:
        return write_integer(to, (int64_t)load64(column->values + 8 * row));
    case REALS:
        return write_real(to, load64(column->values + 8 * row));
    default:
        *to = (uint8_t)(0xc2 | (column->values[row >> 3] >> (row & 7) & 1));
        return to + 1;
    }
}

int columns_row(const Columns *columns, size_t row, Buffer *out) {
    size_t most = 5;
    for (size_t at = 0; at < columns->count; at++) {
        const RowColumn *column = &columns->columns[at];
        size_t length = 0;
        if (column->kind == TEXTS)
            text_of(column, row, &length);
        most += column->name_length + 9 + length;
    }
    if (buffer_reserve(out, most) < 0)
        return -1;
    uint8_t *to = out->data + out->used;
    if (columns->count < 16) {
        *to++ = (uint8_t)(0x80 | columns->count);
    } else {
        size_t size = columns->count <= UINT16_MAX ? 2 : 4;
        *to++ = size == 2 ? 0xde : 0xdf;
        to = write_number(to, columns->count, size);
    }
    for (size_t at = 0; at < columns->count; at++) {
        const RowColumn *column = &columns->columns[at];
        memcpy(to, column->name, column->name_length);
        to = put_value(to + column->name_length, column, row);
    }
    out->used = (size_t)(to - out->data);
    return 0;
}
