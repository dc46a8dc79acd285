"""The embedding service's pure part: geometry, vectors and model cards."""
