"""hundredfold: label very large image collections with few people."""

__version__ = "0.1.0"
