"""How each operator is written in ONNX, by family."""
