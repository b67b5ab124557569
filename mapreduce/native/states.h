/* States of aggregations as encoded values: what fold.c and the collector share; see states.c. */
#ifndef MAPREDUCE_STATES_H
#define MAPREDUCE_STATES_H

#include "encoded.h"
#include "quantiles.h"

typedef __int128 Wide;

#define FIXED_BITS 80 /* a sum of floats is an integer of 2^-80 */

/* Whether a number is below 2^126, so that its parts are exact. */
static inline int is_narrow(Wide number) {
    Wide most = (Wide)1 << 126;
    return -most < number && number < most;
}

/* A float in units of 2^-80: 1; 0 where it is no multiple of that, or too large. */
int fixed_of(double real, Wide *fixed);
/* A narrow number divided by another above 0, rounded once, to the nearest, ties to even. */
double rounded_quotient(Wide number, uint64_t divisor);

/* Read values as mapreduce/encoding/values.py encodes them: 1; 0 where there is none: an integer of
 * up to 64 bits, the length of a list, a float. */
int state_read_integer(Packed *packed, Wide *number);
int state_read_length(Packed *packed, size_t *length);
int state_read_real(Packed *packed, double *real);

/* Append values as mapreduce/encoding/values.py encodes them; -1 with MemoryError. */
int state_put_integer(Buffer *out, int64_t number);
int state_put_real(Buffer *out, double real);
/* Append the beginning of a list of fewer than 2^32 items. */
int state_put_list(Buffer *out, size_t items);
/* Append the state of `Sum` of integers and of floats, which are narrow in units of 2^-80. */
int state_put_sum(Buffer *out, int64_t total, Wide fixed);

#define STEP_COLUMNS 9 /* of one step, at most */

/* A step of a layout: what of a row's columns becomes a part of its state. */
typedef struct {
    char kind;
    uint8_t items;                        /* of a list */
    const uint8_t *columns[STEP_COLUMNS]; /* of numbers, which need not be aligned */
} LayoutStep;

#define LAYOUT_STEPS 200

/* A zeroed one is empty. */
typedef struct {
    size_t steps;
    LayoutStep step[LAYOUT_STEPS];
    HashSeeds seeds;
    Values values;
} Layout;

/* Read a layout: "i" an integer, "d" a float, "f" the sum of floats of two columns of integers, of
 * 2^-20 and 2^-80, "q" and "r" the state of quantiles of integers and of floats, of 32-bit ends of
 * lists and their numbers, "w" and "v" the state of a variance (see spread.h), "x" nothing of a
 * column, "[" and "]" a list. -1 with ValueError where it does not suit the columns. The columns
 * are borrowed. Close it in each case. */
int layout_open(Layout *layout, const HashSeeds *seeds, const char *text, const Py_buffer *columns,
                size_t count, size_t rows);
void layout_close(Layout *layout);
/* Append the state of a row: 1; 0 where a number is too large; -1 with MemoryError. */
int layout_put(Layout *layout, Buffer *out, size_t row);

#endif
