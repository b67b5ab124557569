/* Word count in C with SIMD on one core: the limit for a program that counts words exactly.
 *
 *     gcc -O3 word_count_simd.c -o word_count_simd; ./word_count_simd INPUT OUTPUT [avx2|sse2|scalar]
 *
 * A word is a maximal run of ASCII letters and apostrophes, lower-cased. Vector instructions make a bit mask of 64
 * bytes, whose edges are where words begin and end. The instructions are chosen when the program runs. A word of up to
 * 16 bytes is two machine words in a hash table; words wait in groups until their slots are in the cache. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BLOCK = 64, INLINE = 16, GROUP = 32, BUFFER = 1 << 18 };

typedef struct { uint64_t low, high, count; } Short; /* low is 0 where there is none */
typedef struct { uint64_t hash, count; unsigned char *word; size_t length; } Long;
typedef struct { uint64_t low, high, hash; } Waiting;
typedef uint64_t (*Mask)(const unsigned char *);

static Short *shorts;
static Long *longs;
static size_t short_used, long_used, long_size;
static int short_bits = 12;
static Waiting waiting[GROUP];
static int waits;

static void fail(const char *what) { perror(what); exit(1); }

static void *zeros(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) fail("calloc");
    return memory;
}

static uint64_t mask_scalar(const unsigned char *data) {
    uint64_t mask = 0;
    for (int at = 0; at < BLOCK; at++)
        mask |= (uint64_t)((unsigned char)((data[at] | 0x20) - 'a') < 26 || data[at] == '\'') << at;
    return mask;
}

#if defined(__x86_64__)
/* A letter, made small and less 'a' - 128 with wrap-around, is a signed byte below -128 + 26. */
static uint64_t mask_sse2(const unsigned char *data) {
    uint64_t mask = 0;
    for (int part = 0; part < 4; part++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(data + 16 * part));
        __m128i small = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8((char)('a' + 128)));
        __m128i word = _mm_or_si128(_mm_cmplt_epi8(small, _mm_set1_epi8(-128 + 26)), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\'')));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(word) << (16 * part);
    }
    return mask;
}

__attribute__((target("avx2"))) static uint64_t mask_avx2(const unsigned char *data) {
    uint64_t mask = 0;
    for (int part = 0; part < 2; part++) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(data + 32 * part));
        __m256i small = _mm256_sub_epi8(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), _mm256_set1_epi8((char)('a' + 128)));
        __m256i word = _mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(-128 + 26), small), _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\'')));
        mask |= (uint64_t)(uint32_t)_mm256_movemask_epi8(word) << (32 * part);
    }
    return mask;
}
#endif

static Mask chosen(const char *name) {
#if defined(__x86_64__)
    if (!strcmp(name, "avx2") || (!*name && __builtin_cpu_supports("avx2"))) return mask_avx2;
    if (!strcmp(name, "sse2") || !*name) return mask_sse2;
#endif
    return mask_scalar;
}

static inline uint64_t hash_of(uint64_t low, uint64_t high) {
    unsigned __int128 product = (unsigned __int128)(low ^ 0x9e3779b97f4a7c15u) * (high ^ 0xe7037ed1a0b428dbu);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline Short *slot_of(Short *table, int bits, uint64_t low, uint64_t high, uint64_t hash) {
    size_t mask = ((size_t)1 << bits) - 1, at = (size_t)(hash >> (64 - bits));
    while (table[at].low && (table[at].low != low || table[at].high != high)) at = (at + 1) & mask;
    return &table[at];
}

static void grow_shorts(void) {
    Short *larger = zeros((size_t)2 << short_bits, sizeof *larger);
    for (size_t at = 0; at < (size_t)1 << short_bits; at++) {
        Short word = shorts[at];
        if (word.low) *slot_of(larger, short_bits + 1, word.low, word.high, hash_of(word.low, word.high)) = word;
    }
    free(shorts);
    shorts = larger;
    short_bits++;
}

static void settle(void) {
    if (short_used + (size_t)waits > (size_t)1 << (short_bits - 1)) grow_shorts();
    for (int i = 0; i < waits; i++) {
        Short *slot = slot_of(shorts, short_bits, waiting[i].low, waiting[i].high, waiting[i].hash);
        short_used += !slot->low;
        slot->low = waiting[i].low;
        slot->high = waiting[i].high;
        slot->count++;
    }
    waits = 0;
}

static void count_long(const unsigned char *text, size_t length) {
    if (long_used * 2 >= long_size) {
        size_t size = long_size ? long_size * 2 : 1024;
        Long *larger = zeros(size, sizeof *larger);
        for (size_t i = 0; i < long_size; i++) {
            size_t at = longs[i].hash & (size - 1);
            if (!longs[i].count) continue;
            while (larger[at].count) at = (at + 1) & (size - 1);
            larger[at] = longs[i];
        }
        free(longs);
        longs = larger;
        long_size = size;
    }
    unsigned char *word = zeros(length, 1);
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (word[i] = text[i] | 0x20)) * 1099511628211u;
    size_t at = hash & (long_size - 1);
    while (longs[at].count && (longs[at].hash != hash || longs[at].length != length || memcmp(longs[at].word, word, length)))
        at = (at + 1) & (long_size - 1);
    if (longs[at].count++) { free(word); return; }
    longs[at] = (Long){hash, 1, word, length};
    long_used++;
}

/* The buffer goes on for INLINE bytes behind the text. */
static inline void count_word(const unsigned char *text, size_t length) {
    if (length > INLINE) { count_long(text, length); return; }
    uint64_t low, high;
    memcpy(&low, text, 8);
    memcpy(&high, text + 8, 8);
    low |= 0x2020202020202020u; /* makes a letter small, and an apostrophe stays */
    high |= 0x2020202020202020u;
    if (length <= 8) { low &= ~0ull >> (64 - 8 * length); high = 0; }
    else high &= ~0ull >> (128 - 8 * length);
    uint64_t hash = hash_of(low, high);
    __builtin_prefetch(&shorts[hash >> (64 - short_bits)], 1);
    waiting[waits++] = (Waiting){low, high, hash};
    if (waits == GROUP) settle();
}

/* Count the words that end within `size` bytes; return where one begins that goes on, or `size`. Reads whole blocks. */
static inline __attribute__((always_inline)) size_t count_words(const unsigned char *data, size_t size, Mask mask_of) {
    size_t start = 0;
    uint64_t inside = 0;
    for (size_t at = 0; at < size; at += BLOCK) {
        uint64_t mask = mask_of(data + at), edges = mask ^ (mask << 1 | inside);
        if (size - at < BLOCK) edges &= (1ull << (size - at)) - 1;
        for (; edges; edges &= edges - 1) {
            size_t edge = at + (size_t)__builtin_ctzll(edges);
            if (inside) count_word(data + start, edge - start);
            start = edge;
            inside ^= 1;
        }
    }
    return inside ? start : size;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static size_t count_words_avx2(const unsigned char *data, size_t size) {
    return count_words(data, size, mask_avx2);
}
#endif

static size_t count_buffer(const unsigned char *data, size_t size, Mask mask_of) {
#if defined(__x86_64__)
    if (mask_of == mask_avx2) return count_words_avx2(data, size);
    if (mask_of == mask_sse2) return count_words(data, size, mask_sse2);
#endif
    return count_words(data, size, mask_of);
}

static void write_counts(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) fail(path);
    for (size_t at = 0; at < (size_t)1 << short_bits; at++)
        if (shorts[at].low) fprintf(file, "%.16s\t%llu\n", (const char *)&shorts[at], (unsigned long long)shorts[at].count);
    for (size_t at = 0; at < long_size; at++)
        if (longs[at].count) {
            fwrite(longs[at].word, 1, longs[at].length, file);
            fprintf(file, "\t%llu\n", (unsigned long long)longs[at].count);
        }
    if (fclose(file)) fail(path);
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 4) { fprintf(stderr, "word_count_simd INPUT OUTPUT [avx2|sse2|scalar]\n"); return 2; }
    Mask mask_of = chosen(argc == 4 ? argv[3] : "");
    int descriptor = open(argv[1], O_RDONLY);
    size_t size = BUFFER, held = 0;
    unsigned char *data = zeros(size + 2 * BLOCK, 1);
    if (descriptor < 0) fail(argv[1]);
    shorts = zeros((size_t)1 << short_bits, sizeof *shorts);
    for (ssize_t got; (got = read(descriptor, data + held, size - held)); ) {
        if (got < 0) fail(argv[1]);
        held += (size_t)got;
        size_t done = count_buffer(data, held, mask_of);
        memmove(data, data + done, held -= done); /* a word that goes on is counted with the next bytes */
        if (held * 2 < size) continue;
        data = realloc(data, (size *= 2) + 2 * BLOCK);
        if (!data) fail("realloc");
    }
    data[held++] = ' ';
    count_buffer(data, held, mask_of);
    settle();
    write_counts(argv[2]);
    return 0;
}
