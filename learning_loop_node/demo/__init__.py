"""What `learning-loop demo` runs."""
