"""The artifact store and the layout of what is in it."""
