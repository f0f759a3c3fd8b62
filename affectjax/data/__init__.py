"""Datasets as NumPy and Grain see them: records, sources, splits, batches. No jax of ours."""
