"""Images on their way to the loop."""
