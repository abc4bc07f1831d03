"""The description of the loop's addresses, for people and for programs that write clients."""
