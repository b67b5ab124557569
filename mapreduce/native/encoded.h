/* Encoded keys (mapreduce/encoding/keys.py) and values (values.py, which are MessagePack).
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

/* Write a big-endian number; what is behind it. */
static inline uint8_t *write_number(uint8_t *to, uint64_t number, size_t size) {
    for (size_t byte = 0; byte < size; byte++)
        to[byte] = (uint8_t)(number >> 8 * (size - 1 - byte));
    return to + size;
}

/* Write an integer in its shortest form, which has at most 9 bytes (the MessagePack specification,
 * "int format family"); what is behind it. */
static inline uint8_t *write_integer(uint8_t *to, int64_t number) {
    uint64_t bits = (uint64_t)number;
    if (number >= -32 && number < 128) {
        *to = (uint8_t)bits;
        return to + 1;
    }
    int size;
    if (number >= 0)
        size = bits <= UINT8_MAX ? 0 : bits <= UINT16_MAX ? 1 : bits <= UINT32_MAX ? 2 : 3;
    else
        size = number >= INT8_MIN ? 0 : number >= INT16_MIN ? 1 : number >= INT32_MIN ? 2 : 3;
    *to = (uint8_t)((number >= 0 ? 0xcc : 0xd0) + size);
    return write_number(to + 1, bits, (size_t)1 << size);
}

/* Write the bits of a float, in 9 bytes; what is behind it. */
static inline uint8_t *write_real(uint8_t *to, uint64_t bits) {
    *to = 0xcb;
    return write_number(to + 1, bits, 8);
}

/* Write the header of a tuple whose list has that many bytes, at most 6; what is behind it. */
static inline uint8_t *write_tuple_header(uint8_t *to, size_t length) {
    if (length == 1 || length == 2 || length == 4 || length == 8 || length == 16) {
        *to++ = (uint8_t)(0xd4 + __builtin_ctz((unsigned)length));
    } else {
        size_t size = length <= UINT8_MAX ? 1 : length <= UINT16_MAX ? 2 : 4;
        *to++ = size == 1 ? 0xc7 : size == 2 ? 0xc8 : 0xc9;
        to = write_number(to, length, size);
    }
    *to++ = TUPLE_EXTENSION;
    return to;
}

#endif
