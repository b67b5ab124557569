/* Tokens of JSON in a buffer that ends with a 0: each function moves `at` behind one token.
 *
 * They accept a part of JSON that every parser reads in the same way, and return OTHER for the
 * rest: the caller leaves that to Python. A 0 is in no token, so that none reads past the end. The text is
 * UTF-8: the caller has looked.
 */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include "extension.h"

enum { OTHER = -1, NO_MEMORY = -2, DEEPEST = 64, MOST_DIGITS = 300 };

typedef struct {
    const uint8_t *at, *end;
} Json;

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Bytes of a word that a JSON text ends at or escapes: the high bit of the lowest one is set. */
static inline uint64_t json_marks(uint64_t word) {
    uint64_t quotes = word ^ EACH('"'), escapes = word ^ EACH('\\');
    return (((word - EACH(0x20)) & ~word) | ((quotes - EACH(1)) & ~quotes)
            | ((escapes - EACH(1)) & ~escapes))
        & EACH(0x80);
}

/* Move to the next quote, backslash or control character. */
static inline void json_plain(Json *json) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (json->end - json->at >= 8) {
        uint64_t word;
        memcpy(&word, json->at, 8);
        uint64_t marks = json_marks(word);
        if (marks) {
            json->at += __builtin_ctzll(marks) >> 3;
            return;
        }
        json->at += 8;
    }
#endif
    while (*json->at >= 0x20 && *json->at != '"' && *json->at != '\\')
        json->at++;
}

static inline void json_space(Json *json) {
    while (*json->at == ' ' || *json->at == '\t')
        json->at++;
}

/* The value of four hexadecimal digits, or OTHER. */
static inline int json_hex(const uint8_t *at) {
    int value = 0;
    for (int digit = 0; digit < 4; digit++) {
        int byte = at[digit], low = byte | 0x20;
        int found = byte >= '0' && byte <= '9' ? byte - '0'
            : low >= 'a' && low <= 'f'         ? low - 'a' + 10
                                               : OTHER;
        if (found < 0)
            return OTHER;
        value = value * 16 + found;
    }
    return value;
}

/* Read an escape, whose backslash is at `at`, into 1 to 3 bytes of UTF-8: how many, or OTHER. */
static inline int json_escape(Json *json, uint8_t *to) {
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    int name = json->at[1];
    const char *found = name ? strchr(names, name) : NULL;
    if (found) {
        *to = (uint8_t)bytes[found - names];
        json->at += 2;
        return 1;
    }
    int code = name == 'u' ? json_hex(json->at + 2) : OTHER;
    if (code < 0 || (code >= 0xd800 && code < 0xe000)) /* a half of a pair */
        return OTHER;
    json->at += 6;
    if (code < 0x80) {
        *to = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    to[0] = (uint8_t)(0xe0 | code >> 12);
    to[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    to[2] = (uint8_t)(0x80 | (code & 0x3f));
    return 3;
}

/* Read the rest of a text, behind its opening quote. Its bytes go to `*to`, which moves behind
 * them, unless `to` is NULL. They are never more than those that are read. */
static inline int json_text(Json *json, uint8_t **to) {
    for (;;) {
        const uint8_t *from = json->at;
        json_plain(json);
        if (to) {
            memcpy(*to, from, (size_t)(json->at - from));
            *to += json->at - from;
        }
        if (*json->at == '"') {
            json->at++;
            return 0;
        }
        uint8_t escaped[3];
        int length = *json->at == '\\' ? json_escape(json, escaped) : OTHER;
        if (length < 0)
            return OTHER;
        if (to) {
            memcpy(*to, escaped, (size_t)length);
            *to += length;
        }
    }
}

static inline int json_digits(Json *json) {
    const uint8_t *from = json->at;
    while (*json->at >= '0' && *json->at <= '9')
        json->at++;
    return json->at == from ? OTHER : 0;
}

/* Move behind a number; whether it is an integer (1), has a fraction or exponent (0), or OTHER. */
static inline int json_number(Json *json) {
    const uint8_t *from = json->at;
    if (*json->at == '-')
        json->at++;
    if (*json->at == '0')
        json->at++;
    else if (json_digits(json) < 0)
        return OTHER;
    int is_integer = 1;
    if (*json->at == '.') {
        json->at++;
        is_integer = 0;
        if (json_digits(json) < 0)
            return OTHER;
    }
    if ((*json->at | 0x20) == 'e') {
        json->at++;
        is_integer = 0;
        if (*json->at == '+' || *json->at == '-')
            json->at++;
        if (json_digits(json) < 0)
            return OTHER;
    }
    return json->at - from > MOST_DIGITS ? OTHER : is_integer;
}

static inline int json_word(Json *json, const char *word, size_t length) {
    if ((size_t)(json->end - json->at) < length || memcmp(json->at, word, length))
        return OTHER;
    json->at += length;
    return 0;
}

#endif
