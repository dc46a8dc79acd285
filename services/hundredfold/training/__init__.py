"""Heads on top of a space, their calibration, and what they predict."""
