/* Keys of columns, as Arrow holds them; see key_columns.c. */
#ifndef MAPREDUCE_KEY_COLUMNS_H
#define MAPREDUCE_KEY_COLUMNS_H

#include "extension.h"

/* A column of the fields of keys. */
typedef struct {
    Py_buffer valid, ends, data; /* what is not there has no memory */
} KeyField;

#define KEY_STEPS 64

/* Keys that are one field each, or tuples of fields. The buffers are held. */
typedef struct {
    char steps[KEY_STEPS + 1];
    size_t count, rows;
    KeyField fields[KEY_STEPS];
} KeyColumns;

/* Take columns `((valid, ends, data), ...)`, of which `steps` says what they are: "t" a text, "n" an
 * integer, "b" 0 or 1 for a bool; "(" begins a tuple, ")" ends it. -1 with an exception; key_columns_close is
 * called even then. */
int key_columns_open(KeyColumns *columns, const char *steps, PyObject *fields, size_t rows);
void key_columns_close(KeyColumns *columns);
/* Append the key of a row, as mapreduce/encoding/keys.py encodes it; -1 with an exception. */
int key_columns_put(const KeyColumns *columns, Buffer *out, size_t row);

#endif
