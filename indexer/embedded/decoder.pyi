"""The compiled twins of `decoding.decode_many` and `decoding.make_many`."""

from indexer.embedded.decoding import decode_many as decode_many
from indexer.embedded.decoding import make_many as make_many
