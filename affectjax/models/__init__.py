"""One file a paper, made of layers."""
