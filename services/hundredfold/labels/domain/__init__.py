"""What labels are and what events make of them: arrays and dataclasses only."""
