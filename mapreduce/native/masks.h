/* Which of 64 bytes are of words, as bits, and the places of a mask's bits: in plain C, or by the
 * vector instructions of x86-64. Words are made of ASCII letters, apostrophes, and bytes beyond
 * ASCII.
 *
 * AVX2 and AVX-512 are not in every processor, so that the caller asks `most_lanes` when the
 * program runs. All functions give the same masks and places.
 */
#ifndef MAPREDUCE_MASKS_H
#define MAPREDUCE_MASKS_H

#include "extension.h"

#if defined(__x86_64__)
#include <immintrin.h>
/* every processor with AVX2 has these instructions for bits, and it is asked for them too */
#define WITH_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
/* VBMI2 compresses bytes; not every processor with AVX-512 has it */
#define WITH_AVX512                                                                                \
    __attribute__((target("avx512f,avx512bw,avx512vbmi2,avx2,bmi,bmi2,popcnt")))
#endif

#define BLOCK 64

/* How many bytes one instruction takes: 1 stands for plain C. */
enum { PLAIN_LANES = 1, SSE2_LANES = 16, AVX2_LANES = 32, AVX512_LANES = 64 };

/* What one kind of instructions does: a block's mask, and the places of a mask's bits. */
typedef struct {
    uint64_t (*mask_of)(const uint8_t *data);
    /* Write the places, each with `base` added; it may write up to BLOCK numbers. */
    void (*write_places)(uint16_t *places, uint64_t mask, uint16_t base);
} Lanes;

/* The place of the lowest bit; some number where there is none. */
static inline int first_bit(uint64_t mask) {
    return __builtin_ctzll(mask | 1ULL << (BLOCK - 1));
}

/* Eight at a time, whether or not there are so many: the number is hard to foresee. */
static inline __attribute__((always_inline)) void
write_places_by(uint16_t *places, uint64_t mask, uint16_t base, int (*first_of)(uint64_t)) {
    do {
        for (int each = 0; each < 8; each++) {
            places[each] = (uint16_t)(base + first_of(mask));
            mask &= mask - 1;
        }
        places += 8;
    } while (mask);
}

static inline void write_places_plain(uint16_t *places, uint64_t mask, uint16_t base) {
    write_places_by(places, mask, base, first_bit);
}

#if defined(__x86_64__)
WITH_AVX2 static inline int first_bit_bmi(uint64_t mask) {
    return (int)_tzcnt_u64(mask);
}

WITH_AVX2 static inline void write_places_avx2(uint16_t *places, uint64_t mask, uint16_t base) {
    write_places_by(places, mask, base, first_bit_bmi);
}

/* One instruction moves the numbers of the mask's bits to the front. */
WITH_AVX512 static inline void write_places_avx512(uint16_t *places, uint64_t mask, uint16_t base) {
    static const uint8_t numbers[BLOCK] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    const __m512i bases = _mm512_set1_epi16((short)base);
    __m512i found = _mm512_maskz_compress_epi8(mask, _mm512_loadu_si512(numbers));
    __m512i first = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(found));
    __m512i second = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(found, 1));
    _mm512_storeu_si512(places, _mm512_add_epi16(first, bases));
    _mm512_storeu_si512(places + BLOCK / 2, _mm512_add_epi16(second, bases));
}
#endif

static inline uint64_t packed(const uint8_t flags[BLOCK]) {
    uint64_t mask = 0;
    for (int part = 0; part < 8; part++) /* eight bytes of 0 or 1 become eight bits */
        mask |= (load64(flags + 8 * part) * 0x0102040810204080ULL >> 56) << (8 * part);
    return mask;
}

static inline uint64_t mask_plain(const uint8_t *data) {
    uint8_t words[BLOCK];
    for (int at = 0; at < BLOCK; at++) {
        uint8_t byte = data[at];
        words[at] =
            (uint8_t)((uint8_t)((byte | 0x20) - 'a') < 26) | (byte == '\'') | (byte >> 7);
    }
    return packed(words);
}

#if defined(__x86_64__)
/* Bytes are compared as signed numbers: a small letter less 'a' and less 128 is the least 26 of
 * them. A byte beyond ASCII is its own sign, which movemask reads. */
static inline uint64_t mask_sse2(const uint8_t *data) {
    uint64_t mask = 0;
    const __m128i small = _mm_set1_epi8(0x20), first = _mm_set1_epi8((char)('a' + 128)),
                  beyond = _mm_set1_epi8(-128 + 26), apostrophe = _mm_set1_epi8('\'');
    for (int at = 0; at < BLOCK; at += SSE2_LANES) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(data + at));
        __m128i letters = _mm_cmplt_epi8(_mm_sub_epi8(_mm_or_si128(bytes, small), first), beyond);
        __m128i words = _mm_or_si128(letters, _mm_cmpeq_epi8(bytes, apostrophe));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(words, bytes)) << at;
    }
    return mask;
}

WITH_AVX2 static inline uint64_t mask_avx2(const uint8_t *data) {
    uint64_t mask = 0;
    const __m256i small = _mm256_set1_epi8(0x20), first = _mm256_set1_epi8((char)('a' + 128)),
                  beyond = _mm256_set1_epi8(-128 + 26), apostrophe = _mm256_set1_epi8('\'');
    for (int at = 0; at < BLOCK; at += AVX2_LANES) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(data + at));
        __m256i letters =
            _mm256_cmpgt_epi8(beyond, _mm256_sub_epi8(_mm256_or_si256(bytes, small), first));
        __m256i words = _mm256_or_si256(letters, _mm256_cmpeq_epi8(bytes, apostrophe));
        mask |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_or_si256(words, bytes)) << at;
    }
    return mask;
}

WITH_AVX512 static inline uint64_t mask_avx512(const uint8_t *data) {
    __m512i bytes = _mm512_loadu_si512(data);
    __m512i small = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
    __m512i letters = _mm512_sub_epi8(small, _mm512_set1_epi8('a'));
    return _mm512_cmplt_epu8_mask(letters, _mm512_set1_epi8(26))
           | _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\'')) | _mm512_movepi8_mask(bytes);
}
#endif

/* The most that this processor has. */
static inline int most_lanes(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi")
        || !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("popcnt"))
        return SSE2_LANES;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")
        || !__builtin_cpu_supports("avx512vbmi2"))
        return AVX2_LANES;
    return AVX512_LANES;
#else
    return PLAIN_LANES;
#endif
}

#endif
