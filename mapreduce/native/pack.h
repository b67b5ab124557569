/* Keys and values of plain Python types as bytes and back, by pack.c. */
#ifndef MAPREDUCE_PACK_H
#define MAPREDUCE_PACK_H

#include "extension.h"

/* Append a key as mapreduce/encoding/keys.py encodes it: 1, 0 where Python must encode it (nothing
 * is appended), or -1 with an exception. Borrows the key, and calls no code of Python. */
int pack_key(Buffer *out, PyObject *key);
/* As `pack_key`, of an integer: 1 or -1. */
int pack_integer_key(Buffer *out, int64_t number);
/* Append a text that is a field of a tuple; -1 with MemoryError. */
int pack_text_field(Buffer *out, const uint8_t *text, size_t length);
/* Append a value as mapreduce/encoding/values.py encodes it; as `pack_key`. */
int pack_value(Buffer *out, PyObject *value);
/* A new reference to the value of encoded bytes. NULL without an exception where Python must decode
 * it: an extension but a tuple, deep nesting, and what is no MessagePack; NULL with MemoryError. */
PyObject *unpack_value(const uint8_t *encoded, size_t length);

#endif
