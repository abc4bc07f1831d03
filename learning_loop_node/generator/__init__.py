"""Pictures made by programs, with everything that is in them known."""
