"""What the labels service keeps: the record store, the queue of ready pages and snapshots."""
