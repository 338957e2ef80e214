# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The best sets of a segment, compiled: what `best.py` finds with NumPy.

Size classes (the sets of one size) are searched in descending order of the highest score that a set of that
size can reach. The best scores so far give a floor, and so the overlap that a set of the next class needs.
Prefix filter: such a set occurs in the posting lists of the query's rarest tokens. Only these lists are
read, and only the sets found there often enough (the candidates) are compared token by token.

Nothing in the file is trusted: every set and token number is checked, since one out of range would read or
write foreign memory.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy

cdef enum:
    #: In how many of the lists read a set should occur to be a candidate. More hits: longer prefix, fewer
    #: candidates.
    WANTED_HITS = 3
    #: For queries of no more known tokens than this, one hit makes a candidate.
    SHORT_QUERY = 2
    #: Where a class has more than so many times as many sets as postings were read, candidates are collected
    #: by reading these postings again rather than by scanning all counters.
    SPARSE = 2
    #: How many candidates ahead tokens are prefetched.
    PREFETCH = 8
    #: So many sets of the most promising class are searched first, so that there is a floor for the rest.
    HEAD = 8192

ctypedef fused Token:
    uint8_t
    uint16_t
    uint32_t

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define prefetch(address) __builtin_prefetch(address)
    #else
    #define prefetch(address) ((void)0)
    #endif
    """
    void prefetch(const void* address) noexcept nogil


cdef struct Query:
    int size, known, wanted_hits
    const int32_t* postings
    int64_t posting_count  # of all tokens, not of the query's alone
    const int64_t* begins  # where the posting list of each known token begins, the rarest token first
    const int32_t* cuts  # for each known token a row of `cuts_width`: where in its list each class begins
    Py_ssize_t cuts_width
    const uint8_t* marks  # 1 for each token of the query, 0 for the rest of the vocabulary
    uint32_t vocabulary
    const uint32_t* rows  # where the captions of each set begin
    Py_ssize_t row_count  # of `rows`: one more than there are sets


cdef struct SizeClass:
    # The sets of one size, or the part of them that begins with `first_set`.
    Py_ssize_t number, width, skipped  # the class, how many sets, how many of the class come before them
    int32_t first_set
    int size, min_overlap
    int prefix  # how many of the query's tokens are read, the rarest first; 0 where no set can reach the floor
    int min_hits  # in how many of these lists a set occurs at least, if it has the least overlap
    bint partial


cdef struct Results:
    Py_ssize_t count, capacity, examined
    int32_t* sets
    double* scores
    Py_ssize_t wanted, heap_size
    double* heap  # the best scores so far: a binary heap, the least of them first
    double floor, highest


cdef inline double jaccard(int overlap, int query_size, int set_size) noexcept nogil:
    return <double> overlap / <double> (query_size + set_size - overlap)


cdef inline double upper_bound(SizeClass* one, Query* query) noexcept nogil:
    """The highest score that a set of the class can reach."""
    return jaccard(min(query.known, one.size), query.size, one.size)


cdef void push_score(Results* results, double value) noexcept nogil:
    """Keep a score if it is among the best; once there are as many as wanted, the least of them is the floor."""
    cdef Py_ssize_t place, child, parent
    if results.heap_size < results.wanted:
        place = results.heap_size
        results.heap_size += 1
        while place > 0 and results.heap[(place - 1) // 2] > value:
            parent = (place - 1) // 2
            results.heap[place] = results.heap[parent]
            place = parent
    elif value > results.heap[0]:
        place, child = 0, 1
        while child < results.heap_size:
            if child + 1 < results.heap_size and results.heap[child + 1] < results.heap[child]:
                child += 1
            if results.heap[child] >= value:
                break
            results.heap[place] = results.heap[child]
            place, child = child, 2 * child + 1
    else:
        return
    results.heap[place] = value
    if results.heap_size == results.wanted and results.heap[0] > results.floor:
        results.floor = results.heap[0]


cdef bint grow(Results* results) noexcept nogil:
    """Make room for more results; False where there is no memory."""
    cdef Py_ssize_t capacity = 2 * results.capacity + 64
    cdef void* sets = realloc(results.sets, capacity * sizeof(int32_t))
    if sets == NULL:
        return False
    results.sets = <int32_t*> sets
    cdef void* scores = realloc(results.scores, capacity * sizeof(double))
    if scores == NULL:
        return False
    results.scores = <double*> scores
    results.capacity = capacity
    return True


cdef inline void raise_min_overlap(SizeClass* one, Query* query, double floor) noexcept nogil:
    """Raise the least overlap of a class to that which scores `floor`."""
    while one.min_overlap <= one.size and jaccard(one.min_overlap, query.size, one.size) < floor:
        one.min_overlap += 1


cdef void plan_prefix(SizeClass* one, Query* query, double floor) noexcept nogil:
    """From the overlap that scores `floor`: how many tokens to read, and how many hits make a candidate."""
    one.min_overlap = 1
    raise_min_overlap(one, query, floor)
    if one.min_overlap > min(query.known, one.size):
        one.prefix = 0
        return
    one.prefix = min(query.known, query.known - one.min_overlap + query.wanted_hits)
    # At most all tokens outside of the prefix are shared; the rest of the overlap is within.
    one.min_hits = one.min_overlap - query.known + one.prefix


cdef Py_ssize_t lower_bound(
    const int32_t* postings, Py_ssize_t begin, Py_ssize_t end, int32_t wanted_set
) noexcept nogil:
    """The first place from `begin` on whose set is `wanted_set` or above."""
    cdef Py_ssize_t middle
    while begin < end:
        middle = (begin + end) // 2
        if postings[middle] < wanted_set:
            begin = middle + 1
        else:
            end = middle
    return begin


cdef bint slice_postings(
    SizeClass* one, Query* query, int token, Py_ssize_t* begin, Py_ssize_t* end
) noexcept nogil:
    """Find the slice of a token's posting list that holds the sets of a class; False for a damaged file."""
    cdef const int32_t* cut = query.cuts + token * query.cuts_width + one.number
    begin[0], end[0] = query.begins[token] + cut[0], query.begins[token] + cut[1]
    if begin[0] < 0 or end[0] < begin[0] or end[0] > query.posting_count:
        return False
    if one.partial:
        begin[0] = lower_bound(query.postings, begin[0], end[0], one.first_set)
        end[0] = lower_bound(query.postings, begin[0], end[0], one.first_set + <int32_t> one.width)
    return True


cdef Py_ssize_t count_hits(SizeClass* one, Query* query, uint8_t* hits) noexcept nogil:
    """Count for each set of a class in how many lists of the prefix it occurs.

    Gives how many postings were read; -1 for a damaged file.
    """
    cdef Py_ssize_t place, begin, end, total = 0
    cdef uint32_t member
    cdef int token
    for token in range(one.prefix):
        if not slice_postings(one, query, token, &begin, &end):
            return -1
        total += end - begin
        for place in range(begin, end):
            member = <uint32_t> (query.postings[place] - one.first_set)
            if member >= <uint32_t> one.width:
                return -1
            hits[member] += 1
    return total


cdef Py_ssize_t collect_candidates(
    SizeClass* one, Query* query, Py_ssize_t postings_read, uint8_t* hits, int32_t* candidates, uint8_t* their_hits
) noexcept nogil:
    """Collect the sets of a class with enough hits, and set all counters to 0 again. Gives how many they are.

    A candidate is the number of a set within the class, from 0 on.
    """
    cdef Py_ssize_t place, begin, end, word, count = 0
    cdef int32_t member
    cdef int token
    if SPARSE * postings_read < one.width:
        for token in range(one.prefix):
            slice_postings(one, query, token, &begin, &end)
            for place in range(begin, end):
                member = query.postings[place] - one.first_set
                if hits[member] >= one.min_hits:
                    candidates[count], their_hits[count] = member, hits[member]
                    count += 1
                hits[member] = 0
        return count
    for word in range(0, one.width, 8):  # eight counters at a time: most are 0
        if (<uint64_t*> (hits + word))[0] == 0:
            continue
        for place in range(word, word + 8):
            if hits[place] >= one.min_hits:
                candidates[count], their_hits[count] = <int32_t> place, hits[place]
                count += 1
            hits[place] = 0
    return count


cdef inline int count_overlap(const Token* tokens, int size, Query* query) noexcept nogil:
    """How many of a set's tokens are the query's; -1 if one is out of range."""
    cdef int place, overlap = 0
    for place in range(size):
        if <uint32_t> tokens[place] >= query.vocabulary:
            return -1
        overlap += query.marks[tokens[place]]
    return overlap


cdef bint score_candidates(
    SizeClass* one, Query* query, const Token* tokens, Py_ssize_t count, int32_t* candidates, uint8_t* hits,
    Results* results
) noexcept nogil:
    """Add to the results the candidates that score enough. False for a damaged file, or without memory."""
    cdef bint all_read = one.prefix == query.known  # then the hits are the overlap
    cdef Py_ssize_t place
    cdef const uint32_t* rows = query.rows + one.first_set
    cdef int overlap
    cdef double value
    for place in range(count):
        results.examined += <Py_ssize_t> rows[candidates[place] + 1] - <Py_ssize_t> rows[candidates[place]]
        if all_read:
            overlap = hits[place]
        else:
            if place + PREFETCH < count:
                prefetch(tokens + <Py_ssize_t> candidates[place + PREFETCH] * one.size)
            overlap = count_overlap(tokens + <Py_ssize_t> candidates[place] * one.size, one.size, query)
        if overlap < one.min_overlap:
            if overlap < 0:
                return False
            continue
        value = jaccard(overlap, query.size, one.size)
        if value < results.floor or value > results.highest:
            continue
        if results.count == results.capacity and not grow(results):
            return False
        results.sets[results.count], results.scores[results.count] = one.first_set + candidates[place], value
        results.count += 1
        if results.wanted:
            push_score(results, value)
            raise_min_overlap(one, query, results.floor)
    return True


cdef bint search_classes(
    SizeClass* classes, Py_ssize_t class_count, Query* query, const Token* tokens, int64_t token_count,
    const int64_t* class_tokens, Results* results
) noexcept nogil:
    """Search the classes in their order; False for a damaged file, or without memory."""
    cdef Py_ssize_t place, total, begin, widest = 0
    for place in range(class_count):
        widest = max(widest, classes[place].width)
    # Eight more, since counters are read eight at a time.
    cdef uint8_t* hits = <uint8_t*> calloc(widest + 8, 1)
    cdef int32_t* candidates = <int32_t*> malloc((widest + 8) * sizeof(int32_t))
    cdef uint8_t* their_hits = <uint8_t*> malloc(widest + 8)
    cdef bint sound = hits != NULL and candidates != NULL and their_hits != NULL
    cdef SizeClass* one
    for place in range(class_count):
        if not sound:
            break
        one = classes + place
        plan_prefix(one, query, results.floor)
        if not one.prefix:
            continue
        begin = class_tokens[one.number] + one.skipped * one.size
        if (begin < 0 or begin + one.width * one.size > token_count
                or one.first_set < 0 or one.first_set + one.width >= query.row_count):
            sound = False
            break
        total = count_hits(one, query, hits)
        if total <= 0:
            sound = total == 0
            continue
        total = collect_candidates(one, query, total, hits, candidates, their_hits)
        sound = score_candidates(one, query, tokens + begin, total, candidates, their_hits, results)
    free(hits)
    free(candidates)
    free(their_hits)
    return sound


cdef Py_ssize_t order_classes(
    const int32_t[::1] sizes, const int32_t[::1] class_sets, Query* query, SizeClass* ordered
) noexcept nogil:
    """Put the classes that hold sets into `ordered`, the most promising first. Gives how many they are.

    `ordered` has room for all classes and one more, since the first may become two.
    """
    cdef Py_ssize_t place, other, count = 0
    cdef SizeClass one
    for place in range(sizes.shape[0]):
        one.number, one.size, one.first_set = place, sizes[place], class_sets[place]
        one.width, one.skipped, one.partial = class_sets[place + 1] - class_sets[place], 0, False
        one.min_overlap = one.prefix = one.min_hits = 0
        if one.width <= 0 or one.size <= 0:
            continue
        other = count
        while other > 0 and upper_bound(&ordered[other - 1], query) < upper_bound(&one, query):
            ordered[other] = ordered[other - 1]
            other -= 1
        ordered[other] = one
        count += 1
    return split_first(ordered, count)


cdef Py_ssize_t split_first(SizeClass* ordered, Py_ssize_t count) noexcept nogil:
    """Split the first class, if it is large, after its first `HEAD` sets. Gives the new number of classes."""
    cdef Py_ssize_t place
    if not count or ordered[0].width <= 2 * HEAD:
        return count
    for place in range(count, 0, -1):
        ordered[place] = ordered[place - 1]
    ordered[0].partial = ordered[1].partial = True
    ordered[0].width = ordered[1].skipped = HEAD
    ordered[1].first_set += HEAD
    ordered[1].width -= HEAD
    return count + 1


def find_best(token_sets, query, Py_ssize_t wanted, double floor, double highest):
    """See `best.find_best`."""
    return find_best_typed(token_sets.tokens, token_sets, query, wanted, floor, highest)


def find_best_typed(
    const Token[::1] set_tokens not None, token_sets, asked, Py_ssize_t wanted, double floor, double highest
):
    """`find_best`, compiled once for each type that token numbers may have."""
    cdef const int32_t[::1] sizes = token_sets.sizes, class_sets = token_sets.class_sets
    cdef const int64_t[::1] class_tokens = token_sets.class_tokens
    cdef const uint32_t[::1] rows = token_sets.rows
    cdef const int32_t[::1] postings = token_sets.postings
    cdef const int64_t[::1] begins = asked.begins
    cdef const int32_t[:, ::1] cuts = asked.cuts
    cdef const uint8_t[::1] marks = asked.marks
    cdef int query_size = asked.size, wanted_hits = 1
    if not (0 < begins.shape[0] == cuts.shape[0] <= 255 and begins.shape[0] <= query_size):
        raise ValueError("a query needs 1 to 255 known tokens, each with its posting list")
    if not (0 < sizes.shape[0] + 1 == cuts.shape[1] == class_sets.shape[0] == class_tokens.shape[0]
            and postings.shape[0] and marks.shape[0] and set_tokens.shape[0] and rows.shape[0]):
        raise ValueError("the arrays do not fit each other")
    if begins.shape[0] > SHORT_QUERY:
        # Tokens that always occur together hit the same sets: with one more hit, fewer are candidates.
        wanted_hits = WANTED_HITS + <bint> asked.together
    cdef Query query = Query(
        query_size, <int> begins.shape[0], wanted_hits, &postings[0], postings.shape[0], &begins[0],
        &cuts[0, 0], cuts.shape[1], &marks[0], <uint32_t> marks.shape[0], &rows[0], rows.shape[0],
    )
    cdef Results results = Results(0, 0, 0, NULL, NULL, wanted, 0, NULL, floor, highest)
    cdef SizeClass* classes = <SizeClass*> malloc((sizes.shape[0] + 1) * sizeof(SizeClass))
    cdef Py_ssize_t class_count
    cdef bint sound
    results.heap = <double*> malloc((wanted + 1) * sizeof(double))
    try:
        if classes == NULL or results.heap == NULL:
            raise MemoryError
        with nogil:
            class_count = order_classes(sizes, class_sets, &query, classes)
            sound = search_classes[Token](
                classes, class_count, &query, &set_tokens[0], set_tokens.shape[0], &class_tokens[0], &results
            )
        if not sound:
            raise ValueError("a number in the arrays is out of range, or there was no memory")
        return *to_arrays(&results), results.floor, results.examined
    finally:
        free(classes)
        free(results.heap)
        free(results.sets)
        free(results.scores)


cdef tuple to_arrays(Results* results):
    """The sets and their scores."""
    sets, scores = np.empty(results.count, np.int32), np.empty(results.count)
    cdef int32_t[::1] to_sets = sets
    cdef double[::1] to_scores = scores
    if results.count:
        memcpy(&to_sets[0], results.sets, results.count * sizeof(int32_t))
        memcpy(&to_scores[0], results.scores, results.count * sizeof(double))
    return sets, scores
