"""What the benchmark of the index is made of."""
