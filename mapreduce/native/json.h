/* JSON of keys and values, by json.c for rows.c. */
#ifndef MAPREDUCE_JSON_H
#define MAPREDUCE_JSON_H

#include "extension.h"

/* MessagePack that is left to be read. */
typedef struct {
    const uint8_t *at, *end;
} Packed;

/* The rank of a value among the top pairs: a number itself, the length of anything else, or 0. */
typedef struct {
    int is_real;
    int64_t integer;
    double real;
} Weight;

enum { NOT_PLAIN = 0, PLAIN = 1 };

/* Whether a first byte begins a text, and a list. */
static inline int is_text(uint8_t first) {
    return (first >= 0xa0 && first < 0xc0) || (first >= 0xd9 && first <= 0xdb);
}
static inline int is_list(uint8_t first) {
    return (first >= 0x90 && first < 0xa0) || first == 0xdc || first == 0xdd;
}

/* Append an encoded key: PLAIN, NOT_PLAIN where Python must write it, or -1 with MemoryError. What
 * was appended before NOT_PLAIN stays. */
int json_key(Buffer *out, const uint8_t *encoded, size_t length);
/* Append an integer; -1 with MemoryError. */
int json_integer(Buffer *out, int64_t number);
/* Append an encoded value, and set its weight; returns as `json_key`. */
int json_value(Buffer *out, const uint8_t *encoded, size_t length, Weight *weight);

#endif
