"""Models in ONNX files: which ones we open, what their outputs mean, and running them (extra `[onnx]`)."""
