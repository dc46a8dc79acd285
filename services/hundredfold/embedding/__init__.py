"""Vectors of images: spaces, and the backbones of the model repository."""
