"""The front-end parts."""
