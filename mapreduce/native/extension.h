/* What the parts of the extension share: growing buffers, frames in the shuffle's format, hashes,
 * and the module's state.
 *
 * A frame's payload is described in mapreduce/formats/frames.py. All of it is little-endian, as are
 * the machines that this is built for; the build refuses others.
 *
 * Rules that hold in every file:
 *
 * - There is no writable static variable. What the process would share lies in the ModuleState, one
 *   for each interpreter that imports the module. Objects copy the seeds and hold the Pages, so
 * that they never read a state that is gone.
 * - A function that can fail returns -1 or NULL, with an exception of Python set. The exceptions
 * say so where they are declared.
 * - A `PyObject *` argument is borrowed, and a returned one is a new reference, unless a comment
 * says "steals" or "borrows".
 * - A `const uint8_t *` borrows. It is valid until the next call that may grow the Buffer, or drop
 *   the `bytes` object, that it points into; each file's head says what keeps that object alive.
 * - The GIL is held, except between Py_BEGIN_ALLOW_THREADS and Py_END_ALLOW_THREADS. A call back
 * into Python may run any code, so that an object that makes one is marked `busy` and refuses every
 *   other call meanwhile.
 */
#ifndef MAPREDUCE_EXTENSION_H
#define MAPREDUCE_EXTENSION_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the extension is written for little-endian machines; without it Python does its work"
#endif

enum { ENCODED = 0, INTEGERS = 1 }; /* kinds of frames */
enum {
    KEEP = 0,
    SUM = 1,
    COUNT = 2,
    LEAST = 3,
    GREATEST = 4,
    FIRST = 5 /* of a merge alone: the pair of the earliest run */
}; /* what becomes of values of one key */

#define FRAME_PAIRS 4096
#define FRAME_BYTES (256 << 10)
#define STR_TAG 0x60
#define IS_INT UINT32_MAX /* in place of the length of an encoded value: it is an integer */

typedef struct {
    uint8_t *data;
    size_t used, size;
} Buffer;

/* Make space for `more` bytes behind those in use; -1 with MemoryError. Moves the data. */
int buffer_reserve(Buffer *buffer, size_t more);
/* Append bytes, which may not lie in the buffer itself; -1 with MemoryError. Moves the data. */
int buffer_add(Buffer *buffer, const void *data, size_t length);
/* Free the memory; the buffer is empty and may be used again. */
void buffer_free(Buffer *buffer);

/* Large pieces of memory that are kept to be used again; see pages.c. */
typedef struct Pages Pages;

/* A new pool with one holder; NULL with MemoryError. */
Pages *pages_new(void);
/* Add a holder, and return the pool. */
Pages *pages_hold(Pages *pages);
/* Remove a holder; the last one frees the pool. NULL is allowed. */
void pages_release(Pages *pages);

/* Addresses for `size` bytes, from `data` on; the first `touched` may hold something but zeros. */
typedef struct {
    uint8_t *data;
    size_t size, touched;
    void *mapped;
} Reservation;

/* Reserve `most` bytes, or a part of what there is where the process may not have so many; -1 with
 * MemoryError below `least`. */
int reservation_make(Pages *pages, Reservation *reservation, size_t least, size_t most);
/* The bytes [from, to), which the caller will touch; zeroed if asked. */
uint8_t *reservation_use(Reservation *reservation, size_t from, size_t to, int as_zeros);
/* Zeroed memory that belongs to no pool; -1, without an exception, where there is none. It may be
 * called without the GIL. */
int reservation_alone(Reservation *reservation, size_t bytes);
/* Give the memory to the pool, or back to the system; a zeroed Reservation is allowed. NULL for the
 * pool gives it to the system, and may be called without the GIL. */
void reservation_free(Pages *pages, Reservation *reservation);

/* One pair as a frame holds it, with borrowed bytes; `value_length` is IS_INT, or the length of the
 * bytes at `encoded`. */
typedef struct {
    const uint8_t *key;
    uint32_t key_length;
    uint32_t value_length;
    int64_t number;
    const uint8_t *encoded;
} Pair;

/* A frame under construction. A zeroed one is empty. */
typedef struct {
    uint32_t pairs;
    size_t bytes;
    int all_integers;
    uint32_t key_lengths[FRAME_PAIRS];
    uint32_t value_lengths[FRAME_PAIRS];
    int64_t numbers[FRAME_PAIRS];
    Buffer keys, values;
} FrameBuilder;

/* Append a copy of a pair to a builder that is not full; -1 with MemoryError: clear it then. */
int builder_add(FrameBuilder *builder, const Pair *pair);
int builder_is_full(const FrameBuilder *builder);
/* Return (kind, pairs, payload), and empty the builder; NULL leaves it as it was. */
PyObject *builder_take(FrameBuilder *builder);
/* Empty the builder, and free what a large pair has needed. */
void builder_clear(FrameBuilder *builder);
/* Free the memory of a builder that is not used any more. */
void builder_free(FrameBuilder *builder);

/* A position in a frame. It borrows the payload: the caller keeps the frame's tuple alive. */
typedef struct {
    int kind;
    uint32_t pairs, at;
    const uint8_t *key_lengths, *value_lengths, *key, *value;
} FrameCursor;

/* Open (kind, pairs, payload); -1 with ValueError when the lengths do not add up, with TypeError or
 * OverflowError when it is no such tuple. After 0, each read up to `pairs` is within the payload.
 */
int cursor_open(FrameCursor *cursor, PyObject *frame);
/* The pair at the cursor, which must not be at the end. */
Pair cursor_pair(const FrameCursor *cursor);
void cursor_next(FrameCursor *cursor);

/* Combine a value with a key's state; -1, without an exception, when a sum does not fit 64 bits. */
int combine(int operation, int64_t *state, int64_t value);

/* Below, above or equal to 0, as bytes compare in Python. */
int compare_bytes(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length);

/* XXH3, 64 bits, seed 0, of 1 to 16 bytes (Collet 2019). */
uint64_t xxh3_short(const uint8_t *data, size_t length);

/* What the hashes of the tables begin with. It is random in each module, so that no input can be
 * made whose keys collide. */
typedef struct {
    uint64_t first, second;
} HashSeeds;

uint64_t hash_bytes(const HashSeeds *seeds, const uint8_t *data, size_t length);

static inline uint64_t hash_words(const HashSeeds *seeds, uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)(a ^ seeds->first) * (b ^ seeds->second);
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

/* One for each interpreter that imports the module. It holds no Python object. */
typedef struct {
    HashSeeds seeds;
    Pages *pages;
} ModuleState;

/* The state behind an object of one of the module's types, which have no subclasses. Only for calls
 * of Python: while an object is deallocated, its module may be gone. */
static inline ModuleState *state_of(PyObject *object) {
    return PyType_GetModuleState(Py_TYPE(object));
}

extern PyType_Spec word_counts_spec, collector_spec, merge_spec, fold_spec, held_rows_spec;
PyObject *extension_groups(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *extension_last_key(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *extension_rows(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *extension_separated(PyObject *module, PyObject *arguments);
PyObject *extension_records(PyObject *module, PyObject *arguments);
PyObject *extension_json_lines(PyObject *module, PyObject *arguments);

#endif
