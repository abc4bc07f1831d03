"""Ready-made converters, one file per target format, each importing its own library."""
