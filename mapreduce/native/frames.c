/* Frames: put together, read pair by pair; and the bytes that they are made of.
 *
 * A FrameBuilder owns copies of what it was given, until `builder_take` copies them into a `bytes`.
 * A FrameCursor owns nothing: it borrows the payload of the tuple that it was opened with. What is
 * read comes from storage and is not trusted: `cursor_open` checks all lengths once, and no read
 * behind it needs a check.
 */
#include "encoded.h"

int buffer_reserve(Buffer *buffer, size_t more) {
    if (buffer->size - buffer->used >= more)
        return 0;
    size_t size = buffer->size ? buffer->size : 4096;
    while (size - buffer->used < more)
        /* by half, so that the cost of realloc's copies is amortised */
        size += size / 2;
    uint8_t *data = realloc(buffer->data, size);
    if (!data) {
        PyErr_NoMemory();
        return -1;
    }
    buffer->data = data;
    buffer->size = size;
    return 0;
}

int buffer_add(Buffer *buffer, const void *data, size_t length) {
    if (buffer_reserve(buffer, length) < 0)
        return -1;
    if (length)
        memcpy(buffer->data + buffer->used, data, length);
    buffer->used += length;
    return 0;
}

void buffer_free(Buffer *buffer) {
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

int builder_add(FrameBuilder *builder, const Pair *pair) {
    uint32_t at = builder->pairs;
    if (buffer_add(&builder->keys, pair->key, pair->key_length) < 0)
        return -1;
    builder->key_lengths[at] = pair->key_length;
    builder->value_lengths[at] = pair->value_length;
    builder->numbers[at] = pair->number;
    if (at == 0)
        builder->all_integers = 1;
    if (pair->value_length != IS_INT) {
        builder->all_integers = 0;
        if (buffer_add(&builder->values, pair->encoded, pair->value_length) < 0)
            return -1;
    }
    builder->bytes += pair->key_length + (pair->value_length == IS_INT ? 8 : pair->value_length);
    builder->pairs = at + 1;
    return 0;
}

int builder_is_full(const FrameBuilder *builder) {
    return builder->pairs == FRAME_PAIRS || builder->bytes >= FRAME_BYTES;
}

static PyObject *integers_payload(const FrameBuilder *builder) {
    size_t pairs = builder->pairs, keys = builder->keys.used;
    PyObject *payload = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(12 * pairs + keys));
    if (!payload)
        return NULL;
    char *out = PyBytes_AS_STRING(payload);
    memcpy(out, builder->key_lengths, 4 * pairs);
    /* an empty buffer has no memory, and memcpy from NULL is undefined even for 0 bytes */
    if (keys)
        memcpy(out + 4 * pairs, builder->keys.data, keys);
    memcpy(out + 4 * pairs + keys, builder->numbers, 8 * pairs);
    return payload;
}

static PyObject *encoded_payload(const FrameBuilder *builder) {
    size_t pairs = builder->pairs, keys = builder->keys.used, used = 0;
    const uint8_t *value = builder->values.data;
    uint32_t lengths[FRAME_PAIRS];
    uint8_t packed[9];
    /* the lengths first, so that the payload is allocated once; integers are packed again below */
    for (size_t at = 0; at < pairs; at++) {
        int is_integer = builder->value_lengths[at] == IS_INT;
        lengths[at] = is_integer ? (uint32_t)(write_integer(packed, builder->numbers[at]) - packed)
                                 : builder->value_lengths[at];
        used += lengths[at];
    }
    PyObject *payload = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(8 * pairs + keys + used));
    if (!payload)
        return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AS_STRING(payload);
    memcpy(out, builder->key_lengths, 4 * pairs);
    memcpy(out + 4 * pairs, lengths, 4 * pairs);
    if (keys)
        memcpy(out + 8 * pairs, builder->keys.data, keys);
    out += 8 * pairs + keys;
    for (size_t at = 0; at < pairs; out += lengths[at], at++) {
        if (builder->value_lengths[at] == IS_INT) {
            write_integer(out, builder->numbers[at]);
        } else if (lengths[at]) {
            memcpy(out, value, lengths[at]);
            value += lengths[at];
        }
    }
    return payload;
}

void builder_clear(FrameBuilder *builder) {
    builder->pairs = 0;
    builder->bytes = 0;
    builder->keys.used = 0;
    builder->values.used = 0;
    /* one long pair must not leave its memory in the builder of every partition */
    if (builder->keys.size > 4 * FRAME_BYTES)
        buffer_free(&builder->keys);
    if (builder->values.size > 4 * FRAME_BYTES)
        buffer_free(&builder->values);
}

PyObject *builder_take(FrameBuilder *builder) {
    PyObject *payload =
        builder->all_integers ? integers_payload(builder) : encoded_payload(builder);
    if (!payload)
        return NULL;
    PyObject *frame =
        Py_BuildValue("(iIN)", builder->all_integers ? INTEGERS : ENCODED, builder->pairs, payload);
    builder_clear(builder);
    return frame;
}

void builder_free(FrameBuilder *builder) {
    buffer_free(&builder->keys);
    buffer_free(&builder->values);
}

static uint64_t total(const uint8_t *lengths, uint32_t pairs) {
    uint64_t sum = 0;
    for (uint32_t at = 0; at < pairs; at++)
        sum += load32(lengths + 4 * (size_t)at);
    return sum;
}

int cursor_open(FrameCursor *cursor, PyObject *frame) {
    PyObject *payload;
    long long kind, pairs;
    if (!PyTuple_Check(frame)) {
        PyErr_SetString(PyExc_TypeError, "a frame is a tuple (kind, pairs, payload)");
        return -1;
    }
    if (!PyArg_ParseTuple(frame, "LLS", &kind, &pairs, &payload))
        return -1;
    int is_known = (kind == ENCODED || kind == INTEGERS) && pairs >= 0 && pairs <= UINT32_MAX;
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(payload);
    uint64_t length = (uint64_t)PyBytes_GET_SIZE(payload);
    uint64_t heads = (kind == INTEGERS ? 4 : 8) * (uint64_t)pairs;
    if (is_known && heads <= length) {
        *cursor = (FrameCursor){(int)kind, (uint32_t)pairs, 0, data, data, NULL, NULL};
        if (kind == ENCODED)
            cursor->value_lengths = data + 4 * (size_t)pairs;
        /* a sum of 2^32 numbers below 2^32 fits 64 bits; the sum of two such sums need not */
        uint64_t keys = total(data, cursor->pairs), left = length - heads;
        uint64_t values =
            kind == INTEGERS ? 8 * (uint64_t)pairs : total(cursor->value_lengths, cursor->pairs);
        if (keys <= left && values == left - keys) {
            cursor->key = data + heads;
            cursor->value = cursor->key + keys;
            return 0;
        }
    }
    PyErr_SetString(PyExc_ValueError,
                    "the kind, the count and the lengths of a frame do not add up");
    return -1;
}

Pair cursor_pair(const FrameCursor *cursor) {
    Pair pair = {cursor->key, load32(cursor->key_lengths + 4 * (size_t)cursor->at), IS_INT, 0,
                 NULL};
    if (cursor->kind == INTEGERS) {
        pair.number = (int64_t)load64(cursor->value);
    } else {
        pair.value_length = load32(cursor->value_lengths + 4 * (size_t)cursor->at);
        pair.encoded = cursor->value;
    }
    return pair;
}

void cursor_next(FrameCursor *cursor) {
    cursor->key += load32(cursor->key_lengths + 4 * (size_t)cursor->at);
    cursor->value +=
        cursor->kind == INTEGERS ? 8 : load32(cursor->value_lengths + 4 * (size_t)cursor->at);
    cursor->at++;
}

/* last_key(frame, previous): the frame's last key; None when its lengths do not add up to its own,
 * or when its keys do not ascend, from `previous` on if that is not None. */
PyObject *extension_last_key(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    FrameCursor cursor;
    if (count != 2 || (arguments[1] != Py_None && !PyBytes_Check(arguments[1])))
        return PyErr_Format(PyExc_TypeError, "last_key(frame, previous)");
    if (cursor_open(&cursor, arguments[0]) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError))
            return NULL;
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    const uint8_t *last = NULL;
    size_t length = 0;
    if (arguments[1] != Py_None) {
        last = (const uint8_t *)PyBytes_AS_STRING(arguments[1]);
        length = (size_t)PyBytes_GET_SIZE(arguments[1]);
    }
    for (; cursor.at < cursor.pairs; cursor_next(&cursor)) {
        Pair pair = cursor_pair(&cursor);
        if (last && compare_bytes(last, length, pair.key, pair.key_length) > 0)
            Py_RETURN_NONE;
        last = pair.key;
        length = pair.key_length;
    }
    return PyBytes_FromStringAndSize((const char *)last, last ? (Py_ssize_t)length : 0);
}

int combine(int operation, int64_t *state, int64_t value) {
    if (operation == LEAST)
        *state = value < *state ? value : *state;
    else if (operation == GREATEST)
        *state = value > *state ? value : *state;
    else {
        int64_t sum;
        if (__builtin_add_overflow(*state, value, &sum))
            return -1;
        *state = sum;
    }
    return 0;
}

int compare_bytes(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length) {
    size_t length = a_length < b_length ? a_length : b_length;
    int order = length ? memcmp(a, b, length) : 0;
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

/* The first bytes of XXH3's default secret (the XXH3 specification, "Default secret"). */
static const uint8_t SECRET[56] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21,
    0xad, 0x1c, 0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4,
    0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a,
    0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e};

static uint64_t turned(uint64_t word, int bits) {
    return word << bits | word >> (64 - bits);
}

uint64_t xxh3_short(const uint8_t *data, size_t length) {
    uint64_t hash;
    if (length <= 3) {
        uint32_t mixed = (uint32_t)data[0] << 16 | (uint32_t)data[length >> 1] << 24
                         | data[length - 1] | (uint32_t)length << 8;
        hash = mixed ^ (uint64_t)(load32(SECRET) ^ load32(SECRET + 4));
        hash ^= hash >> 33;
        hash *= 0xC2B2AE3D27D4EB4FULL;
        hash ^= hash >> 29;
        hash *= 0x165667B19E3779F9ULL;
        return hash ^ hash >> 32;
    }
    if (length <= 8) {
        hash = load32(data + length - 4) + ((uint64_t)load32(data) << 32);
        hash ^= load64(SECRET + 8) ^ load64(SECRET + 16);
        hash ^= turned(hash, 49) ^ turned(hash, 24);
        hash *= 0x9FB21C651E98DF25ULL;
        hash ^= (hash >> 35) + length;
        hash *= 0x9FB21C651E98DF25ULL;
        return hash ^ hash >> 28;
    }
    uint64_t low = load64(data) ^ load64(SECRET + 24) ^ load64(SECRET + 32);
    uint64_t high = load64(data + length - 8) ^ load64(SECRET + 40) ^ load64(SECRET + 48);
    unsigned __int128 product = (unsigned __int128)low * high;
    hash = length + __builtin_bswap64(low) + high + ((uint64_t)product ^ (uint64_t)(product >> 64));
    hash ^= hash >> 37;
    hash *= 0x165667919E3779F9ULL;
    return hash ^ hash >> 32;
}

uint64_t hash_bytes(const HashSeeds *seeds, const uint8_t *data, size_t length) {
    uint64_t hash = length;
    for (; length >= 8; data += 8, length -= 8)
        hash = hash_words(seeds, hash, load64(data));
    uint64_t rest = 0;
    if (length)
        memcpy(&rest, data, length);
    return hash_words(seeds, hash, rest);
}
