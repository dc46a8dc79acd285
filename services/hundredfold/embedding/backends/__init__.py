"""Where a backbone runs: one protocol, `base.Backend`, and one contract suite for all of them."""
