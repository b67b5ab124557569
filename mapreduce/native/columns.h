/* Rows as columns of buffers, and their keys and MessagePack; by columns.c. */
#ifndef MAPREDUCE_COLUMNS_H
#define MAPREDUCE_COLUMNS_H

#include "extension.h"

/* What a column holds: texts, 64-bit integers, finite numbers, truths. */
enum { TEXTS, INTEGERS_64, REALS, TRUTHS, KINDS };

/* A column. It borrows the bytes of the caller's tuple. */
typedef struct {
    const uint8_t *name; /* its MessagePack */
    size_t name_length;
    int kind;
    const uint8_t *valid;  /* a bit for each value that is not None; NULL: all are */
    const uint8_t *values; /* UTF-8, numbers of 64 bits, or bits */
    const uint8_t *ends;   /* of texts, 32-bit: where each begins, and where the last one ends */
} RowColumn;

typedef struct {
    RowColumn *columns;
    size_t count, rows, on;
} Columns;

/* Open a tuple of (name, kind, valid, values, ends): 1; 0 where Python must read the rows, because
 * a number is not finite or a key is none that HeldRows has; -1 with an exception. Close it in each
 * case. After 1, each row below `rows` is within the buffers. */
int columns_open(Columns *columns, PyObject *given, Py_ssize_t rows, Py_ssize_t on);
void columns_close(Columns *columns);
/* Append the key of a row, or the row as a dict, encoded; -1 with MemoryError. */
int columns_key(const Columns *columns, size_t row, Buffer *out);
int columns_row(const Columns *columns, size_t row, Buffer *out);

#endif
