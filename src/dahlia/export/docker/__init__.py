"""Docker: a small server around the ONNX model, with all that `docker build` needs."""
