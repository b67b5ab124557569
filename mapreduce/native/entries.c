/* The hash table of a collector that combines: it grows where it stands, in addresses that are
 * reserved for it.
 *
 * Nothing here calls Python, except to set MemoryError. `entries` points into `table`, which the
 * Collector owns; a pointer to an entry is valid until the table grows.
 */
#include "entries.h"

static size_t capacity(const Collector *self) {
    return self->size / 8 * 5; /* a hash table is at most 5/8 full */
}

int entries_must_grow(const Collector *self, size_t more) {
    return self->used + more > capacity(self);
}

Entry *entries_find(const Collector *self, const Waiting *pair, const uint8_t *key) {
    size_t mask = self->size - 1;
    for (size_t at = pair->hash & mask;; at = (at + 1) & mask) {
        Entry *entry = &self->entries[at];
        if (!entry->length)
            return entry;
        if (entry->length != pair->length)
            continue;
        if (pair->length <= INLINE_BYTES
                ? entry->low == pair->low && entry->high == pair->high
                : entry->low == pair->hash
                      && !memcmp(self->arena.data + entry->high, key, pair->length))
            return entry;
    }
}

static uint64_t hash_of(const HashSeeds *seeds, const Entry *entry) {
    return entry->length <= INLINE_BYTES ? short_hash(seeds, entry->low, entry->high, entry->length)
                                         : entry->low;
}

/* Moves the entries of a table to their places in one of twice the size, where they stand. An
 * entry's place there is its old one or that plus `size`, or behind it. From the slot behind a free
 * one on, whatever lies between an entry's place and the entry has been moved already, so that it
 * finds a slot without passing one that has not.
 */
static void spread(const HashSeeds *seeds, Entry *entries, size_t size) {
    size_t gap = 0;
    while (entries[gap].length)
        gap++;
    for (size_t step = 1; step < size; step++) {
        Entry *old = &entries[(gap + step) & (size - 1)];
        if (!old->length)
            continue;
        Entry entry = *old;
        old->length = 0;
        size_t slot = hash_of(seeds, &entry) & (2 * size - 1);
        while (entries[slot].length)
            slot = (slot + 1) & (2 * size - 1);
        entries[slot] = entry;
    }
}

/* The first table, for which addresses are reserved up to the limit, so that it can grow where it
 * stands. */
static int first_table(Collector *self) {
    size_t least = FIRST_ENTRIES * sizeof(Entry), most = least;
    while (most * 2 <= self->limit && most / sizeof(Entry) < UINT32_MAX / 2)
        most *= 2; /* an index of an entry has 32 bits */
    if (reservation_make(self->pages, &self->table, least, most) < 0)
        return -1;
    self->entries = (Entry *)reservation_use(&self->table, 0, least, 1);
    self->size = FIRST_ENTRIES;
    return 0;
}

int entries_grow(Collector *self) {
    if (!self->size)
        return first_table(self);
    size_t bytes = self->size * sizeof(Entry);
    if (2 * bytes > self->table.size) {
        PyErr_NoMemory(); /* a collector is full before that */
        return -1;
    }
    reservation_use(&self->table, bytes, 2 * bytes, 1);
    spread(&self->seeds, self->entries, self->size);
    self->size *= 2;
    return 0;
}

int entries_are_full(const Collector *self) {
    if (self->operation == KEEP)
        return self->used && self->used * sizeof(Entry) + self->arena.used > self->limit;
    if (self->used + PENDING < capacity(self))
        return self->used && self->arena.used + self->size * sizeof(Entry) > self->limit;
    size_t larger = 2 * self->size * sizeof(Entry);
    return self->used && (self->arena.used + larger > self->limit || larger > self->table.size);
}

int entries_reserve(Collector *self) {
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
    return 0;
}
