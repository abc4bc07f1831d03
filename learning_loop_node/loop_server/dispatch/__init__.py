"""Which trainer gets a training, and what becomes of it there."""
