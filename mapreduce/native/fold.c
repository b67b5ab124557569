/* Folds the states of each key of sorted frames into one, or into its result, as the aggregations of
 * mapreduce/aggregate.py do: Sum, Count, Min, Max, Mean and TopK, alone or several of a key.
 *
 * A sum of floats is held as an integer of 2^-80. A state that this cannot hold, and what is no
 * state of these aggregations, is left to Python, key by key: Python's answer and this one are the
 * same bytes.
 *
 * The Fold owns a reference to the iterator of frames, and to the frame that the cursor borrows
 * from. The key and the states of a group are copies: the next frame may drop theirs. The iterator
 * and `otherwise` may run any code of Python; `busy` refuses calls from there.
 */
#include "encoded.h"
#include "states.h"

#include <math.h>

#define MOST 64 /* aggregations of a key */

/* What an aggregation of a key has gathered. */
typedef struct {
    Wide total;      /* of the integers */
    Wide fixed;      /* of the floats, in units of 2^-80 */
    size_t lists;    /* states with floats */
    const uint8_t *parts; /* the floats of the last of these, as they are encoded */
    size_t parts_count;
    Wide count;
    int is_real, is_set; /* an extreme, or the greatest values */
    double real;
    int64_t integer;
    size_t tops; /* states of the greatest values */
} Cell;

#define LONGEST_LIST 65535

typedef struct {
    PyObject_HEAD
    PyObject *frames, *frame, *otherwise;
    PyObject *program, *header, *prefixes;
    int makes_results, busy, ended;
    FrameCursor cursor;
    Cell cells[MOST];
    Buffer values[MOST]; /* the greatest values of each cell, of 64 bits */
    size_t limits[MOST]; /* how many of them are kept */
    Buffer key, states, ends, out; /* of the group; `ends` are of size_t */
    FrameBuilder builder;
} Fold;

static size_t aggregations(const Fold *self) {
    return (size_t)PyBytes_GET_SIZE(self->program);
}

static int is_alone(const Fold *self) {
    return !PyBytes_GET_SIZE(self->header);
}

/* -- reading: 1, or 0 where Python must merge ----------------------------------------------------- */

static int read_integer(Packed *packed, Wide *number) {
    if (packed->at == packed->end)
        return 0;
    uint8_t first = *packed->at++;
    uint64_t bits;
    if (first < 0x80 || first >= 0xe0)
        return *number = (int8_t)first, 1;
    if (first < 0xcc || first > 0xd3 || !take_number(packed, number_size(first), &bits))
        return 0;
    if (first <= 0xcf)
        return *number = (Wide)bits, 1;
    size_t unused = 64 - 8 * number_size(first);
    return *number = (int64_t)(bits << unused) >> unused, 1;
}

/* The length of a list, which is short, as all states are. */
static int read_length(Packed *packed, size_t *length) {
    if (packed->at == packed->end)
        return 0;
    uint8_t first = *packed->at++;
    uint64_t number = first & 15;
    if (first == 0xdc ? !take_number(packed, 2, &number) : first >> 4 != 9)
        return 0;
    return *length = (size_t)number, 1;
}

static int read_real(Packed *packed, double *real) {
    uint64_t bits;
    if (packed->at == packed->end || *packed->at != 0xcb)
        return 0;
    packed->at++;
    if (!take_number(packed, 8, &bits))
        return 0;
    memcpy(real, &bits, sizeof bits);
    return 1;
}

static int read_sum(Packed *packed, Cell *cell) {
    Wide number;
    size_t length = 1;
    int is_sum_of_floats = packed->at < packed->end && is_list(*packed->at);
    if ((is_sum_of_floats && !read_length(packed, &length)) || !length
        || !read_integer(packed, &number))
        return 0;
    if (__builtin_add_overflow(cell->total, number, &cell->total))
        return 0;
    if (!is_sum_of_floats)
        return 1;
    cell->lists++;
    cell->parts = packed->at;
    cell->parts_count = length - 1;
    for (size_t part = 1; part < length; part++) {
        double real;
        if (!read_real(packed, &real) || !fixed_of(real, &number)
            || __builtin_add_overflow(cell->fixed, number, &cell->fixed))
            return 0;
    }
    return 1;
}

static int read_mean(Packed *packed, Cell *cell) {
    Wide count;
    size_t length;
    return read_length(packed, &length) && length == 2 && read_integer(packed, &count) && count > 0
           && !__builtin_add_overflow(cell->count, count, &cell->count) && read_sum(packed, cell);
}

/* Of values that are equal, the first stays. */
static int read_extreme(Packed *packed, Cell *cell, int is_least) {
    double real = 0;
    Wide number = 0;
    int is_real = packed->at < packed->end && *packed->at == 0xcb;
    if (is_real ? !read_real(packed, &real) || real - real != 0
                : !read_integer(packed, &number) || number > INT64_MAX)
        return 0;
    if (cell->is_set && cell->is_real != is_real)
        return 0;
    int64_t integer = (int64_t)number;
    int is_better = !cell->is_set
                    || (is_real ? (is_least ? real < cell->real : real > cell->real)
                                : (is_least ? integer < cell->integer : integer > cell->integer));
    if (is_better) {
        cell->real = real;
        cell->integer = integer;
    }
    cell->is_set = 1;
    cell->is_real = is_real;
    return 1;
}

/* All are integers, or all are floats; -0.0 equals 0.0, so that Python knows which comes first. */
static int read_top(Packed *packed, Cell *cell, Buffer *values) {
    size_t length;
    if (!read_length(packed, &length) || !length)
        return 0;
    for (size_t at = 0; at < length; at++) {
        double real = 0;
        Wide number = 0;
        int is_real = packed->at < packed->end && *packed->at == 0xcb;
        if (is_real ? !read_real(packed, &real) || real - real != 0 || (real == 0 && signbit(real))
                    : !read_integer(packed, &number) || number > INT64_MAX)
            return 0;
        if (cell->is_set && cell->is_real != is_real)
            return 0;
        cell->is_set = 1;
        cell->is_real = is_real;
        int64_t integer = (int64_t)number;
        if (buffer_add(values, is_real ? (void *)&real : (void *)&integer, 8) < 0)
            return -1;
    }
    cell->tops++;
    return 1;
}

static int read_cell(Fold *self, Packed *packed, size_t at) {
    Cell *cell = &self->cells[at];
    switch (PyBytes_AS_STRING(self->program)[at]) {
    case 's':
        return read_sum(packed, cell);
    case 'a':
        return read_mean(packed, cell);
    case 'l':
        return read_extreme(packed, cell, 1);
    case 'g':
        return read_extreme(packed, cell, 0);
    default:
        return read_top(packed, cell, &self->values[at]);
    }
}

/* Add a state to the cells: 1; 0 where Python must merge; -1 with MemoryError. */
static int read_state(Fold *self, Packed packed) {
    size_t header = (size_t)PyBytes_GET_SIZE(self->header);
    if (packed_left(&packed) < header
        || memcmp(packed.at, PyBytes_AS_STRING(self->header), header))
        return 0;
    packed.at += header;
    for (size_t at = 0; at < aggregations(self); at++) {
        int is_read = read_cell(self, &packed, at);
        if (is_read != 1)
            return is_read;
    }
    return packed.at == packed.end;
}

/* -- writing: 1, 0 where Python must merge, -1 with MemoryError ------------------------------------ */

static int put_integer(Buffer *out, Wide number) {
    if (number < INT64_MIN || number > INT64_MAX)
        return 0;
    return state_put_integer(out, (int64_t)number) < 0 ? -1 : 1;
}

static int put_real(Buffer *out, double real) {
    return state_put_real(out, real) < 0 ? -1 : 1;
}

static int put_sum(Buffer *out, const Cell *cell) {
    if (!cell->lists)
        return put_integer(out, cell->total);
    if (cell->lists > 1) { /* as `Sum.merge` condenses them */
        if (cell->total < INT64_MIN || cell->total > INT64_MAX || !is_narrow(cell->fixed))
            return 0;
        return state_put_sum(out, (int64_t)cell->total, cell->fixed) < 0 ? -1 : 1;
    }
    if (state_put_list(out, 1 + cell->parts_count) < 0)
        return -1;
    int put = put_integer(out, cell->total);
    if (put == 1 && buffer_add(out, cell->parts, 9 * cell->parts_count) < 0)
        return -1;
    return put;
}

/* All of a sum in units of 2^-80: 1; 0 where it is too large. */
static int whole_sum(const Cell *cell, Wide *sum) {
    Wide most = (Wide)1 << 45;
    if (cell->total > most || cell->total < -most)
        return 0;
    *sum = cell->total * ((Wide)1 << FIXED_BITS);
    return !__builtin_add_overflow(*sum, cell->fixed, sum) && is_narrow(*sum);
}

static int put_sum_result(Buffer *out, const Cell *cell) {
    Wide sum;
    if (!cell->lists)
        return put_integer(out, cell->total);
    return whole_sum(cell, &sum) ? put_real(out, ldexp((double)sum, -FIXED_BITS)) : 0;
}

static int put_mean_result(Buffer *out, const Cell *cell) {
    Wide sum = cell->total;
    if (cell->count > INT64_MAX || (cell->lists ? !whole_sum(cell, &sum) : !is_narrow(sum)))
        return 0;
    double mean = rounded_quotient(sum, (uint64_t)cell->count);
    return put_real(out, ldexp(mean, cell->lists ? -FIXED_BITS : 0));
}

static int put_mean(Buffer *out, const Cell *cell) {
    if (state_put_list(out, 2) < 0)
        return -1;
    int put = put_integer(out, cell->count);
    return put == 1 ? put_sum(out, cell) : put;
}

static int compare_reals(const void *a, const void *b) {
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static int compare_integers(const void *a, const void *b) {
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

/* The values of a state that was never merged stay as they are. */
static int put_top(const Fold *self, Buffer *out, size_t at, int is_least) {
    const Cell *cell = &self->cells[at];
    uint8_t *values = self->values[at].data;
    size_t count = self->values[at].used / 8, kept = count;
    int is_merged = self->makes_results || cell->tops > 1;
    if (is_merged) {
        qsort(values, count, 8, cell->is_real ? compare_reals : compare_integers);
        kept = count < self->limits[at] ? count : self->limits[at];
    }
    if (kept > LONGEST_LIST)
        return 0;
    int put = state_put_list(out, kept) < 0 ? -1 : 1;
    for (size_t each = 0; put == 1 && each < kept; each++) {
        uint64_t bits = load64(values + 8 * (is_merged && !is_least ? count - 1 - each : each));
        double real;
        memcpy(&real, &bits, sizeof real);
        put = cell->is_real ? put_real(out, real) : put_integer(out, (int64_t)bits);
    }
    return put;
}

static int put_cell(const Fold *self, Buffer *out, size_t at) {
    char kind = PyBytes_AS_STRING(self->program)[at];
    const Cell *cell = &self->cells[at];
    if (kind == 't' || kind == 'u')
        return put_top(self, out, at, kind == 'u');
    if (kind == 's')
        return self->makes_results ? put_sum_result(out, cell) : put_sum(out, cell);
    if (kind == 'a')
        return self->makes_results ? put_mean_result(out, cell) : put_mean(out, cell);
    return cell->is_real ? put_real(out, cell->real) : put_integer(out, cell->integer);
}

/* Write what the cells hold to `out`. */
static int put_all(Fold *self) {
    self->out.used = 0;
    for (size_t at = 0; at < aggregations(self); at++) {
        PyObject *prefix = PyTuple_GET_ITEM(self->prefixes, (Py_ssize_t)at);
        if (buffer_add(&self->out, PyBytes_AS_STRING(prefix), (size_t)PyBytes_GET_SIZE(prefix)) < 0)
            return -1;
        int put = put_cell(self, &self->out, at);
        if (put != 1)
            return put;
    }
    return 1;
}

/* -- groups --------------------------------------------------------------------------------------- */

/* The bounds of a group's state. */
static Packed state_at(const Fold *self, size_t at) {
    const size_t *ends = (const size_t *)(const void *)self->ends.data;
    const uint8_t *states = self->states.data;
    return (Packed){states + (at ? ends[at - 1] : 0), states + ends[at]};
}

static size_t states_held(const Fold *self) {
    return self->ends.used / sizeof(size_t);
}

/* Copy the state of the pair at the cursor. */
static int hold_state(Fold *self) {
    Pair pair = cursor_pair(&self->cursor);
    int failed = pair.value_length == IS_INT
                     ? state_put_integer(&self->states, pair.number)
                     : buffer_add(&self->states, pair.encoded, pair.value_length);
    size_t end = self->states.used;
    return failed < 0 ? -1 : buffer_add(&self->ends, &end, sizeof end);
}

/* Move the cursor on: 1; 0 at the end of the frames; -1 with an exception. */
static int advance(Fold *self) {
    if (self->frame) {
        cursor_next(&self->cursor);
        if (self->cursor.at < self->cursor.pairs)
            return 1;
    }
    do {
        Py_CLEAR(self->frame);
        self->frame = PyIter_Next(self->frames);
        if (!self->frame)
            return PyErr_Occurred() ? -1 : 0;
        if (cursor_open(&self->cursor, self->frame) < 0)
            return -1;
    } while (!self->cursor.pairs);
    return 1;
}

/* Copy the group at the cursor, and move behind it; -1 with an exception. */
static int hold_group(Fold *self) {
    Pair first = cursor_pair(&self->cursor);
    self->key.used = self->states.used = self->ends.used = 0;
    if (buffer_add(&self->key, first.key, first.key_length) < 0)
        return -1;
    int found = 1;
    while (found == 1) {
        if (hold_state(self) < 0)
            return -1;
        found = advance(self);
        if (found == 1) {
            Pair pair = cursor_pair(&self->cursor);
            if (compare_bytes(pair.key, pair.key_length, self->key.data, self->key.used))
                return 0;
        }
    }
    self->ended = found == 0;
    return found;
}

/* Let Python merge the group; a new reference to an int or bytes, or NULL with its exception. */
static PyObject *by_python(Fold *self) {
    size_t count = states_held(self);
    PyObject *states = PyList_New((Py_ssize_t)count);
    for (size_t at = 0; states && at < count; at++) {
        Packed state = state_at(self, at);
        PyObject *bytes =
            PyBytes_FromStringAndSize((const char *)state.at, (Py_ssize_t)packed_left(&state));
        if (!bytes)
            Py_CLEAR(states);
        else
            PyList_SET_ITEM(states, (Py_ssize_t)at, bytes);
    }
    if (!states)
        return NULL;
    return PyObject_CallFunction(self->otherwise, "y#N", (const char *)self->key.data,
                                 (Py_ssize_t)self->key.used, states);
}

static int add_by_python(Fold *self, Pair *pair) {
    PyObject *merged = by_python(self);
    if (!merged)
        return -1;
    int failed = -1;
    if (PyBytes_Check(merged) && PyBytes_GET_SIZE(merged) < (Py_ssize_t)IS_INT) {
        pair->encoded = (const uint8_t *)PyBytes_AS_STRING(merged);
        pair->value_length = (uint32_t)PyBytes_GET_SIZE(merged);
        failed = builder_add(&self->builder, pair);
    } else {
        pair->value_length = IS_INT;
        pair->number = PyLong_AsLongLong(merged);
        if (pair->number != -1 || !PyErr_Occurred())
            failed = builder_add(&self->builder, pair);
    }
    Py_DECREF(merged);
    return failed;
}

/* Append the group that is held, folded; -1 with an exception. */
static int add_folded(Fold *self) {
    Pair pair = {self->key.data, (uint32_t)self->key.used, 0, 0, NULL};
    size_t count = states_held(self);
    memset(self->cells, 0, aggregations(self) * sizeof *self->cells);
    for (size_t at = 0; at < aggregations(self); at++)
        self->values[at].used = 0;
    int put = 1;
    for (size_t at = 0; put == 1 && at < count; at++)
        put = read_state(self, state_at(self, at));
    if (put == 1)
        put = put_all(self);
    if (put < 0)
        return -1;
    if (!put)
        return add_by_python(self, &pair);
    Packed folded = {self->out.data, self->out.data + self->out.used};
    Wide number;
    /* an integer alone is no bytes in a frame */
    if (is_alone(self) && read_integer(&folded, &number) && folded.at == folded.end) {
        pair.value_length = IS_INT;
        pair.number = (int64_t)number;
    } else {
        pair.value_length = (uint32_t)self->out.used;
        pair.encoded = self->out.data;
    }
    return builder_add(&self->builder, &pair);
}

static PyObject *next_folded(Fold *self) {
    if (!self->frame && !self->ended) {
        int found = advance(self);
        if (found < 0)
            return NULL;
        self->ended = !found;
    }
    while (!self->ended && !builder_is_full(&self->builder))
        if (hold_group(self) < 0 || add_folded(self) < 0)
            return NULL;
    return self->builder.pairs ? builder_take(&self->builder) : NULL;
}

static PyObject *Fold_next(Fold *self) {
    if (self->busy)
        return PyErr_Format(PyExc_RuntimeError, "the fold is in use");
    self->busy = 1;
    PyObject *frame = next_folded(self);
    self->busy = 0;
    if (!frame) { /* ended, or broken: there is no more */
        self->ended = 1;
        builder_clear(&self->builder);
    }
    return frame;
}

/* Read how many values each cell keeps; -1 with an exception. */
static int read_limits(Fold *self, PyObject *limits) {
    if (PyTuple_GET_SIZE(limits) != (Py_ssize_t)aggregations(self)) {
        PyErr_SetString(PyExc_ValueError, "a limit for each aggregation");
        return -1;
    }
    for (size_t at = 0; at < aggregations(self); at++) {
        self->limits[at] = PyLong_AsSize_t(PyTuple_GET_ITEM(limits, (Py_ssize_t)at));
        if (PyErr_Occurred())
            return -1;
    }
    return 0;
}

static int are_arguments(const char *program, Py_ssize_t count, PyObject *prefixes) {
    int sound = count > 0 && count <= MOST && PyTuple_GET_SIZE(prefixes) == count;
    for (Py_ssize_t at = 0; sound && at < count; at++)
        sound = strchr("salgtu", program[at]) && program[at]
                && PyBytes_Check(PyTuple_GET_ITEM(prefixes, at));
    return sound;
}

static PyObject *Fold_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"frames", "program", "header", "prefixes", "limits",
                            "makes_results", "otherwise", NULL};
    PyObject *frames, *program, *header, *prefixes, *limits, *otherwise;
    int makes_results;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OSSO!O!pO", names, &frames, &program, &header,
                                     &PyTuple_Type, &prefixes, &PyTuple_Type, &limits,
                                     &makes_results, &otherwise))
        return NULL;
    Py_ssize_t count = PyBytes_GET_SIZE(program);
    if (!are_arguments(PyBytes_AS_STRING(program), count, prefixes)
        || (count > 1 && !PyBytes_GET_SIZE(header)))
        return PyErr_Format(PyExc_ValueError, "a kind and a prefix for each aggregation");
    PyObject *iterator = PyObject_GetIter(frames);
    Fold *self = iterator ? (Fold *)type->tp_alloc(type, 0) : NULL;
    if (!self) {
        Py_XDECREF(iterator);
        return NULL;
    }
    self->frames = iterator;
    self->program = Py_NewRef(program);
    self->header = Py_NewRef(header);
    self->prefixes = Py_NewRef(prefixes);
    self->otherwise = Py_NewRef(otherwise);
    self->makes_results = makes_results;
    if (read_limits(self, limits) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int Fold_traverse(Fold *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->frames);
    Py_VISIT(self->frame);
    Py_VISIT(self->otherwise);
    Py_VISIT(self->prefixes);
    return 0;
}

/* Break cycles. The fold may still be called, and has ended. */
static int Fold_clear(Fold *self) {
    self->ended = 1;
    Py_CLEAR(self->frames);
    Py_CLEAR(self->frame);
    Py_CLEAR(self->otherwise);
    return 0;
}

static void Fold_dealloc(Fold *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Fold_clear(self);
    Py_CLEAR(self->program);
    Py_CLEAR(self->header);
    Py_CLEAR(self->prefixes);
    for (int at = 0; at < MOST; at++)
        buffer_free(&self->values[at]);
    buffer_free(&self->key);
    buffer_free(&self->states);
    buffer_free(&self->ends);
    buffer_free(&self->out);
    builder_free(&self->builder);
    type->tp_free(self);
    Py_DECREF(type); /* an object of a heap type holds its type */
}

static PyType_Slot Fold_slots[] = {
    {Py_tp_doc, "Fold(frames, program, header, prefixes, limits, makes_results, otherwise): the frames "
                "with one state or result for each key."},
    {Py_tp_new, Fold_new},
    {Py_tp_dealloc, Fold_dealloc},
    {Py_tp_traverse, Fold_traverse},
    {Py_tp_clear, Fold_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, Fold_next},
    {0, NULL}};

PyType_Spec fold_spec = {
    .name = "mapreduce.native.extension.Fold",
    .basicsize = sizeof(Fold),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Fold_slots,
};
