/* Keys and values of plain Python types as bytes, and values back, as the functions of
 * mapreduce/encoding do it.
 *
 * Plain are None, bool, int of 64 bits, finite float, str without lone surrogates, bytes, and
 * tuples, and for values lists and dicts with str keys, of these; no subclass. All else is left to
 * Python, which also says what is wrong with it in its own words.
 *
 * References are borrowed from the caller's key or value, which no code of Python can change
 * meanwhile: nothing here calls any. What is decoded comes from storage and is not trusted.
 */
#include "pack.h"
#include "encoded.h"

#define LONGEST UINT32_MAX

/* A first byte, and a big-endian number of `size` bytes behind it. */
static int add_number(Buffer *out, uint8_t first, uint64_t number, size_t size) {
    uint8_t bytes[9] = {first};
    write_number(bytes + 1, number, size);
    return buffer_add(out, bytes, 1 + size) < 0 ? -1 : 1;
}

/* The bits of a finite number: 1; else 0. */
static int bits_of(PyObject *value, uint64_t *bits) {
    double number = PyFloat_AS_DOUBLE(value);
    if (number - number != 0)
        return 0;
    memcpy(bits, &number, sizeof *bits);
    return 1;
}

/* The UTF-8 of a str, borrowed: 1; 0 where it has a lone surrogate, or is too long. */
static int text_of(PyObject *value, const uint8_t **text, size_t *length) {
    Py_ssize_t size;
    *text = (const uint8_t *)PyUnicode_AsUTF8AndSize(value, &size);
    if (!*text) {
        PyErr_Clear();
        return 0;
    }
    *length = (size_t)size;
    return *length < LONGEST;
}

static int add_integer(Buffer *out, int64_t number) {
    uint8_t bytes[9];
    return buffer_add(out, bytes, (size_t)(write_integer(bytes, number) - bytes)) < 0 ? -1 : 1;
}

/* A length in as few bytes as it needs: in the first byte, if it is below `few`, and then in 1
 * (where `one` is not 0), 2 or 4 behind it. */
static int add_length(Buffer *out, size_t length, size_t few, uint8_t with, uint8_t one,
                      uint8_t two) {
    if (length < few)
        return add_number(out, (uint8_t)(with | length), 0, 0);
    if (one && length <= UINT8_MAX)
        return add_number(out, one, length, 1);
    if (length <= UINT16_MAX)
        return add_number(out, two, length, 2);
    return add_number(out, two + 1, length, 4);
}

static int add_text(Buffer *out, PyObject *value) {
    const uint8_t *text;
    size_t length;
    if (!text_of(value, &text, &length))
        return 0;
    return add_length(out, length, 32, 0xa0, 0xd9, 0xda) < 0 || buffer_add(out, text, length) < 0
               ? -1
               : 1;
}

static int add_value(Buffer *out, PyObject *value, int depth);

static int add_list(Buffer *out, PyObject *const *items, size_t count, int depth) {
    if (count >= LONGEST)
        return 0;
    int added = add_length(out, count, 16, 0x90, 0, 0xdc);
    for (size_t item = 0; added == 1 && item < count; item++)
        added = add_value(out, items[item], depth + 1);
    return added;
}

/* A tuple is an extension, whose header says the length of the list behind it: space for the
 * longest header is left, and the list moves up to the one that it needs. */
static int add_tuple(Buffer *out, PyObject *value, int depth) {
    size_t begin = out->used;
    uint8_t space[6] = {0};
    if (buffer_add(out, space, sizeof space) < 0)
        return -1;
    int added = add_list(out, ((PyTupleObject *)value)->ob_item, (size_t)PyTuple_GET_SIZE(value),
                         depth);
    size_t length = out->used - begin - sizeof space;
    if (added != 1 || length >= LONGEST)
        return added == 1 ? 0 : added;
    uint8_t header[6];
    size_t size = (size_t)(write_tuple_header(header, length) - header);
    memcpy(out->data + begin, header, size);
    memmove(out->data + begin + size, out->data + begin + sizeof space, length);
    out->used = begin + size + length;
    return 1;
}

static int add_dict(Buffer *out, PyObject *value, int depth) {
    PyObject *name, *item;
    Py_ssize_t at = 0;
    size_t count = (size_t)PyDict_GET_SIZE(value);
    int added = count >= LONGEST ? 0 : add_length(out, count, 16, 0x80, 0, 0xde);
    while (added == 1 && PyDict_Next(value, &at, &name, &item)) {
        added = PyUnicode_CheckExact(name) ? add_text(out, name) : 0;
        if (added == 1)
            added = add_value(out, item, depth + 1);
    }
    return added;
}

static int add_value(Buffer *out, PyObject *value, int depth) {
    if (PyUnicode_CheckExact(value))
        return add_text(out, value);
    if (PyLong_CheckExact(value)) {
        int overflow;
        int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow);
        return overflow ? 0 : add_integer(out, number);
    }
    if (value == Py_None)
        return add_number(out, 0xc0, 0, 0);
    if (PyBool_Check(value))
        return add_number(out, value == Py_True ? 0xc3 : 0xc2, 0, 0);
    if (PyFloat_CheckExact(value)) {
        uint64_t bits;
        return bits_of(value, &bits) ? add_number(out, 0xcb, bits, 8) : 0;
    }
    if (PyBytes_CheckExact(value)) {
        size_t length = (size_t)PyBytes_GET_SIZE(value);
        if (length >= LONGEST)
            return 0;
        return add_length(out, length, 0, 0, 0xc4, 0xc5) < 0
                       || buffer_add(out, PyBytes_AS_STRING(value), length) < 0
                   ? -1
                   : 1;
    }
    if (depth >= DEEPEST)
        return 0;
    if (PyDict_CheckExact(value))
        return add_dict(out, value, depth);
    if (PyList_CheckExact(value))
        return add_list(out, ((PyListObject *)value)->ob_item, (size_t)PyList_GET_SIZE(value),
                        depth);
    return PyTuple_CheckExact(value) ? add_tuple(out, value, depth) : 0;
}

int pack_value(Buffer *out, PyObject *value) {
    size_t begin = out->used;
    int added = add_value(out, value, 0);
    if (added == 1 && out->used - begin >= LONGEST)
        added = 0;
    if (added != 1)
        out->used = begin;
    return added;
}

/* Bytes whose zeros are escaped as 00 FF, and an end mark. */
static int add_escaped(Buffer *out, uint8_t tag, const uint8_t *bytes, size_t length) {
    static const uint8_t zero[2] = {0, 0xff};
    if (buffer_add(out, &tag, 1) < 0)
        return -1;
    for (;;) {
        const uint8_t *found = length ? memchr(bytes, 0, length) : NULL;
        size_t before = found ? (size_t)(found - bytes) : length;
        if (buffer_add(out, bytes, before) < 0)
            return -1;
        if (!found)
            return buffer_add(out, zero, 1) < 0 ? -1 : 1;
        if (buffer_add(out, zero, 2) < 0)
            return -1;
        bytes = found + 1;
        length -= before + 1;
    }
}

int pack_text_field(Buffer *out, const uint8_t *text, size_t length) {
    return add_escaped(out, STR_TAG, text, length);
}

int pack_integer_key(Buffer *out, int64_t number) {
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    size_t size = 0;
    while (size < 8 && magnitude >> 8 * size)
        size++;
    uint8_t tag = INT_KEY;
    if (buffer_add(out, &tag, 1) < 0)
        return -1;
    return number < 0 ? add_number(out, (uint8_t)(0x80 - size), ~magnitude, size)
                      : add_number(out, (uint8_t)(0x80 + size), magnitude, size);
}

static int add_integer_key(Buffer *out, PyObject *key) {
    int overflow;
    int64_t number = PyLong_AsLongLongAndOverflow(key, &overflow);
    return overflow ? 0 : pack_integer_key(out, number);
}

static int add_real_key(Buffer *out, PyObject *key) {
    uint64_t bits;
    if (!bits_of(key, &bits))
        return 0;
    if (bits == (uint64_t)1 << 63)
        bits = 0; /* -0.0 equals 0.0 */
    return add_number(out, REAL_KEY, bits >> 63 ? ~bits : bits | (uint64_t)1 << 63, 8);
}

static int add_element(Buffer *out, PyObject *key, int depth);

static int add_elements(Buffer *out, PyObject *key, int depth) {
    uint8_t tag = TUPLE_KEY;
    if (depth >= DEEPEST)
        return 0;
    int added = buffer_add(out, &tag, 1) < 0 ? -1 : 1;
    for (Py_ssize_t item = 0; added == 1 && item < PyTuple_GET_SIZE(key); item++)
        added = add_element(out, PyTuple_GET_ITEM(key, item), depth + 1);
    return added;
}

static int add_element(Buffer *out, PyObject *key, int depth) {
    if (PyUnicode_CheckExact(key)) {
        const uint8_t *text;
        size_t length;
        return text_of(key, &text, &length) ? add_escaped(out, STR_TAG, text, length) : 0;
    }
    if (PyLong_CheckExact(key))
        return add_integer_key(out, key);
    if (PyBool_Check(key))
        return add_number(out, key == Py_True ? YES : NO, 0, 0);
    if (key == Py_None)
        return add_number(out, NO_KEY, 0, 0);
    if (PyFloat_CheckExact(key))
        return add_real_key(out, key);
    if (PyBytes_CheckExact(key))
        return add_escaped(out, BYTES_KEY, (const uint8_t *)PyBytes_AS_STRING(key),
                           (size_t)PyBytes_GET_SIZE(key));
    if (!PyTuple_CheckExact(key))
        return 0;
    int added = add_elements(out, key, depth);
    return added == 1 ? add_number(out, 0, 0, 0) : added;
}

static int add_key(Buffer *out, PyObject *key) {
    if (PyUnicode_CheckExact(key)) {
        const uint8_t *text;
        size_t length;
        uint8_t tag = STR_TAG;
        if (!text_of(key, &text, &length))
            return 0;
        return buffer_add(out, &tag, 1) < 0 || buffer_add(out, text, length) < 0 ? -1 : 1;
    }
    if (PyBytes_CheckExact(key)) {
        uint8_t tag = BYTES_KEY;
        return buffer_add(out, &tag, 1) < 0
                       || buffer_add(out, PyBytes_AS_STRING(key), (size_t)PyBytes_GET_SIZE(key)) < 0
                   ? -1
                   : 1;
    }
    return PyTuple_CheckExact(key) ? add_elements(out, key, 0) : add_element(out, key, 0);
}

int pack_key(Buffer *out, PyObject *key) {
    size_t begin = out->used;
    int added = add_key(out, key);
    if (added == 1 && out->used - begin >= LONGEST)
        added = 0;
    if (added != 1)
        out->used = begin;
    return added;
}

static PyObject *take_value(Packed *packed, int depth);

/* Memory for items is taken only as far as there are bytes for them. */
static PyObject *take_list(Packed *packed, uint64_t count, int depth, int is_tuple) {
    if (depth >= DEEPEST || count > packed_left(packed))
        return NULL;
    PyObject *list = is_tuple ? PyTuple_New((Py_ssize_t)count) : PyList_New((Py_ssize_t)count);
    for (uint64_t at = 0; list && at < count; at++) {
        PyObject *item = take_value(packed, depth + 1);
        if (!item)
            Py_CLEAR(list);
        else if (is_tuple)
            PyTuple_SET_ITEM(list, (Py_ssize_t)at, item);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)at, item);
    }
    return list;
}

static PyObject *take_text(Packed *packed, uint64_t length) {
    if (length > packed_left(packed))
        return NULL;
    packed->at += length;
    PyObject *text =
        PyUnicode_DecodeUTF8((const char *)packed->at - length, (Py_ssize_t)length, NULL);
    if (!text && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
        PyErr_Clear();
    return text;
}

static PyObject *take_bytes(Packed *packed, uint64_t length) {
    if (length > packed_left(packed))
        return NULL;
    packed->at += length;
    return PyBytes_FromStringAndSize((const char *)packed->at - length, (Py_ssize_t)length);
}

static PyObject *take_dict(Packed *packed, uint64_t count, int depth) {
    if (depth >= DEEPEST || count > packed_left(packed))
        return NULL;
    PyObject *dict = PyDict_New();
    for (uint64_t at = 0; dict && at < count; at++) {
        PyObject *name = take_value(packed, depth + 1);
        PyObject *item = name && PyUnicode_CheckExact(name) ? take_value(packed, depth + 1) : NULL;
        if (!item || PyDict_SetItem(dict, name, item) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(name);
        Py_XDECREF(item);
    }
    return dict;
}

/* A tuple: an extension whose content is a list, and nothing behind it. */
static PyObject *take_tuple(Packed *packed, uint64_t length, int depth) {
    uint64_t code, count;
    if (!take_number(packed, 1, &code) || code != TUPLE_EXTENSION || !length
        || length > packed_left(packed))
        return NULL;
    Packed content = {packed->at + 1, packed->at + length};
    uint8_t first = *packed->at;
    if (!is_list(first))
        return NULL;
    if ((first & 0xf0) == 0x90)
        count = first & 15;
    else if (!take_number(&content, first == 0xdc ? 2 : 4, &count))
        return NULL;
    PyObject *tuple = take_list(&content, count, depth, 1);
    if (tuple && content.at != content.end)
        Py_CLEAR(tuple);
    packed->at += length;
    return tuple;
}

/* The types whose first byte is followed by a number: a length, or the number itself. */
static PyObject *take_long(Packed *packed, uint8_t first, int depth) {
    uint64_t number;
    double real;
    size_t size = number_size(first);
    if (!size || !take_number(packed, size, &number))
        return NULL;
    switch (first) {
    case 0xc4: case 0xc5: case 0xc6:
        return take_bytes(packed, number);
    case 0xc7: case 0xc8: case 0xc9:
        return take_tuple(packed, number, depth);
    case 0xcb:
        memcpy(&real, &number, sizeof real);
        return PyFloat_FromDouble(real);
    case 0xcc: case 0xcd: case 0xce: case 0xcf:
        return PyLong_FromUnsignedLongLong(number);
    case 0xd0:
        return PyLong_FromLong((int8_t)number);
    case 0xd1:
        return PyLong_FromLong((int16_t)number);
    case 0xd2:
        return PyLong_FromLong((int32_t)number);
    case 0xd3:
        return PyLong_FromLongLong((int64_t)number);
    case 0xd9: case 0xda: case 0xdb:
        return take_text(packed, number);
    case 0xdc: case 0xdd:
        return take_list(packed, number, depth, 0);
    case 0xde: case 0xdf:
        return take_dict(packed, number, depth);
    default:
        return NULL;
    }
}

static PyObject *take_value(Packed *packed, int depth) {
    if (packed->at == packed->end)
        return NULL;
    uint8_t first = *packed->at++;
    if (first < 0x80)
        return PyLong_FromLong(first);
    if (first < 0x90)
        return take_dict(packed, first & 15, depth);
    if (first < 0xa0)
        return take_list(packed, first & 15, depth, 0);
    if (first < 0xc0)
        return take_text(packed, first & 31);
    if (first >= 0xe0)
        return PyLong_FromLong((int8_t)first);
    if (first == 0xc0)
        return Py_NewRef(Py_None);
    if (first == 0xc2 || first == 0xc3)
        return Py_NewRef(first == 0xc3 ? Py_True : Py_False);
    if (first >= 0xd4 && first <= 0xd8)
        return take_tuple(packed, (uint64_t)1 << (first - 0xd4), depth);
    return take_long(packed, first, depth);
}

PyObject *unpack_value(const uint8_t *encoded, size_t length) {
    Packed packed = {encoded, encoded + length};
    PyObject *value = take_value(&packed, 0);
    if (value && packed.at != packed.end)
        Py_CLEAR(value);
    return value;
}
