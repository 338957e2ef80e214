"""What raises, lowers or bars the next word of a caption."""
