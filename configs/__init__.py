"""The experiments: one file a table of a paper, with named variants."""
