"""Search, clustering and layout of vectors: arrays in, arrays out."""
