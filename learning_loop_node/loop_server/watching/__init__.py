"""What the loop counts of itself, for Prometheus."""
