"""What hashing computes: bytes and arrays in, arrays out."""
