/* States of `Quantiles` (mapreduce/aggregations/ranks.py): read, counted, and their quantiles.
 *
 * A quantile is one of the values, found by partitions around pivots, or lies between two of them:
 * then it is an exact quotient that is rounded once. All values of a key are integers, or all are
 * floats; Python merges what else there is.
 *
 * The Values own their buffers. What is read is not trusted; a column is as long as the caller says.
 */
#include "quantiles.h"
#include "states.h"

#include <math.h>

#define TOP_BIT ((uint64_t)1 << 63)

void values_clear(Values *values) {
    values->counted.used = 0;
}

void values_free(Values *values) {
    buffer_free(&values->counted);
    buffer_free(&values->table);
}

static Counted *all_of(const Values *values) {
    return (Counted *)(void *)values->counted.data;
}

static size_t number_of(const Values *values) {
    return values->counted.used / sizeof(Counted);
}

/* -- reading -------------------------------------------------------------------------------------- */

/* Append a value that is there once: as `values_read`. */
static int read_value(Values *values, Packed *packed) {
    Counted one = {0, 1};
    int is_real = packed->at < packed->end && *packed->at == 0xcb;
    if (is_real) {
        double real;
        if (!state_read_real(packed, &real) || real - real != 0 || (real == 0 && signbit(real)))
            return 0;
        memcpy(&one.bits, &real, sizeof real);
    } else {
        Wide number;
        if (!state_read_integer(packed, &number) || number > INT64_MAX)
            return 0;
        one.bits = (uint64_t)(int64_t)number;
    }
    if (values->counted.used && values->is_real != is_real)
        return 0;
    values->is_real = is_real;
    return buffer_add(&values->counted, &one, sizeof one) < 0 ? -1 : 1;
}

static int read_list(Values *values, Packed *packed, size_t *length) {
    int read = state_read_length(packed, length);
    for (size_t at = 0; read == 1 && at < *length; at++)
        read = read_value(values, packed);
    return read;
}

int values_read(Values *values, Packed *packed) {
    size_t parts, pending, distinct, counts, first = number_of(values);
    if (!state_read_length(packed, &parts) || parts != 3)
        return 0;
    int read = read_list(values, packed, &pending);
    size_t known = number_of(values);
    if (read == 1)
        read = read_list(values, packed, &distinct);
    if (read != 1)
        return read;
    if (!(pending + distinct) || !state_read_length(packed, &counts) || counts != distinct)
        return 0;
    for (size_t at = 0; at < counts; at++) {
        Wide count;
        if (!state_read_integer(packed, &count) || count <= 0 || count > INT64_MAX)
            return 0;
        all_of(values)[known + at].count = (uint64_t)count;
    }
    if (pending && distinct) { /* Python counts the pending ones last */
        if (buffer_reserve(&values->counted, pending * sizeof(Counted)) < 0)
            return -1;
        Counted *all = all_of(values);
        memcpy(all + known + distinct, all + first, pending * sizeof *all);
        memmove(all + first, all + known, (distinct + pending) * sizeof *all);
    }
    return 1;
}

/* -- writing -------------------------------------------------------------------------------------- */

/* Leave one of the values that are equal, with the sum of their counts: 1; 0 where there are too
 * many; -1 with MemoryError. */
static int count_values(Values *values, const HashSeeds *seeds) {
    size_t number = number_of(values), slots = 16, distinct = 0;
    if (number > UINT32_MAX / 4)
        return 0;
    while (slots < 2 * number)
        slots *= 2;
    values->table.used = 0;
    if (buffer_reserve(&values->table, slots * sizeof(uint32_t)) < 0)
        return -1;
    uint32_t *table = (uint32_t *)(void *)values->table.data;
    memset(table, 0, slots * sizeof *table);
    Counted *all = all_of(values);
    for (size_t at = 0; at < number; at++) {
        Counted one = all[at];
        size_t slot = hash_words(seeds, one.bits, one.bits) & (slots - 1);
        while (table[slot] && all[table[slot] - 1].bits != one.bits)
            slot = (slot + 1) & (slots - 1);
        if (!table[slot]) {
            all[distinct++] = one;
            table[slot] = (uint32_t)distinct;
            continue;
        }
        uint64_t *count = &all[table[slot] - 1].count;
        *count += one.count;
        if (*count > INT64_MAX)
            return 0;
    }
    values->counted.used = distinct * sizeof *all;
    return 1;
}

static int put_value(Buffer *out, uint64_t bits, int is_real) {
    double real;
    memcpy(&real, &bits, sizeof real);
    return is_real ? state_put_real(out, real) : state_put_integer(out, (int64_t)bits);
}

static int put_counted(const Values *values, Buffer *out) {
    const Counted *all = all_of(values);
    size_t number = number_of(values);
    if (state_put_list(out, 3) < 0 || state_put_list(out, 0) < 0 || state_put_list(out, number) < 0)
        return -1;
    for (size_t at = 0; at < number; at++)
        if (put_value(out, all[at].bits, values->is_real) < 0)
            return -1;
    if (state_put_list(out, number) < 0)
        return -1;
    for (size_t at = 0; at < number; at++)
        if (state_put_integer(out, (int64_t)all[at].count) < 0)
            return -1;
    return 1;
}

int values_put_counted(Values *values, const HashSeeds *seeds, Buffer *out) {
    int counted = count_values(values, seeds);
    return counted == 1 ? put_counted(values, out) : counted;
}

int values_put_column(Values *values, const HashSeeds *seeds, const uint8_t *numbers, size_t count,
                      int is_real, Buffer *out) {
    values->counted.used = 0;
    values->is_real = is_real;
    if (buffer_reserve(&values->counted, count * sizeof(Counted)) < 0)
        return -1;
    for (size_t at = 0; at < count; at++)
        all_of(values)[at] = (Counted){load64(numbers + 8 * at), 1};
    values->counted.used = count * sizeof(Counted);
    int counted = count_values(values, seeds);
    if (counted != 1)
        return counted;
    if (2 * number_of(values) <= count)
        return put_counted(values, out);
    if (state_put_list(out, 3) < 0 || state_put_list(out, count) < 0
        || buffer_reserve(out, 9 * count + 2) < 0)
        return -1;
    for (size_t at = 0; at < count; at++)
        if (put_value(out, load64(numbers + 8 * at), is_real) < 0)
            return -1;
    return state_put_list(out, 0) < 0 || state_put_list(out, 0) < 0 ? -1 : 1;
}

/* -- quantiles ------------------------------------------------------------------------------------ */

/* Bits that have the order of the values, as numbers without a sign; of those, again the bits. */
static uint64_t in_order(uint64_t bits, int is_real) {
    return is_real && bits & TOP_BIT ? ~bits : bits ^ TOP_BIT;
}

static uint64_t out_of_order(uint64_t place, int is_real) {
    return is_real && !(place & TOP_BIT) ? ~place : place ^ TOP_BIT;
}

/* The value, in order, at an index below the sum of all counts. The pivots are random, so that no
 * input can make this slow. */
static uint64_t value_at(Counted *all, size_t number, uint64_t index, const HashSeeds *seeds) {
    size_t from = 0, to = number;
    for (;;) {
        uint64_t pivot = all[from + hash_words(seeds, from, to) % (to - from)].bits;
        uint64_t below = 0, equal = 0;
        size_t less = from, at = from, greater = to;
        while (at < greater) {
            Counted one = all[at];
            if (one.bits < pivot) {
                below += one.count;
                all[at++] = all[less];
                all[less++] = one;
            } else if (one.bits > pivot) {
                all[at] = all[--greater];
                all[greater] = one;
            } else {
                equal += one.count;
                at++;
            }
        }
        if (index < below) {
            to = less;
        } else if (index - below < equal) {
            return pivot;
        } else {
            index -= below + equal;
            from = greater;
        }
    }
}

/* The value behind one at an index, in order. */
static uint64_t value_behind(const Counted *all, size_t number, uint64_t value, uint64_t index) {
    uint64_t least = UINT64_MAX, before = 0;
    for (size_t at = 0; at < number; at++) {
        before += all[at].bits <= value ? all[at].count : 0;
        least = all[at].bits > value && all[at].bits < least ? all[at].bits : least;
    }
    return index + 1 < before ? value : least;
}

/* A value as an integer of 2^-80, or of 1: 1; 0 where it is none. */
static int wide_of(uint64_t bits, int is_real, Wide *number) {
    double real;
    memcpy(&real, &bits, sizeof real);
    return is_real ? fixed_of(real, number) : (*number = (int64_t)bits, 1);
}

/* Append what lies between two values, at part / whole of the way. */
static int put_between(uint64_t below, uint64_t above, uint64_t part, uint64_t whole, int is_real,
                       Buffer *out) {
    Wide low, high, sum;
    if (!wide_of(below, is_real, &low) || !wide_of(above, is_real, &high)
        || __builtin_mul_overflow(low, (Wide)(whole - part), &low)
        || __builtin_mul_overflow(high, (Wide)part, &high)
        || __builtin_add_overflow(low, high, &sum) || !is_narrow(sum))
        return 0;
    double found = ldexp(rounded_quotient(sum, whole), is_real ? -FIXED_BITS : 0);
    return state_put_real(out, found) < 0 ? -1 : 1;
}

int values_put_quantile(Values *values, const HashSeeds *seeds, uint64_t numerator,
                        uint64_t denominator, int interpolates, Buffer *out) {
    Counted *all = all_of(values);
    size_t number = number_of(values);
    int is_real = values->is_real;
    uint64_t total = 0;
    for (size_t at = 0; at < number; at++)
        if (all[at].count > INT64_MAX || (total += all[at].count) > INT64_MAX)
            return 0;
    unsigned __int128 place = (unsigned __int128)numerator * (total - (interpolates ? 1 : 0));
    uint64_t index = (uint64_t)(place / denominator), rest = (uint64_t)(place % denominator);
    if (!interpolates && index && !rest) /* the least rank that is not below the share */
        index--;
    for (size_t at = 0; at < number; at++)
        all[at].bits = in_order(all[at].bits, is_real);
    uint64_t found = value_at(all, number, index, seeds), behind = found;
    if (interpolates && rest)
        behind = value_behind(all, number, found, index);
    for (size_t at = 0; at < number; at++)
        all[at].bits = out_of_order(all[at].bits, is_real);
    found = out_of_order(found, is_real);
    if (!interpolates)
        return put_value(out, found, is_real) < 0 ? -1 : 1;
    if (rest)
        return put_between(found, out_of_order(behind, is_real), rest, denominator, is_real, out);
    double real;
    memcpy(&real, &found, sizeof real);
    return state_put_real(out, is_real ? real : (double)(int64_t)found) < 0 ? -1 : 1;
}
