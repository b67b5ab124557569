/* Merges sorted runs of frames into one, with memory for one frame of each run.
 *
 * A heap holds the runs by the key at which each stands; of equal keys the earlier run comes first.
 * A run is an iterator of (kind, pairs, payload), and so is the merge.
 *
 * The Merge owns a reference to each run's iterator, and to the frame that the run stands in. A
 * run's cursor and pair borrow from that frame, which `next_frame` drops: a key that is used after
 * a `pop` is copied before. Iterators may run any code of Python; `busy` refuses calls from there.
 */
#include "extension.h"

typedef struct {
    PyObject *frames; /* the iterator */
    PyObject *frame;  /* the frame that the cursor borrows from */
    FrameCursor cursor;
    Pair pair;
    uint64_t prefix; /* of the key behind its tag, as a number: most comparisons end with it */
} MergeRun;

typedef struct {
    PyObject_HEAD
    int operation;
    int is_open, busy;
    MergeRun *runs;
    size_t count, alive; /* runs, and those of them that have pairs left */
    size_t *heap;
    FrameBuilder builder;
    Buffer key; /* the key that is being combined */
} Merge;

/* Read the pair at the cursor.
 *
 * The prefix leaves out the key's first byte, its tag: most keys of a run have the same one, and
 * the eight bytes behind it tell more keys apart. It is big-endian, so that numbers compare as
 * bytes do, and padded with zeros, so that equal prefixes say nothing: b"a" and b"a\0" have the
 * same. */
static void stand(MergeRun *run) {
    uint8_t bytes[8] = {0};
    run->pair = cursor_pair(&run->cursor);
    size_t left = run->pair.key_length ? run->pair.key_length - 1 : 0;
    if (left)
        memcpy(bytes, run->pair.key + 1, left < 8 ? left : 8);
    run->prefix = __builtin_bswap64(load64(bytes));
}

/* 1: the run stands at a pair; 0: it has ended; -1: an error of Python. */
static int next_frame(MergeRun *run) {
    do {
        Py_CLEAR(run->frame);
        run->frame = PyIter_Next(run->frames);
        if (!run->frame)
            return PyErr_Occurred() ? -1 : 0;
        if (cursor_open(&run->cursor, run->frame) < 0)
            return -1;
    } while (!run->cursor.pairs);
    stand(run);
    return 1;
}

static int advance(MergeRun *run) {
    cursor_next(&run->cursor);
    if (run->cursor.at == run->cursor.pairs)
        return next_frame(run);
    stand(run);
    return 1;
}

/* Whether the pair of run `a` comes before that of run `b`: by key, then by run, which makes the
 * merge stable. No two runs are equal. */
static int comes_before(const Merge *self, size_t a, size_t b) {
    const MergeRun *one = &self->runs[a], *other = &self->runs[b];
    if (one->pair.key_length && other->pair.key_length && one->pair.key[0] == other->pair.key[0]
        && one->prefix != other->prefix)
        return one->prefix < other->prefix;
    int order =
        compare_bytes(one->pair.key, one->pair.key_length, other->pair.key, other->pair.key_length);
    return order ? order < 0 : a < b;
}

/* Put the heap in order below `at`, where alone it may be out of order: the smaller child moves up
 * until the run fits. */
static void sift_down(Merge *self, size_t at) {
    size_t run = self->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= self->alive)
            break;
        if (child + 1 < self->alive && comes_before(self, self->heap[child + 1], self->heap[child]))
            child++;
        if (!comes_before(self, self->heap[child], run))
            break;
        self->heap[at] = self->heap[child];
        at = child;
    }
    self->heap[at] = run;
}

/* Move the first run on by one pair; its old pair may be gone afterwards. -1 with an exception.
 *
 * The root stays in its place and sinks, which costs one walk down; taking it out and putting it
 * back would cost two. A run that has ended is replaced by the heap's last one. */
static int pop(Merge *self) {
    int moved = advance(&self->runs[self->heap[0]]);
    if (moved < 0)
        return -1;
    if (!moved)
        self->heap[0] = self->heap[--self->alive];
    if (self->alive)
        sift_down(self, 0);
    return 0;
}

/* Read each run's first frame, and build the heap from its last parent up (Floyd): O(runs). */
static int open_runs(Merge *self) {
    for (size_t number = 0; number < self->count; number++) {
        int found = next_frame(&self->runs[number]);
        if (found < 0)
            return -1;
        if (found)
            self->heap[self->alive++] = number;
    }
    for (size_t at = self->alive / 2; at-- > 0;)
        sift_down(self, at);
    self->is_open = 1;
    return 0;
}

/* Append the next key with the values of all runs, combined; -1 with an exception.
 *
 * The key is copied: a `pop` may drop the frame that it lies in. */
static int add_combined(Merge *self) {
    Pair first = self->runs[self->heap[0]].pair;
    if (first.value_length != IS_INT) {
        PyErr_SetString(PyExc_TypeError, "only integers are combined here");
        return -1;
    }
    self->key.used = 0;
    if (buffer_add(&self->key, first.key, first.key_length) < 0 || pop(self) < 0)
        return -1;
    first.key = self->key.data;
    while (self->alive) {
        const Pair *other = &self->runs[self->heap[0]].pair;
        if (compare_bytes(other->key, other->key_length, first.key, first.key_length))
            break;
        if (other->value_length != IS_INT) {
            PyErr_SetString(PyExc_TypeError, "only integers are combined here");
            return -1;
        }
        if (combine(self->operation, &first.number, other->number) < 0) {
            PyErr_SetString(PyExc_OverflowError, "a sum does not fit 64 bits");
            return -1;
        }
        if (pop(self) < 0)
            return -1;
    }
    return builder_add(&self->builder, &first);
}

/* Append the next pair, and pass over the other pairs of its key; -1 with an exception. */
static int add_first(Merge *self) {
    Pair first = self->runs[self->heap[0]].pair;
    self->key.used = 0;
    if (buffer_add(&self->key, first.key, first.key_length) < 0
        || builder_add(&self->builder, &first) < 0)
        return -1;
    do {
        if (pop(self) < 0)
            return -1;
        first = self->alive ? self->runs[self->heap[0]].pair : first;
    } while (self->alive
             && !compare_bytes(first.key, first.key_length, self->key.data, self->key.used));
    return 0;
}

static PyObject *next_merged(Merge *self) {
    if (!self->is_open && open_runs(self) < 0)
        return NULL;
    if (!self->alive)
        return NULL;
    while (self->alive && !builder_is_full(&self->builder)) {
        if (self->operation == KEEP) {
            if (builder_add(&self->builder, &self->runs[self->heap[0]].pair) < 0 || pop(self) < 0)
                return NULL;
        } else if ((self->operation == FIRST ? add_first(self) : add_combined(self)) < 0) {
            return NULL;
        }
    }
    return builder_take(&self->builder);
}

/* Ended, or broken: there is no more, and no cursor is read again. */
static void end(Merge *self) {
    self->alive = 0;
    self->is_open = 1;
}

static PyObject *Merge_next(Merge *self) {
    if (self->busy)
        return PyErr_Format(PyExc_RuntimeError, "the merge is in use");
    self->busy = 1;
    PyObject *frame = next_merged(self);
    self->busy = 0;
    if (!frame)
        end(self);
    return frame;
}

/* Fill `runs` from a tuple; -1 with an exception. `count` is never ahead of them. */
static int get_iterators(Merge *self, PyObject *given) {
    size_t count = (size_t)PyTuple_GET_SIZE(given);
    self->runs = calloc(count + 1, sizeof *self->runs);
    self->heap = calloc(count + 1, sizeof *self->heap);
    if (!self->runs || !self->heap) {
        PyErr_NoMemory();
        return -1;
    }
    for (; self->count < count; self->count++) {
        PyObject *frames = PyObject_GetIter(PyTuple_GET_ITEM(given, (Py_ssize_t)self->count));
        if (!frames)
            return -1;
        self->runs[self->count].frames = frames;
    }
    return 0;
}

static PyObject *Merge_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"runs", "operation", NULL};
    PyObject *given;
    int operation;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!i", names, &PyList_Type, &given, &operation))
        return NULL;
    if (operation < KEEP || operation > FIRST)
        return PyErr_Format(PyExc_ValueError, "no such operation");
    PyObject *runs = PyList_AsTuple(given); /* an __iter__ may change the list */
    Merge *self = runs ? (Merge *)type->tp_alloc(type, 0) : NULL;
    if (!self) {
        Py_XDECREF(runs);
        return NULL;
    }
    self->operation = operation;
    if (get_iterators(self, runs) < 0)
        Py_CLEAR(self);
    Py_DECREF(runs);
    return (PyObject *)self;
}

static int Merge_traverse(Merge *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    for (size_t number = 0; number < self->count; number++) {
        Py_VISIT(self->runs[number].frames);
        Py_VISIT(self->runs[number].frame);
    }
    return 0;
}

/* Break cycles. The merge may still be called, and has ended. */
static int Merge_clear(Merge *self) {
    end(self);
    for (size_t number = 0; number < self->count; number++) {
        Py_CLEAR(self->runs[number].frames);
        Py_CLEAR(self->runs[number].frame);
    }
    return 0;
}

static void Merge_dealloc(Merge *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Merge_clear(self);
    free(self->runs);
    free(self->heap);
    buffer_free(&self->key);
    builder_free(&self->builder);
    type->tp_free(self);
    Py_DECREF(type); /* an object of a heap type holds its type */
}

static PyType_Slot Merge_slots[] = {
    {Py_tp_doc, "Merge(runs, operation): the frames of sorted runs as those of one."},
    {Py_tp_new, Merge_new},
    {Py_tp_dealloc, Merge_dealloc},
    {Py_tp_traverse, Merge_traverse},
    {Py_tp_clear, Merge_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, Merge_next},
    {0, NULL}};

PyType_Spec merge_spec = {
    .name = "mapreduce.native.extension.Merge",
    .basicsize = sizeof(Merge),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Merge_slots,
};
