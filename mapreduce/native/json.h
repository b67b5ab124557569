/* JSON of keys and values, by json.c for rows.c. */
#ifndef MAPREDUCE_JSON_H
#define MAPREDUCE_JSON_H

#include "extension.h"

/* The rank of a value among the top pairs: a number itself, the length of anything else, or 0. */
typedef struct {
    int is_real;
    int64_t integer;
    double real;
} Weight;

enum { NOT_PLAIN = 0, PLAIN = 1 };

/* Append an encoded key: PLAIN, NOT_PLAIN where Python must write it, or -1 with MemoryError. What
 * was appended before NOT_PLAIN stays. */
int json_key(Buffer *out, const uint8_t *encoded, size_t length);
/* Append an integer; -1 with MemoryError. */
int json_integer(Buffer *out, int64_t number);
/* Append an encoded value, and set its weight; returns as `json_key`. */
int json_value(Buffer *out, const uint8_t *encoded, size_t length, Weight *weight);

#endif
