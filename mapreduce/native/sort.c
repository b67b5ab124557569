/* Sorts a collector's entries by partition, then by key; equal keys stay in the order in which they
 * came.
 *
 * Eight bytes of each key at a time are sorted as one number (LSD radix sort, which is stable);
 * keys that share them are sorted by the next eight. What all keys of a group have in common is
 * skipped first. Reading eight bytes through an index costs a cache miss, so they are read once and
 * moved along with the index.
 *
 * Items hold no references: an index is valid as long as no pair is added, which `busy` sees to.
 * The sorting itself runs without the GIL and uses no part of Python; `scatter` before it may call
 * Python for partitions, and holds the GIL. The items and the spare space are one Reservation,
 * which collector_sort gives back.
 */
#include "entries.h"

#define SMALL 48   /* below, inserting is faster than counting */
#define DEEPEST 64 /* levels of recursion, some hundred bytes of stack each */

typedef struct {
    uint64_t prefix; /* eight bytes of the key as a big-endian number, padded with zeros */
    uint32_t index;  /* of the entry */
} Item;

typedef struct {
    const Collector *collector;
    Item *spare; /* space for as many items as there are */
} Sorting;

static const Entry *entry_of(const Sorting *sorting, Item item) {
    return &sorting->collector->entries[item.index];
}

static const uint8_t *key_of(const Sorting *sorting, Item item) {
    return entry_key(sorting->collector, entry_of(sorting, item));
}

/* Compare two keys, which are the same up to `depth`. */
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

/* How many bytes from `depth` on all keys have in common; at most the shortest key's. */
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

/* Sort by prefix: eight stable passes, from the last byte to the first, each from one array into
 * the other. All counts come from one pass over the items, as they do not depend on their order. */
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

/* Sort by comparing, without recursion: runs of 1, 2, 4, ... items are merged from one array into
 * the other. Of equal keys the left one is taken, so that they keep their order. */
static void merge_sort(const Sorting *sorting, Item *items, size_t count, size_t depth) {
    Item *from = items, *to = sorting->spare;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t middle = start + width < count ? start + width : count;
            size_t end = start + 2 * width < count ? start + 2 * width : count;
            for (size_t out = start, left = start, right = middle; out < end; out++) {
                int from_left = right == end
                                || (left < middle
                                    && compare_items(sorting, from[left], from[right], depth) <= 0);
                to[out] = from_left ? from[left++] : from[right++];
            }
        }
        Item *merged = to;
        to = from;
        from = merged;
    }
    if (from != items)
        memcpy(items, from, count * sizeof *items);
}

static void sort_items(const Sorting *sorting, Item *items, size_t count, size_t depth, int level);

/* Sort keys that share the eight bytes from `depth` on, or the zeros behind a key that ends there:
 * those that end within them come first, the shorter before the longer, in ten buckets by the bytes
 * left (0 to 8, and more). Only the last bucket goes on to the next eight bytes. */
static void sort_ties(const Sorting *sorting, Item *items, size_t count, size_t depth, int level) {
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
        sort_items(sorting, items + begin[9], count - begin[9], depth + 8, level + 1);
}

/* Sort each group of one prefix; items are in the order of their prefixes, which are the eight
 * bytes from `depth` on. */
static void sort_equal(const Sorting *sorting, Item *items, size_t count, size_t depth, int level) {
    for (size_t at = 0, end; at < count; at = end) {
        for (end = at + 1; end < count && items[end].prefix == items[at].prefix;)
            end++;
        if (end - at > 1)
            sort_ties(sorting, items + at, end - at, depth, level);
    }
}

/* Sort keys that are the same up to `depth`.
 *
 * Keys such as "a", "aaaaaaaaa", and so on, each eight bytes longer, are told apart one or two a
 * level: from DEEPEST on they are compared, or a thread's stack could be too small for them. */
static void sort_items(const Sorting *sorting, Item *items, size_t count, size_t depth, int level) {
    if (count <= SMALL) {
        insert_all(sorting, items, count, depth);
        return;
    }
    if (level > DEEPEST) {
        merge_sort(sorting, items, count, depth);
        return;
    }
    depth += common(sorting, items, count, depth);
    for (size_t at = 0; at < count; at++)
        items[at].prefix = prefix_of(sorting, items[at], depth);
    radix(sorting, items, count);
    sort_equal(sorting, items, count, depth, level);
}

/* The partition of an entry: as it was checked, by the hash of its bytes, or by asking Python. */
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

/* Write the entries by partition, in the order of arrival within each, to `items`: a counting sort,
 * whose counts become `starts`. -1 with an exception. */
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

/* Sort a partition, whose items have the prefixes of `first_bytes`. Keys often come in order: a
 * look costs little against a sort. */
static void sort_partition(Collector *self, Item *items, Item *spare, size_t count) {
    Sorting sorting = {self, spare};
    if (count < 2 || is_in_order(&sorting, items, count, 0))
        return;
    radix(&sorting, items, count);
    sort_equal(&sorting, items, count, self->all_str ? 1 : 0, 0);
}

int collector_sort(Collector *self) {
    free(self->order);
    free(self->starts);
    self->order = malloc(self->used * sizeof *self->order + 1);
    self->starts = calloc(self->partitions + 1, sizeof *self->starts);
    size_t bytes = 2 * self->used * sizeof(Item) + 1, space = 1 << 12;
    while (space < bytes)
        space *= 2; /* the next collector may need a little more, and is to find this one's memory
                      large enough */
    Reservation memory = {NULL, 0, 0, NULL};
    int failed = -1;
    if (!self->order || !self->starts)
        PyErr_NoMemory();
    else
        failed = reservation_make(self->pages, &memory, bytes, space);
    Item *items = failed ? NULL : (Item *)reservation_use(&memory, 0, bytes, 0);
    if (!failed)
        failed = scatter(self, items);
    if (!failed) {
        Py_BEGIN_ALLOW_THREADS
        for (size_t number = 0; number < self->partitions; number++) {
            size_t start = self->starts[number];
            sort_partition(self, items + start, items + self->used,
                           self->starts[number + 1] - start);
        }
        for (size_t at = 0; at < self->used; at++)
            self->order[at] = items[at].index;
        Py_END_ALLOW_THREADS
    }
    reservation_free(self->pages, &memory);
    return failed;
}
