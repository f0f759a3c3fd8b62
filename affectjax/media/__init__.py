"""Video and sound: decoded once and in order, cut into rows, turned into features. No jax here."""
