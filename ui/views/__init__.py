"""What each view of the UI shows."""
