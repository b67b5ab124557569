/* States of aggregations as encoded values (mapreduce/encoding/values.py): numbers, sums of floats,
 * and lists of these, put together from columns of numbers.
 *
 * Buffers are the caller's; columns are borrowed, and their lengths are checked by layout_open.
 */
#include "states.h"
#include "spread.h"

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

int state_read_integer(Packed *packed, Wide *number) {
    if (packed->at == packed->end)
        return 0;
    uint8_t first = *packed->at++;
    uint64_t bits;
    if (first < 0x80 || first >= 0xe0)
        return *number = (int8_t)first, 1;
    if (first < 0xcc || first > 0xd3 || !take_number(packed, number_size(first), &bits))
        return 0;
    if (first <= 0xcf)
        return *number = (Wide)bits, 1;
    size_t unused = 64 - 8 * number_size(first);
    return *number = (int64_t)(bits << unused) >> unused, 1;
}

int state_read_length(Packed *packed, size_t *length) {
    if (packed->at == packed->end)
        return 0;
    uint8_t first = *packed->at++;
    uint64_t number = first & 15;
    if (first >> 4 != 9
        && (first < 0xdc || first > 0xdd || !take_number(packed, number_size(first), &number)))
        return 0;
    return *length = (size_t)number, 1;
}

int state_read_real(Packed *packed, double *real) {
    uint64_t bits;
    if (packed->at == packed->end || *packed->at != 0xcb)
        return 0;
    packed->at++;
    if (!take_number(packed, 8, &bits))
        return 0;
    memcpy(real, &bits, sizeof bits);
    return 1;
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
    uint8_t bytes[5] = {(uint8_t)(items < 16 ? 0x90 + items : items <= UINT16_MAX ? 0xdc : 0xdd)};
    size_t size = items < 16 ? 0 : items <= UINT16_MAX ? 2 : 4;
    write_number(bytes + 1, items, size);
    return buffer_add(out, bytes, 1 + size);
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

/* The sizes of the numbers of a step's columns; "" for a step that has none. */
static const char *sizes_of(char kind) {
    switch (kind) {
    case 'f':
        return "88";
    case 'w':
        return "8@@";
    case 'v':
        return "8@@@@@@@@";
    default:
        return strchr("idx", kind) ? "8" : "";
    }
}

/* Whether ends of lists are in order and within their numbers. */
static int are_ends(const Py_buffer *ends, const Py_buffer *numbers, size_t rows) {
    if ((size_t)ends->len != 4 * (rows + 1))
        return 0;
    uint32_t before = 0;
    for (size_t row = 0; row <= rows; row++) {
        uint32_t end = load32((const uint8_t *)ends->buf + 4 * row);
        if (end < before)
            return 0;
        before = end;
    }
    return before <= (size_t)numbers->len / 8;
}

/* Set a step's columns to those from the first on; how many they are, or -1 where they are no such
 * columns. */
static int take_columns(LayoutStep *step, const Py_buffer *columns, size_t left, size_t rows) {
    int are_lists = step->kind == 'q' || step->kind == 'r';
    const char *sizes = sizes_of(step->kind);
    size_t wanted = are_lists ? 2 : strlen(sizes);
    if (wanted > left || (are_lists && !are_ends(columns, columns + 1, rows)))
        return -1;
    for (size_t at = 0; at < wanted; at++) {
        size_t size = sizes[0] && sizes[at] == '@' ? 16 : 8;
        if (!are_lists && (size_t)columns[at].len != size * rows)
            return -1;
        step->columns[at] = columns[at].buf;
    }
    return (int)wanted;
}

int layout_open(Layout *layout, const HashSeeds *seeds, const char *text, const Py_buffer *columns,
                size_t count, size_t rows) {
    size_t column = 0, steps = 0;
    int depth = 0, sound = 1;
    layout->seeds = *seeds;
    layout->values = (Values){0};
    for (const char *at = text; sound && *at; at++) {
        LayoutStep step = {.kind = *at};
        int taken = strchr("idfqrwvx[]", *at) && steps < LAYOUT_STEPS
                        ? take_columns(&step, columns + column, count - column, rows)
                        : -1;
        sound = taken >= 0;
        if (!sound)
            break;
        column += (size_t)taken;
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

void layout_close(Layout *layout) {
    values_free(&layout->values);
}

/* A sum of floats whose halves are below 2^62; see `halves` in mapreduce/columns/plan.py. */
static int put_halves(Buffer *out, int64_t high, int64_t low) {
    int64_t most = (int64_t)1 << 62;
    if (high >= most || high <= -most)
        return 0;
    return state_put_sum(out, 0, (Wide)high * ((Wide)1 << 60) + low) < 0 ? -1 : 1;
}

static int put_list_values(Layout *layout, const LayoutStep *step, Buffer *out, size_t row) {
    size_t from = load32(step->columns[0] + 4 * row), to = load32(step->columns[0] + 4 * row + 4);
    const uint8_t *numbers = step->columns[1] + 8 * from;
    return values_put_column(&layout->values, &layout->seeds, numbers, to - from,
                             step->kind == 'r', out);
}

static int put_step(Layout *layout, const LayoutStep *step, Buffer *out, size_t row) {
    const uint8_t *const *columns = step->columns;
    double real;
    switch (step->kind) {
    case '[':
        return state_put_list(out, step->items) < 0 ? -1 : 1;
    case 'i':
        return state_put_integer(out, (int64_t)load64(columns[0] + 8 * row)) < 0 ? -1 : 1;
    case 'd':
        memcpy(&real, columns[0] + 8 * row, sizeof real);
        return state_put_real(out, real) < 0 ? -1 : 1;
    case 'q':
    case 'r':
        return put_list_values(layout, step, out, row);
    case 'v':
    case 'w':
        return spread_put_columns(columns, step->kind == 'v', row, out);
    default:
        return put_halves(out, (int64_t)load64(columns[0] + 8 * row),
                          (int64_t)load64(columns[1] + 8 * row));
    }
}

int layout_put(Layout *layout, Buffer *out, size_t row) {
    int put = 1;
    for (size_t at = 0; put == 1 && at < layout->steps; at++)
        put = put_step(layout, &layout->step[at], out, row);
    return put;
}
