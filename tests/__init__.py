"""hundredfold: tests."""
