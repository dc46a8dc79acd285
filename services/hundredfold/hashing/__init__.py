"""Perceptual and exact hashes of images, and groups of copies."""
