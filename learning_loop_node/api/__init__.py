"""One operation, every transport."""
