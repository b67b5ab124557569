/* Sorts a collector's entries by partition, then by key; equal keys stay in the order in which they
 * came.
 *
 * Eight bytes of each key at a time are sorted as one number (LSD radix sort, which is stable);
 * keys that share them are sorted by the next eight. What all keys of a group have in common is
 * skipped first.
 */
#include "entries.h"

#define SMALL 48 /* below, inserting is faster than counting */

typedef struct {
    uint64_t prefix;
    uint32_t index;
} Item;

typedef struct {
    const Collector *collector;
    Item *spare;
} Sorting;

static const Entry *entry_of(const Sorting *sorting, Item item) {
    return &sorting->collector->entries[item.index];
}

static const uint8_t *key_of(const Sorting *sorting, Item item) {
    return entry_key(sorting->collector, entry_of(sorting, item));
}

static int compare_items(const Sorting *sorting, Item a, Item b, size_t depth) {
    return compare_bytes(key_of(sorting, a) + depth, entry_of(sorting, a)->length - depth,
                         key_of(sorting, b) + depth, entry_of(sorting, b)->length - depth);
}

static void insert_all(const Sorting *sorting, Item *items, size_t count, size_t depth) {
    for (size_t at = 1; at < count; at++) {
        Item item = items[at];
        size_t to = at;
        while (to && compare_items(sorting, items[to - 1], item, depth) > 0) {
            items[to] = items[to - 1];
            to--;
        }
        items[to] = item;
    }
}

static int is_in_order(const Sorting *sorting, const Item *items, size_t count, size_t depth) {
    for (size_t at = 1; at < count; at++)
        if (compare_items(sorting, items[at - 1], items[at], depth) > 0)
            return 0;
    return 1;
}

/* How many bytes from `depth` on all keys have in common. */
static size_t common(const Sorting *sorting, const Item *items, size_t count, size_t depth) {
    const uint8_t *first = key_of(sorting, items[0]) + depth;
    size_t length = entry_of(sorting, items[0])->length - depth;
    for (size_t at = 1; at < count && length; at++) {
        const uint8_t *key = key_of(sorting, items[at]) + depth;
        size_t most = entry_of(sorting, items[at])->length - depth, same = 0;
        if (most < length)
            length = most;
        while (same < length && key[same] == first[same])
            same++;
        length = same;
    }
    return length;
}

static uint64_t prefix_of(const Sorting *sorting, Item item, size_t depth) {
    uint8_t bytes[8] = {0};
    size_t left = entry_of(sorting, item)->length - depth;
    memcpy(bytes, key_of(sorting, item) + depth, left < 8 ? left : 8);
    return __builtin_bswap64(load64(bytes));
}

static void radix(const Sorting *sorting, Item *items, size_t count) {
    size_t counts[8][256] = {{0}};
    for (size_t at = 0; at < count; at++)
        for (int byte = 0; byte < 8; byte++)
            counts[byte][items[at].prefix >> (8 * byte) & 255]++;
    Item *from = items, *to = sorting->spare;
    for (int byte = 0; byte < 8; byte++) {
        if (counts[byte][items[0].prefix >> (8 * byte) & 255] == count)
            continue; /* all have the same byte here */
        size_t places[256], sum = 0;
        for (int value = 0; value < 256; value++) {
            places[value] = sum;
            sum += counts[byte][value];
        }
        for (size_t at = 0; at < count; at++)
            to[places[from[at].prefix >> (8 * byte) & 255]++] = from[at];
        Item *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != items)
        memcpy(items, from, count * sizeof *items);
}

static void sort_items(const Sorting *sorting, Item *items, size_t count, size_t depth);

/* Keys that share eight bytes from `depth` on: those that end within them come first, the shorter
 * before the longer. */
static void sort_ties(const Sorting *sorting, Item *items, size_t count, size_t depth) {
    size_t places[10] = {0}, begin[10], sum = 0;
    for (size_t at = 0; at < count; at++) {
        size_t left = entry_of(sorting, items[at])->length - depth;
        places[left <= 8 ? left : 9]++;
    }
    for (int left = 0; left < 10; left++) {
        begin[left] = sum;
        sum += places[left];
        places[left] = begin[left];
    }
    for (size_t at = 0; at < count; at++) {
        size_t left = entry_of(sorting, items[at])->length - depth;
        sorting->spare[places[left <= 8 ? left : 9]++] = items[at];
    }
    memcpy(items, sorting->spare, count * sizeof *items);
    if (count - begin[9] > 1)
        sort_items(sorting, items + begin[9], count - begin[9], depth + 8);
}

/* Items that are in the order of their prefixes, which are the eight bytes from `depth` on. */
static void sort_equal(const Sorting *sorting, Item *items, size_t count, size_t depth) {
    for (size_t at = 0, end; at < count; at = end) {
        for (end = at + 1; end < count && items[end].prefix == items[at].prefix;)
            end++;
        if (end - at > 1)
            sort_ties(sorting, items + at, end - at, depth);
    }
}

static void sort_items(const Sorting *sorting, Item *items, size_t count, size_t depth) {
    if (count <= SMALL) {
        insert_all(sorting, items, count, depth);
        return;
    }
    depth += common(sorting, items, count, depth);
    for (size_t at = 0; at < count; at++)
        items[at].prefix = prefix_of(sorting, items[at], depth);
    radix(sorting, items, count);
    sort_equal(sorting, items, count, depth);
}

static int partition_of(const Collector *self, const Entry *entry, uint32_t *partition) {
    const uint8_t *key = entry_key(self, entry);
    if (self->operation != KEEP && entry->value_length != UNKNOWN) {
        *partition = entry->value_length;
        return 0;
    }
    if (self->partition == Py_None && entry->length <= INLINE_BYTES) {
        *partition = (uint32_t)(xxh3_short(key, entry->length) % self->partitions);
        return 0;
    }
    return asked_partition(self, self->partition != Py_None ? self->partition : self->long_hash,
                           key, entry->length, partition);
}

int asked_partition(const Collector *self, PyObject *ask, const uint8_t *key, size_t length,
                    uint32_t *partition) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)key, (Py_ssize_t)length);
    PyObject *answer = bytes ? PyObject_CallOneArg(ask, bytes) : NULL;
    Py_XDECREF(bytes);
    if (!answer)
        return -1;
    uint64_t number = PyLong_AsUnsignedLongLong(answer);
    Py_DECREF(answer);
    if (PyErr_Occurred())
        return -1;
    if (self->partition == Py_None)
        number %= self->partitions;
    if (number >= self->partitions) {
        PyErr_SetString(PyExc_ValueError, "a key's partition is not one of the partitions");
        return -1;
    }
    *partition = (uint32_t)number;
    return 0;
}

/* The first bytes of a key as a number, by which the first sorting goes: those behind the tag, if
 * all keys have the same. */
static uint64_t first_bytes(const Collector *self, const Entry *entry) {
    uint8_t bytes[8] = {0};
    size_t skipped = self->all_str ? 1 : 0, left = entry->length - skipped;
    memcpy(bytes, entry_key(self, entry) + skipped, left < 8 ? left : 8);
    return __builtin_bswap64(load64(bytes));
}

/* The entries by partition, in the order of arrival within each; `items` has room for all. */
static int scatter(Collector *self, Item *items) {
    uint32_t *partitions = malloc(self->used * sizeof *partitions + 1);
    size_t *places = calloc(self->partitions + 1, sizeof *places),
           slots = self->operation == KEEP ? self->used : self->size;
    int failed = !partitions || !places;
    if (failed)
        PyErr_NoMemory();
    for (size_t at = 0, count = 0; !failed && at < slots; at++) {
        if (!self->entries[at].length)
            continue;
        partitions[count] = 0;
        failed =
            self->partitions > 1 && partition_of(self, &self->entries[at], &partitions[count]) < 0;
        if (!failed)
            self->starts[partitions[count++] + 1]++;
    }
    for (size_t number = 0; !failed && number < self->partitions; number++) {
        self->starts[number + 1] += self->starts[number];
        places[number] = self->starts[number];
    }
    for (size_t at = 0, count = 0; !failed && at < slots; at++)
        if (self->entries[at].length)
            items[places[partitions[count++]]++] =
                (Item){first_bytes(self, &self->entries[at]), (uint32_t)at};
    free(partitions);
    free(places);
    return failed ? -1 : 0;
}

static void sort_partition(Collector *self, Item *items, Item *spare, size_t count) {
    Sorting sorting = {self, spare};
    if (count < 2 || is_in_order(&sorting, items, count, 0))
        return;
    radix(&sorting, items, count);
    sort_equal(&sorting, items, count, self->all_str ? 1 : 0);
}

int collector_sort(Collector *self) {
    free(self->order);
    free(self->starts);
    self->order = malloc(self->used * sizeof *self->order + 1);
    self->starts = calloc(self->partitions + 1, sizeof *self->starts);
    size_t bytes = 2 * self->used * sizeof(Item) + 1, room = 1 << 12;
    while (room < bytes)
        room *= 2; /* the next collector may need a little more, and is to find this one's memory
                      large enough */
    Reservation memory = {NULL, 0, 0, NULL};
    int failed = -1;
    if (!self->order || !self->starts)
        PyErr_NoMemory();
    else
        failed = reservation_make(&memory, bytes, room);
    Item *items = failed ? NULL : (Item *)reservation_use(&memory, 0, bytes, 0);
    if (!failed)
        failed = scatter(self, items);
    if (!failed) {
        Py_BEGIN_ALLOW_THREADS for (size_t number = 0; number < self->partitions; number++) {
            size_t start = self->starts[number];
            sort_partition(self, items + start, items + self->used,
                           self->starts[number + 1] - start);
        }
        for (size_t at = 0; at < self->used; at++)
            self->order[at] = items[at].index;
        Py_END_ALLOW_THREADS
    }
    reservation_free(&memory);
    return failed;
}
