# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""From stored bytes to texts and objects, compiled: what `decoding.py` does in Python.

Nothing in the file is trusted: every place is checked, since one out of range would read foreign memory.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject_GenericSetAttr
from cpython.unicode cimport PyUnicode_DecodeUTF8

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t


cdef inline int64_t number_at(const Py_buffer* numbers, Py_ssize_t place) noexcept nogil:
    """A number of an array of any type that places and starts may have."""
    if numbers.itemsize == 1:
        return (<const uint8_t*> numbers.buf)[place]
    if numbers.itemsize == 2:
        return (<const uint16_t*> numbers.buf)[place]
    if numbers.itemsize == 4:
        return (<const uint32_t*> numbers.buf)[place]
    return (<const int64_t*> numbers.buf)[place]


cdef list decode_all(const Py_buffer* blob, const Py_buffer* starts, const Py_buffer* places):
    cdef Py_ssize_t number, count = places.len // places.itemsize
    cdef int64_t place, begin, end, texts = starts.len // starts.itemsize - 1
    cdef list decoded = [None] * count
    for number in range(count):
        place = number_at(places, number)
        if not 0 <= place < texts:
            raise IndexError(f"no text {place} among {texts}")
        begin, end = number_at(starts, place), number_at(starts, place + 1)
        if not 0 <= begin <= end <= blob.len:
            raise IndexError(f"text {place} does not lie within the texts")
        decoded[number] = PyUnicode_DecodeUTF8(<const char*> blob.buf + begin, end - begin, "surrogatepass")
    return decoded


def decode_many(blob, starts, places):
    """See `decoding.decode_many`."""
    cdef Py_buffer[3] buffers
    cdef int opened = 0
    try:
        for array in (blob, starts, places):
            PyObject_GetBuffer(array, &buffers[opened], PyBUF_SIMPLE)
            opened += 1
        return decode_all(&buffers[0], &buffers[1], &buffers[2])
    finally:
        while opened:
            opened -= 1
            PyBuffer_Release(&buffers[opened])


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
