/* JSON of keys and values, byte for byte as Python's encoder (msgspec) writes it.
 *
 * A key is the bytes of mapreduce/encoding/keys.py, a value the MessagePack of values.py. They come
 * from storage and are not trusted: each read is checked against the end. What Python must write is
 * handed back as NOT_PLAIN: dates, decimals, numbers beyond 64 bits, authors' classes, deep
 * nesting, and what is no key and no MessagePack.
 *
 * A Packed borrows the bytes of a frame. The Buffer belongs to the caller.
 */
#include "json.h"
#include "encoded.h"

/* What a byte of a text becomes: 0, itself; 'u', \u00XX; else a backslash and this letter. */
static const uint8_t escapes[256] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', /* 0x00 */
    'b', 't', 'n', 'u', 'f', 'r', 'u', 'u', /* 0x08 */
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', /* 0x10 */
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', /* 0x18 */
    ['"'] = '"',
    ['\\'] = '\\',
};

/* Append one byte; -1 with MemoryError. */
static inline int add_byte(Buffer *out, uint8_t byte) {
    if (out->used == out->size && buffer_reserve(out, 1) < 0)
        return -1;
    out->data[out->used++] = byte;
    return 0;
}

/* Whether one of eight bytes is below a space, a quote or a backslash: a byte whose subtraction
 * borrows, and that was below 0x80 (Warren, Hacker's Delight, 6-1). */
static inline int has_escape(uint64_t word) {
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t quotes = word ^ ones * '"', slashes = word ^ ones * '\\';
    uint64_t found = ((word - ones * ' ') & ~word) | ((quotes - ones) & ~quotes)
                     | ((slashes - ones) & ~slashes);
    return (found & tops) != 0;
}

/* Copy what needs no escape from the beginning of a text, for which there is space; its length. */
static inline size_t copy_plain(uint8_t *to, const uint8_t *text, size_t length) {
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t word = load64(text + at);
        if (has_escape(word))
            break;
        memcpy(to + at, &word, 8);
    }
    for (; at < length && !escapes[text[at]]; at++)
        to[at] = text[at];
    return at;
}

/* Append the characters of a text, without its quotes; -1 with MemoryError. */
static int add_characters(Buffer *out, const uint8_t *text, size_t length) {
    static const char digits[] = "0123456789abcdef";
    if (buffer_reserve(out, length) < 0)
        return -1;
    for (size_t at = 0; at < length;) {
        size_t plain = copy_plain(out->data + out->used, text + at, length - at);
        out->used += plain;
        at += plain;
        if (at == length)
            break;
        uint8_t letter = escapes[text[at]], byte = text[at];
        at++;
        /* the rest of the text, and up to six bytes in place of one */
        if (buffer_reserve(out, length - at + 6) < 0)
            return -1;
        uint8_t *to = out->data + out->used;
        to[0] = '\\';
        to[1] = letter;
        if (letter == 'u') {
            to[2] = to[3] = '0';
            to[4] = (uint8_t)digits[byte >> 4];
            to[5] = (uint8_t)digits[byte & 15];
        }
        out->used += letter == 'u' ? 6 : 2;
    }
    return 0;
}

/* Append a text with its quotes (RFC 8259, section 7); -1 with MemoryError. */
static int json_text(Buffer *out, const uint8_t *text, size_t length) {
    if (add_byte(out, '"') < 0 || add_characters(out, text, length) < 0)
        return -1;
    return add_byte(out, '"');
}

/* Append bytes as an object of their base64 (RFC 4648, section 4); -1 with MemoryError. */
static int add_bytes(Buffer *out, const uint8_t *bytes, size_t length) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (buffer_add(out, "{\"base64\":\"", 11) < 0
        || buffer_reserve(out, (length + 2) / 3 * 4 + 2) < 0)
        return -1;
    uint8_t *to = out->data + out->used;
    for (size_t at = 0; at < length; at += 3) {
        size_t left = length - at;
        uint32_t three = (uint32_t)bytes[at] << 16 | (left > 1 ? (uint32_t)bytes[at + 1] << 8 : 0)
                         | (left > 2 ? bytes[at + 2] : 0);
        *to++ = (uint8_t)digits[three >> 18];
        *to++ = (uint8_t)digits[three >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)digits[three >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)digits[three & 63] : '=';
    }
    *to++ = '"';
    *to++ = '}';
    out->used = (size_t)(to - out->data);
    return 0;
}

static int add_digits(Buffer *out, uint64_t rest, int is_negative) {
    char digits[20];
    size_t count = 0;
    if (buffer_reserve(out, 21) < 0)
        return -1;
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (is_negative)
        out->data[out->used++] = '-';
    while (count)
        out->data[out->used++] = (uint8_t)digits[--count];
    return 0;
}

int json_integer(Buffer *out, int64_t number) {
    return add_digits(out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, number < 0);
}

/* The shortest digits that read back as the number, which Python's repr has too. Where that has an
 * exponent, JSON's has no plus and no zero in front, and -5 is written out. */
static int json_real(Buffer *out, double number) {
    char *text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (!text)
        return -1;
    const char *exponent = strchr(text, 'e');
    int failed;
    if (!exponent) {
        failed = buffer_add(out, text, strlen(text));
    } else if (!strcmp(exponent, "e-05")) {
        const char *digit = text;
        failed = *digit == '-' && buffer_add(out, digit++, 1) < 0;
        failed = failed || buffer_add(out, "0.0000", 6) < 0 || buffer_add(out, digit, 1) < 0;
        if (digit[1] == '.')
            failed = failed || buffer_add(out, digit + 2, (size_t)(exponent - digit) - 2) < 0;
    } else {
        const char *digits = exponent + 2;
        while (*digits == '0' && digits[1])
            digits++;
        failed = buffer_add(out, text, (size_t)(exponent - text) + 1) < 0
                 || (exponent[1] == '-' && buffer_add(out, "-", 1) < 0)
                 || buffer_add(out, digits, strlen(digits)) < 0;
    }
    PyMem_Free(text);
    return failed ? -1 : 0;
}

static uint64_t code_points(const uint8_t *text, size_t length) {
    uint64_t found = 0;
    for (size_t at = 0; at < length; at++)
        found += (text[at] & 0xc0) != 0x80;
    return found;
}

static int add_text(Buffer *out, Packed *packed, uint64_t length, Weight *weight) {
    if (packed_left(packed) < length)
        return NOT_PLAIN;
    if (json_text(out, packed->at, (size_t)length) < 0)
        return -1;
    if (weight)
        *weight = (Weight){.integer = (int64_t)code_points(packed->at, (size_t)length)};
    packed->at += length;
    return PLAIN;
}

static int add_binary(Buffer *out, Packed *packed, uint64_t length, Weight *weight) {
    if (packed_left(packed) < length)
        return NOT_PLAIN;
    if (weight)
        *weight = (Weight){.integer = (int64_t)length};
    packed->at += length;
    return add_bytes(out, packed->at - length, (size_t)length) < 0 ? -1 : PLAIN;
}

static int add_value(Buffer *out, Packed *packed, int depth, Weight *weight);

/* A number of items behind the cursor, as a list, or as an object of str names. */
static int add_items(Buffer *out, Packed *packed, uint64_t count, int depth, int is_object) {
    if (depth >= DEEPEST)
        return NOT_PLAIN;
    if (add_byte(out, is_object ? '{' : '[') < 0)
        return -1;
    for (uint64_t item = 0; item < count; item++) {
        if (item && add_byte(out, ',') < 0)
            return -1;
        if (is_object) {
            if (packed->at == packed->end || !is_text(*packed->at))
                return NOT_PLAIN;
            int found = add_value(out, packed, depth + 1, NULL);
            if (found != PLAIN)
                return found;
            if (add_byte(out, ':') < 0)
                return -1;
        }
        int found = add_value(out, packed, depth + 1, NULL);
        if (found != PLAIN)
            return found;
    }
    return add_byte(out, is_object ? '}' : ']') < 0 ? -1 : PLAIN;
}

/* A tuple: an extension whose content is a list. */
static int add_tuple(Buffer *out, Packed *packed, uint64_t length, int depth, Weight *weight) {
    uint64_t code;
    if (!take_number(packed, 1, &code) || code != TUPLE_EXTENSION
        || packed_left(packed) < length || !length || !is_list(*packed->at))
        return NOT_PLAIN;
    Packed content = {packed->at, packed->at + length};
    int found = add_value(out, &content, depth, weight);
    if (found == PLAIN && content.at != content.end)
        return NOT_PLAIN;
    packed->at += length;
    return found;
}

static int add_unsigned(Buffer *out, uint64_t number, Weight *weight) {
    if (number > INT64_MAX)
        return NOT_PLAIN;
    if (weight)
        *weight = (Weight){.integer = (int64_t)number};
    return add_digits(out, number, 0) < 0 ? -1 : PLAIN;
}

static int add_signed(Buffer *out, int64_t number, Weight *weight) {
    if (weight)
        *weight = (Weight){.integer = number};
    return json_integer(out, number) < 0 ? -1 : PLAIN;
}

static int add_real(Buffer *out, uint64_t bits, Weight *weight) {
    double number;
    memcpy(&number, &bits, sizeof number);
    if (number != number || number - number != 0)
        return NOT_PLAIN; /* JSON has no such number */
    if (weight)
        *weight = (Weight){.is_real = 1, .real = number};
    return json_real(out, number) < 0 ? -1 : PLAIN;
}

static int add_constant(Buffer *out, const char *text, int64_t rank, Weight *weight) {
    if (weight)
        *weight = (Weight){.integer = rank};
    return buffer_add(out, text, strlen(text)) < 0 ? -1 : PLAIN;
}

/* `count` items, whose number is the weight of the whole. */
static int add_many(Buffer *out, Packed *packed, uint64_t count, int depth, int is_object,
                    Weight *weight) {
    if (weight)
        *weight = (Weight){.integer = (int64_t)count};
    return add_items(out, packed, count, depth, is_object);
}

/* The types whose first byte is followed by a number: a length, or the number itself. */
static int add_long(Buffer *out, Packed *packed, uint8_t first, int depth, Weight *weight) {
    uint64_t number;
    size_t size = number_size(first);
    if (!size || !take_number(packed, size, &number))
        return NOT_PLAIN;
    switch (first) {
    case 0xc4: case 0xc5: case 0xc6:
        return add_binary(out, packed, number, weight);
    case 0xc7: case 0xc8: case 0xc9:
        return add_tuple(out, packed, number, depth, weight);
    case 0xcb:
        return add_real(out, number, weight);
    case 0xcc: case 0xcd: case 0xce: case 0xcf:
        return add_unsigned(out, number, weight);
    case 0xd0:
        return add_signed(out, (int8_t)number, weight);
    case 0xd1:
        return add_signed(out, (int16_t)number, weight);
    case 0xd2:
        return add_signed(out, (int32_t)number, weight);
    case 0xd3:
        return add_signed(out, (int64_t)number, weight);
    case 0xd9: case 0xda: case 0xdb:
        return add_text(out, packed, number, weight);
    case 0xdc: case 0xdd:
        return add_many(out, packed, number, depth, 0, weight);
    case 0xde: case 0xdf:
        return add_many(out, packed, number, depth, 1, weight);
    default:
        return NOT_PLAIN;
    }
}

static int add_value(Buffer *out, Packed *packed, int depth, Weight *weight) {
    if (packed->at == packed->end)
        return NOT_PLAIN;
    uint8_t first = *packed->at++;
    if (first < 0x80)
        return add_unsigned(out, first, weight);
    if (first < 0x90)
        return add_many(out, packed, first & 15, depth, 1, weight);
    if (first < 0xa0)
        return add_many(out, packed, first & 15, depth, 0, weight);
    if (first < 0xc0)
        return add_text(out, packed, first & 31, weight);
    if (first >= 0xe0)
        return add_signed(out, (int8_t)first, weight);
    if (first == 0xc0)
        return add_constant(out, "null", 0, weight);
    if (first == 0xc2 || first == 0xc3)
        return add_constant(out, first & 1 ? "true" : "false", first & 1, weight);
    if (first >= 0xd4 && first <= 0xd8)
        return add_tuple(out, packed, 1u << (first - 0xd4), depth, weight);
    return add_long(out, packed, first, depth, weight);
}

int json_value(Buffer *out, const uint8_t *encoded, size_t length, Weight *weight) {
    Packed packed = {encoded, encoded + length};
    int found = add_value(out, &packed, 0, weight);
    return found == PLAIN && packed.at != packed.end ? NOT_PLAIN : found;
}

/* An integer: 0x80 and how many bytes it has, or less so many for a negative one, which is stored
 * as the complement of its magnitude. */
static int add_integer_key(Buffer *out, Packed *key) {
    uint64_t first, number;
    if (!take_number(key, 1, &first))
        return NOT_PLAIN;
    size_t size = first < 0x80 ? 0x80 - (size_t)first : (size_t)first - 0x80;
    if (size > 8 || !take_number(key, size, &number))
        return NOT_PLAIN;
    if (first < 0x80)
        number = (size == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * size) - 1) - number;
    return add_digits(out, number, first < 0x80) < 0 ? -1 : PLAIN;
}

/* A number whose bits are flipped so that they sort: all of a negative one, else the sign's. */
static int add_real_key(Buffer *out, Packed *key) {
    uint64_t bits;
    if (!take_number(key, 8, &bits))
        return NOT_PLAIN;
    return add_real(out, bits >> 63 ? bits ^ (uint64_t)1 << 63 : ~bits, NULL);
}

/* A text inside a tuple: 00 FF is a zero byte of it, and another 00 its end. */
static int add_text_element(Buffer *out, Packed *key) {
    if (buffer_add(out, "\"", 1) < 0)
        return -1;
    for (;;) {
        const uint8_t *zero = memchr(key->at, 0, (size_t)(key->end - key->at));
        if (!zero)
            return NOT_PLAIN;
        int goes_on = zero + 1 < key->end && zero[1] == 0xff;
        if (add_characters(out, key->at, (size_t)(zero - key->at) + (size_t)goes_on) < 0)
            return -1;
        key->at = zero + 1 + goes_on;
        if (!goes_on)
            return buffer_add(out, "\"", 1) < 0 ? -1 : PLAIN;
    }
}

/* Bytes inside a tuple; those with a zero byte, which is escaped, are left to Python. */
static int add_bytes_element(Buffer *out, Packed *key) {
    const uint8_t *begin = key->at;
    const uint8_t *zero = memchr(begin, 0, (size_t)(key->end - begin));
    if (!zero || (zero + 1 < key->end && zero[1] == 0xff))
        return NOT_PLAIN;
    key->at = zero + 1;
    return add_bytes(out, begin, (size_t)(zero - begin)) < 0 ? -1 : PLAIN;
}

static int add_element(Buffer *out, Packed *key, int depth);

/* The elements of a tuple up to its end mark; the outermost one ends with the key. */
static int add_elements(Buffer *out, Packed *key, int depth) {
    if (depth >= DEEPEST)
        return NOT_PLAIN;
    if (buffer_add(out, "[", 1) < 0)
        return -1;
    for (int is_first = 1; key->at < key->end && *key->at; is_first = 0) {
        if (!is_first && buffer_add(out, ",", 1) < 0)
            return -1;
        int found = add_element(out, key, depth + 1);
        if (found != PLAIN)
            return found;
    }
    if (depth && key->at++ == key->end)
        return NOT_PLAIN;
    return buffer_add(out, "]", 1) < 0 ? -1 : PLAIN;
}

static int add_element(Buffer *out, Packed *key, int depth) {
    switch (*key->at++) {
    case NO_KEY:
        return add_constant(out, "null", 0, NULL);
    case NO:
        return add_constant(out, "false", 0, NULL);
    case YES:
        return add_constant(out, "true", 0, NULL);
    case INT_KEY:
        return add_integer_key(out, key);
    case REAL_KEY:
        return add_real_key(out, key);
    case BYTES_KEY:
        return add_bytes_element(out, key);
    case TUPLE_KEY:
        return add_elements(out, key, depth);
    case STR_TAG:
        return add_text_element(out, key);
    default:
        return NOT_PLAIN;
    }
}

int json_key(Buffer *out, const uint8_t *encoded, size_t length) {
    if (!length)
        return NOT_PLAIN;
    if (*encoded == STR_TAG)
        return json_text(out, encoded + 1, length - 1) < 0 ? -1 : PLAIN;
    if (*encoded == BYTES_KEY)
        return add_bytes(out, encoded + 1, length - 1) < 0 ? -1 : PLAIN;
    Packed key = {encoded, encoded + length};
    int found = add_element(out, &key, 0);
    return found == PLAIN && key.at != key.end ? NOT_PLAIN : found;
}
