/* Counts the words of text: maximal runs of ASCII letters and apostrophes, lower-cased.
 *
 * A run that holds bytes beyond ASCII is counted as it stands, apart from the words: what its words
 * are is for Python to say, once for each different run. Text is counted a segment at a time, in
 * three passes, so that none waits for what the one before has begun. Sixty-four bytes at a time
 * become a bit mask of those that words are made of (masks.h), and its edges are where words begin
 * and end. Each word of up to 16 bytes becomes two machine words, and the place in the table that
 * their hash names is fetched. Then all of them are counted, in a table that holds no pointers. No
 * word waits between two calls.
 *
 * A WordCounts owns its tables and texts, and no object of Python, so that it needs no garbage
 * collection. `add` holds the buffer that it is given, counts without the GIL, and takes the
 * counter's own lock meanwhile; functions that run so use no part of Python. `take` waits for that
 * lock without the GIL, and fills its lists with both: that allocates str, bytes and int only, none
 * of which can run other code (a garbage collection, say) that would wait for the lock.
 */
#include "masks.h"

#define WORD_BYTES 16
#define SEGMENT 512 /* bytes: its edges and words fit the processor's first cache */
#define FIRST_BITS 13
#define SMALL_BITS 16 /* a smaller table grows fourfold */
#define EIGHTHS 5     /* how full a table may be */

typedef struct {
    uint64_t low, high; /* the word, padded with zeros; low is 0 where there is none */
    uint64_t count;
} ShortWord;

/* Between the word's halves is something else, as GCC would move neighbours through a vector. */
typedef struct {
    uint64_t low;
    ShortWord *place; /* where it is searched from */
    uint64_t high;
} WaitingWord;

typedef struct {
    uint64_t hash;
    size_t at; /* in the buffer of texts */
    uint32_t length;
    uint32_t is_run; /* holds bytes beyond ASCII, as they stand */
    uint64_t count;  /* 0 where there is none */
} LongWord;

typedef struct {
    PyObject_HEAD
    PyThread_type_lock lock; /* counting runs without the interpreter's */
    HashSeeds seeds;
    int lanes; /* see masks.h */
    Reservation table;
    ShortWord *words; /* in it */
    size_t used;
    int bits;
    uint16_t edges[SEGMENT]; /* where words begin and end by turns, within the segment */
    WaitingWord waiting[SEGMENT / 2 + 1];
    LongWord *runs;
    size_t runs_used, runs_size;
    Buffer texts;
} WordCounts;

/* The word's place in a table of 2^bits, or the free one that it would have. */
static inline ShortWord *find_short(ShortWord *words, int bits, uint64_t low, uint64_t high,
                                    uint64_t hash) {
    size_t mask = ((size_t)1 << bits) - 1;
    size_t at = (size_t)(hash >> (64 - bits));
    while (words[at].low && (words[at].low != low || words[at].high != high))
        at = (at + 1) & mask;
    return &words[at];
}

/* Take an empty table of 2^bits in place of the one there is, which the caller frees; -1 where
 * there is no memory. */
static int new_table(WordCounts *self, int bits) {
    Reservation table;
    if (reservation_alone(&table, sizeof *self->words << bits) < 0)
        return -1;
    self->table = table;
    self->words = (ShortWord *)table.data;
    self->bits = bits;
    return 0;
}

static int grow_short(WordCounts *self) {
    Reservation old = self->table;
    const ShortWord *known = self->words;
    size_t size = (size_t)1 << self->bits;
    if (new_table(self, self->bits + (self->bits < SMALL_BITS ? 2 : 1)) < 0)
        return -1;
    for (size_t at = 0; at < size; at++) {
        ShortWord word = known[at];
        uint64_t hash = hash_words(&self->seeds, word.low, word.high);
        if (word.low)
            *find_short(self->words, self->bits, word.low, word.high, hash) = word;
    }
    reservation_free(NULL, &old);
    return 0;
}

/* Make space for so many more words; -1 where there is no memory. */
static inline int reserve_short(WordCounts *self, size_t more) {
    while (self->used + more > ((size_t)EIGHTHS << self->bits) / 8)
        if (grow_short(self) < 0)
            return -1;
    return 0;
}

/* Count so many words that wait, for which there is space. */
static inline void settle(WordCounts *self, const WaitingWord *waits_end) {
    ShortWord *words = self->words, *end = words + ((size_t)1 << self->bits);
    size_t fresh = 0;
    for (const WaitingWord *each = self->waiting; each < waits_end; each++) {
        for (ShortWord *word = each->place;;) {
            /* one branch for most words, and not one for each half */
            if (!((word->low ^ each->low) | (word->high ^ each->high))) {
                word->count++;
                break;
            }
            if (!word->low) {
                *word = (ShortWord){each->low, each->high, 1};
                fresh++;
                break;
            }
            if (++word == end)
                word = words;
        }
    }
    self->used += fresh;
}

static int grow_runs(WordCounts *self) {
    size_t size = self->runs_size ? self->runs_size * 2 : 1024;
    LongWord *runs = calloc(size, sizeof *runs);
    if (!runs)
        return -1;
    for (size_t at = 0; at < self->runs_size; at++) {
        if (!self->runs[at].count)
            continue;
        size_t slot = self->runs[at].hash & (size - 1);
        while (runs[slot].count)
            slot = (slot + 1) & (size - 1);
        runs[slot] = self->runs[at];
    }
    free(self->runs);
    self->runs = runs;
    self->runs_size = size;
    return 0;
}

/* A word of more than 16 bytes, or a run with bytes beyond ASCII. It may be called without the
 * interpreter's lock. */
static int count_long(WordCounts *self, const uint8_t *text, size_t length, int is_run) {
    if (length > UINT32_MAX)
        return -1;
    if (self->texts.size - self->texts.used < length) {
        size_t size = self->texts.size * 2 + length + 4096;
        uint8_t *data = realloc(self->texts.data, size);
        if (!data)
            return -1;
        self->texts.data = data;
        self->texts.size = size;
    }
    uint8_t *kept = self->texts.data + self->texts.used;
    for (size_t at = 0; at < length; at++)
        kept[at] = is_run ? text[at] : text[at] | 0x20;
    if (self->runs_used * 2 >= self->runs_size && grow_runs(self) < 0)
        return -1;
    uint64_t hash = hash_bytes(&self->seeds, kept, length);
    size_t slot = hash & (self->runs_size - 1);
    for (; self->runs[slot].count; slot = (slot + 1) & (self->runs_size - 1)) {
        LongWord *known = &self->runs[slot];
        if (known->hash == hash && known->length == length
            && !memcmp(self->texts.data + known->at, kept, length)) {
            known->count++;
            return 0;
        }
    }
    self->runs[slot] = (LongWord){hash, self->texts.used, (uint32_t)length, (uint32_t)is_run, 1};
    self->runs_used++;
    self->texts.used += length;
    return 0;
}

/* From WORD_BYTES - n on, a mask of the first n of 16 bytes. */
static const uint8_t first_bytes[2 * WORD_BYTES] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                    255, 255, 255, 255, 255, 255, 255, 255};

static inline int holds_high(const uint8_t *text, size_t length) {
    uint8_t all = 0;
    for (size_t at = 0; at < length; at++)
        all |= text[at];
    return all >> 7;
}

/* Where the words of a segment are searched, in registers. */
typedef struct {
    HashSeeds seeds;
    ShortWord *words;
    int shift;
} Search;

static inline Search search_of(const WordCounts *self) {
    return (Search){self->seeds, self->words, 64 - self->bits};
}

/* A short word of ASCII waits at `next`, and any other one is counted; returns where the next one
 * may wait, or NULL where there is no memory. At `padded` WORD_BYTES of the text can be read. */
static inline WaitingWord *take_word(WordCounts *self, const uint8_t *text, const uint8_t *padded,
                                     size_t length, const Search search, WaitingWord *next) {
    if (length > WORD_BYTES)
        return count_long(self, text, length, holds_high(text, length)) < 0 ? NULL : next;
    const uint8_t *mask = first_bytes + WORD_BYTES - length;
    /* bit 5 makes a letter small, and an apostrophe has it */
    uint64_t low = (load64(padded) | 0x2020202020202020ULL) & load64(mask);
    uint64_t high = (load64(padded + 8) | 0x2020202020202020ULL) & load64(mask + 8);
    if ((low | high) & 0x8080808080808080ULL)
        return count_long(self, text, length, 1) < 0 ? NULL : next;
    ShortWord *place = &search.words[hash_words(&search.seeds, low, high) >> search.shift];
    __builtin_prefetch(place, 1);
    *next = (WaitingWord){low, place, high};
    return next + 1;
}

/* A word so near the end of the data that WORD_BYTES may not be there. */
static __attribute__((noinline)) WaitingWord *
take_last_word(WordCounts *self, const uint8_t *text, size_t length, WaitingWord *next) {
    uint8_t padded[WORD_BYTES] = {0};
    memcpy(padded, text, length < WORD_BYTES ? length : WORD_BYTES);
    return take_word(self, text, padded, length, search_of(self), next);
}

/* Find the edges of a segment; returns how many. `inside` is 1 when the byte before is of a word
 * that goes on. */
static inline __attribute__((always_inline)) size_t
find_edges(WordCounts *self, const uint8_t *data, size_t size, uint64_t *inside,
           const Lanes lanes) {
    uint16_t *next = self->edges;
    for (size_t at = 0; at < size; at += BLOCK) {
        uint64_t mask;
        if (at + BLOCK <= size) {
            mask = lanes.mask_of(data + at);
        } else {
            uint8_t last[BLOCK] = {0};
            memcpy(last, data + at, size - at);
            mask = lanes.mask_of(last);
        }
        uint64_t edges = mask ^ (mask << 1 | *inside);
        *inside = mask >> 63;
        /* a block's edges take at most its 64 places of the array */
        lanes.write_places(next, edges, (uint16_t)at);
        next += __builtin_popcountll(edges);
    }
    return (size_t)(next - self->edges);
}

/* Inlined into a function for each kind of instructions. */
static inline __attribute__((always_inline)) int
count_words_by(WordCounts *self, const uint8_t *data, size_t size, const Lanes lanes) {
    size_t start = 0, last = size < WORD_BYTES ? 0 : size - WORD_BYTES + 1;
    uint64_t inside = 0;
    for (size_t begin = 0; begin < size; begin += SEGMENT) {
        size_t length = size - begin < SEGMENT ? size - begin : SEGMENT;
        int is_between = !inside;
        size_t count = find_edges(self, data + begin, length, &inside, lanes);
        if (reserve_short(self, SEGMENT / 2 + 1) < 0)
            return -1;
        const Search search = search_of(self);
        WaitingWord *next = self->waiting;
        size_t at = 0;
        if (is_between && count)
            start = begin + self->edges[at++];
        for (; at < count; at += 2) {
            const uint8_t *text = data + start;
            size_t end = begin + self->edges[at];
            next = start < last ? take_word(self, text, text, end - start, search, next)
                                : take_last_word(self, text, end - start, next);
            if (!next)
                return -1;
            if (at + 1 < count)
                start = begin + self->edges[at + 1];
        }
        settle(self, next);
    }
    if (!inside)
        return 0;
    WaitingWord *next = self->waiting;
    if (reserve_short(self, 1) < 0
        || !(next = take_last_word(self, data + start, size - start, next)))
        return -1;
    settle(self, next);
    return 0;
}

static int count_words_plain(WordCounts *self, const uint8_t *data, size_t size) {
    return count_words_by(self, data, size, (Lanes){mask_plain, write_places_plain});
}

#if defined(__x86_64__)
static int count_words_sse2(WordCounts *self, const uint8_t *data, size_t size) {
    return count_words_by(self, data, size, (Lanes){mask_sse2, write_places_plain});
}

WITH_AVX2 static int count_words_avx2(WordCounts *self, const uint8_t *data, size_t size) {
    return count_words_by(self, data, size, (Lanes){mask_avx2, write_places_avx2});
}

WITH_AVX512 static int count_words_avx512(WordCounts *self, const uint8_t *data, size_t size) {
    return count_words_by(self, data, size, (Lanes){mask_avx512, write_places_avx512});
}
#endif

/* -1 where there is no memory; some words are then counted and some are not. */
static int count_words(WordCounts *self, const uint8_t *data, size_t size) {
#if defined(__x86_64__)
    if (self->lanes == AVX512_LANES)
        return count_words_avx512(self, data, size);
    if (self->lanes == AVX2_LANES)
        return count_words_avx2(self, data, size);
    if (self->lanes == SSE2_LANES)
        return count_words_sse2(self, data, size);
#endif
    return count_words_plain(self, data, size);
}

static PyObject *WordCounts_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"lanes", NULL};
    int lanes = AVX512_LANES, most = most_lanes();
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|i", names, &lanes))
        return NULL;
    if (lanes != PLAIN_LANES && lanes != SSE2_LANES && lanes != AVX2_LANES && lanes != AVX512_LANES)
        return PyErr_Format(PyExc_ValueError, "lanes are 1, 16, 32 or 64, not %d", lanes);
    WordCounts *self = (WordCounts *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->lanes = lanes < most ? lanes : most;
    self->seeds = state_of((PyObject *)self)->seeds;
    self->lock = PyThread_allocate_lock();
    if (new_table(self, FIRST_BITS) < 0 || !self->lock) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void WordCounts_dealloc(WordCounts *self) {
    PyTypeObject *type = Py_TYPE(self);
    if (self->lock)
        PyThread_free_lock(self->lock);
    reservation_free(NULL, &self->table);
    free(self->runs);
    buffer_free(&self->texts);
    type->tp_free(self);
    Py_DECREF(type); /* an object of a heap type holds its type */
}

static PyObject *WordCounts_add(WordCounts *self, PyObject *argument) {
    Py_buffer view;
    if (PyObject_GetBuffer(argument, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    int done;
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock(self->lock, WAIT_LOCK);
    done = count_words(self, view.buf, (size_t)view.len);
    PyThread_release_lock(self->lock);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    if (done < 0)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static int append(PyObject *texts, PyObject *counts, PyObject *text, uint64_t count) {
    PyObject *number = text ? PyLong_FromUnsignedLongLong(count) : NULL;
    int failed = !number || PyList_Append(texts, text) < 0 || PyList_Append(counts, number) < 0;
    Py_XDECREF(text);
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

static inline size_t short_length(const ShortWord *word) {
    int zeros = word->high ? __builtin_clzll(word->high) / 8 : 8 + __builtin_clzll(word->low) / 8;
    return (size_t)(WORD_BYTES - zeros);
}

/* Append the texts of long words and of runs, or of runs alone. */
static int take_long(WordCounts *self, PyObject *words, PyObject *counts, PyObject *runs,
                     PyObject *run_counts) {
    for (size_t at = 0; at < self->runs_size; at++) {
        const LongWord *run = &self->runs[at];
        if (!run->count || (!run->is_run && !words))
            continue;
        const char *text = (const char *)self->texts.data + run->at;
        int failed =
            run->is_run
                ? append(runs, run_counts, PyBytes_FromStringAndSize(text, run->length), run->count)
                : append(words, counts, PyUnicode_FromStringAndSize(text, run->length), run->count);
        if (failed < 0)
            return -1;
    }
    return 0;
}

static int take_all(WordCounts *self, PyObject *words, PyObject *counts, PyObject *runs,
                    PyObject *run_counts) {
    for (size_t at = 0; at < (size_t)1 << self->bits; at++) {
        const ShortWord *word = &self->words[at];
        if (!word->low)
            continue;
        PyObject *text = PyUnicode_FromStringAndSize((const char *)word,
                                                     (Py_ssize_t)short_length(word));
        if (append(words, counts, text, word->count) < 0)
            return -1;
    }
    return take_long(self, words, counts, runs, run_counts);
}

/* How many words there are that are no runs, and how many bytes they have. */
static void measure(const WordCounts *self, size_t *words, size_t *bytes) {
    *words = self->used;
    *bytes = 0;
    for (size_t at = 0; at < (size_t)1 << self->bits; at++)
        if (self->words[at].low)
            *bytes += short_length(&self->words[at]);
    for (size_t at = 0; at < self->runs_size; at++)
        if (self->runs[at].count && !self->runs[at].is_run) {
            ++*words;
            *bytes += self->runs[at].length;
        }
}

typedef struct {
    uint8_t *ends, *texts, *counts;
    uint32_t end;
} Packing;

static inline void pack_word(Packing *packing, const void *text, size_t length, uint64_t count) {
    memcpy(packing->texts + packing->end, text, length);
    packing->end += (uint32_t)length;
    memcpy(packing->ends, &packing->end, 4);
    memcpy(packing->counts, &count, 8);
    packing->ends += 4;
    packing->counts += 8;
}

/* Write all words that are no runs to buffers that have as much space as they take. */
static void pack_words(const WordCounts *self, Packing *packing) {
    memset(packing->ends, 0, 4);
    packing->ends += 4;
    for (size_t at = 0; at < (size_t)1 << self->bits; at++)
        if (self->words[at].low)
            pack_word(packing, &self->words[at], short_length(&self->words[at]),
                      self->words[at].count);
    for (size_t at = 0; at < self->runs_size; at++) {
        const LongWord *run = &self->runs[at];
        if (run->count && !run->is_run)
            pack_word(packing, self->texts.data + run->at, run->length, run->count);
    }
}

/* Nothing is left, and a table that has grown large is small again. */
static void forget(WordCounts *self) {
    Reservation old = self->table;
    if (self->bits > SMALL_BITS && new_table(self, FIRST_BITS) == 0)
        reservation_free(NULL, &old);
    else
        memset(self->words, 0, sizeof *self->words << self->bits);
    free(self->runs);
    self->runs = NULL;
    self->used = self->runs_used = self->runs_size = 0;
    buffer_free(&self->texts);
}

static void lock_counts(WordCounts *self) {
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock(self->lock, WAIT_LOCK);
    Py_END_ALLOW_THREADS
}

static PyObject *WordCounts_take(WordCounts *self, PyObject *Py_UNUSED(ignored)) {
    PyObject *lists = Py_BuildValue("([][][][])");
    if (!lists)
        return NULL;
    lock_counts(self);
    int failed = take_all(self, PyTuple_GET_ITEM(lists, 0), PyTuple_GET_ITEM(lists, 1),
                          PyTuple_GET_ITEM(lists, 2), PyTuple_GET_ITEM(lists, 3));
    if (!failed)
        forget(self);
    PyThread_release_lock(self->lock);
    if (failed)
        Py_CLEAR(lists);
    return lists;
}

/* Fill the parts of take_packed: 1; 0 where there are too many bytes; -1 with an exception. */
static int fill_parts(WordCounts *self, PyObject *parts) {
    size_t words, bytes;
    measure(self, &words, &bytes);
    if (bytes > INT32_MAX || words >= INT32_MAX / 8)
        return 0;
    size_t sizes[3] = {4 * (words + 1), bytes, 8 * words};
    uint8_t *buffers[3];
    for (int part = 0; part < 3; part++) {
        PyObject *buffer = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)sizes[part]);
        if (!buffer)
            return -1;
        Py_DECREF(Py_None); /* which was there */
        PyTuple_SET_ITEM(parts, part, buffer);
        buffers[part] = (uint8_t *)PyBytes_AS_STRING(buffer);
    }
    if (take_long(self, NULL, NULL, PyTuple_GET_ITEM(parts, 3), PyTuple_GET_ITEM(parts, 4)) < 0)
        return -1;
    Packing packing = {buffers[0], buffers[1], buffers[2], 0};
    pack_words(self, &packing);
    return 1;
}

static PyObject *WordCounts_take_packed(WordCounts *self, PyObject *Py_UNUSED(ignored)) {
    PyObject *parts = Py_BuildValue("(OOO[][])", Py_None, Py_None, Py_None);
    if (!parts)
        return NULL;
    lock_counts(self);
    int filled = fill_parts(self, parts);
    if (filled == 1)
        forget(self);
    PyThread_release_lock(self->lock);
    if (filled == 1)
        return parts;
    Py_DECREF(parts);
    return filled ? NULL : Py_NewRef(Py_None);
}

static Py_ssize_t WordCounts_length(WordCounts *self) {
    return (Py_ssize_t)(self->used + self->runs_used);
}

static PyObject *WordCounts_nbytes(WordCounts *self, void *closure) {
    (void)closure;
    return PyLong_FromSize_t((sizeof *self->words << self->bits)
                             + self->runs_size * sizeof *self->runs + self->texts.size);
}

static PyObject *WordCounts_lanes(WordCounts *self, void *closure) {
    (void)closure;
    return PyLong_FromLong(self->lanes);
}

static PyMethodDef WordCounts_methods[] = {
    {"add", (PyCFunction)WordCounts_add, METH_O,
     "Count the words of some bytes; words do not go on from call to call."},
    {"take", (PyCFunction)WordCounts_take, METH_NOARGS,
     "Return (words, their counts, runs with bytes beyond ASCII, their counts), and forget them."},
    {"take_packed", (PyCFunction)WordCounts_take_packed, METH_NOARGS,
     "As take, but return words as (32-bit ends, UTF-8, 64-bit counts, runs, their counts); None "
     "where they have 2 GiB, and then nothing is forgotten."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef WordCounts_getset[] = {
    {"nbytes", (getter)WordCounts_nbytes, NULL, "Bytes of memory held.", NULL},
    {"lanes", (getter)WordCounts_lanes, NULL, "How many bytes one instruction takes.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot WordCounts_slots[] = {
    {Py_tp_doc, "WordCounts(lanes=64): how often each word of ASCII letters and apostrophes "
                "occurs. `lanes` is the most bytes of one instruction: 1, 16, 32 or 64."},
    {Py_tp_new, WordCounts_new},
    {Py_tp_dealloc, WordCounts_dealloc},
    {Py_tp_methods, WordCounts_methods},
    {Py_tp_getset, WordCounts_getset},
    {Py_sq_length, WordCounts_length},
    {0, NULL}};

PyType_Spec word_counts_spec = {
    .name = "mapreduce.native.extension.WordCounts",
    .basicsize = sizeof(WordCounts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = WordCounts_slots,
};
