"""What each service needs and none owns."""
