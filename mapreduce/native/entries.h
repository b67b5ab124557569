/* A collector's pairs in memory: taken from Python by collector.c, found by their keys in
 * entries.c, sorted by sort.c.
 *
 * The Collector owns its entries, arena, order and starts, and strong references to its five
 * callables. It holds no reference to a pair of Python: a key or value is copied as bytes, or the
 * pair is refused and handed back. Where the entries lie depends on the operation: for KEEP they
 * are malloc'ed, else they lie in `table`.
 *
 * A key is the bytes of mapreduce/encoding.py. Up to 16 of them lie in the entry itself, so that
 * most look-ups touch one cache line; longer ones lie in the arena. When combining, the entries are
 * a hash table with open addressing; when keeping every pair they are a list in the order of
 * arrival, which sorting preserves among equal keys.
 */
#ifndef MAPREDUCE_ENTRIES_H
#define MAPREDUCE_ENTRIES_H

#include "extension.h"

#define INLINE_BYTES 16

typedef struct {
    uint64_t low, high; /* a key of up to 16 bytes, padded with zeros; else its hash, and where it
                           is in the arena */
    int64_t value;      /* an integer, or where the encoded value is in the arena */
    uint32_t length;    /* of the key; 0 where there is no entry */
    uint32_t value_length; /* when keeping: of the encoded value, or IS_INT; when combining: the
                              partition, if known */
} Entry;

#define UNKNOWN UINT32_MAX /* a partition that was not asked for yet */

#define FIRST_ENTRIES 128
#define PENDING 32

/* A pair whose place in the table is on its way to the processor's cache. */
typedef struct {
    uint64_t low, high, hash;
    int64_t value;
    uint32_t length, partition;
} Waiting;

typedef struct {
    PyObject_HEAD
    int operation;
    int is_initialised;
    int is_sorted;
    int busy;    /* a call is under way: none may come between, from a callback or another thread */
    int all_str; /* no key is anything but a str */
    size_t partitions, limit;
    HashSeeds seeds;
    Pages *pages; /* held */
    PyObject *encode_key, *encode_value, *long_hash, *partition, *check;
    Entry *entries; /* when combining: in `table` */
    size_t used, size;
    Reservation table;
    Buffer arena;
    uint32_t *order; /* once sorted: the entries by partition and key */
    size_t *starts;  /* where each partition begins in that */
    FrameBuilder builder;
    Waiting waiting[PENDING];
    size_t waits;
} Collector;

typedef enum {
    ENDED = 0,
    FULL = 1,
    REFUSED = 2
} AddState; /* why `add` and `add_columns` stopped */

/* The key's bytes, borrowed from the entry or the arena. */
static inline const uint8_t *entry_key(const Collector *self, const Entry *entry) {
    return entry->length <= INLINE_BYTES ? (const uint8_t *)&entry->low
                                         : self->arena.data + entry->high;
}

/* The hash of a key that lies in the entry. */
static inline uint64_t short_hash(const HashSeeds *seeds, uint64_t low, uint64_t high,
                                  uint32_t length) {
    return hash_words(seeds, low ^ (uint64_t)length << 56, high);
}

/* The table's entry of a key, or the free one that it would have; `key` is read only where it is
 * long. The table must have a free entry. */
Entry *entries_find(const Collector *self, const Waiting *pair, const uint8_t *key);
/* Whether that many more keys need a larger table. */
int entries_must_grow(const Collector *self, size_t more);
/* Make the first table, or double it; -1 with MemoryError. */
int entries_grow(Collector *self);
/* When keeping: make space for one more pair; -1 with MemoryError. */
int entries_reserve(Collector *self);
/* Whether there is a pair, and the limit is reached. */
int entries_are_full(const Collector *self);

/* Ask a callable of Python for a key's partition; -1 with its exception, or with ValueError. */
int asked_partition(const Collector *self, PyObject *ask, const uint8_t *key, size_t length,
                    uint32_t *partition);
/* Begin a call that adds kept pairs, and that ends with `busy` = 0: the collector, borrowed, or NULL
 * with an exception where the object is none that can take them now. */
Collector *collector_begun(PyObject *object);
/* Fill `order` and `starts`; -1 with an exception. */
int collector_sort(Collector *self);

#endif
