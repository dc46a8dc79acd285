"""The index service: nearest images, clusters and the map of a space."""
