"""Training: from captioned photos to a model, and what a model has learnt from."""
