"""OpenVINO: made of the ONNX graphs, opened in its own runtime."""
