/* States of aggregations as encoded values (mapreduce/encoding/values.py): numbers, sums of floats,
 * and lists of these, put together from columns of numbers.
 *
 * Buffers are the caller's; columns are borrowed, and their lengths are checked by layout_open.
 */
#include "states.h"
#include "encoded.h"

#include <math.h>

int fixed_of(double real, Wide *fixed) {
    int exponent;
    if (real - real != 0)
        return 0;
    int64_t mantissa = (int64_t)ldexp(frexp(real, &exponent), 53);
    int shift = exponent - 53 + FIXED_BITS;
    if (!mantissa)
        return *fixed = 0, 1;
    if (shift > 70)
        return 0;
    if (shift >= 0)
        return *fixed = (Wide)mantissa * ((Wide)1 << shift), 1;
    if (shift < -52 || mantissa & (((int64_t)1 << -shift) - 1))
        return 0;
    *fixed = mantissa / ((int64_t)1 << -shift);
    return 1;
}

double rounded_quotient(Wide number, uint64_t divisor) {
    unsigned __int128 magnitude = number < 0 ? -(unsigned __int128)number : (unsigned __int128)number;
    if (!magnitude)
        return 0.0;
    uint64_t high = (uint64_t)(magnitude >> 64);
    /* shifted until the quotient has more bits than a float, and some to spare */
    int shift = high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)magnitude);
    magnitude <<= shift;
    unsigned __int128 quotient = magnitude / divisor;
    /* a rest makes it odd, so that it is not taken for the middle between two floats */
    quotient |= magnitude % divisor != 0;
    double rounded = ldexp((double)quotient, -shift);
    return number < 0 ? -rounded : rounded;
}

int state_put_integer(Buffer *out, int64_t number) {
    uint8_t bytes[9];
    return buffer_add(out, bytes, (size_t)(write_integer(bytes, number) - bytes));
}

int state_put_real(Buffer *out, double real) {
    uint8_t bytes[9];
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    return buffer_add(out, bytes, (size_t)(write_real(bytes, bits) - bytes));
}

int state_put_list(Buffer *out, size_t items) {
    uint8_t bytes[3] = {(uint8_t)(items < 16 ? 0x90 + items : 0xdc)};
    write_number(bytes + 1, items, 2);
    return buffer_add(out, bytes, items < 16 ? 1 : 3);
}

int state_put_sum(Buffer *out, int64_t total, Wide fixed) {
    double parts[8];
    uint8_t count = 0;
    /* each is the rounded rest behind those before it, which has 53 bits less each time */
    for (; fixed && count < 8; fixed -= (Wide)parts[count++])
        parts[count] = (double)fixed;
    if (state_put_list(out, 1 + (size_t)count) < 0 || state_put_integer(out, total) < 0)
        return -1;
    for (uint8_t part = 0; part < count; part++)
        if (state_put_real(out, ldexp(parts[part], -FIXED_BITS)) < 0)
            return -1;
    return 0;
}

/* The number of items of the list that begins behind `text`; -1 where it does not end. */
static int items_of(const char *text) {
    int depth = 0, items = 0;
    for (; *text; text++) {
        if (*text == ']' && !depth)
            return items <= 15 ? items : -1;
        items += !depth && *text != 'x';
        depth += (*text == '[') - (*text == ']');
    }
    return -1;
}

int layout_open(Layout *layout, const char *text, const Py_buffer *columns, size_t count,
                size_t rows) {
    size_t column = 0, steps = 0;
    int depth = 0, sound = 1;
    for (const char *at = text; sound && *at; at++) {
        LayoutStep step = {*at, NULL, NULL, 0};
        size_t wanted = strchr("idx", *at) ? 1 : *at == 'f' ? 2 : 0;
        sound = strchr("idfx[]", *at) && steps < LAYOUT_STEPS && column + wanted <= count;
        for (size_t each = column; sound && each < column + wanted; each++)
            sound = (size_t)columns[each].len == 8 * rows;
        if (!sound)
            break;
        if (wanted)
            step.column = columns[column].buf;
        if (wanted == 2)
            step.other = columns[column + 1].buf;
        column += wanted;
        if (*at == '[') {
            int items = items_of(at + 1);
            sound = items >= 0;
            step.items = (uint8_t)items;
        }
        depth += (*at == '[') - (*at == ']');
        sound = sound && depth >= 0;
        if (*at != 'x' && *at != ']')
            layout->step[steps++] = step;
    }
    layout->steps = steps;
    if (sound && !depth && column == count && steps)
        return 0;
    PyErr_SetString(PyExc_ValueError, "the layout does not suit the columns");
    return -1;
}

/* A sum of floats whose halves are below 2^62; see `halves` in mapreduce/columns/plan.py. */
static int put_halves(Buffer *out, int64_t high, int64_t low) {
    int64_t most = (int64_t)1 << 62;
    if (high >= most || high <= -most)
        return 0;
    return state_put_sum(out, 0, (Wide)high * ((Wide)1 << 60) + low) < 0 ? -1 : 1;
}

int layout_put(const Layout *layout, Buffer *out, size_t row) {
    for (size_t at = 0; at < layout->steps; at++) {
        const LayoutStep *step = &layout->step[at];
        double real;
        int put = 1;
        switch (step->kind) {
        case '[':
            put = state_put_list(out, step->items);
            break;
        case 'i':
            put = state_put_integer(out, (int64_t)load64(step->column + 8 * row));
            break;
        case 'd':
            memcpy(&real, step->column + 8 * row, sizeof real);
            put = state_put_real(out, real);
            break;
        default:
            put = put_halves(out, (int64_t)load64(step->column + 8 * row),
                             (int64_t)load64(step->other + 8 * row));
            if (!put)
                return 0;
        }
        if (put < 0)
            return -1;
    }
    return 1;
}
