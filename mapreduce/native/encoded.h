/* What json.c and pack.c know of encoded keys (mapreduce/encoding/keys.py) and values (values.py).
 *
 * What is read comes from storage and is not trusted: each read is checked against the end.
 */
#ifndef MAPREDUCE_ENCODED_H
#define MAPREDUCE_ENCODED_H

#include "extension.h"

/* The tags of keys; that of str is STR_TAG. */
enum { NO_KEY = 0x08, NO = 0x10, YES = 0x11, INT_KEY = 0x20, REAL_KEY = 0x30, BYTES_KEY = 0x40,
       TUPLE_KEY = 0x50 };
/* The extension of MessagePack for a tuple, whose content is a list. */
enum { TUPLE_EXTENSION = 1 };
/* Levels of lists, tuples and dicts; Python reads and writes deeper ones. */
enum { DEEPEST = 64 };

/* Encoded bytes that are left to be read. It borrows them. */
typedef struct {
    const uint8_t *at, *end;
} Packed;

static inline uint64_t packed_left(const Packed *packed) {
    return (uint64_t)(packed->end - packed->at);
}

/* Read a big-endian number of up to 8 bytes: 1; 0 where the bytes end before. */
static inline int take_number(Packed *packed, size_t size, uint64_t *number) {
    if (packed_left(packed) < size)
        return 0;
    *number = 0;
    for (size_t byte = 0; byte < size; byte++)
        *number = *number << 8 | packed->at[byte];
    packed->at += size;
    return 1;
}

/* The number of bytes of the length, or of the number itself, behind the first byte of a value from
 * 0xc0 to 0xdf; 0 where there is none. */
static inline size_t number_size(uint8_t first) {
    static const uint8_t sizes[32] = {
        [0x04] = 1, [0x05] = 2, [0x06] = 4, [0x07] = 1, [0x08] = 2, [0x09] = 4, [0x0b] = 8,
        [0x0c] = 1, [0x0d] = 2, [0x0e] = 4, [0x0f] = 8, [0x10] = 1, [0x11] = 2, [0x12] = 4,
        [0x13] = 8, [0x19] = 1, [0x1a] = 2, [0x1b] = 4, [0x1c] = 2, [0x1d] = 4, [0x1e] = 2,
        [0x1f] = 4};
    return sizes[first & 31];
}

/* Whether a first byte begins a text, and a list. */
static inline int is_text(uint8_t first) {
    return (first >= 0xa0 && first < 0xc0) || (first >= 0xd9 && first <= 0xdb);
}
static inline int is_list(uint8_t first) {
    return (first >= 0x90 && first < 0xa0) || first == 0xdc || first == 0xdd;
}

#endif
