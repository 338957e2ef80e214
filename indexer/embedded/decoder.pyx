# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""From stored numbers and bytes to captions, texts and objects, compiled: what `decoding.py` does in Python.

Nothing in the file is trusted: every place is checked, since one out of range would read foreign memory.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject_GenericSetAttr
from cpython.unicode cimport PyUnicode_DecodeUTF8

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcmp

import numpy as np


cdef int open_all(tuple arrays, Py_buffer* buffers) except -1:
    """Open the memory of all arrays, or of none."""
    cdef int opened = 0
    try:
        for array in arrays:
            PyObject_GetBuffer(array, &buffers[opened], PyBUF_SIMPLE)
            opened += 1
    except BaseException:
        close_all(buffers, opened)
        raise
    return 0


cdef void close_all(Py_buffer* buffers, int opened) noexcept:
    cdef int number
    for number in range(opened):
        PyBuffer_Release(&buffers[number])


cdef inline int64_t number_at(const Py_buffer* numbers, Py_ssize_t place) noexcept nogil:
    """A number of an array of any type that places and starts may have."""
    if numbers.itemsize == 1:
        return (<const uint8_t*> numbers.buf)[place]
    if numbers.itemsize == 2:
        return (<const uint16_t*> numbers.buf)[place]
    if numbers.itemsize == 4:
        return (<const uint32_t*> numbers.buf)[place]
    return (<const int64_t*> numbers.buf)[place]


cdef str decode_one(const Py_buffer* blob, const Py_buffer* starts, int64_t place):
    cdef int64_t begin, end, texts = starts.len // starts.itemsize - 1
    if not 0 <= place < texts:
        raise IndexError(f"no text {place} among {texts}")
    begin, end = number_at(starts, place), number_at(starts, place + 1)
    if not 0 <= begin <= end <= blob.len:
        raise IndexError(f"text {place} does not lie within the texts")
    return PyUnicode_DecodeUTF8(<const char*> blob.buf + begin, end - begin, "surrogatepass")


cdef list decode_all(const Py_buffer* blob, const Py_buffer* starts, const Py_buffer* places):
    cdef Py_ssize_t number, count = places.len // places.itemsize
    cdef list decoded = [None] * count
    for number in range(count):
        decoded[number] = decode_one(blob, starts, number_at(places, number))
    return decoded


def decode_many(blob, starts, places):
    """See `decoding.decode_many`."""
    cdef Py_buffer[3] buffers
    open_all((blob, starts, places), buffers)
    try:
        return decode_all(&buffers[0], &buffers[1], &buffers[2])
    finally:
        close_all(buffers, 3)


def locate(blob, starts, bytes wanted):
    """See `decoding.locate`."""
    cdef Py_buffer[2] buffers
    open_all((blob, starts), buffers)
    try:
        return locate_bytes(&buffers[0], &buffers[1], wanted, len(wanted))
    finally:
        close_all(buffers, 2)


cdef tuple locate_bytes(
    const Py_buffer* blob, const Py_buffer* starts, const char* wanted, Py_ssize_t wanted_length
):
    cdef Py_ssize_t middle, low = 0, high = starts.len // starts.itemsize - 1
    cdef int64_t begin, end
    cdef int order
    cdef bint found = False
    while low < high:
        middle = (low + high) // 2
        begin, end = number_at(starts, middle), number_at(starts, middle + 1)
        if not 0 <= begin <= end <= blob.len:
            raise IndexError(f"text {middle} does not lie within the texts")
        order = memcmp(<const char*> blob.buf + begin, wanted, min(end - begin, wanted_length))
        if order < 0 or (order == 0 and end - begin < wanted_length):
            low = middle + 1
        else:
            high = middle
            found = order == 0 and end - begin == wanted_length
    return low, found


def make_many(kind, names, columns):
    """See `decoding.make_many`."""
    cdef Py_ssize_t number, count = len(columns[0])
    cdef list column, made = [kind.__new__(kind) for _ in range(count)]
    for name, column in zip(names, columns, strict=True):
        if len(column) != count:
            raise ValueError("columns of different lengths")
        for number in range(count):
            PyObject_GenericSetAttr(made[number], name, column[number])
    return made


cdef struct Caption:
    double score
    int64_t image, row
    int32_t set


cdef int compare(const void* one, const void* other) noexcept nogil:
    """Puts the best score first, then the first image, then the first row."""
    cdef const Caption* first = <const Caption*> one
    cdef const Caption* second = <const Caption*> other
    if first.score != second.score:
        return -1 if first.score > second.score else 1
    if first.image != second.image:
        return -1 if first.image < second.image else 1
    return (first.row > second.row) - (first.row < second.row)


def unfold(token_sets, sets, scores, images, Py_ssize_t most):
    """See `decoding.unfold`."""
    cdef Py_buffer codes
    PyObject_GetBuffer(images, &codes, PyBUF_SIMPLE)
    try:
        return unfold_sets(token_sets.rows, sets, scores, &codes, most)
    finally:
        PyBuffer_Release(&codes)


cdef tuple unfold_sets(
    const uint32_t[::1] rows, const int32_t[::1] sets, const double[::1] scores, const Py_buffer* images,
    Py_ssize_t most
):
    cdef Py_ssize_t place, room = 0, total = 0, row_count = images.len // images.itemsize
    cdef int64_t begin, end, row
    if scores.shape[0] != sets.shape[0]:
        raise ValueError("not a score for each set")
    for place in range(sets.shape[0]):
        if not 0 <= sets[place] < rows.shape[0] - 1:
            raise IndexError(f"no set {sets[place]}")
        begin, end = rows[sets[place]], rows[sets[place] + 1]
        room += min(end - begin, most)
        if not begin <= end <= row_count or room > row_count:
            raise ValueError("sets hold more captions than there are")
    cdef Caption* captions = <Caption*> malloc((room + 1) * sizeof(Caption))
    if captions == NULL:
        raise MemoryError
    try:
        for place in range(sets.shape[0]):
            begin, end = rows[sets[place]], rows[sets[place] + 1]
            for row in range(begin, min(end, begin + most)):
                captions[total] = Caption(scores[place], number_at(images, row), row, sets[place])
                total += 1
        qsort(captions, total, sizeof(Caption), compare)
        return to_arrays(captions, min(total, most))
    finally:
        free(captions)


cdef tuple to_arrays(const Caption* captions, Py_ssize_t count):
    """The scores, images, sets and rows of the first captions."""
    scores, images = np.empty(count), np.empty(count, np.int64)
    sets, rows = np.empty(count, np.int32), np.empty(count, np.int64)
    cdef double[::1] to_scores = scores
    cdef int64_t[::1] to_images = images, to_rows = rows
    cdef int32_t[::1] to_sets = sets
    cdef Py_ssize_t place
    for place in range(count):
        to_scores[place], to_images[place] = captions[place].score, captions[place].image
        to_sets[place], to_rows[place] = captions[place].set, captions[place].row
    return scores, images, sets, rows


def decode_sets(token_sets, sets, blob, starts, dict known):
    """See `decoding.decode_sets`."""
    cdef Py_buffer[3] buffers
    open_all((blob, starts, token_sets.tokens), buffers)
    try:
        return decode_all_sets(
            token_sets.sizes, token_sets.class_sets, token_sets.class_tokens, &buffers[2], sets, &buffers[0],
            &buffers[1], known,
        )
    finally:
        close_all(buffers, 3)


cdef list decode_all_sets(
    const int32_t[::1] sizes, const int32_t[::1] class_sets, const int64_t[::1] class_tokens,
    const Py_buffer* tokens, const int32_t[::1] sets, const Py_buffer* blob, const Py_buffer* starts, dict known
):
    cdef Py_ssize_t place, number
    cdef int64_t begin, end, index
    cdef list held, decoded = []
    if not 0 < sizes.shape[0] + 1 == class_sets.shape[0] == class_tokens.shape[0]:
        raise ValueError("the arrays do not fit each other")
    for place in range(sets.shape[0]):
        if not class_sets[0] <= sets[place] < class_sets[class_sets.shape[0] - 1]:
            raise IndexError(f"no set {sets[place]}")
        number = class_of(class_sets, sets[place])
        begin = class_tokens[number] + <int64_t> (sets[place] - class_sets[number]) * sizes[number]
        end = begin + sizes[number]
        if not 0 <= begin <= end <= tokens.len // tokens.itemsize:
            raise IndexError(f"set {sets[place]} does not lie within the sets")
        held = []
        for index in range(begin, end):
            token = number_at(tokens, index)
            text = known.get(token)
            if text is None:
                text = known[token] = decode_one(blob, starts, token)
            held.append(text)
        decoded.append(frozenset(held))
    return decoded


cdef Py_ssize_t class_of(const int32_t[::1] class_sets, int32_t wanted_set) noexcept nogil:
    """The class, of one or more, that holds a set."""
    cdef Py_ssize_t middle, low = 0, high = class_sets.shape[0] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if class_sets[middle] <= wanted_set:
            low = middle
        else:
            high = middle
    return low
