/* Large pieces of memory: on large pages, as a look-up would else miss the address cache too, and
 * used again.
 *
 * Memory that is touched for the first time costs a fault and zeroing, which is several times what
 * writing to it costs. So the last two pieces that were given back are kept for the next caller,
 * while the system may take their pages away if it needs them (MADV_FREE).
 *
 * A Pages owns the pieces that it keeps; a piece that was handed out belongs to its Reservation.
 * The module's state and each collector hold the Pages, so that it outlives both: a collector may
 * be deallocated after its module. The GIL is held in every call that takes a Pages; memory that
 * belongs to none needs no GIL, and goes back to the system.
 */
#include "extension.h"

#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)
#define KEPT 2

struct Pages {
    size_t holders;
    Reservation kept[KEPT];
};

static void prefer_huge(const Reservation *reservation, size_t from, size_t to) {
#ifdef MADV_HUGEPAGE
    if (to - from >= HUGE_BYTES)
        madvise(reservation->data + from, to - from, MADV_HUGEPAGE);
#else
    (void)reservation, (void)from, (void)to;
#endif
}

/* A first look would map a huge page of zeros, which the first write may split into small ones. */
static void write_zeros(uint8_t *data, size_t size) {
    for (size_t at = 0; at < size; at += HUGE_BYTES)
        *(volatile uint8_t *)(data + at) = 0;
}

static int mapped(Reservation *reservation, size_t bytes) {
    /* addresses without memory, which comes at the first write; one huge page more, for the
     * alignment */
    void *start = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return 0;
    uintptr_t aligned = ((uintptr_t)start + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    *reservation = (Reservation){(uint8_t *)aligned, bytes, 0, start};
    return 1;
}

static void unmapped(Reservation *reservation) {
    if (reservation->mapped)
        munmap(reservation->mapped, reservation->size + HUGE_BYTES);
    *reservation = (Reservation){NULL, 0, 0, NULL};
}

Pages *pages_new(void) {
    Pages *pages = calloc(1, sizeof *pages);
    if (pages)
        return pages_hold(pages);
    PyErr_NoMemory();
    return NULL;
}

Pages *pages_hold(Pages *pages) {
    pages->holders++;
    return pages;
}

void pages_release(Pages *pages) {
    if (!pages || --pages->holders)
        return;
    for (int number = 0; number < KEPT; number++)
        unmapped(&pages->kept[number]);
    free(pages);
}

/* Take the smallest of those kept that is large enough. */
static int taken(Pages *pages, Reservation *reservation, size_t bytes) {
    Reservation *best = NULL;
    for (int number = 0; number < KEPT; number++) {
        Reservation *kept = &pages->kept[number];
        if (kept->mapped && kept->size >= bytes && (!best || kept->size < best->size))
            best = kept;
    }
    if (!best)
        return 0;
    *reservation = *best;
    best->mapped = NULL;
    return 1;
}

int reservation_make(Pages *pages, Reservation *reservation, size_t least, size_t most) {
    if (taken(pages, reservation, most))
        return 0;
    if (mapped(reservation, most))
        return 0;
    for (int number = 0; number < KEPT; number++)
        unmapped(&pages->kept[number]);
    if (mapped(reservation, most))
        return 0;
    size_t bytes = most / 2;
    while (bytes >= least && !mapped(reservation, bytes))
        bytes /= 2;
    if (!reservation->mapped) {
        PyErr_NoMemory();
        return -1;
    }
    unmapped(reservation); /* what there was of it would leave nothing for others */
    if (!mapped(reservation, bytes / 4 > least ? bytes / 4 : least)) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

int reservation_alone(Reservation *reservation, size_t bytes) {
    if (!mapped(reservation, bytes))
        return -1;
    prefer_huge(reservation, 0, bytes);
    write_zeros(reservation->data, bytes);
    reservation->touched = bytes;
    return 0;
}

uint8_t *reservation_use(Reservation *reservation, size_t from, size_t to, int as_zeros) {
    prefer_huge(reservation, from, to);
    /* what was never touched is zero already */
    if (as_zeros && from < reservation->touched)
        memset(reservation->data + from, 0,
               (to < reservation->touched ? to : reservation->touched) - from);
    if (to > reservation->touched)
        reservation->touched = to;
    return reservation->data + from;
}

void reservation_free(Pages *pages, Reservation *reservation) {
    if (!reservation->mapped)
        return;
    if (!pages) {
        unmapped(reservation);
        return;
    }
    Reservation *least = &pages->kept[0];
    for (int number = 1; number < KEPT; number++) {
        Reservation *kept = &pages->kept[number];
        if (least->mapped && (!kept->mapped || kept->touched < least->touched))
            least = kept;
    }
    /* a small piece is not worth keeping; a large one takes the place of the smallest */
    if (reservation->touched >= HUGE_BYTES
        && (!least->mapped || least->touched < reservation->touched)) {
        unmapped(least);
#ifdef MADV_FREE
        madvise(reservation->data, reservation->touched, MADV_FREE);
#endif
        *least = *reservation;
        reservation->mapped = NULL;
    }
    unmapped(reservation);
}
