"""The `hundredfold` command."""
