"""A converter from ONNX models with floats to such with bytes: smaller, and faster on processors.

python -m learning_loop_node.converter.backends.onnx_int8 --host 127.0.0.1 --port 5006
"""
