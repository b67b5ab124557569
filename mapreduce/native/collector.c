/* Takes the pairs that `map` yields, combines or keeps them, and gives them back sorted, as frames,
 * partition by partition.
 */
#include "entries.h"

/* The key's bytes at the end of the arena, which is not moved on; NULL with the error that Python
 * raises. */
static const uint8_t *encoded_key(Collector *self, PyObject *key, size_t *length) {
    const char *text = NULL;
    Py_ssize_t size = 0;
    PyObject *encoded = NULL;
    if (PyUnicode_CheckExact(key)) {
        text = PyUnicode_AsUTF8AndSize(key, &size);
        if (!text)
            PyErr_Clear(); /* a lone surrogate: Python's own encoder says so in our words */
    }
    if (!text) {
        encoded = PyObject_CallOneArg(self->encode_key, key);
        if (!encoded)
            return NULL;
        if (!PyBytes_Check(encoded) || !PyBytes_GET_SIZE(encoded)) {
            PyErr_SetString(PyExc_TypeError, "a key is encoded as bytes");
            Py_DECREF(encoded);
            return NULL;
        }
    }
    size_t tag = encoded ? 0 : 1;
    if (encoded) {
        self->all_str = 0;
        text = PyBytes_AS_STRING(encoded);
        size = PyBytes_GET_SIZE(encoded);
    }
    *length = (size_t)size + tag;
    uint8_t *at = NULL;
    if (*length >= UINT32_MAX)
        PyErr_SetString(PyExc_OverflowError, "a key of 4 GiB or more cannot be carried");
    else if (buffer_reserve(&self->arena, *length + INLINE_BYTES) == 0) {
        at = self->arena.data + self->arena.used;
        memset(at, 0, INLINE_BYTES); /* short keys are padded with zeros */
        at[0] = STR_TAG;
        memcpy(at + tag, text, (size_t)size);
    }
    Py_XDECREF(encoded);
    return at;
}

/* Whether the key may be had. Where its partition is the check, the answer is kept, and not asked
 * for again. */
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

/* Combines a value with those of its key: 1, or 0 when a sum does not fit. A new key's bytes are at
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

/* The short keys that wait, from the last to the first: 1, 0 when a sum does not fit, which then
 * waits still; -1. */
static int settle(Collector *self) {
    while (self->waits && entries_must_grow(self, self->waits))
        if (entries_grow(self) < 0)
            return -1;
    for (; self->waits; self->waits--)
        if (!combine_value(self, &self->waiting[self->waits - 1], NULL))
            return 0;
    return 1;
}

/* What the table cannot take: the pairs that wait still, as Python gave them, and one more if there
 * is one (stolen). */
static PyObject *refused(Collector *self, PyObject *pair) {
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

/* 1: taken; 0: refused, a sum does not fit; 2: so is one that waits; -1: an error of Python. */
static int combine_pair(Collector *self, PyObject *key, int64_t value) {
    size_t length;
    const uint8_t *bytes = encoded_key(self, key, &length);
    if (!bytes)
        return -1;
    Waiting pair = {load64(bytes), load64(bytes + 8), 0, value, (uint32_t)length, UNKNOWN};
    pair.hash = length <= INLINE_BYTES ? short_hash(pair.low, pair.high, pair.length)
                                       : hash_bytes(bytes, length);
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

static int keep_pair(Collector *self, PyObject *key, PyObject *value, int is_number,
                     int64_t number) {
    if (self->used == self->size) {
        size_t size = self->size ? self->size + self->size / 2 : FIRST_ENTRIES;
        Entry *entries = size < UINT32_MAX ? realloc(self->entries, size * sizeof *entries) : NULL;
        if (!entries) {
            PyErr_NoMemory();
            return -1;
        }
        self->entries = entries;
        self->size = size;
    }
    size_t length;
    const uint8_t *bytes = encoded_key(self, key, &length);
    uint32_t partition;
    if (!bytes || checked(self, bytes, length, &partition) < 0)
        return -1;
    Entry *entry = &self->entries[self->used];
    set_key(self, entry, bytes, length, 0);
    entry->value = number;
    entry->value_length = IS_INT;
    if (!is_number && keep_value(self, entry, value) < 0)
        return -1;
    self->used++;
    return 1;
}

/* 1: taken; 0: refused; 2: one that waits is; -1: an error of Python. */
static int take_pair(Collector *self, PyObject *key, PyObject *value) {
    if (self->operation == COUNT)
        return combine_pair(self, key, 1);
    int overflow = 1;
    int64_t number = PyLong_CheckExact(value) ? PyLong_AsLongLongAndOverflow(value, &overflow) : 0;
    if (self->operation == KEEP)
        return keep_pair(self, key, value, overflow == 0, number);
    return overflow ? 0 : combine_pair(self, key, number);
}

/* As `key, value = pair` does: 1, 0 when it is no tuple or list of two, which Python then says
 * itself. */
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
            return refused(self, pair);
        Py_DECREF(pair);
        if (taken == 2)
            return refused(self, NULL);
        if (taken != 1)
            return NULL;
    }
    int settled = settle(self);
    if (settled < 0)
        return NULL;
    if (!settled)
        return refused(self, NULL);
    return PyBool_FromLong(!ended);
}

/* Takes pairs from two lists of one length, from `at` on: (where it stopped, what it cannot take or
 * None). A pair that is refused itself is not in the tuple: it is where it stopped.
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
    if (settled && taken)
        return Py_BuildValue("(nO)", at, Py_None);
    PyObject *left = refused(self, NULL);
    return left ? Py_BuildValue("(nN)", at, left) : NULL;
}

/* Whether a call may begin, which then ends with `busy` = 0. */
static int begin(Collector *self) {
    if (self->check && !self->busy)
        return self->busy = 1;
    PyErr_SetString(PyExc_RuntimeError,
                    self->check ? "the collector is in use" : "the collector is not initialised");
    return 0;
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
    size_t end = self->starts[partition + 1];
    at += self->starts[partition];
    if (at >= end)
        Py_RETURN_NONE;
    for (; at < end && !builder_is_full(&self->builder); at++) {
        if (at + PENDING < end)
            __builtin_prefetch(&self->entries[self->order[at + PENDING]]);
        const Entry *entry = &self->entries[self->order[at]];
        uint32_t value_length = self->operation == KEEP ? entry->value_length : IS_INT;
        Pair pair = {entry_key(self, entry), entry->length, value_length, entry->value, NULL};
        if (value_length != IS_INT)
            pair.encoded = self->arena.data + entry->value;
        if (builder_add(&self->builder, &pair) < 0)
            return NULL;
    }
    return builder_take(&self->builder);
}

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
    if (operation < KEEP || operation > GREATEST || partitions < 1 || limit < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "no such operation, or no partitions, or a limit below 0");
        return -1;
    }
    if (self->check) {
        PyErr_SetString(PyExc_RuntimeError, "the collector is initialised already");
        return -1;
    }
    self->operation = operation;
    self->partitions = (size_t)partitions;
    self->limit = (size_t)limit;
    Py_XSETREF(self->encode_key, Py_NewRef(encode_key));
    Py_XSETREF(self->encode_value, Py_NewRef(encode_value));
    Py_XSETREF(self->long_hash, Py_NewRef(long_hash));
    Py_XSETREF(self->partition, Py_NewRef(partition));
    Py_XSETREF(self->check, Py_NewRef(check));
    forget(self);
    return 0;
}

static void Collector_dealloc(Collector *self) {
    forget(self);
    if (self->operation == KEEP)
        free(self->entries);
    reservation_free(&self->table);
    buffer_free(&self->arena);
    builder_free(&self->builder);
    Py_XDECREF(self->encode_key);
    Py_XDECREF(self->encode_value);
    Py_XDECREF(self->long_hash);
    Py_XDECREF(self->partition);
    Py_XDECREF(self->check);
    Py_TYPE(self)->tp_free(self);
}

static Py_ssize_t Collector_length(Collector *self) {
    return (Py_ssize_t)self->used;
}

static PyMethodDef Collector_methods[] = {
    {"add", (PyCFunction)Collector_add, METH_O,
     "Takes pairs from an iterator. False: it has ended; True: the collector is full; a tuple: "
     "pairs that it cannot take."},
    {"add_columns", (PyCFunction)(void (*)(void))Collector_add_columns, METH_FASTCALL,
     "add_columns(keys, values, at): takes pairs from two lists. (where it stopped, None, or a "
     "tuple of pairs that it "
     "cannot take)."},
    {"sort", (PyCFunction)Collector_sort, METH_NOARGS,
     "Puts all pairs in the order of their partitions and keys."},
    {"frame", (PyCFunction)(void (*)(void))Collector_frame, METH_FASTCALL,
     "frame(partition, at): (kind, pairs, payload) from a partition's pair number `at` on, or "
     "None."},
    {"clear", (PyCFunction)Collector_clear, METH_NOARGS, "Forgets all pairs."},
    {NULL}};

static PySequenceMethods Collector_sequence = {.sq_length = (lenfunc)Collector_length};

PyTypeObject CollectorType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "mapreduce.native.kernel.Collector",
    .tp_doc = "Pairs, combined or kept, that come back sorted.",
    .tp_basicsize = sizeof(Collector),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)Collector_init,
    .tp_dealloc = (destructor)Collector_dealloc,
    .tp_methods = Collector_methods,
    .tp_as_sequence = &Collector_sequence,
};
