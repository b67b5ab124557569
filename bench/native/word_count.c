/* Word count in C, as a yardstick: each core counts its share of the mapped file in a hash table;
 * then the tables are merged.
 *
 *     gcc -O3 -march=native -pthread word_count.c -o word_count; ./word_count INPUT OUTPUT THREADS
 *
 * A word is a maximal run of ASCII letters and apostrophes, lower-cased. Linear probing, FNV-1a over 64 bits. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct { uint64_t hash, count; const unsigned char *word; uint32_t length; } Slot;
typedef struct { Slot *slots; size_t size, used; } Table;
typedef struct { const unsigned char *begin, *end; Table table; } Share;

static unsigned char lower[256]; /* 0 where a byte is of no word */

static void fail(const char *what) { perror(what); exit(1); }

static Table new_table(size_t size) {
    Table table = {calloc(size, sizeof(Slot)), size, 0};
    if (!table.slots) fail("calloc");
    return table;
}

static int same(const unsigned char *a, const unsigned char *b, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) if (lower[a[i]] != lower[b[i]]) return 0;
    return 1;
}

static void add(Table *table, uint64_t hash, const unsigned char *word, uint32_t length, uint64_t count);

static void grow(Table *table) {
    Table larger = new_table(table->size * 2);
    for (size_t i = 0; i < table->size; i++) {
        Slot *slot = &table->slots[i];
        if (slot->count) add(&larger, slot->hash, slot->word, slot->length, slot->count);
    }
    free(table->slots);
    *table = larger;
}

static void add(Table *table, uint64_t hash, const unsigned char *word, uint32_t length, uint64_t count) {
    size_t mask = table->size - 1, at = (hash ^ hash >> 32) & mask;
    for (;; at = (at + 1) & mask) {
        Slot *slot = &table->slots[at];
        if (!slot->count) {
            *slot = (Slot){hash, count, word, length};
            if (++table->used * 2 > table->size) grow(table);
            return;
        }
        if (slot->hash == hash && slot->length == length && same(slot->word, word, length)) {
            slot->count += count;
            return;
        }
    }
}

static void *count_share(void *argument) {
    Share *share = argument;
    const unsigned char *at = share->begin;
    while (at < share->end) {
        while (at < share->end && !lower[*at]) at++;
        const unsigned char *word = at;
        uint64_t hash = 14695981039346656037u;
        for (unsigned char letter; at < share->end && (letter = lower[*at]); at++) hash = (hash ^ letter) * 1099511628211u;
        if (at > word) add(&share->table, hash, word, (uint32_t)(at - word), 1);
    }
    return NULL;
}

static void write_counts(const Table *table, const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) fail(path);
    for (size_t i = 0; i < table->size; i++) {
        const Slot *slot = &table->slots[i];
        if (!slot->count) continue;
        for (uint32_t j = 0; j < slot->length; j++) putc_unlocked(lower[slot->word[j]], file);
        fprintf(file, "\t%llu\n", (unsigned long long)slot->count);
    }
    if (fclose(file)) fail(path);
}

int main(int argc, char **argv) {
    if (argc != 4) { fprintf(stderr, "word_count INPUT OUTPUT THREADS\n"); return 2; }
    for (int byte = 0; byte < 256; byte++)
        lower[byte] = byte >= 'A' && byte <= 'Z' ? byte + 32 : (byte >= 'a' && byte <= 'z') || byte == '\'' ? byte : 0;
    int descriptor = open(argv[1], O_RDONLY), threads = atoi(argv[3]);
    struct stat status;
    if (threads < 1 || descriptor < 0 || fstat(descriptor, &status)) fail(argv[1]);
    size_t size = (size_t)status.st_size;
    const unsigned char *text = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0) : (void *)"";
    if (text == MAP_FAILED) fail("mmap");
    pthread_t *running = calloc((size_t)threads, sizeof *running);
    Share *shares = calloc((size_t)threads, sizeof *shares);
    const unsigned char *begin = text;
    for (int i = 0; i < threads; i++) {
        const unsigned char *end = i == threads - 1 ? text + size : text + size / (size_t)threads * (size_t)(i + 1);
        if (end < begin) end = begin;
        while (end < text + size && lower[*end]) end++; /* a share ends where a word does */
        shares[i] = (Share){begin, end, new_table(1 << 16)};
        begin = end;
        if (pthread_create(&running[i], NULL, count_share, &shares[i])) fail("pthread_create");
    }
    for (int i = 0; i < threads; i++) pthread_join(running[i], NULL);
    for (int i = 1; i < threads; i++)
        for (size_t j = 0; j < shares[i].table.size; j++) {
            Slot *slot = &shares[i].table.slots[j];
            if (slot->count) add(&shares[0].table, slot->hash, slot->word, slot->length, slot->count);
        }
    write_counts(&shares[0].table, argv[2]);
    return 0;
}
