"""Pure decisions on arrays: which images stand on which page, in which order, and why."""
