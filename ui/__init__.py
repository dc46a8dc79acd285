"""The labelling UI: a client of the services."""
