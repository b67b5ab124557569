/* States of `Quantiles`: values with their numbers; see quantiles.c. */
#ifndef MAPREDUCE_QUANTILES_H
#define MAPREDUCE_QUANTILES_H

#include "encoded.h"

/* A value and how often it is there: the bits of an integer, or of a float that is not -0.0. */
typedef struct {
    uint64_t bits, count;
} Counted;

/* The values of a key. A zeroed one is empty. */
typedef struct {
    Buffer counted; /* of Counted */
    Buffer table;   /* of uint32_t: the places of the values, by hash */
    int is_real;
} Values;

/* Empty it; keeps the memory. */
void values_clear(Values *values);
void values_free(Values *values);
/* Append the values of a state `[pending, values, counts]`: 1; 0 where Python must read it, because
 * some are neither 64-bit integers nor floats, or not of one type; -1 with MemoryError. */
int values_read(Values *values, Packed *packed);
/* Append the state of all values, counted, in the order of their first appearance; as above. */
int values_put_counted(Values *values, const HashSeeds *seeds, Buffer *out);
/* Append the state of `count` numbers of 64 bits, counted if at most half of them are distinct. */
int values_put_column(Values *values, const HashSeeds *seeds, const uint8_t *numbers, size_t count,
                      int is_real, Buffer *out);
/* Append a quantile, whose share is numerator / denominator below 2^62: between two values if it
 * interpolates. 1; 0 where Python must compute it; -1 with MemoryError. Changes the order. */
int values_put_quantile(Values *values, const HashSeeds *seeds, uint64_t numerator,
                        uint64_t denominator, int interpolates, Buffer *out);

#endif
