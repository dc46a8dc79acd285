"""Groups of copies as stars, from near pairs of which there may be more than memory holds."""
