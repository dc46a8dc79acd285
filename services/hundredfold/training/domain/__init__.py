"""Pure computation on arrays: projection, head, calibration, prediction, measures."""
