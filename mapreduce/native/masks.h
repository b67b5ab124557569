/* Which of 64 bytes are of words, as bits: in plain C, or by the vector instructions of x86-64.
 * Words are made of ASCII letters, apostrophes, and bytes beyond ASCII.
 *
 * AVX2 is not in every processor, so that the caller asks `most_lanes` when the program runs. All
 * functions give the same masks.
 */
#ifndef MAPREDUCE_MASKS_H
#define MAPREDUCE_MASKS_H

#include "extension.h"

#if defined(__x86_64__)
#include <immintrin.h>
/* every processor with AVX2 has these instructions for bits, and it is asked for them too */
#define WITH_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#endif

#define BLOCK 64

/* How many bytes one instruction takes: 1 stands for plain C. */
enum { PLAIN_LANES = 1, SSE2_LANES = 16, AVX2_LANES = 32 };

/* The place of the lowest bit; some number where there is none. */
static inline int first_bit(uint64_t mask) {
    return __builtin_ctzll(mask | 1ULL << (BLOCK - 1));
}

#if defined(__x86_64__)
WITH_AVX2 static inline int first_bit_bmi(uint64_t mask) {
    return (int)_tzcnt_u64(mask);
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
#endif

/* The most that this processor has. */
static inline int most_lanes(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
        && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"))
        return AVX2_LANES;
    return SSE2_LANES;
#else
    return PLAIN_LANES;
#endif
}

#endif
