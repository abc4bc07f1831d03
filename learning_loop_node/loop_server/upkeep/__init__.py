"""What keeps a loop's folder whole: cleaning, checking, backing up and restoring."""
