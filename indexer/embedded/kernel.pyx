# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The best sets of a segment, compiled: what `best.py` finds with NumPy.

Size classes (the sets of one size) are searched in descending order of the highest score that a set of that
size can reach. The best scores so far give a floor, and so the overlap that a set of the next class needs.
Prefix filter: such a set occurs in the posting lists of the query's rarest tokens. Only these lists are
read, and only the sets found there often enough (the candidates) are compared token by token, those found
most often first: once the floor has risen, the others need not be compared.

Nothing in the file is trusted: every set and token number is checked, since one out of range would read or
write foreign memory.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memset

cdef enum:
    #: In how many of the lists read a set should occur to be a candidate. More hits: longer prefix, fewer
    #: candidates.
    WANTED_HITS = 3
    #: For queries of no more known tokens than this, one hit makes a candidate.
    SHORT_QUERY = 2
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
    # For each known token, the rarest first, a row of `edges_width`: where in `postings` each class begins.
    const int64_t* edges
    Py_ssize_t edges_width
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


cdef struct Result:
    double score
    int32_t number  # of the set


cdef struct Results:
    Py_ssize_t count, capacity, examined
    Result* found
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
    cdef void* found = realloc(results.found, capacity * sizeof(Result))
    if found == NULL:
        return False
    results.found, results.capacity = <Result*> found, capacity
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
    cdef const int64_t* edge = query.edges + token * query.edges_width + one.number
    begin[0], end[0] = edge[0], edge[1]
    if begin[0] < 0 or end[0] < begin[0] or end[0] > query.posting_count:
        return False
    if one.partial:
        begin[0] = lower_bound(query.postings, begin[0], end[0], one.first_set)
        end[0] = lower_bound(query.postings, begin[0], end[0], one.first_set + <int32_t> one.width)
    return True


cdef Py_ssize_t count_hits(SizeClass* one, Query* query, uint8_t* hits, int32_t* candidates) noexcept nogil:
    """Count for each set of a class in how many lists of the prefix it occurs, and collect those with enough.

    Gives how many candidates there are; -1 for a damaged file. A candidate is the number of a set within the
    class, from 0 on.
    """
    # In local names, which no write to `hits` can change as far as the compiler knows.
    cdef const int32_t* postings = query.postings
    cdef uint32_t member, first_set = <uint32_t> one.first_set, width = <uint32_t> one.width
    cdef uint8_t seen, min_hits = <uint8_t> one.min_hits
    cdef Py_ssize_t place, begin, end, stop, count = 0
    cdef int token
    for token in range(one.prefix):
        if not slice_postings(one, query, token, &begin, &end):
            return -1
        if end - begin > width:
            return -1
        place, stop = begin, end
        while place < stop:
            member = <uint32_t> postings[place] - first_set
            if member >= width:
                return -1
            seen = hits[member] + 1
            hits[member] = seen
            # Without a branch: a set is written each time, and stays where it has just met with enough.
            candidates[count] = <int32_t> member
            count += seen == min_hits
            place += 1
        if count > width:  # only where a list names sets more than once; there is room for one list more
            return -1
    return count


cdef void order_by_hits(
    const uint8_t* hits, const int32_t* candidates, Py_ssize_t count, int32_t* ordered
) noexcept nogil:
    """Put the candidates in descending order of their hits (counting sort)."""
    cdef Py_ssize_t[256] ends
    cdef Py_ssize_t place, total = 0
    cdef int level
    memset(ends, 0, sizeof(ends))
    for place in range(count):
        ends[hits[candidates[place]]] += 1
    for level in range(255, -1, -1):
        total += ends[level]
        ends[level] = total - ends[level]
    for place in range(count):
        level = hits[candidates[place]]
        ordered[ends[level]] = candidates[place]
        ends[level] += 1


cdef inline int count_overlap(const Token* tokens, int size, Query* query) noexcept nogil:
    """How many of a set's tokens are the query's; -1 if one is out of range."""
    cdef int place, overlap = 0
    cdef uint32_t token, highest = 0
    for place in range(size):
        token = tokens[place]
        highest = max(highest, token)
        overlap += query.marks[min(token, query.vocabulary - 1)]
    return overlap if highest < query.vocabulary else -1


cdef bint score_candidates(
    SizeClass* one, Query* query, const Token* tokens, Py_ssize_t count, const int32_t* candidates,
    const uint8_t* hits, Results* results
) noexcept nogil:
    """Add to the results the candidates that score enough. False for a damaged file, or without memory."""
    cdef int unread = query.known - one.prefix  # lists; where there are none, the hits are the overlap
    cdef Py_ssize_t place
    cdef const uint32_t* rows = query.rows + one.first_set
    cdef int overlap
    cdef double value
    for place in range(count):
        overlap = hits[candidates[place]]
        if overlap + unread < one.min_overlap:
            break  # the floor has risen, and those behind have no more hits
        results.examined += <Py_ssize_t> rows[candidates[place] + 1] - <Py_ssize_t> rows[candidates[place]]
        if unread:
            if place + PREFETCH < count:
                prefetch(tokens + <Py_ssize_t> candidates[place + PREFETCH] * one.size)
                prefetch(rows + candidates[place + PREFETCH])
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
        results.found[results.count] = Result(value, one.first_set + candidates[place])
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
    cdef uint8_t* hits = <uint8_t*> malloc(widest)
    # Twice as many, and one more: see `count_hits`, which writes a set before it is known to be a candidate.
    cdef int32_t* candidates = <int32_t*> malloc((2 * widest + 1) * sizeof(int32_t))
    cdef int32_t* ordered = <int32_t*> malloc((widest + 1) * sizeof(int32_t))
    cdef bint sound = hits != NULL and candidates != NULL and ordered != NULL
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
        memset(hits, 0, one.width)
        total = count_hits(one, query, hits, candidates)
        if total <= 0:
            sound = total == 0
            continue
        order_by_hits(hits, candidates, total, ordered)
        sound = score_candidates(one, query, tokens + begin, total, ordered, hits, results)
    free(hits)
    free(candidates)
    free(ordered)
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


def class_edges(token_sets, int64_t begin, int64_t end):
    """See `best.class_edges`."""
    cdef const int32_t[::1] postings = token_sets.postings, class_sets = token_sets.class_sets
    if not 0 <= begin <= end <= postings.shape[0]:
        raise IndexError("a posting list does not lie within the postings")
    edges = np.empty(class_sets.shape[0], np.int64)
    cdef int64_t[::1] to_edges = edges
    cdef Py_ssize_t place, edge = begin
    for place in range(class_sets.shape[0]):
        edge = lower_bound(&postings[0], edge, end, class_sets[place])
        to_edges[place] = edge
    return edges


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
    cdef const int64_t[:, ::1] edges = asked.edges
    cdef const uint8_t[::1] marks = asked.marks
    cdef int query_size = asked.size, wanted_hits = 1
    if not (0 < edges.shape[0] <= 255 and edges.shape[0] <= query_size):
        raise ValueError("a query needs 1 to 255 known tokens, each with its posting list")
    if not (0 < sizes.shape[0] + 1 == edges.shape[1] == class_sets.shape[0] == class_tokens.shape[0]
            and postings.shape[0] and marks.shape[0] and set_tokens.shape[0] and rows.shape[0]):
        raise ValueError("the arrays do not fit each other")
    if edges.shape[0] > SHORT_QUERY:
        # Tokens that always occur together hit the same sets: with one more hit, fewer are candidates.
        wanted_hits = WANTED_HITS + <bint> asked.together
    cdef Query query = Query(
        query_size, <int> edges.shape[0], wanted_hits, &postings[0], postings.shape[0], &edges[0, 0],
        edges.shape[1], &marks[0], <uint32_t> marks.shape[0], &rows[0], rows.shape[0],
    )
    cdef Results results = Results(0, 0, 0, NULL, wanted, 0, NULL, floor, highest)
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
            leave_best(&results)
        if not sound:
            raise ValueError("a number in the arrays is out of range, or there was no memory")
        return *to_arrays(&results), results.floor, results.examined
    finally:
        free(classes)
        free(results.heap)
        free(results.found)


cdef int compare(const void* one, const void* other) noexcept nogil:
    """Puts the best score first, and the lower set before another one of equal score."""
    cdef const Result* first = <const Result*> one
    cdef const Result* second = <const Result*> other
    if first.score != second.score:
        return -1 if first.score > second.score else 1
    return (first.number > second.number) - (first.number < second.number)


cdef void leave_best(Results* results) noexcept nogil:
    """Drop the results that the floor has risen above since they were found, and sort the others."""
    cdef Py_ssize_t place, count = 0
    for place in range(results.count):
        if results.found[place].score >= results.floor:
            results.found[count] = results.found[place]
            count += 1
    results.count = count
    if count:
        qsort(results.found, count, sizeof(Result), compare)


cdef tuple to_arrays(Results* results):
    """The sets and their scores."""
    sets, scores = np.empty(results.count, np.int32), np.empty(results.count)
    cdef int32_t[::1] to_sets = sets
    cdef double[::1] to_scores = scores
    cdef Py_ssize_t place
    for place in range(results.count):
        to_sets[place], to_scores[place] = results.found[place].number, results.found[place].score
    return sets, scores
