"""The checkpoints and vocabularies of the student project, read without executing anything in them."""
