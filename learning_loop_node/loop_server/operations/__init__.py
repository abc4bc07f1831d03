"""What can be asked of the loop: one file per resource, each with its table of endpoints."""
