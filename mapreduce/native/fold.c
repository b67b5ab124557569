/* Folds the states of each key of sorted frames into one, or into its result, as the aggregations of
 * mapreduce/aggregate.py do: Sum, Count, Min, Max, Mean, TopK, Variance and Quantiles, alone or
 * several of a key.
 *
 * A sum of floats is held as an integer of 2^-80. A state that this cannot hold, and what is no
 * state of these aggregations, is left to Python, key by key: Python's answer and this one are the
 * same bytes.
 *
 * The Fold owns a reference to the iterator of frames, and to the frame that the cursor borrows
 * from. The key and the states of a group are copies: the next frame may drop theirs. The iterator
 * and `otherwise` may run any code of Python; `busy` refuses calls from there.
 */
#include "spread.h"

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
    size_t lists_read; /* states of the greatest values, or of quantiles */
    Packed state;      /* the last of these */
    Spread spread;
} Cell;

#define CONDENSED_BYTES (16 << 20) /* states of a key that are held before they are merged */

typedef struct {
    PyObject_HEAD
    PyObject *frames, *frame, *otherwise;
    PyObject *program, *header, *prefixes;
    int makes_results, busy, ended;
    FrameCursor cursor;
    Cell cells[MOST];
    Buffer values[MOST]; /* the greatest values of each cell, of 64 bits */
    Values counted[MOST]; /* the values of each cell's quantiles */
    Buffer options[MOST]; /* of each aggregation, of uint64_t: see read_options */
    Buffer key, states, ends, out; /* of the group; `ends` are of size_t */
    size_t most_held; /* bytes of states, before they are merged */
    HashSeeds seeds;
    FrameBuilder builder;
} Fold;

static size_t aggregations(const Fold *self) {
    return (size_t)PyBytes_GET_SIZE(self->program);
}

static const uint64_t *options_of(const Fold *self, size_t at) {
    return (const uint64_t *)(const void *)self->options[at].data;
}

static int is_alone(const Fold *self) {
    return !PyBytes_GET_SIZE(self->header);
}

/* -- reading: 1, or 0 where Python must merge ----------------------------------------------------- */

static int read_sum(Packed *packed, Cell *cell) {
    Wide number;
    size_t length = 1;
    int is_sum_of_floats = packed->at < packed->end && is_list(*packed->at);
    if ((is_sum_of_floats && !state_read_length(packed, &length)) || !length
        || !state_read_integer(packed, &number))
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
        if (!state_read_real(packed, &real) || !fixed_of(real, &number)
            || __builtin_add_overflow(cell->fixed, number, &cell->fixed))
            return 0;
    }
    return 1;
}

static int read_mean(Packed *packed, Cell *cell) {
    Wide count;
    size_t length;
    return state_read_length(packed, &length) && length == 2 && state_read_integer(packed, &count)
           && count > 0 && !__builtin_add_overflow(cell->count, count, &cell->count)
           && read_sum(packed, cell);
}

/* Of values that are equal, the first stays. */
static int read_extreme(Packed *packed, Cell *cell, int is_least) {
    double real = 0;
    Wide number = 0;
    int is_real = packed->at < packed->end && *packed->at == 0xcb;
    if (is_real ? !state_read_real(packed, &real) || real - real != 0
                : !state_read_integer(packed, &number) || number > INT64_MAX)
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
    if (!state_read_length(packed, &length) || !length)
        return 0;
    for (size_t at = 0; at < length; at++) {
        double real = 0;
        Wide number = 0;
        int is_real = packed->at < packed->end && *packed->at == 0xcb;
        if (is_real ? !state_read_real(packed, &real) || real - real != 0
                          || (real == 0 && signbit(real))
                    : !state_read_integer(packed, &number) || number > INT64_MAX)
            return 0;
        if (cell->is_set && cell->is_real != is_real)
            return 0;
        cell->is_set = 1;
        cell->is_real = is_real;
        int64_t integer = (int64_t)number;
        if (buffer_add(values, is_real ? (void *)&real : (void *)&integer, 8) < 0)
            return -1;
    }
    cell->lists_read++;
    return 1;
}

static int read_quantiles(Packed *packed, Cell *cell, Values *values) {
    cell->state.at = packed->at;
    int read = values_read(values, packed);
    cell->state.end = packed->at;
    cell->lists_read++;
    return read;
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
    case 'q':
    case 'Q':
        return read_quantiles(packed, cell, &self->counted[at]);
    case 'v':
    case 'd':
        return spread_read(&cell->spread, packed);
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
static int put_top(const Fold *self, Buffer *out, size_t at, int is_least, int results) {
    const Cell *cell = &self->cells[at];
    uint8_t *values = self->values[at].data;
    size_t count = self->values[at].used / 8, kept = count, limit = options_of(self, at)[0];
    int is_merged = results || cell->lists_read > 1;
    if (is_merged) {
        qsort(values, count, 8, cell->is_real ? compare_reals : compare_integers);
        kept = count < limit ? count : limit;
    }
    int put = state_put_list(out, kept) < 0 ? -1 : 1;
    for (size_t each = 0; put == 1 && each < kept; each++) {
        uint64_t bits = load64(values + 8 * (is_merged && !is_least ? count - 1 - each : each));
        double real;
        memcpy(&real, &bits, sizeof real);
        put = cell->is_real ? put_real(out, real) : put_integer(out, (int64_t)bits);
    }
    return put;
}

/* A state that was never merged stays as it is. */
static int put_quantiles(Fold *self, Buffer *out, size_t at, int are_several, int results) {
    const Cell *cell = &self->cells[at];
    const uint64_t *options = options_of(self, at);
    size_t shares = self->options[at].used / (2 * sizeof *options);
    if (!results && cell->lists_read == 1)
        return buffer_add(out, cell->state.at, packed_left(&cell->state)) < 0 ? -1 : 1;
    if (!results)
        return values_put_counted(&self->counted[at], &self->seeds, out);
    int put = are_several && state_put_list(out, shares) < 0 ? -1 : 1;
    for (size_t share = 0; put == 1 && share < shares; share++)
        put = values_put_quantile(&self->counted[at], &self->seeds, options[1 + 2 * share],
                                  options[2 + 2 * share], (int)options[0], out);
    return put;
}

static int put_cell(Fold *self, Buffer *out, size_t at, int results) {
    char kind = PyBytes_AS_STRING(self->program)[at];
    const Cell *cell = &self->cells[at];
    switch (kind) {
    case 't':
    case 'u':
        return put_top(self, out, at, kind == 'u', results);
    case 'q':
    case 'Q':
        return put_quantiles(self, out, at, kind == 'Q', results);
    case 'v':
    case 'd':
        if (results)
            return spread_put_result(&cell->spread, (int)options_of(self, at)[0], kind == 'd', out);
        return spread_put(&cell->spread, out) < 0 ? -1 : 1;
    case 's':
        return results ? put_sum_result(out, cell) : put_sum(out, cell);
    case 'a':
        return results ? put_mean_result(out, cell) : put_mean(out, cell);
    default:
        return cell->is_real ? put_real(out, cell->real) : put_integer(out, cell->integer);
    }
}

/* Write what the cells hold to `out`: a result, or the state, which begins with the header. */
static int put_all(Fold *self, int results) {
    PyObject *header = self->header;
    self->out.used = 0;
    if (!results
        && buffer_add(&self->out, PyBytes_AS_STRING(header), (size_t)PyBytes_GET_SIZE(header)) < 0)
        return -1;
    for (size_t at = 0; at < aggregations(self); at++) {
        PyObject *prefix = PyTuple_GET_ITEM(self->prefixes, (Py_ssize_t)at);
        if (results
            && buffer_add(&self->out, PyBytes_AS_STRING(prefix), (size_t)PyBytes_GET_SIZE(prefix))
                   < 0)
            return -1;
        int put = put_cell(self, &self->out, at, results);
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

/* Let Python merge the group; a new reference to an int or bytes, or NULL with its exception. */
static PyObject *by_python(Fold *self, int results) {
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
    return PyObject_CallFunction(self->otherwise, "y#NO", (const char *)self->key.data,
                                 (Py_ssize_t)self->key.used, states,
                                 results ? Py_True : Py_False);
}

/* Write what Python makes of the group to `out`: 1, or -1 with an exception. */
static int put_by_python(Fold *self, int results) {
    PyObject *merged = by_python(self, results);
    if (!merged)
        return -1;
    int failed;
    self->out.used = 0;
    if (PyBytes_Check(merged)) {
        size_t length = (size_t)PyBytes_GET_SIZE(merged);
        failed = buffer_add(&self->out, PyBytes_AS_STRING(merged), length);
    } else {
        int64_t number = PyLong_AsLongLong(merged);
        failed = number == -1 && PyErr_Occurred() ? -1 : state_put_integer(&self->out, number);
    }
    Py_DECREF(merged);
    return failed < 0 ? -1 : 1;
}

/* Write the result of the states that are held, or their merged state, to `out`; as above. */
static int fold_held(Fold *self, int results) {
    size_t count = states_held(self);
    memset(self->cells, 0, aggregations(self) * sizeof *self->cells);
    for (size_t at = 0; at < aggregations(self); at++) {
        self->values[at].used = 0;
        values_clear(&self->counted[at]);
    }
    int put = 1;
    for (size_t at = 0; put == 1 && at < count; at++)
        put = read_state(self, state_at(self, at));
    if (put == 1)
        put = put_all(self, results);
    return put ? put : put_by_python(self, results);
}

/* Hold one state in place of many long ones; -1 with an exception. */
static int condense(Fold *self) {
    if (self->states.used < self->most_held || states_held(self) == 1)
        return 0;
    if (fold_held(self, 0) < 0)
        return -1;
    self->states.used = self->ends.used = 0;
    size_t length = self->out.used;
    self->most_held = 2 * length > CONDENSED_BYTES ? 2 * length : CONDENSED_BYTES;
    return buffer_add(&self->states, self->out.data, length) < 0
                   || buffer_add(&self->ends, &length, sizeof length) < 0
               ? -1
               : 0;
}

/* Copy the group at the cursor, and move behind it; -1 with an exception. */
static int hold_group(Fold *self) {
    Pair first = cursor_pair(&self->cursor);
    self->key.used = self->states.used = self->ends.used = 0;
    self->most_held = CONDENSED_BYTES;
    if (buffer_add(&self->key, first.key, first.key_length) < 0)
        return -1;
    int found = 1;
    while (found == 1) {
        if (hold_state(self) < 0 || condense(self) < 0)
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

/* Append the group that is held, folded; -1 with an exception. */
static int add_folded(Fold *self) {
    Pair pair = {self->key.data, (uint32_t)self->key.used, 0, 0, NULL};
    if (fold_held(self, self->makes_results) < 0)
        return -1;
    Packed folded = {self->out.data, self->out.data + self->out.used};
    Wide number;
    /* an integer alone is no bytes in a frame */
    if (is_alone(self) && state_read_integer(&folded, &number) && folded.at == folded.end
        && number <= INT64_MAX) {
        pair.value_length = IS_INT;
        pair.number = (int64_t)number;
    } else if (self->out.used < IS_INT) {
        pair.value_length = (uint32_t)self->out.used;
        pair.encoded = self->out.data;
    } else {
        PyErr_SetString(PyExc_OverflowError, "a state of 4 GiB or more cannot be carried");
        return -1;
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

/* Whether these are the options of an aggregation: the number of greatest values; whether a variance
 * is of a sample; whether quantiles interpolate, and the numerator and denominator of each share. */
static int are_options(char kind, const uint64_t *options, size_t count) {
    if (kind != 'q' && kind != 'Q')
        return count == (strchr("tuvd", kind) ? 1 : 0);
    for (size_t at = 1; at + 1 < count; at += 2)
        if (options[at] > options[at + 1] || !options[at + 1] || options[at + 1] >> 62)
            return 0;
    return count > 1 && count % 2 && (kind == 'Q' || count == 3);
}

/* Read the options of each aggregation; -1 with an exception. */
static int read_options(Fold *self, PyObject *given) {
    int sound = PyTuple_GET_SIZE(given) == (Py_ssize_t)aggregations(self);
    for (size_t at = 0; sound && at < aggregations(self); at++) {
        PyObject *of_one = PyTuple_GET_ITEM(given, (Py_ssize_t)at);
        Py_ssize_t count = PyTuple_Check(of_one) ? PyTuple_GET_SIZE(of_one) : -1;
        for (Py_ssize_t each = 0; each < count; each++) {
            uint64_t number = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(of_one, each));
            if (PyErr_Occurred() || buffer_add(&self->options[at], &number, sizeof number) < 0)
                return -1;
        }
        sound = count >= 0
                && are_options(PyBytes_AS_STRING(self->program)[at], options_of(self, at),
                               (size_t)count);
    }
    if (!sound)
        PyErr_SetString(PyExc_ValueError, "the options of each aggregation");
    return sound ? 0 : -1;
}

static int are_arguments(const char *program, Py_ssize_t count, PyObject *prefixes) {
    int sound = count > 0 && count <= MOST && PyTuple_GET_SIZE(prefixes) == count;
    for (Py_ssize_t at = 0; sound && at < count; at++)
        sound = strchr("salgtuqQvd", program[at]) && program[at]
                && PyBytes_Check(PyTuple_GET_ITEM(prefixes, at));
    return sound;
}

static PyObject *Fold_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"frames", "program", "header", "prefixes", "options",
                            "makes_results", "otherwise", NULL};
    PyObject *frames, *program, *header, *prefixes, *options, *otherwise;
    int makes_results;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OSSO!O!pO", names, &frames, &program, &header,
                                     &PyTuple_Type, &prefixes, &PyTuple_Type, &options,
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
    self->seeds = ((ModuleState *)PyType_GetModuleState(type))->seeds;
    if (read_options(self, options) < 0)
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
    for (int at = 0; at < MOST; at++) {
        buffer_free(&self->values[at]);
        values_free(&self->counted[at]);
        buffer_free(&self->options[at]);
    }
    buffer_free(&self->key);
    buffer_free(&self->states);
    buffer_free(&self->ends);
    buffer_free(&self->out);
    builder_free(&self->builder);
    type->tp_free(self);
    Py_DECREF(type); /* an object of a heap type holds its type */
}

static PyType_Slot Fold_slots[] = {
    {Py_tp_doc, "Fold(frames, program, header, prefixes, options, makes_results, otherwise): the "
                "frames with one state or result for each key."},
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
