/* What the parts of the kernel share: growing buffers, frames as the shuffle's format has them, and
 * hashes.
 *
 * A frame's payload is described in mapreduce/formats/frames.py. All of it is little-endian, as are
 * the machines that this is built for; the build refuses others.
 */
#ifndef MAPREDUCE_KERNEL_H
#define MAPREDUCE_KERNEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the kernel is written for little-endian machines; without it the pure Python road is taken"
#endif

enum { ENCODED = 0, INTEGERS = 1 }; /* kinds of frames */
enum {
    KEEP = 0,
    SUM = 1,
    COUNT = 2,
    LEAST = 3,
    GREATEST = 4
}; /* what becomes of values of one key */

#define FRAME_PAIRS 4096
#define FRAME_BYTES (256 << 10)
#define STR_TAG 0x60
#define IS_INT UINT32_MAX /* in place of the length of an encoded value: it is an integer */

typedef struct {
    uint8_t *data;
    size_t used, size;
} Buffer;

/* Room for `more` bytes behind those in use; -1 with MemoryError. */
int buffer_reserve(Buffer *buffer, size_t more);
int buffer_add(Buffer *buffer, const void *data, size_t length);
void buffer_free(Buffer *buffer);

/* Addresses for `size` bytes, from `data` on; `touched` of them may be other than zero. */
typedef struct {
    uint8_t *data;
    size_t size, touched;
    void *mapped;
} Reservation;

/* For `most` bytes, or for a part of what there is where the process may not have so many; -1 with
 * MemoryError below `least`. */
int reservation_make(Reservation *reservation, size_t least, size_t most);
/* The bytes [from, to), which will be touched. */
uint8_t *reservation_use(Reservation *reservation, size_t from, size_t to, int as_zeros);
/* Gives it back; it may be one that was never made. */
void reservation_free(Reservation *reservation);

/* One pair as a frame holds it; `value_length` is IS_INT, or that of the bytes at `encoded`. */
typedef struct {
    const uint8_t *key;
    uint32_t key_length;
    uint32_t value_length;
    int64_t number;
    const uint8_t *encoded;
} Pair;

/* A frame that is being put together. */
typedef struct {
    uint32_t pairs;
    size_t bytes;
    int all_integers;
    uint32_t key_lengths[FRAME_PAIRS];
    uint32_t value_lengths[FRAME_PAIRS];
    int64_t numbers[FRAME_PAIRS];
    Buffer keys, values;
} FrameBuilder;

int builder_add(FrameBuilder *builder, const Pair *pair);
int builder_is_full(const FrameBuilder *builder);
/* (kind, pairs, payload), and the builder is empty again. */
PyObject *builder_take(FrameBuilder *builder);
/* Empties it, and lets go of what a large pair has needed. */
void builder_clear(FrameBuilder *builder);
void builder_free(FrameBuilder *builder);

/* A frame that is read pair by pair; it borrows the payload. */
typedef struct {
    int kind;
    uint32_t pairs, at;
    const uint8_t *key_lengths, *value_lengths, *key, *value;
} FrameCursor;

/* Opens (kind, pairs, payload); -1 with ValueError when the lengths do not add up. */
int cursor_open(FrameCursor *cursor, PyObject *frame);
/* The pair at the cursor, which must not be at the end. */
Pair cursor_pair(const FrameCursor *cursor);
void cursor_next(FrameCursor *cursor);

/* Adds two values of one key; -1 when a sum does not fit 64 bits. */
int combine(int operation, int64_t *state, int64_t value);

int compare_bytes(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length);

/* XXH3, 64 bits, seed 0, of 1 to 16 bytes (Collet 2019). */
uint64_t xxh3_short(const uint8_t *data, size_t length);

/* The hashes of the tables here. They are seeded anew in each process, so that no input can be made
 * that collides. */
extern uint64_t hash_seeds[2];
uint64_t hash_bytes(const uint8_t *data, size_t length);

static inline uint64_t hash_words(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)(a ^ hash_seeds[0]) * (b ^ hash_seeds[1]);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load64(const void *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static inline uint32_t load32(const void *at) {
    uint32_t word;
    memcpy(&word, at, 4);
    return word;
}

extern PyTypeObject WordCountsType, CollectorType, MergeType;
PyObject *kernel_groups(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *kernel_last_key(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *kernel_rows(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

#endif
