/* A join of rows in bytes: the rows of one table by their keys, and the pairs of another table's
 * rows with them, which go to a collector. No row becomes an object of Python.
 *
 * A table's rows come as columns, whose buffers are `bytes` that the caller's argument keeps alive
 * for the time of a call. A HeldRows owns copies of what it keeps. Keys are the bytes of
 * mapreduce/encoding/keys.py, so that two are equal where the engine takes them as one key; rows
 * are the MessagePack of values.py.
 */
#include "columns.h"
#include "encoded.h"
#include "entries.h"

enum { INNER, OUTER, SEMI, ANTI, HOWS };

/* A held row, whose key and value lie one behind the other in `data`. `next` is the number of the
 * next row of its key, from 1 on, or 0; the first row of a key knows the last one. */
typedef struct {
    uint64_t at;
    uint32_t key_length, length, next, last;
} Row;

/* The first row of a key, by its number, and the key's hash; a number of 0 is a free slot. It is
 * small, so that many are in the cache: the key itself is beside the value, which is read anyway. */
typedef struct {
    uint32_t hash, first;
} Slot;

/* A key that is looked up: `at` is where its bytes are in `keys`, padded with zeros. */
typedef struct {
    uint64_t low, high;
    size_t at;
    uint32_t length, hash, first;
} Probe;

typedef struct {
    PyObject_HEAD
    HashSeeds seeds;
    Buffer data;
    Buffer keys, row; /* of the rows of one call */
    Row *rows;
    Slot *slots;
    size_t used, space, keyed, size; /* rows, space for them, keys, slots */
} HeldRows;

/* Take the key behind `begin` of `keys`, and pad it; -1 with an exception. */
static int probe_of(HeldRows *self, size_t begin, Probe *probe) {
    static const uint8_t zeros[INLINE_BYTES] = {0};
    size_t length = self->keys.used - begin;
    if (length >= UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "a key of 4 GiB or more cannot be carried");
        return -1;
    }
    if (buffer_add(&self->keys, zeros, INLINE_BYTES) < 0)
        return -1;
    const uint8_t *key = self->keys.data + begin;
    *probe = (Probe){.at = begin, .length = (uint32_t)length};
    uint64_t hash;
    if (length <= INLINE_BYTES) {
        probe->low = load64(key);
        probe->high = load64(key + 8);
        hash = short_hash(&self->seeds, probe->low, probe->high, probe->length);
    } else {
        hash = hash_bytes(&self->seeds, key, length);
    }
    probe->hash = (uint32_t)(hash ^ hash >> 32);
    return 0;
}

/* The slot of a key, or the free one that it would have. There must be a free one. */
static Slot *slot_of(const HeldRows *self, const Probe *probe) {
    size_t mask = self->size - 1;
    for (size_t at = probe->hash & mask;; at = (at + 1) & mask) {
        Slot *slot = &self->slots[at];
        if (!slot->first)
            return slot;
        if (slot->hash != probe->hash)
            continue;
        const Row *row = &self->rows[slot->first - 1];
        if (row->key_length == probe->length
            && !memcmp(self->data.data + row->at, self->keys.data + probe->at, probe->length))
            return slot;
    }
}

/* Make the table larger, if so many more keys need it; -1 with MemoryError. */
static int slots_reserve(HeldRows *self, size_t more) {
    size_t size = self->size ? self->size : 1024;
    while (size / 2 < self->keyed + more)
        size *= 2;
    if (size == self->size)
        return 0;
    Slot *slots = size <= (size_t)1 << 32 ? PyMem_RawCalloc(size, sizeof *slots) : NULL;
    if (!slots) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t at = 0; at < self->size; at++) {
        const Slot *slot = &self->slots[at];
        size_t to = slot->hash & (size - 1);
        if (!slot->first)
            continue;
        while (slots[to].first)
            to = (to + 1) & (size - 1);
        slots[to] = *slot;
    }
    PyMem_RawFree(self->slots);
    self->slots = slots;
    self->size = size;
    return 0;
}

static int rows_reserve(HeldRows *self) {
    if (self->used < self->space)
        return 0;
    size_t space = self->space ? 2 * self->space : 1024;
    Row *rows = space < UINT32_MAX ? PyMem_RawRealloc(self->rows, space * sizeof *rows) : NULL;
    if (!rows) {
        PyErr_NoMemory();
        return -1;
    }
    self->rows = rows;
    self->space = space;
    return 0;
}

/* Hold the value under a key; -1 with an exception. */
static int hold(HeldRows *self, const Probe *probe, const uint8_t *value, size_t length) {
    if (length >= UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "a value of 4 GiB or more cannot be carried");
        return -1;
    }
    if (slots_reserve(self, 1) < 0 || rows_reserve(self) < 0)
        return -1;
    Row row = {self->data.used, probe->length, (uint32_t)length, 0, 0};
    if (buffer_add(&self->data, self->keys.data + probe->at, probe->length) < 0
        || buffer_add(&self->data, value, length) < 0)
        return -1;
    uint32_t number = (uint32_t)self->used + 1;
    Slot *slot = slot_of(self, probe);
    row.last = number;
    self->rows[self->used++] = row;
    if (!slot->first) {
        *slot = (Slot){probe->hash, number};
        self->keyed++;
    } else {
        Row *first = &self->rows[slot->first - 1];
        self->rows[first->last - 1].next = number;
        first->last = number;
    }
    return 0;
}

/* Write the keys of some rows to `keys`, whose slots are then on their way to the cache. */
static int keys_of(HeldRows *self, const Columns *columns, size_t at, Probe *probes, size_t count) {
    self->keys.used = 0;
    for (size_t place = 0; place < count; place++) {
        size_t begin = self->keys.used;
        if (columns_key(columns, at + place, &self->keys) < 0
            || probe_of(self, begin, &probes[place]) < 0)
            return -1;
        if (self->size)
            __builtin_prefetch(&self->slots[probes[place].hash & (self->size - 1)], 1);
    }
    return 0;
}

/* The number of rows from `at` on that are looked at in one turn. */
static size_t turn(const Columns *columns, size_t at) {
    size_t left = columns->rows - at;
    return left < PENDING ? left : PENDING;
}

/* Hold all rows, or None for each; -1 with an exception. */
static int hold_all(HeldRows *self, const Columns *columns, int keeps) {
    static const uint8_t none = 0xc0;
    Probe probes[PENDING];
    if (slots_reserve(self, columns->rows) < 0)
        return -1;
    for (size_t at = 0, count; at < columns->rows; at += count) {
        count = turn(columns, at);
        if (keys_of(self, columns, at, probes, count) < 0)
            return -1;
        for (size_t place = 0; place < count; place++) {
            self->row.used = 0;
            if (keeps && columns_row(columns, at + place, &self->row) < 0)
                return -1;
            if (hold(self, &probes[place], keeps ? self->row.data : &none,
                     keeps ? self->row.used : 1) < 0)
                return -1;
        }
    }
    return 0;
}

static PyObject *HeldRows_add(HeldRows *self, PyObject *arguments) {
    PyObject *given;
    Py_ssize_t rows, on;
    int keeps;
    Columns columns;
    if (!PyArg_ParseTuple(arguments, "O!nnp", &PyTuple_Type, &given, &rows, &on, &keeps))
        return NULL;
    int opened = columns_open(&columns, given, rows, on);
    if (opened > 0 && hold_all(self, &columns, keeps) < 0)
        opened = -1;
    columns_close(&columns);
    return opened < 0 ? NULL : PyBool_FromLong(opened);
}

static PyObject *HeldRows_add_pair(HeldRows *self, PyObject *arguments) {
    const char *key, *value;
    Py_ssize_t key_length, length;
    Probe probe;
    if (!PyArg_ParseTuple(arguments, "y#y#", &key, &key_length, &value, &length))
        return NULL;
    if (!key_length)
        return PyErr_Format(PyExc_ValueError, "a key has at least one byte");
    self->keys.used = 0;
    if (buffer_add(&self->keys, key, (size_t)key_length) < 0 || probe_of(self, 0, &probe) < 0
        || hold(self, &probe, (const uint8_t *)value, (size_t)length) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* A new reference to (key, [value, ...]) of a slot. */
static PyObject *group_of(const HeldRows *self, const Slot *slot) {
    const char *data = (const char *)self->data.data;
    PyObject *values = PyList_New(0);
    for (uint32_t number = slot->first; values && number; number = self->rows[number - 1].next) {
        const Row *row = &self->rows[number - 1];
        PyObject *value = PyBytes_FromStringAndSize(data + row->at + row->key_length, row->length);
        if (!value || PyList_Append(values, value) < 0)
            Py_CLEAR(values);
        Py_XDECREF(value);
    }
    const Row *first = &self->rows[slot->first - 1];
    return values ? Py_BuildValue("(y#N)", data + first->at, (Py_ssize_t)first->key_length, values)
                  : NULL;
}

static PyObject *HeldRows_groups(HeldRows *self, PyObject *Py_UNUSED(ignored)) {
    PyObject *groups = PyList_New(0);
    for (size_t at = 0; groups && at < self->size; at++) {
        PyObject *group = self->slots[at].first ? group_of(self, &self->slots[at]) : NULL;
        if (self->slots[at].first && (!group || PyList_Append(groups, group) < 0))
            Py_CLEAR(groups);
        Py_XDECREF(group);
    }
    return groups;
}

/* What a call of `join` adds pairs of. */
typedef struct {
    Collector *to;
    const Probe *probe;
    int how, swapped;
    size_t key_at; /* of a long key in the collector's arena, once it is there */
} Joining;

/* Copy the key to the collector's new entry; a long one once for all of its pairs. */
static int key_into(const HeldRows *self, Joining *joining, Entry *entry) {
    const Probe *probe = joining->probe;
    const uint8_t *key = self->keys.data + probe->at;
    Collector *to = joining->to;
    entry->length = probe->length;
    entry->low = probe->low;
    entry->high = probe->high;
    if (probe->length > INLINE_BYTES) {
        if (joining->key_at == SIZE_MAX) {
            joining->key_at = to->arena.used;
            if (buffer_add(&to->arena, key, probe->length) < 0)
                return -1;
        }
        entry->low = 0;
        entry->high = joining->key_at;
    }
    if (*key != STR_TAG)
        to->all_str = 0;
    return 0;
}

/* Append a tuple of two values, as pack.c writes it; -1 with MemoryError. */
static int add_two(Buffer *out, const uint8_t *first, size_t first_length, const uint8_t *second,
                   size_t second_length) {
    size_t length = 1 + first_length + second_length;
    if (buffer_reserve(out, length + 6) < 0)
        return -1;
    uint8_t *to = write_tuple_header(out->data + out->used, length);
    *to++ = 0x92; /* a list of two */
    memcpy(to, first, first_length);
    memcpy(to + first_length, second, second_length);
    out->used = (size_t)(to - out->data) + first_length + second_length;
    return 0;
}

/* Add the pair of the row in `row` with a held one, or with none: 1; 0 where the collector is full;
 * -1 with an exception. */
static int add_pair(HeldRows *self, Joining *joining, const Row *partner) {
    static const uint8_t none = 0xc0;
    Collector *to = joining->to;
    const uint8_t *row = self->row.data;
    const uint8_t *other = partner ? self->data.data + partner->at + partner->key_length : &none;
    size_t length = self->row.used, other_length = partner ? partner->length : 1;
    if (entries_are_full(to))
        return 0;
    if (length + other_length > UINT32_MAX - 16) {
        PyErr_SetString(PyExc_OverflowError, "a value of 4 GiB or more cannot be carried");
        return -1;
    }
    if (entries_reserve(to) < 0)
        return -1;
    Entry *entry = &to->entries[to->used];
    if (key_into(self, joining, entry) < 0)
        return -1;
    size_t begin = to->arena.used;
    int failed = joining->how == SEMI || joining->how == ANTI
                     ? buffer_add(&to->arena, row, length)
                 : joining->swapped ? add_two(&to->arena, other, other_length, row, length)
                                    : add_two(&to->arena, row, length, other, other_length);
    if (failed)
        return -1;
    entry->value = (int64_t)begin;
    entry->value_length = (uint32_t)(to->arena.used - begin);
    to->used++;
    return 1;
}

/* Add the pairs of one row, from the held row `*next` on, or from the first where that is 0; as
 * add_pair. */
static int join_row(HeldRows *self, const Columns *columns, size_t at, Joining *joining,
                    uint32_t *next) {
    uint32_t first = joining->probe->first;
    if (first ? joining->how == ANTI : joining->how == INNER || joining->how == SEMI)
        return 1;
    self->row.used = 0;
    if (columns_row(columns, at, &self->row) < 0)
        return -1;
    if (!first || joining->how == SEMI)
        return add_pair(self, joining, NULL);
    if (!*next)
        *next = first;
    while (*next) {
        const Row *partner = &self->rows[*next - 1];
        int added = add_pair(self, joining, partner);
        if (added != 1)
            return added;
        *next = partner->next;
    }
    return 1;
}

/* Look some rows up, in turns, so that what each turn reads is on its way to the cache. */
static int look_up(HeldRows *self, const Columns *columns, size_t at, Probe *probes, size_t count) {
    if (keys_of(self, columns, at, probes, count) < 0)
        return -1;
    for (size_t place = 0; self->size && place < count; place++) {
        uint32_t first = self->slots[probes[place].hash & (self->size - 1)].first;
        if (first)
            __builtin_prefetch(&self->rows[first - 1]);
    }
    for (size_t place = 0; self->size && place < count; place++) {
        uint32_t first = self->slots[probes[place].hash & (self->size - 1)].first;
        if (!first)
            continue;
        const uint8_t *key = self->data.data + self->rows[first - 1].at;
        __builtin_prefetch(key);
        __builtin_prefetch(key + 64);
    }
    for (size_t place = 0; self->size && place < count; place++)
        probes[place].first = slot_of(self, &probes[place])->first;
    return 0;
}

static PyObject *join_all(HeldRows *self, const Columns *columns, Joining *joining, size_t at,
                          uint32_t next) {
    Probe probes[PENDING];
    int added = 1;
    while (added == 1 && at < columns->rows) {
        size_t count = turn(columns, at);
        if (look_up(self, columns, at, probes, count) < 0)
            return NULL;
        for (size_t place = 0; added == 1 && place < count; place++) {
            joining->probe = &probes[place];
            joining->key_at = SIZE_MAX;
            added = join_row(self, columns, at, joining, &next);
            at += added == 1;
        }
    }
    return added < 0 ? NULL : Py_BuildValue("(inI)", added ? ENDED : FULL, (Py_ssize_t)at, next);
}

static PyObject *HeldRows_join(HeldRows *self, PyObject *arguments) {
    PyObject *collector, *given;
    Py_ssize_t rows, on, at;
    unsigned int next;
    Joining joining = {0};
    if (!PyArg_ParseTuple(arguments, "OO!nnipnI", &collector, &PyTuple_Type, &given, &rows, &on,
                          &joining.how, &joining.swapped, &at, &next))
        return NULL;
    if (joining.how < INNER || joining.how >= HOWS || at < 0 || next > self->used)
        return PyErr_Format(PyExc_ValueError, "no such join, or no such row");
    Columns columns;
    int opened = columns_open(&columns, given, rows, on);
    PyObject *answer = opened ? NULL : Py_NewRef(Py_None);
    if (opened > 0 && (joining.to = collector_begun(collector))) {
        answer = join_all(self, &columns, &joining, (size_t)at, next);
        joining.to->busy = 0;
    }
    columns_close(&columns);
    return answer;
}

static PyObject *HeldRows_nbytes(HeldRows *self, void *Py_UNUSED(closure)) {
    return PyLong_FromSize_t(self->data.size + self->space * sizeof(Row)
                             + self->size * sizeof(Slot));
}

static int HeldRows_init(HeldRows *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names))
        return -1;
    if (!self->used)
        self->seeds = state_of((PyObject *)self)->seeds;
    return 0;
}

static void HeldRows_dealloc(HeldRows *self) {
    PyTypeObject *type = Py_TYPE(self);
    buffer_free(&self->data);
    buffer_free(&self->keys);
    buffer_free(&self->row);
    PyMem_RawFree(self->rows);
    PyMem_RawFree(self->slots);
    type->tp_free(self);
    Py_DECREF(type); /* an object of a heap type holds its type */
}

static Py_ssize_t HeldRows_length(HeldRows *self) {
    return (Py_ssize_t)self->used;
}

static PyMethodDef HeldRows_methods[] = {
    {"add", (PyCFunction)HeldRows_add, METH_VARARGS,
     "add(columns, rows, on, keeps): hold the rows of columns (name, kind, valid, values, ends), "
     "by the column number `on`; the rows themselves, or None for each. False, and nothing held, "
     "where Python must read them."},
    {"add_pair", (PyCFunction)HeldRows_add_pair, METH_VARARGS,
     "add_pair(key, value): hold an encoded value under an encoded key."},
    {"groups", (PyCFunction)HeldRows_groups, METH_NOARGS,
     "groups(): [(key, [value, ...]), ...], encoded."},
    {"join", (PyCFunction)HeldRows_join, METH_VARARGS,
     "join(collector, columns, rows, on, how, swapped, at, next): add the pairs of rows from `at` "
     "on, and of its held rows from `next` on: (ENDED or FULL, at, next); None, and nothing added, "
     "where Python must read them. how: 0 inner, 1 with the rows that have no partner, 2 semi, "
     "3 anti; swapped: the held row is the first of a pair."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef HeldRows_getset[] = {
    {"nbytes", (getter)HeldRows_nbytes, NULL, "The memory of what is held.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot HeldRows_slots[] = {
    {Py_tp_doc, "The rows of a table by their keys, to be joined with those of another."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, HeldRows_init},
    {Py_tp_dealloc, HeldRows_dealloc},
    {Py_tp_methods, HeldRows_methods},
    {Py_tp_getset, HeldRows_getset},
    {Py_sq_length, HeldRows_length},
    {0, NULL}};

PyType_Spec held_rows_spec = {
    .name = "mapreduce.native.extension.HeldRows",
    .basicsize = sizeof(HeldRows),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = HeldRows_slots,
};
