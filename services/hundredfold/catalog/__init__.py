"""The catalog service: collections, their images, thumbnails and schema."""
