# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The best sets of a segment, compiled: what `best.py` finds with NumPy.

Sizes are taken from the most promising on. The best scores so far tell what a set of the next size must
share: only the postings of its first tokens are counted, and the few sets met often enough are looked at.

Nothing is taken on trust from the file: every set and token number is compared with what there is, since one
out of range would touch foreign memory.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy

cdef enum:
    #: How often a set is met, by preference, before its own tokens are looked at.
    HITS = 3
    #: Queries of no more known tokens than this look at every set that is met.
    FEW = 2
    #: Where sets are so many times the postings, these are walked through again, and not all counts.
    SPARSE = 2
    #: Sets whose tokens are fetched while others are looked at.
    AHEAD = 8
    #: Sets of the most promising class that are searched before the rest of it.
    HEAD = 8192

ctypedef fused Token:
    uint8_t
    uint16_t
    uint32_t

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define fetch_soon(address) __builtin_prefetch(address)
    #else
    #define fetch_soon(address) ((void)0)
    #endif
    """
    void fetch_soon(const void* address) noexcept nogil


cdef struct Query:
    int size, known, hits
    const int32_t* postings
    int64_t length  # of all postings
    const int64_t* begins  # of each known token, the rarest first
    const int32_t* cuts  # a row of edges for each token
    Py_ssize_t edges
    const uint8_t* marks
    uint32_t vocabulary
    const uint32_t* rows  # where the captions of each set begin
    Py_ssize_t ends  # of those


cdef struct Class:
    # Sets of one size, or a part of them, from `first` on.
    Py_ssize_t number, width, before
    int32_t first
    int size, least, reads, times
    bint part


cdef struct Found:
    Py_ssize_t number, room, examined
    int32_t* sets
    double* scores
    Py_ssize_t wanted, ranked
    double* best  # the best scores so far: a binary heap, the least of them first
    double floor, highest


cdef inline double score(int shared, int query, int size) noexcept nogil:
    return <double> shared / <double> (query + size - shared)


cdef void rank(Found* found, double value) noexcept nogil:
    """Put a score among the best; once they are as many as wanted, the least of them is the floor."""
    cdef Py_ssize_t place, child, parent
    if found.ranked < found.wanted:
        place = found.ranked
        found.ranked += 1
        while place > 0 and found.best[(place - 1) // 2] > value:
            parent = (place - 1) // 2
            found.best[place] = found.best[parent]
            place = parent
    elif value > found.best[0]:
        place, child = 0, 1
        while child < found.ranked:
            if child + 1 < found.ranked and found.best[child + 1] < found.best[child]:
                child += 1
            if found.best[child] >= value:
                break
            found.best[place] = found.best[child]
            place, child = child, 2 * child + 1
    else:
        return
    found.best[place] = value
    if found.ranked == found.wanted and found.best[0] > found.floor:
        found.floor = found.best[0]


cdef bint grow(Found* found) noexcept nogil:
    cdef void* sets = realloc(found.sets, (2 * found.room + 64) * sizeof(int32_t))
    if sets == NULL:
        return False
    found.sets = <int32_t*> sets
    cdef void* scores = realloc(found.scores, (2 * found.room + 64) * sizeof(double))
    if scores == NULL:
        return False
    found.scores = <double*> scores
    found.room = 2 * found.room + 64
    return True


cdef inline void demand(Class* one, Query* query, double floor) noexcept nogil:
    """Raise what a set of the class must share to what scores `floor`."""
    while one.least <= one.size and score(one.least, query.size, one.size) < floor:
        one.least += 1


cdef void plan(Class* one, Query* query, double floor) noexcept nogil:
    """What a set of the class must share to score `floor`, how many tokens are read, how often it is met."""
    one.least = 1
    demand(one, query, floor)
    if one.least > min(query.known, one.size):
        one.reads = 0
        return
    one.reads = min(query.known, query.known - one.least + query.hits)
    # What is not read of a set it may lack, the rest it has.
    one.times = one.least - query.known + one.reads


cdef Py_ssize_t lower(const int32_t* postings, Py_ssize_t begin, Py_ssize_t end, int32_t member) noexcept nogil:
    """The first place from `begin` on whose set is `member` or more."""
    cdef Py_ssize_t middle
    while begin < end:
        middle = (begin + end) // 2
        if postings[middle] < member:
            begin = middle + 1
        else:
            end = middle
    return begin


cdef bint cut(Class* one, Query* query, int token, Py_ssize_t* begin, Py_ssize_t* end) noexcept nogil:
    """Where the sets of a class are in the postings of a token; False for damage."""
    cdef const int32_t* edge = query.cuts + token * query.edges + one.number
    begin[0], end[0] = query.begins[token] + edge[0], query.begins[token] + edge[1]
    if begin[0] < 0 or end[0] < begin[0] or end[0] > query.length:
        return False
    if one.part:
        begin[0] = lower(query.postings, begin[0], end[0], one.first)
        end[0] = lower(query.postings, begin[0], end[0], one.first + <int32_t> one.width)
    return True


cdef Py_ssize_t count(Class* one, Query* query, uint8_t* counts) noexcept nogil:
    """Count the sets of a class in the postings of its first tokens. How many there are; -1 for damage."""
    cdef Py_ssize_t place, begin, end, total = 0
    cdef uint32_t member
    cdef int token
    for token in range(one.reads):
        if not cut(one, query, token, &begin, &end):
            return -1
        total += end - begin
        for place in range(begin, end):
            member = <uint32_t> (query.postings[place] - one.first)
            if member >= <uint32_t> one.width:
                return -1
            counts[member] += 1
    return total


cdef Py_ssize_t gather(
    Class* one, Query* query, Py_ssize_t total, uint8_t* counts, int32_t* members, uint8_t* met
) noexcept nogil:
    """The members of a class that were met often enough, and how often; the counts are 0 again."""
    cdef Py_ssize_t place, begin, end, word, number = 0
    cdef int32_t member
    cdef int token
    if SPARSE * total < one.width:
        for token in range(one.reads):
            cut(one, query, token, &begin, &end)
            for place in range(begin, end):
                member = query.postings[place] - one.first
                if counts[member] >= one.times:
                    members[number], met[number] = member, counts[member]
                    number += 1
                counts[member] = 0
        return number
    for word in range(0, one.width, 8):
        if (<uint64_t*> (counts + word))[0] == 0:
            continue
        for place in range(word, word + 8):
            if counts[place] >= one.times:
                members[number], met[number] = <int32_t> place, counts[place]
                number += 1
            counts[place] = 0
    return number


cdef inline int overlap(const Token* tokens, int size, Query* query) noexcept nogil:
    """How many of a set's tokens are the query's; -1 if one is out of range."""
    cdef int place, shared = 0
    for place in range(size):
        if <uint32_t> tokens[place] >= query.vocabulary:
            return -1
        shared += query.marks[tokens[place]]
    return shared


cdef bint judge(
    Class* one, Query* query, const Token* tokens, Py_ssize_t number, int32_t* members, uint8_t* met, Found* found
) noexcept nogil:
    """Keep those members of a class that score enough. False for damage or want of memory."""
    cdef bint complete = one.reads == query.known
    cdef Py_ssize_t place
    cdef const uint32_t* rows = query.rows + one.first
    cdef int shared
    cdef double value
    for place in range(number):
        found.examined += <Py_ssize_t> rows[members[place] + 1] - <Py_ssize_t> rows[members[place]]
        if complete:
            shared = met[place]
        else:
            if place + AHEAD < number:
                fetch_soon(tokens + <Py_ssize_t> members[place + AHEAD] * one.size)
            shared = overlap(tokens + <Py_ssize_t> members[place] * one.size, one.size, query)
        if shared < one.least:
            if shared < 0:
                return False
            continue
        value = score(shared, query.size, one.size)
        if value < found.floor or value > found.highest:
            continue
        if found.number == found.room and not grow(found):
            return False
        found.sets[found.number], found.scores[found.number] = one.first + members[place], value
        found.number += 1
        if found.wanted:
            rank(found, value)
            demand(one, query, found.floor)
    return True


cdef bint search(
    Class* classes, Py_ssize_t number, Query* query, const Token* tokens, int64_t length,
    const int64_t* class_tokens, Py_ssize_t widest, Found* found
) noexcept nogil:
    """Go through the classes; False for damage or want of memory."""
    cdef uint8_t* counts = <uint8_t*> calloc(widest + 8, 1)
    cdef int32_t* members = <int32_t*> malloc((widest + 8) * sizeof(int32_t))
    cdef uint8_t* met = <uint8_t*> malloc(widest + 8)
    cdef bint sound = counts != NULL and members != NULL and met != NULL
    cdef Py_ssize_t place, total, begin
    cdef Class* one
    for place in range(number):
        if not sound:
            break
        one = classes + place
        plan(one, query, found.floor)
        if not one.reads:
            continue
        begin = class_tokens[one.number] + one.before * one.size
        if (begin < 0 or begin + one.width * one.size > length
                or one.first < 0 or one.first + one.width >= query.ends):
            sound = False
            break
        total = count(one, query, counts)
        if total <= 0:
            sound = total == 0
            continue
        total = gather(one, query, total, counts, members, met)
        sound = judge(one, query, tokens + begin, total, members, met, found)
    free(counts)
    free(members)
    free(met)
    return sound


def best(token_sets, query, Py_ssize_t wanted, double floor, double highest):
    """See `best.best`."""
    return best_of(token_sets.tokens, token_sets, query, wanted, floor, highest)


def best_of(
    const Token[::1] set_tokens not None, token_sets, asked, Py_ssize_t wanted, double floor, double highest
):
    """`best`, compiled for each type that numbers of tokens may have."""
    cdef const int32_t[::1] sizes = token_sets.sizes, class_sets = token_sets.class_sets
    cdef const int64_t[::1] class_tokens = token_sets.class_tokens
    cdef const uint32_t[::1] set_rows = token_sets.rows
    cdef const int32_t[::1] postings = token_sets.postings
    cdef const int64_t[::1] begins = asked.begins
    cdef const int32_t[:, ::1] cuts = asked.cuts
    cdef const uint8_t[::1] marks = asked.marks
    cdef int query_size = asked.size
    cdef bint together = asked.together
    cdef Py_ssize_t place, other, number = 0, widest = 0, classes = sizes.shape[0]
    cdef bint sound
    if not (0 < begins.shape[0] == cuts.shape[0] <= 255 and begins.shape[0] <= query_size):
        raise ValueError("1 to 255 known tokens, each with its postings")
    if not (0 < classes + 1 == cuts.shape[1] == class_sets.shape[0] == class_tokens.shape[0]
            and postings.shape[0] and marks.shape[0] and set_tokens.shape[0]
            and set_rows.shape[0]):
        raise ValueError("arrays that do not fit each other")
    cdef Query query = Query(
        query_size, <int> begins.shape[0], HITS + together if begins.shape[0] > FEW else 1, &postings[0],
        postings.shape[0], &begins[0], &cuts[0, 0], classes + 1, &marks[0], <uint32_t> marks.shape[0],
        &set_rows[0], set_rows.shape[0],
    )
    cdef Found found = Found(0, 0, 0, NULL, NULL, wanted, 0, NULL, floor, highest)
    cdef Class* ordered = <Class*> malloc((classes + 2) * sizeof(Class))
    cdef Class one
    found.best = <double*> malloc((wanted + 1) * sizeof(double))
    if ordered == NULL or found.best == NULL:
        free(ordered)
        free(found.best)
        raise MemoryError
    # The most promising sizes first.
    for place in range(classes):
        one = Class(place, class_sets[place + 1] - class_sets[place], 0, class_sets[place], sizes[place], 0, 0, 0, 0)
        if one.width <= 0 or one.size <= 0:
            continue
        widest = max(widest, one.width)
        other = number
        while other > 0 and promise(&ordered[other - 1], &query) < promise(&one, &query):
            ordered[other] = ordered[other - 1]
            other -= 1
        ordered[other] = one
        number += 1
    number = behead(ordered, number)
    with nogil:
        sound = not number or search[Token](
            ordered, number, &query, &set_tokens[0], set_tokens.shape[0], &class_tokens[0], widest, &found
        )
    sets, scores = np.empty(found.number, np.int32), np.empty(found.number)
    cdef int32_t[::1] to_sets = sets
    cdef double[::1] to_scores = scores
    if found.number:
        memcpy(&to_sets[0], found.sets, found.number * sizeof(int32_t))
        memcpy(&to_scores[0], found.scores, found.number * sizeof(double))
    free(ordered)
    free(found.best)
    free(found.sets)
    free(found.scores)
    if not sound:
        raise ValueError("numbers out of range, or no memory")
    return sets, scores, found.floor, found.examined


cdef Py_ssize_t behead(Class* ordered, Py_ssize_t number) noexcept nogil:
    """Make two of a large first class: its head tells what the rest must share. Gives the number of all."""
    cdef Py_ssize_t place
    if not number or ordered[0].width <= 2 * HEAD:
        return number
    for place in range(number, 0, -1):
        ordered[place] = ordered[place - 1]
    ordered[0].part = ordered[1].part = True
    ordered[0].width = ordered[1].before = HEAD
    ordered[1].first += HEAD
    ordered[1].width -= HEAD
    return number + 1


cdef inline double promise(Class* one, Query* query) noexcept nogil:
    return score(min(query.known, one.size), query.size, one.size)
