"""What `learning-loop doctor` looks at: one small check each, which says what it found and what to do."""
