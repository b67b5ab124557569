/* States of `Variance`: exact sums of squares; see spread.c. */
#ifndef MAPREDUCE_SPREAD_H
#define MAPREDUCE_SPREAD_H

#include "encoded.h"
#include "states.h"

#define LONG_WORDS 5

/* An integer of 320 bits in two's complement, the least word first. */
typedef struct {
    uint64_t word[LONG_WORDS];
} Long;

/* The sum of `count` values is `total` / 2^exponent, that of their squares `squares` / 4^exponent.
 * A zeroed one is that of no values. */
typedef struct {
    Wide count, exponent;
    Long total, squares;
} Spread;

/* Add a state `[count, exponent, total, squares]`: 1; 0 where Python must. */
int spread_read(Spread *spread, Packed *packed);
/* Append the state; -1 with MemoryError. */
int spread_put(const Spread *spread, Buffer *out);
/* Append the variance, or its root: 1; 0 where Python must compute it; -1 with MemoryError. */
int spread_put_result(const Spread *spread, int is_sample, int is_root, Buffer *out);

/* The columns of a layout's "w": count, and of 128 bits, sum and sum of squares of integers. */
#define SPREAD_COLUMNS_OF_INTEGERS 3
/* Of "v": count, and of 128 bits, the sums that mapreduce/columns/moments.py selects of floats. */
#define SPREAD_COLUMNS_OF_FLOATS 9
/* Append the state of a row: 1; 0 where Python must make it; -1 with MemoryError. */
int spread_put_columns(const uint8_t *const *columns, int are_floats, size_t row, Buffer *out);

#endif
