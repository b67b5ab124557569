/* Takes the pairs that `map` yields, combines or keeps them, and gives them back sorted, as frames,
 * partition by partition.
 *
 * While a pair is taken, this file holds references to its key and value, as callbacks may change
 * the list that they came from. Afterwards the collector holds copies of their bytes alone. A str
 * key of up to 16 bytes first waits in `waiting`, until its place in the table is in the cache; so
 * a sum may turn out not to fit some pairs later, and the pairs that wait are then made anew from
 * their bytes and refused. Nothing is lost: each pair is in the table, in what is refused, or with
 * the caller.
 */
#include "entries.h"
#include "key_columns.h"
#include "pack.h"
#include "states.h"

static void Collector_dealloc(Collector *self);

/* Append what Python's encoder makes of a key; -1 with an exception. */
static int add_by_python(Collector *self, PyObject *key) {
    PyObject *encoded = PyObject_CallOneArg(self->encode_key, key);
    if (!encoded)
        return -1;
    int failed = -1;
    if (!PyBytes_Check(encoded) || !PyBytes_GET_SIZE(encoded))
        PyErr_SetString(PyExc_TypeError, "a key is encoded as bytes");
    else if (PyBytes_GET_SIZE(encoded) >= UINT32_MAX)
        PyErr_SetString(PyExc_OverflowError, "a key of 4 GiB or more cannot be carried");
    else
        failed = buffer_add(&self->arena, PyBytes_AS_STRING(encoded),
                            (size_t)PyBytes_GET_SIZE(encoded));
    Py_DECREF(encoded);
    return failed;
}

/* The bytes from `begin` on as a key behind those in use of the arena; see encoded_key. */
static const uint8_t *padded_key(Collector *self, size_t begin, size_t *length) {
    *length = self->arena.used - begin;
    self->arena.used = begin;
    /* short keys are padded with zeros */
    if (buffer_reserve(&self->arena, *length + INLINE_BYTES) < 0)
        return NULL;
    uint8_t *at = self->arena.data + begin;
    if (*length < INLINE_BYTES)
        memset(at + *length, 0, INLINE_BYTES - *length);
    if (*at != STR_TAG)
        self->all_str = 0;
    return at;
}

/* Write the key's bytes behind those in use of the arena, and return them, borrowed until the arena
 * grows; set_key or combine_value keeps them. NULL with an exception. */
static const uint8_t *encoded_key(Collector *self, PyObject *key, size_t *length) {
    size_t begin = self->arena.used;
    int packed = pack_key(&self->arena, key);
    if (packed == 0)
        packed = add_by_python(self, key);
    return packed < 0 ? NULL : padded_key(self, begin, length);
}

/* A column of keys: texts, or integers where `ends` is NULL. Borrowed from the caller's buffers,
 * which need not be aligned. */
typedef struct {
    const uint8_t *ends; /* 32-bit: where each text begins, and where the last one ends */
    const uint8_t *data; /* UTF-8, or 64-bit integers */
} KeyColumn;

/* As encoded_key, of a column's key. */
static const uint8_t *column_key(Collector *self, const KeyColumn *keys, Py_ssize_t at,
                                 size_t *length) {
    size_t begin = self->arena.used;
    if (!keys->ends) {
        if (pack_integer_key(&self->arena, (int64_t)load64(keys->data + 8 * at)) < 0)
            return NULL;
        return padded_key(self, begin, length);
    }
    uint32_t start = load32(keys->ends + 4 * at), end = load32(keys->ends + 4 * at + 4);
    if (buffer_reserve(&self->arena, 1 + (end - start)) < 0)
        return NULL;
    self->arena.data[begin] = STR_TAG;
    if (end > start)
        memcpy(self->arena.data + begin + 1, keys->data + start, end - start);
    self->arena.used += 1 + (end - start);
    return padded_key(self, begin, length);
}

/* Call the check with a key; -1 with its exception. Where the partition is the check, the answer is
 * kept, so that it is computed once. */
static int checked(Collector *self, const uint8_t *key, size_t length, uint32_t *partition) {
    if (self->check == Py_None)
        return 0;
    if (self->check == self->partition)
        return asked_partition(self, self->check, key, length, partition);
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)key, (Py_ssize_t)length);
    PyObject *answer = bytes ? PyObject_CallOneArg(self->check, bytes) : NULL;
    Py_XDECREF(bytes);
    Py_XDECREF(answer);
    return answer ? 0 : -1;
}

static void set_key(Collector *self, Entry *entry, const uint8_t *key, size_t length,
                    uint64_t hash) {
    entry->length = (uint32_t)length;
    if (length <= INLINE_BYTES) {
        entry->low = load64(key);
        entry->high = load64(key + 8);
    } else {
        entry->low = hash;
        entry->high = (uint64_t)(key - self->arena.data);
        self->arena.used += length;
    }
}

/* Combine a value with those of its key: 1, or 0 when a sum does not fit. A new key's bytes are at
 * the arena's end. */
static int combine_value(Collector *self, const Waiting *pair, const uint8_t *key) {
    Entry *entry = entries_find(self, pair, key);
    if (entry->length)
        return combine(self->operation, &entry->value, pair->value) < 0 ? 0 : 1;
    entry->length = pair->length;
    entry->value = pair->value;
    entry->value_length = pair->partition;
    if (pair->length <= INLINE_BYTES) {
        entry->low = pair->low;
        entry->high = pair->high;
    } else {
        entry->low = pair->hash;
        entry->high = self->arena.used;
        self->arena.used += pair->length;
    }
    self->used++;
    return 1;
}

/* Combine the pairs that wait, from the last to the first: 1, or 0 when a sum does not fit, which
 * then waits still; -1 with an exception. */
static int settle(Collector *self) {
    while (self->waits && entries_must_grow(self, self->waits))
        if (entries_grow(self) < 0)
            return -1;
    for (; self->waits; self->waits--)
        if (!combine_value(self, &self->waiting[self->waits - 1], NULL))
            return 0;
    return 1;
}

/* A tuple of what the table cannot take: the pairs that wait still, as Python gave them, and one
 * more if it is not NULL, which this steals. */
static PyObject *refused_pairs(Collector *self, PyObject *pair) {
    PyObject *pairs = PyTuple_New((Py_ssize_t)self->waits + (pair ? 1 : 0));
    Py_ssize_t count = 0;
    for (; pairs && self->waits; self->waits--) {
        const Waiting *last = &self->waiting[self->waits - 1];
        const char *text = (const char *)&last->low + 1;
        PyObject *given =
            Py_BuildValue("(s#L)", text, (Py_ssize_t)last->length - 1, (long long)last->value);
        if (!given)
            Py_CLEAR(pairs);
        else
            PyTuple_SET_ITEM(pairs, count++, given);
    }
    if (pairs && pair)
        PyTuple_SET_ITEM(pairs, count, pair);
    else
        Py_XDECREF(pair);
    return pairs;
}

/* 1: taken; 0: refused, as a sum does not fit; 2: taken, but one that waits is refused; -1 with an
 * exception, which `bytes` of NULL stands for. */
static int combine_pair(Collector *self, const uint8_t *bytes, size_t length, int64_t value) {
    if (!bytes)
        return -1;
    Waiting pair = {load64(bytes), load64(bytes + 8), 0, value, (uint32_t)length, UNKNOWN};
    pair.hash = length <= INLINE_BYTES ? short_hash(&self->seeds, pair.low, pair.high, pair.length)
                                       : hash_bytes(&self->seeds, bytes, length);
    if (length <= INLINE_BYTES && bytes[0] == STR_TAG && self->check == Py_None) {
        self->waiting[self->waits++] = pair;
        if (self->size)
            __builtin_prefetch(&self->entries[pair.hash & (self->size - 1)], 1);
        int settled = self->waits < PENDING ? 1 : settle(self);
        return settled ? settled : 2;
    }
    if (entries_must_grow(self, 1) && entries_grow(self) < 0)
        return -1;
    if (self->check != Py_None && !entries_find(self, &pair, bytes)->length
        && checked(self, bytes, length, &pair.partition) < 0)
        return -1;
    return combine_value(self, &pair, bytes);
}

static int keep_value(Collector *self, Entry *entry, PyObject *value) {
    size_t begin = self->arena.used;
    int packed = pack_value(&self->arena, value);
    if (packed < 0)
        return -1;
    if (packed) {
        entry->value = (int64_t)begin;
        entry->value_length = (uint32_t)(self->arena.used - begin);
        return 0;
    }
    PyObject *encoded = PyObject_CallOneArg(self->encode_value, value);
    if (!encoded)
        return -1;
    int failed = -1;
    if (!PyBytes_Check(encoded))
        PyErr_SetString(PyExc_TypeError, "a value is encoded as bytes");
    else if (PyBytes_GET_SIZE(encoded) >= IS_INT)
        PyErr_SetString(PyExc_OverflowError, "a value of 4 GiB or more cannot be carried");
    else {
        entry->value = (int64_t)self->arena.used;
        entry->value_length = (uint32_t)PyBytes_GET_SIZE(encoded);
        failed = buffer_add(&self->arena, PyBytes_AS_STRING(encoded), entry->value_length);
    }
    Py_DECREF(encoded);
    return failed;
}

/* `value` is NULL where it is `number`; -1 with an exception, which `bytes` of NULL stands for. */
static int keep_pair(Collector *self, const uint8_t *bytes, size_t length, PyObject *value,
                     int64_t number) {
    uint32_t partition;
    if (!bytes || checked(self, bytes, length, &partition) < 0)
        return -1;
    Entry *entry = &self->entries[self->used];
    set_key(self, entry, bytes, length, 0);
    entry->value = number;
    entry->value_length = IS_INT;
    if (value && keep_value(self, entry, value) < 0)
        return -1;
    self->used++;
    return 1;
}

/* As combine_pair. */
static int take_pair(Collector *self, PyObject *key, PyObject *value) {
    int overflow = self->operation != COUNT;
    int64_t number = 1;
    if (self->operation != COUNT && PyLong_CheckExact(value))
        number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow && self->operation != KEEP)
        return 0;
    if (self->operation == KEEP && entries_reserve(self) < 0)
        return -1;
    size_t length = 0;
    const uint8_t *bytes = encoded_key(self, key, &length);
    if (self->operation == KEEP)
        return keep_pair(self, bytes, length, overflow ? value : NULL, number);
    return combine_pair(self, bytes, length, number);
}

/* As `key, value = pair` does, with borrowed references: 1, or 0 when it is no tuple or list of
 * two, whose error Python then raises. */
static int unpack(PyObject *pair, PyObject **key, PyObject **value) {
    if (PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2) {
        *key = PyTuple_GET_ITEM(pair, 0);
        *value = PyTuple_GET_ITEM(pair, 1);
        return 1;
    }
    if (PyList_CheckExact(pair) && PyList_GET_SIZE(pair) == 2) {
        *key = PyList_GET_ITEM(pair, 0);
        *value = PyList_GET_ITEM(pair, 1);
        return 1;
    }
    return 0;
}

/* (state, refused); steals `refused`, and returns NULL when that is NULL. */
static PyObject *answer_of(AddState state, PyObject *refused) {
    PyObject *answer = refused ? PyTuple_New(2) : NULL;
    PyObject *number = answer ? PyLong_FromLong(state) : NULL;
    if (!number) {
        Py_XDECREF(answer);
        Py_XDECREF(refused);
        return NULL;
    }
    PyTuple_SET_ITEM(answer, 0, number);
    PyTuple_SET_ITEM(answer, 1, refused);
    return answer;
}

/* Take pairs from an iterator until it ends, the collector is full, or a pair is refused. */
static PyObject *add_all(Collector *self, PyObject *iterator) {
    iternextfunc next = Py_TYPE(iterator)->tp_iternext;
    if (!next)
        return PyErr_Format(PyExc_TypeError, "%s is no iterator", Py_TYPE(iterator)->tp_name);
    if (self->is_sorted)
        return PyErr_Format(PyExc_RuntimeError, "the collector is sorted; clear it first");
    int ended = 0;
    while (!ended && !entries_are_full(self)) {
        PyObject *pair = next(iterator), *key, *value;
        if (!pair) {
            if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_StopIteration))
                return NULL;
            PyErr_Clear();
            ended = 1;
            continue;
        }
        int taken = 0;
        if (unpack(pair, &key, &value)) {
            Py_INCREF(key);
            Py_INCREF(value);
            taken = take_pair(self, key, value);
            Py_DECREF(key);
            Py_DECREF(value);
        }
        if (taken == 0 && settle(self) >= 0)
            return answer_of(REFUSED, refused_pairs(self, pair));
        Py_DECREF(pair);
        if (taken == 2)
            return answer_of(REFUSED, refused_pairs(self, NULL));
        if (taken != 1)
            return NULL;
    }
    int settled = settle(self);
    if (settled < 0)
        return NULL;
    if (!settled)
        return answer_of(REFUSED, refused_pairs(self, NULL));
    return answer_of(ended ? ENDED : FULL, PyTuple_New(0));
}

/* Take pairs from two lists of one length, from `at` on: (state, where it stopped, refused). A pair
 * of the lists that is refused itself is not among the refused ones: it is where it stopped. A
 * callback may shorten the lists, so that their lengths are looked at for each pair.
 */
static PyObject *add_columns(Collector *self, PyObject *keys, PyObject *values, Py_ssize_t at) {
    int taken = 1;
    while (taken == 1 && at < PyList_GET_SIZE(keys) && at < PyList_GET_SIZE(values)
           && !entries_are_full(self)) {
        PyObject *key = Py_NewRef(PyList_GET_ITEM(keys, at)),
                 *value = Py_NewRef(PyList_GET_ITEM(values, at));
        taken = take_pair(self, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
        at += taken > 0;
    }
    if (taken < 0)
        return NULL;
    int settled = taken == 2 ? 0 : settle(self);
    if (settled < 0)
        return NULL;
    AddState state = !settled || !taken ? REFUSED : at < PyList_GET_SIZE(keys) ? FULL : ENDED;
    return Py_BuildValue("(inN)", (int)state, at, refused_pairs(self, NULL));
}

/* As add_columns, of a column of keys and one of 64-bit integers. */
static PyObject *add_packed(Collector *self, const KeyColumn *keys, const uint8_t *values,
                            Py_ssize_t count, Py_ssize_t at) {
    int taken = 1;
    while (taken == 1 && at < count && !entries_are_full(self)) {
        int64_t number = self->operation == COUNT ? 1 : (int64_t)load64(values + 8 * at);
        size_t length = 0;
        if (self->operation == KEEP && entries_reserve(self) < 0)
            return NULL;
        const uint8_t *bytes = column_key(self, keys, at, &length);
        taken = self->operation == KEEP ? keep_pair(self, bytes, length, NULL, number)
                                        : combine_pair(self, bytes, length, number);
        at += taken > 0;
    }
    if (taken < 0)
        return NULL;
    int settled = taken == 2 ? 0 : settle(self);
    if (settled < 0)
        return NULL;
    AddState state = !settled || !taken ? REFUSED : at < count ? FULL : ENDED;
    return Py_BuildValue("(inN)", (int)state, at, refused_pairs(self, NULL));
}

/* Whether texts lie one behind the other within `size` bytes; ValueError where not. */
static int texts_are_sound(const Py_buffer *ends, Py_ssize_t count, Py_ssize_t size) {
    uint32_t last = ends->len == 4 * (count + 1) ? load32(ends->buf) : UINT32_MAX;
    int sound = ends->len == 4 * (count + 1) && size <= INT32_MAX;
    for (Py_ssize_t at = 1; sound && at <= count; at++) {
        uint32_t end = load32((const uint8_t *)ends->buf + 4 * at);
        sound = last <= end && end <= (size_t)size;
        last = end;
    }
    if (!sound)
        PyErr_SetString(PyExc_ValueError, "the texts do not lie one behind the other in the data");
    return sound;
}

/* Begin a call that no other may interrupt, and that ends with `busy` = 0; 0 with RuntimeError when
 * it may not begin. */
static int begin(Collector *self) {
    if (self->check && !self->busy)
        return self->busy = 1;
    PyErr_SetString(PyExc_RuntimeError,
                    self->check ? "the collector is in use" : "the collector is not initialised");
    return 0;
}

Collector *collector_begun(PyObject *object) {
    if (Py_TYPE(object)->tp_dealloc != (destructor)Collector_dealloc) {
        PyErr_SetString(PyExc_TypeError, "a Collector is needed");
        return NULL;
    }
    Collector *self = (Collector *)object;
    if (self->operation != KEEP || self->check != Py_None || self->is_sorted) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the collector does not keep pairs as they are, or it is sorted");
        return NULL;
    }
    return begin(self) ? self : NULL;
}

static PyObject *Collector_add(Collector *self, PyObject *iterator) {
    if (!begin(self))
        return NULL;
    PyObject *answer = add_all(self, iterator);
    self->busy = 0;
    return answer;
}

static PyObject *Collector_add_columns(Collector *self, PyObject *const *arguments,
                                       Py_ssize_t count) {
    if (count != 3 || !PyList_CheckExact(arguments[0]) || !PyList_CheckExact(arguments[1]))
        return PyErr_Format(PyExc_TypeError,
                            "add_columns(keys, values, at): two lists and where to begin");
    Py_ssize_t at = PyLong_AsSsize_t(arguments[2]);
    if (at == -1 && PyErr_Occurred())
        return NULL;
    if (at < 0 || PyList_GET_SIZE(arguments[0]) != PyList_GET_SIZE(arguments[1]))
        return PyErr_Format(PyExc_ValueError, "the lists are of two lengths, or `at` is below 0");
    if (self->is_sorted)
        return PyErr_Format(PyExc_RuntimeError, "the collector is sorted; clear it first");
    if (!begin(self))
        return NULL;
    PyObject *answer = add_columns(self, arguments[0], arguments[1], at);
    self->busy = 0;
    return answer;
}

static PyObject *Collector_add_packed(Collector *self, PyObject *arguments) {
    Py_buffer ends = {0}, data = {0}, values = {0};
    Py_ssize_t at;
    if (!PyArg_ParseTuple(arguments, "z*y*y*n", &ends, &data, &values, &at))
        return NULL;
    Py_ssize_t count = values.len / 8;
    KeyColumn keys = {ends.buf, data.buf};
    PyObject *answer = NULL;
    if (values.len % 8 || at < 0 || (!ends.buf && data.len != values.len))
        PyErr_SetString(PyExc_ValueError, "the columns are of two lengths, or `at` is below 0");
    else if (self->is_sorted)
        PyErr_SetString(PyExc_RuntimeError, "the collector is sorted; clear it first");
    else if ((!ends.buf || texts_are_sound(&ends, count, data.len)) && begin(self)) {
        answer = add_packed(self, &keys, values.buf, count, at);
        self->busy = 0;
    }
    PyBuffer_Release(&ends);
    PyBuffer_Release(&data);
    PyBuffer_Release(&values);
    return answer;
}

/* Keep a pair of each row from `at` on: (ENDED, FULL or REFUSED, where it stopped). A row is refused
 * whose state Python must make. */
static PyObject *add_states(Collector *self, const KeyColumns *keys, Layout *layout,
                            size_t at) {
    int taken = 1;
    while (taken == 1 && at < keys->rows && !entries_are_full(self)) {
        if (entries_reserve(self) < 0)
            return NULL;
        /* the state first: the bytes of a key are kept, or not, where the arena ends */
        size_t begin = self->arena.used;
        taken = layout_put(layout, &self->arena, at);
        size_t state_length = self->arena.used - begin, length = 0;
        if (taken != 1 || state_length >= IS_INT) {
            self->arena.used = begin;
            taken = taken < 0 ? -1 : 0;
            break;
        }
        size_t key_begin = self->arena.used;
        if (key_columns_put(keys, &self->arena, at) < 0)
            return NULL;
        if (self->arena.used - key_begin >= UINT32_MAX)
            return PyErr_Format(PyExc_OverflowError, "a key of 4 GiB or more cannot be carried");
        const uint8_t *bytes = padded_key(self, key_begin, &length);
        taken = keep_pair(self, bytes, length, NULL, (int64_t)begin);
        if (taken == 1)
            self->entries[self->used - 1].value_length = (uint32_t)state_length;
        at += taken == 1;
    }
    if (taken < 0)
        return NULL;
    AddState state = !taken ? REFUSED : at < keys->rows ? FULL : ENDED;
    return Py_BuildValue("(in)", (int)state, (Py_ssize_t)at);
}

static PyObject *add_checked_states(Collector *self, const char *steps, PyObject *fields,
                                    const char *text, Py_buffer *columns, size_t count, size_t rows,
                                    size_t at) {
    KeyColumns keys;
    Layout layout;
    layout.values = (Values){0};
    PyObject *answer = NULL;
    if (key_columns_open(&keys, steps, fields, rows) == 0
        && layout_open(&layout, &self->seeds, text, columns, count, rows) == 0 && begin(self)) {
        answer = add_states(self, &keys, &layout, at);
        self->busy = 0;
    }
    layout_close(&layout);
    key_columns_close(&keys);
    return answer;
}

static PyObject *Collector_add_states(Collector *self, PyObject *arguments) {
    const char *steps, *text;
    PyObject *fields, *given;
    Py_ssize_t rows, at;
    Py_buffer columns[LAYOUT_STEPS];
    size_t count = 0;
    if (!PyArg_ParseTuple(arguments, "sO!sO!nn", &steps, &PyTuple_Type, &fields, &text,
                          &PyTuple_Type, &given, &rows, &at))
        return NULL;
    if (self->operation != KEEP || self->is_sorted || rows < 0 || at < 0
        || PyTuple_GET_SIZE(given) > LAYOUT_STEPS)
        return PyErr_Format(PyExc_ValueError,
                            "states are kept by a collector that is not sorted, and `at` is a row");
    PyObject *answer = NULL;
    while (count < (size_t)PyTuple_GET_SIZE(given)
           && PyObject_GetBuffer(PyTuple_GET_ITEM(given, (Py_ssize_t)count), &columns[count],
                                 PyBUF_SIMPLE) == 0)
        count++;
    if (count == (size_t)PyTuple_GET_SIZE(given))
        answer = add_checked_states(self, steps, fields, text, columns, count, (size_t)rows,
                                    (size_t)at);
    while (count)
        PyBuffer_Release(&columns[--count]);
    return answer;
}

static int sort_all(Collector *self) {
    if (self->is_sorted)
        return 0;
    int settled = settle(self);
    if (!settled)
        PyErr_SetString(PyExc_OverflowError, "a sum does not fit 64 bits");
    if (settled != 1 || collector_sort(self) < 0)
        return -1;
    self->is_sorted = 1;
    return 0;
}

static PyObject *Collector_sort(Collector *self, PyObject *Py_UNUSED(ignored)) {
    if (!begin(self))
        return NULL;
    int failed = sort_all(self);
    self->busy = 0;
    return failed ? NULL : Py_NewRef(Py_None);
}

static PyObject *Collector_frame(Collector *self, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "frame(partition, at)");
    size_t partition = PyLong_AsSize_t(arguments[0]), at = PyLong_AsSize_t(arguments[1]);
    if (PyErr_Occurred())
        return NULL;
    if (self->busy || !self->is_sorted || partition >= self->partitions)
        return PyErr_Format(PyExc_IndexError, "no such partition, or the collector is not sorted");
    size_t start = self->starts[partition], end = self->starts[partition + 1];
    if (at >= end - start)
        Py_RETURN_NONE;
    for (at += start; at < end && !builder_is_full(&self->builder); at++) {
        if (at + PENDING < end)
            __builtin_prefetch(&self->entries[self->order[at + PENDING]]);
        if (self->operation == KEEP && at + PENDING / 2 < end) {
            const Entry *next = &self->entries[self->order[at + PENDING / 2]];
            if (next->value_length != IS_INT) { /* else it is no place in the arena */
                __builtin_prefetch(self->arena.data + next->value);
                __builtin_prefetch(self->arena.data + next->value + next->value_length);
            }
        }
        const Entry *entry = &self->entries[self->order[at]];
        uint32_t value_length = self->operation == KEEP ? entry->value_length : IS_INT;
        Pair pair = {entry_key(self, entry), entry->length, value_length, entry->value, NULL};
        if (value_length != IS_INT)
            pair.encoded = self->arena.data + entry->value;
        if (builder_add(&self->builder, &pair) < 0) {
            builder_clear(&self->builder); /* or the next frame would begin with these pairs */
            return NULL;
        }
    }
    PyObject *frame = builder_take(&self->builder);
    if (!frame)
        builder_clear(&self->builder);
    return frame;
}

/* Drop all pairs. The table and the arena stay, for those that come next. */
static void forget(Collector *self) {
    if (self->entries && self->operation != KEEP)
        memset(self->entries, 0, self->size * sizeof *self->entries);
    free(self->order);
    free(self->starts);
    self->order = NULL;
    self->starts = NULL;
    self->used = self->arena.used = self->waits = 0;
    self->is_sorted = 0;
    self->all_str = 1;
    builder_clear(&self->builder);
    if (self->arena.size > self->limit)
        buffer_free(&self->arena);
}

static PyObject *Collector_clear(Collector *self, PyObject *Py_UNUSED(ignored)) {
    if (!begin(self))
        return NULL;
    forget(self);
    self->busy = 0;
    Py_RETURN_NONE;
}

static int Collector_init(Collector *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"operation", "partitions", "limit", "encode_key", "encode_value",
                            "long_hash", "partition",  "check", NULL};
    PyObject *encode_key, *encode_value, *long_hash, *partition, *check;
    Py_ssize_t partitions, limit;
    int operation;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "innOOOOO", names, &operation, &partitions,
                                     &limit, &encode_key, &encode_value, &long_hash, &partition,
                                     &check))
        return -1;
    if (operation < KEEP || operation > GREATEST || partitions < 1 || partitions >= UNKNOWN
        || limit < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "no such operation, no such number of partitions, or a limit below 0");
        return -1;
    }
    if (self->is_initialised) {
        PyErr_SetString(PyExc_RuntimeError, "the collector is initialised already");
        return -1;
    }
    ModuleState *state = state_of((PyObject *)self);
    self->is_initialised = 1;
    self->seeds = state->seeds;
    self->pages = pages_hold(state->pages);
    self->operation = operation;
    self->partitions = (size_t)partitions;
    self->limit = (size_t)limit;
    self->encode_key = Py_NewRef(encode_key);
    self->encode_value = Py_NewRef(encode_value);
    self->long_hash = Py_NewRef(long_hash);
    self->partition = Py_NewRef(partition);
    self->check = Py_NewRef(check);
    forget(self);
    return 0;
}

static int Collector_traverse(Collector *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->encode_key);
    Py_VISIT(self->encode_value);
    Py_VISIT(self->long_hash);
    Py_VISIT(self->partition);
    Py_VISIT(self->check);
    return 0;
}

/* Break cycles. The collector may still be called: `begin` refuses it. */
static int Collector_drop(Collector *self) {
    Py_CLEAR(self->encode_key);
    Py_CLEAR(self->encode_value);
    Py_CLEAR(self->long_hash);
    Py_CLEAR(self->partition);
    Py_CLEAR(self->check);
    return 0;
}

static void Collector_dealloc(Collector *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Collector_drop(self);
    free(self->order);
    free(self->starts);
    if (self->operation == KEEP)
        free(self->entries);
    reservation_free(self->pages, &self->table);
    pages_release(self->pages);
    buffer_free(&self->arena);
    builder_free(&self->builder);
    type->tp_free(self);
    Py_DECREF(type); /* an object of a heap type holds its type */
}

static Py_ssize_t Collector_length(Collector *self) {
    return (Py_ssize_t)self->used;
}

static PyMethodDef Collector_methods[] = {
    {"add", (PyCFunction)Collector_add, METH_O,
     "add(pairs): take pairs from an iterator. (ENDED, FULL or REFUSED, the pairs that are "
     "refused)."},
    {"add_columns", (PyCFunction)(void (*)(void))Collector_add_columns, METH_FASTCALL,
     "add_columns(keys, values, at): take pairs from two lists. (ENDED, FULL or REFUSED, where it "
     "stopped, the pairs that are refused beside the one there)."},
    {"add_packed", (PyCFunction)Collector_add_packed, METH_VARARGS,
     "add_packed(ends, data, values, at): take pairs of keys in buffers, texts of UTF-8 that end "
     "at 32-bit `ends`, or 64-bit integers where that is None, and 64-bit values; as add_columns."},
    {"add_states", (PyCFunction)Collector_add_states, METH_VARARGS,
     "add_states(key_steps, key_fields, layout, columns, rows, at): keep pairs of keys and states "
     "in columns. (ENDED, FULL or REFUSED, where it stopped)."},
    {"sort", (PyCFunction)Collector_sort, METH_NOARGS,
     "Put all pairs in the order of their partitions and keys."},
    {"frame", (PyCFunction)(void (*)(void))Collector_frame, METH_FASTCALL,
     "frame(partition, at): (kind, pairs, payload) from a partition's pair number `at` on, or "
     "None."},
    {"clear", (PyCFunction)Collector_clear, METH_NOARGS, "Forget all pairs."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot Collector_slots[] = {
    {Py_tp_doc, "Pairs, combined or kept, that come back sorted."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, Collector_init},
    {Py_tp_dealloc, Collector_dealloc},
    {Py_tp_traverse, Collector_traverse},
    {Py_tp_clear, Collector_drop},
    {Py_tp_methods, Collector_methods},
    {Py_sq_length, Collector_length},
    {0, NULL}};

PyType_Spec collector_spec = {
    .name = "mapreduce.native.extension.Collector",
    .basicsize = sizeof(Collector),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Collector_slots,
};
