"""The embedding service's pure part: vectors of length 1."""
