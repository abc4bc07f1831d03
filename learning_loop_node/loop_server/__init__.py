"""The self-hosted loop."""
