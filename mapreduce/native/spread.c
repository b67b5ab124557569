/* States of `Variance` and `StandardDeviation` (mapreduce/aggregations/spread.py): merged, and their
 * results, which are exact and rounded once.
 *
 * All is computed with integers of 320 bits. Where these do not suffice, Python computes. What is
 * read is not trusted. Nothing here owns memory.
 */
#include "spread.h"

#include <float.h>
#include <math.h>

typedef unsigned __int128 Whole;

#define LONG_BITS (64 * LONG_WORDS)
#define BIG_INT_EXTENSION 2 /* of MessagePack; see mapreduce/encoding/values.py */
#define QUOTIENT_BITS 120   /* more than twice those of a float, and fewer than Whole has */

/* -- integers of 320 bits: 1, or 0 where a result does not fit ------------------------------------- */

static int is_negative(const Long *number) {
    return number->word[LONG_WORDS - 1] >> 63;
}

static Long long_of(Wide number) {
    Long made = {{(uint64_t)number, (uint64_t)((Whole)number >> 64)}};
    for (int at = 2; at < LONG_WORDS; at++)
        made.word[at] = number < 0 ? UINT64_MAX : 0;
    return made;
}

static int add(Long *sum, const Long *other) {
    int signs[2] = {is_negative(sum), is_negative(other)};
    Whole carry = 0;
    for (int at = 0; at < LONG_WORDS; at++) {
        carry += (Whole)sum->word[at] + other->word[at];
        sum->word[at] = (uint64_t)carry;
        carry >>= 64;
    }
    return signs[0] != signs[1] || signs[0] == is_negative(sum);
}

static Long negated(const Long *number) {
    Long made, one = long_of(1);
    for (int at = 0; at < LONG_WORDS; at++)
        made.word[at] = ~number->word[at];
    add(&made, &one);
    return made;
}

static Long magnitude_of(const Long *number) {
    return is_negative(number) ? negated(number) : *number;
}

/* The bits of a number that is not negative. */
static int length_of(const Long *number) {
    for (int at = LONG_WORDS - 1; at >= 0; at--)
        if (number->word[at])
            return 64 * (at + 1) - __builtin_clzll(number->word[at]);
    return 0;
}

static int shift(Long *number, int bits) {
    Long magnitude = magnitude_of(number), made = {{0}};
    if (bits < 0 || length_of(&magnitude) + bits >= LONG_BITS)
        return !length_of(&magnitude);
    int words = bits / 64, rest = bits % 64;
    for (int at = LONG_WORDS - 1; at >= words; at--) {
        made.word[at] = magnitude.word[at - words] << rest;
        if (rest && at > words)
            made.word[at] |= magnitude.word[at - words - 1] >> (64 - rest);
    }
    *number = is_negative(number) ? negated(&made) : made;
    return 1;
}

/* The product of two numbers that are not negative. */
static int multiply(const Long *one, const Long *other, Long *product) {
    *product = (Long){{0}};
    if (length_of(one) + length_of(other) >= LONG_BITS)
        return 0;
    for (int a = 0; a < LONG_WORDS; a++) {
        Whole carry = 0;
        for (int b = 0; a + b < LONG_WORDS; b++) {
            carry += (Whole)one->word[a] * other->word[b] + product->word[a + b];
            product->word[a + b] = (uint64_t)carry;
            carry >>= 64;
        }
    }
    return 1;
}

/* Divide a number that is not negative, rounded down; whether there was a rest. */
static int divide(Long *number, uint64_t divisor) {
    Whole rest = 0;
    for (int at = LONG_WORDS - 1; at >= 0; at--) {
        rest = rest << 64 | number->word[at];
        number->word[at] = (uint64_t)(rest / divisor);
        rest %= divisor;
    }
    return rest != 0;
}

/* Drop the last bits of a number that is not negative; whether one of them was set. */
static int drop(Long *number, int bits) {
    int any = 0;
    for (; bits >= 64; bits -= 64) {
        any |= number->word[0] != 0;
        memmove(number->word, number->word + 1, sizeof number->word - 8);
        number->word[LONG_WORDS - 1] = 0;
    }
    return bits ? divide(number, (uint64_t)1 << bits) | any : any;
}

/* -- states ---------------------------------------------------------------------------------------- */

/* Read an integer of any length: 1; 0 where it does not fit. */
static int read_long(Packed *packed, Long *number) {
    Wide small;
    uint64_t length = 16, type;
    if (packed->at == packed->end)
        return 0;
    if (*packed->at != 0xc7 && *packed->at != 0xd8) {
        if (!state_read_integer(packed, &small))
            return 0;
        return *number = long_of(small), 1;
    }
    if ((*packed->at++ == 0xc7 && !take_number(packed, 1, &length))
        || !take_number(packed, 1, &type) || type != BIG_INT_EXTENSION || !length
        || length > LONG_BITS / 8 || packed_left(packed) < length)
        return 0;
    *number = long_of(*packed->at & 0x80 ? -1 : 0);
    for (uint64_t at = 0; at < length; at++) {
        for (int word = LONG_WORDS - 1; word > 0; word--)
            number->word[word] = number->word[word] << 8 | number->word[word - 1] >> 56;
        number->word[0] = number->word[0] << 8 | *packed->at++;
    }
    return 1;
}

static int put_long(Buffer *out, const Long *number) {
    Long small = long_of((int64_t)number->word[0]), magnitude = magnitude_of(number);
    if (!memcmp(&small, number, sizeof small))
        return state_put_integer(out, (int64_t)number->word[0]);
    size_t length = (size_t)length_of(&magnitude) / 8 + 1, header = 0;
    uint8_t bytes[3 + LONG_BITS / 8 + 1];
    bytes[header++] = length == 16 ? 0xd8 : 0xc7;
    if (length != 16)
        bytes[header++] = (uint8_t)length;
    bytes[header++] = BIG_INT_EXTENSION;
    for (size_t at = 0; at < length; at++) {
        size_t byte = length - 1 - at;
        bytes[header + at] = byte / 8 < LONG_WORDS
                                 ? (uint8_t)(number->word[byte / 8] >> 8 * (byte % 8))
                                 : 0xff; /* of -2^319 alone */
    }
    return buffer_add(out, bytes, header + length);
}

/* Write sums over a larger power of two. */
static int scale(Spread *spread, Wide exponent) {
    int more = (int)(exponent - spread->exponent);
    spread->exponent = exponent;
    return shift(&spread->total, more) && shift(&spread->squares, 2 * more);
}

int spread_read(Spread *spread, Packed *packed) {
    Spread other;
    size_t length;
    if (!state_read_length(packed, &length) || length != 4
        || !state_read_integer(packed, &other.count) || other.count <= 0 || other.count > INT64_MAX
        || !state_read_integer(packed, &other.exponent) || other.exponent < 0
        || other.exponent > LONG_BITS || !read_long(packed, &other.total)
        || !read_long(packed, &other.squares))
        return 0;
    Wide common = spread->exponent > other.exponent ? spread->exponent : other.exponent;
    spread->count += other.count;
    return spread->count <= INT64_MAX && scale(spread, common) && scale(&other, common)
           && add(&spread->total, &other.total) && add(&spread->squares, &other.squares);
}

int spread_put(const Spread *spread, Buffer *out) {
    if (state_put_list(out, 4) < 0 || state_put_integer(out, (int64_t)spread->count) < 0
        || state_put_integer(out, (int64_t)spread->exponent) < 0
        || put_long(out, &spread->total) < 0)
        return -1;
    return put_long(out, &spread->squares);
}

/* -- results --------------------------------------------------------------------------------------- */

/* The root, rounded down, of a number of at most QUOTIENT_BITS + 2 bits. */
static uint64_t root_of(Whole number) {
    uint64_t root = (uint64_t)sqrt((double)number);
    root = (uint64_t)((root + number / root) / 2); /* Newton's step */
    while ((Whole)root * root > number)
        root--;
    while ((Whole)(root + 1) * (root + 1) <= number)
        root++;
    return root;
}

/* Append a number above 0 divided by another and by 4^exponent, or the root of that. */
static int put_quotient(Long number, uint64_t divisor, int exponent, int is_root, Buffer *out) {
    int divisor_bits = 64 - __builtin_clzll(divisor);
    int more = (QUOTIENT_BITS - length_of(&number) + divisor_bits) & ~1;
    int is_inexact = 0;
    if (more < 0)
        is_inexact = drop(&number, -more);
    else if (!shift(&number, more))
        return 0;
    is_inexact |= divide(&number, divisor);
    Whole quotient = (Whole)number.word[1] << 64 | number.word[0];
    double found;
    /* what is inexact becomes odd, so that it is not taken for the middle between two floats */
    if (is_root) {
        uint64_t root = root_of(quotient);
        is_inexact |= (Whole)root * root != quotient;
        found = ldexp((double)(root | (uint64_t)is_inexact), -more / 2 - exponent);
    } else {
        found = ldexp((double)(quotient | (Whole)is_inexact), -more - 2 * exponent);
    }
    /* below, ldexp would round again */
    if (found < DBL_MIN || found > DBL_MAX)
        return 0;
    return state_put_real(out, found) < 0 ? -1 : 1;
}

int spread_put_result(const Spread *spread, int is_sample, int is_root, Buffer *out) {
    uint64_t divisor;
    uint8_t nothing = 0xc0;
    if (is_sample && spread->count == 1)
        return buffer_add(out, &nothing, 1) < 0 ? -1 : 1;
    uint64_t count = (uint64_t)spread->count;
    if (__builtin_mul_overflow(count, count - (uint64_t)is_sample, &divisor))
        return 0;
    Long times = long_of(spread->count), total = magnitude_of(&spread->total), square, number;
    if (is_negative(&spread->squares) || !multiply(&times, &spread->squares, &number)
        || !multiply(&total, &total, &square))
        return 0;
    square = negated(&square);
    if (!add(&number, &square) || is_negative(&number))
        return 0;
    if (!length_of(&number))
        return state_put_real(out, 0.0) < 0 ? -1 : 1;
    return put_quotient(number, divisor, (int)spread->exponent, is_root, out);
}

/* -- columns --------------------------------------------------------------------------------------- */

/* Add a number of a column of 128 bits, times a power of two. */
static int add_column(Long *sum, const uint8_t *column, size_t row, int bits) {
    const uint8_t *at = column + 16 * row;
    Long number = long_of((Wide)((Whole)load64(at + 8) << 64 | load64(at)));
    return shift(&number, bits) && add(sum, &number);
}

int spread_put_columns(const uint8_t *const *columns, int are_floats, size_t row, Buffer *out) {
    /* the halves of floats are of 2^-20 and 2^-80; of the latter, 30 bits make a factor */
    static const int of_total[] = {60, 0}, of_squares[] = {120, 91, 61, 60, 31, 0};
    static const int plain[] = {0};
    const int *bits[2] = {are_floats ? of_total : plain, are_floats ? of_squares : plain};
    int counts[2] = {are_floats ? 2 : 1, are_floats ? 6 : 1};
    int64_t count = (int64_t)load64(*columns++ + 8 * row);
    Spread spread = {count, are_floats ? FIXED_BITS : 0, {{0}}, {{0}}};
    Long *sums[2] = {&spread.total, &spread.squares};
    for (int sum = 0; sum < 2; sum++)
        for (int at = 0; at < counts[sum]; at++)
            if (!add_column(sums[sum], *columns++, row, bits[sum][at]))
                return 0;
    return spread_put(&spread, out) < 0 ? -1 : 1;
}
