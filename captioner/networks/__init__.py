"""Encoders, decoders and the word detector; and how they run fast on a CPU."""
