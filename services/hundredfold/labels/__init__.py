"""The labels service: the ledger, the page queue, leases, export and import."""
