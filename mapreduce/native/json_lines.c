/* JSON Lines as columns: the wanted fields of whole lines, as the buffers of Arrow arrays.
 *
 * Each line is one object. The scan borrows from the bytes object, which the caller's argument
 * keeps alive and which ends with a 0 behind its last byte. It returns None for all that parsers read in
 * different ways, or that has another type than the column: so it needs no error of its own. The
 * columns own their buffers until they become bytes objects.
 */
#include "columns.h"
#include "json_scan.h"

#include <math.h>

enum { MOST_FIELDS = 64, LONGEST_INTEGER = 18, EXACT_DIGITS = 15, EXACT_POWER = 22 };

typedef struct {
    const uint8_t *name;
    size_t name_length;
    int kind;
    uint8_t *data, *to;     /* texts */
    int32_t *ends;          /* texts; `ends[0]` is 0 */
    int64_t *numbers;       /* integers; reals by their bits */
    uint8_t *truths, *valid; /* bitmaps */
    size_t nulls, seen;     /* `seen`: the row that has a value last, counted from 1 */
} Column;

/* The name of the field that a line had at some place, and its column. */
typedef struct {
    const uint8_t *name;
    size_t length;
    Column *column;
} Guess;

typedef struct {
    Json json;
    Column *columns;
    size_t wanted, rows, space;
    Guess guesses[MOST_FIELDS];
} Lines;

static int skip(Json *json, int depth);

/* Move behind an object or an array, whose first bracket is at `at`. */
static int skip_nested(Json *json, int depth) {
    uint8_t last = *json->at == '{' ? '}' : ']';
    json->at++;
    json_space(json);
    if (*json->at == last) {
        json->at++;
        return 0;
    }
    for (;; json->at++) {
        json_space(json);
        if (last == '}') {
            if (*json->at++ != '"' || json_text(json, NULL) < 0)
                return OTHER;
            json_space(json);
            if (*json->at++ != ':')
                return OTHER;
            json_space(json);
        }
        if (skip(json, depth + 1) < 0)
            return OTHER;
        json_space(json);
        if (*json->at != ',')
            break;
    }
    return *json->at++ == last ? 0 : OTHER;
}

/* Move behind a value that nobody reads. No number of it is too large for a float. */
static int skip(Json *json, int depth) {
    switch (*json->at) {
    case '"':
        json->at++;
        return json_text(json, NULL);
    case 't':
        return json_word(json, "true", 4);
    case 'f':
        return json_word(json, "false", 5);
    case 'n':
        return json_word(json, "null", 4);
    case '{':
    case '[':
        return depth < DEEPEST ? skip_nested(json, depth) : OTHER;
    default: {
        const uint8_t *from = json->at;
        int is_integer = json_number(json);
        for (; !is_integer && from < json->at; from++)
            if ((*from | 0x20) == 'e')
                return OTHER;
        return is_integer < 0 ? OTHER : 0;
    }
    }
}

/* Make space for one more row in all columns. */
static int grown(Lines *lines) {
    if (lines->rows + 2 <= lines->space)
        return 0;
    size_t space = lines->space ? lines->space * 2 : 1024;
    for (size_t at = 0; at < lines->wanted; at++) {
        Column *column = &lines->columns[at];
        void **buffer = column->kind == TEXTS ? (void **)&column->ends : (void **)&column->numbers;
        size_t bytes = column->kind == TEXTS ? space * sizeof *column->ends
            : column->kind == TRUTHS         ? 0
                                             : space * sizeof *column->numbers;
        void *made = bytes ? PyMem_RawRealloc(*buffer, bytes) : NULL;
        if (bytes && !made)
            return NO_MEMORY;
        if (bytes)
            *buffer = made;
        uint8_t **bitmaps[] = {&column->valid, &column->truths};
        for (int map = 0; map < 1 + (column->kind == TRUTHS); map++) {
            uint8_t *grown_map = PyMem_RawRealloc(*bitmaps[map], space / 8);
            if (!grown_map)
                return NO_MEMORY;
            memset(grown_map + lines->space / 8, 0, (space - lines->space) / 8);
            *bitmaps[map] = grown_map;
        }
        if (column->kind == TEXTS)
            column->ends[0] = 0;
    }
    lines->space = space;
    return 0;
}

/* Read an integer of at most 18 digits. */
static int integer(Json *json, int64_t *number) {
    const uint8_t *from = json->at;
    if (json_number(json) != 1)
        return OTHER;
    int negative = *from == '-';
    from += negative;
    if (json->at - from > LONGEST_INTEGER)
        return OTHER;
    int64_t value = 0;
    for (; from < json->at; from++)
        value = value * 10 + (*from - '0');
    *number = negative ? -value : value;
    return 0;
}

/* Read a float: at once where one exact operation gives it, else with Python's parser. */
static int real(Json *json, double *number) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const uint8_t *from = json->at, *at = from + (*from == '-');
    int is_integer = json_number(json);
    if (is_integer < 0)
        return OTHER;
    int64_t value = 0;
    int digits = 0, behind = 0, point = 0;
    for (; at < json->at && digits <= EXACT_DIGITS; at++) {
        if (*at == '.') {
            point = 1;
            continue;
        }
        if (*at < '0' || *at > '9')
            break;
        value = value * 10 + (*at - '0');
        digits++;
        behind += point;
    }
    if (at == json->at && digits <= EXACT_DIGITS && behind <= EXACT_POWER) {
        *number = (double)value / powers[behind];
        if (*from == '-')
            *number = -*number;
        return is_integer && value == 0 && *from == '-' ? OTHER : 0; /* 0 or -0.0? */
    }
    char *stop = NULL;
    *number = PyOS_string_to_double((const char *)from, &stop, NULL);
    if (*number == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        return OTHER;
    }
    return stop == (const char *)json->at && isfinite(*number) ? 0 : OTHER;
}

/* Read a value into the column, as that of the row `rows`. */
static int value_into(Lines *lines, Column *column) {
    Json *json = &lines->json;
    size_t row = lines->rows;
    if (column->seen == row + 1) /* the field is there twice */
        return OTHER;
    column->seen = row + 1;
    if (*json->at == 'n') {
        column->nulls++;
        return json_word(json, "null", 4);
    }
    column->valid[row >> 3] |= (uint8_t)(1 << (row & 7));
    switch (column->kind) {
    case TEXTS:
        return *json->at++ == '"' ? json_text(json, &column->to) : OTHER;
    case INTEGERS_64:
        return integer(json, &column->numbers[row]);
    case REALS: {
        double number;
        if (real(json, &number) < 0)
            return OTHER;
        memcpy(&column->numbers[row], &number, sizeof number);
        return 0;
    }
    default:
        if (*json->at == 'f')
            return json_word(json, "false", 5);
        column->truths[row >> 3] |= (uint8_t)(1 << (row & 7));
        return json_word(json, "true", 4);
    }
}

/* Find the column of the field whose name begins at `at`, behind its quote; move behind the colon.
 * Lines have the same fields at the same places, mostly. */
static int named(Lines *lines, size_t place, Column **column) {
    Json *json = &lines->json;
    Guess *guess = place < MOST_FIELDS ? &lines->guesses[place] : NULL;
    const uint8_t *from = json->at;
    *column = NULL;
    if (guess && guess->name && (size_t)(json->end - from) > guess->length
        && from[guess->length] == '"' && !memcmp(from, guess->name, guess->length)) {
        *column = guess->column;
        json->at += guess->length + 1;
    } else {
        json_plain(json);
        if (*json->at != '"')
            return OTHER;
        size_t length = (size_t)(json->at++ - from);
        for (size_t at = 0; at < lines->wanted && !*column; at++) {
            Column *each = &lines->columns[at];
            if (each->name_length == length && !memcmp(each->name, from, length))
                *column = each;
        }
        if (guess)
            *guess = (Guess){from, length, *column};
    }
    json_space(json);
    if (*json->at++ != ':')
        return OTHER;
    json_space(json);
    return 0;
}

/* Read one object, whose brace is at `at`. */
static int object(Lines *lines) {
    Json *json = &lines->json;
    json->at++;
    json_space(json);
    for (size_t place = 0; *json->at != '}'; place++) {
        Column *column;
        if (*json->at++ != '"' || named(lines, place, &column) < 0)
            return OTHER;
        if ((column ? value_into(lines, column) : skip(json, 0)) < 0)
            return OTHER;
        json_space(json);
        if (*json->at == ',') {
            json->at++;
            json_space(json);
            if (*json->at != '"')
                return OTHER;
        } else if (*json->at != '}')
            return OTHER;
    }
    json->at++;
    return 0;
}

/* Read all lines; an empty one is none. 0, OTHER or NO_MEMORY. */
static int all(Lines *lines) {
    Json *json = &lines->json;
    while (json->at < json->end) {
        if (*json->at == '{') {
            if (grown(lines) < 0)
                return NO_MEMORY;
            if (object(lines) < 0)
                return OTHER;
            size_t row = lines->rows++;
            for (size_t at = 0; at < lines->wanted; at++) {
                Column *column = &lines->columns[at];
                column->nulls += column->seen != row + 1;
                if (column->kind == TEXTS)
                    column->ends[row + 1] = (int32_t)(column->to - column->data);
                else if (column->kind != TRUTHS && !(column->valid[row >> 3] >> (row & 7) & 1))
                    column->numbers[row] = 0;
            }
        }
        json_space(json);
        if (*json->at == '\r')
            json->at++;
        if (json->at < json->end && *json->at++ != '\n')
            return OTHER;
    }
    return 0;
}

/* A new reference to [(nulls, valid, values, ends), ...]. */
static PyObject *listed(const Lines *lines) {
    static const int32_t none = 0;
    size_t rows = lines->rows, bits = (rows + 7) / 8;
    PyObject *list = PyList_New((Py_ssize_t)lines->wanted);
    for (size_t at = 0; list && at < lines->wanted; at++) {
        const Column *column = &lines->columns[at];
        int texts = column->kind == TEXTS, truths = column->kind == TRUTHS;
        const void *values = texts ? column->data
            : truths               ? column->truths
                                   : (void *)column->numbers;
        size_t size = texts ? (size_t)(column->to - column->data)
            : truths        ? bits
                            : rows * sizeof *column->numbers;
        const void *ends = column->ends ? column->ends : &none;
        PyObject *item = Py_BuildValue(
            "(ny#y#y#)", (Py_ssize_t)column->nulls, rows ? (const char *)column->valid : "",
            (Py_ssize_t)(column->nulls ? bits : 0), size ? values : "", (Py_ssize_t)size, ends,
            (Py_ssize_t)(texts ? (rows + 1) * sizeof(int32_t) : 0));
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)at, item);
    }
    return list;
}

/* Set up the columns by the tuple of (name, kind); -1 with an exception. */
static int placed(Lines *lines, PyObject *wanted, size_t length) {
    for (size_t at = 0; at < lines->wanted; at++) {
        Column *column = &lines->columns[at];
        PyObject *item = PyTuple_GET_ITEM(wanted, (Py_ssize_t)at);
        const char *name;
        Py_ssize_t name_length;
        if (!PyTuple_Check(item)
            || !PyArg_ParseTuple(item, "y#i", &name, &name_length, &column->kind))
            return -1;
        if (column->kind < 0 || column->kind >= KINDS) {
            PyErr_SetString(PyExc_ValueError, "the kind of a column is 0 to 3");
            return -1;
        }
        column->name = (const uint8_t *)name;
        column->name_length = (size_t)name_length;
        if (column->kind == TEXTS) {
            column->to = column->data = PyMem_RawMalloc(length + 1);
            if (!column->data) {
                PyErr_NoMemory();
                return -1;
            }
        }
    }
    return 0;
}

PyObject *extension_json_lines(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *bytes, *wanted;
    if (!PyArg_ParseTuple(arguments, "SO!", &bytes, &PyTuple_Type, &wanted))
        return NULL;
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(bytes);
    Py_ssize_t length = PyBytes_GET_SIZE(bytes);
    if (length > INT32_MAX)
        return PyErr_Format(PyExc_ValueError, "the lines have at most 2 GiB");
    Lines lines = {.json = {data, data + length}, .wanted = (size_t)PyTuple_GET_SIZE(wanted)};
    lines.columns = PyMem_RawCalloc(lines.wanted + 1, sizeof *lines.columns);
    PyObject *result = NULL;
    if (!lines.columns)
        PyErr_NoMemory();
    else if (placed(&lines, wanted, (size_t)length) == 0) {
        int failed = all(&lines);
        PyObject *list = failed ? NULL : listed(&lines);
        if (failed == OTHER)
            result = Py_NewRef(Py_None);
        else if (failed)
            PyErr_NoMemory();
        else if (list)
            result = Py_BuildValue("(nN)", (Py_ssize_t)lines.rows, list);
    }
    for (size_t at = 0; lines.columns && at < lines.wanted; at++) {
        Column *column = &lines.columns[at];
        PyMem_RawFree(column->data);
        PyMem_RawFree(column->ends);
        PyMem_RawFree(column->numbers);
        PyMem_RawFree(column->truths);
        PyMem_RawFree(column->valid);
    }
    PyMem_RawFree(lines.columns);
    return result;
}
