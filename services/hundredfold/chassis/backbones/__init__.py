"""Backbones: what one sees of an image, what is known of it, where it is kept, and how it is made.

The services that use backbones and those that make them share this package. `graph`, `recipe` and
`recipes` import PyTorch and belong to processes of their own; all else does without it.
"""
