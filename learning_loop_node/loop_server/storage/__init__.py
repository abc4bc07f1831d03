"""What the loop keeps: a database for everything that is asked for by its fields, and blobs for images and models."""
