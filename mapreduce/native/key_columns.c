/* Keys that lie in columns, as Arrow holds them: texts, integers and bools, alone or as tuples.
 *
 * A KeyColumns holds the buffers of its fields until it is closed. Their lengths and the ends of the
 * texts are checked when it is opened, so that no read behind it needs a check.
 */
#include "key_columns.h"
#include "encoded.h"
#include "pack.h"

/* Whether texts lie one behind the other within the data. */
static int are_texts(const KeyField *field, size_t rows) {
    if ((size_t)field->ends.len != 4 * (rows + 1) || field->data.len > INT32_MAX)
        return 0;
    uint32_t last = load32(field->ends.buf);
    for (size_t row = 1; row <= rows; row++) {
        uint32_t end = load32((const uint8_t *)field->ends.buf + 4 * row);
        if (end < last)
            return 0;
        last = end;
    }
    return last <= (size_t)field->data.len;
}

static int are_sound(const KeyField *field, char step, size_t rows) {
    if (field->valid.buf && (size_t)field->valid.len < (rows + 7) / 8)
        return 0;
    if (step == 't')
        return field->ends.buf && are_texts(field, rows);
    return !field->ends.buf && (size_t)field->data.len == 8 * rows;
}

/* Whether the steps are one field or one tuple, with a place for each field. */
static int are_steps(const char *steps, size_t count) {
    size_t fields = 0, length = strlen(steps);
    int depth = 0;
    if (!length || length > KEY_STEPS)
        return 0;
    for (size_t at = 0; at < length; at++) {
        if (!strchr("tnb()", steps[at]) || (at && !depth))
            return 0;
        depth += (steps[at] == '(') - (steps[at] == ')');
        fields += steps[at] != '(' && steps[at] != ')';
        if (depth < 0)
            return 0;
    }
    return !depth && fields == count;
}

int key_columns_open(KeyColumns *columns, const char *steps, PyObject *fields, size_t rows) {
    size_t count = (size_t)PyTuple_GET_SIZE(fields);
    memset(columns, 0, sizeof *columns);
    columns->rows = rows;
    int sound = are_steps(steps, count);
    if (sound)
        memcpy(columns->steps, steps, strlen(steps) + 1);
    for (size_t at = 0; sound && at < count; at++) {
        KeyField *field = &columns->fields[at];
        PyObject *given = PyTuple_GET_ITEM(fields, (Py_ssize_t)at);
        if (!PyTuple_Check(given)) {
            sound = 0;
            break;
        }
        columns->count++; /* before its buffers, which are released one by one */
        if (!PyArg_ParseTuple(given, "z*z*y*", &field->valid, &field->ends, &field->data)) {
            memset(field, 0, sizeof *field); /* released already */
            return -1;
        }
    }
    for (size_t at = 0, field = 0; sound && columns->steps[at]; at++)
        if (columns->steps[at] != '(' && columns->steps[at] != ')')
            sound = are_sound(&columns->fields[field++], columns->steps[at], rows);
    if (!sound)
        PyErr_SetString(PyExc_ValueError, "the columns of the keys do not have this form");
    return sound ? 0 : -1;
}

void key_columns_close(KeyColumns *columns) {
    for (size_t at = 0; at < columns->count; at++) {
        PyBuffer_Release(&columns->fields[at].valid);
        PyBuffer_Release(&columns->fields[at].ends);
        PyBuffer_Release(&columns->fields[at].data);
    }
}

static int put_byte(Buffer *out, uint8_t byte) {
    return buffer_add(out, &byte, 1);
}

static int put_text(Buffer *out, const KeyField *field, size_t row, int is_alone) {
    const uint8_t *ends = (const uint8_t *)field->ends.buf + 4 * row;
    uint32_t start = load32(ends), length = load32(ends + 4) - start;
    const uint8_t *text = (const uint8_t *)field->data.buf + start;
    if (!is_alone)
        return pack_text_field(out, text, length);
    return put_byte(out, STR_TAG) < 0 ? -1 : buffer_add(out, text, length);
}

static int put_field(Buffer *out, const KeyField *field, char step, size_t row, int is_alone) {
    const uint8_t *valid = field->valid.buf;
    if (valid && !(valid[row / 8] >> row % 8 & 1))
        return put_byte(out, NO_KEY);
    if (step == 't')
        return put_text(out, field, row, is_alone);
    int64_t number = (int64_t)load64((const uint8_t *)field->data.buf + 8 * row);
    return step == 'b' ? put_byte(out, number ? YES : NO) : pack_integer_key(out, number);
}

int key_columns_put(const KeyColumns *columns, Buffer *out, size_t row) {
    const KeyField *field = columns->fields;
    int depth = 0, is_alone = columns->steps[1] == 0;
    for (const char *step = columns->steps; *step; step++) {
        int failed;
        if (*step == '(')
            failed = put_byte(out, (depth++, TUPLE_KEY));
        else if (*step == ')')
            failed = --depth ? put_byte(out, 0) : 0; /* a tuple that stands alone has no end mark */
        else
            failed = put_field(out, field++, *step, row, is_alone);
        if (failed < 0)
            return -1;
    }
    return 0;
}
