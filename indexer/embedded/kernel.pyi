from indexer.embedded.strings import Array

def best(
    postings: Array,
    begins: Array,
    cuts: Array,
    sizes: Array,
    class_sets: Array,
    class_tokens: Array,
    set_tokens: Array,
    marks: Array,
    query_size: int,
    together: bool,
    wanted: int,
    floor: float,
    highest: float,
) -> tuple[Array, Array, float, int]: ...
