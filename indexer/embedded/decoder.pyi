"""The compiled twins of the functions in `decoding`."""

from indexer.embedded.decoding import decode_many as decode_many
from indexer.embedded.decoding import decode_sets as decode_sets
from indexer.embedded.decoding import locate as locate
from indexer.embedded.decoding import make_many as make_many
from indexer.embedded.decoding import unfold as unfold
