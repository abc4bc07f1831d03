"""Old path of what lives in `images`, `runtime`, `settings` and `node`."""
