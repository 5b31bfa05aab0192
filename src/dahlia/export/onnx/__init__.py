"""ONNX: written from torch, at three precisions, opened in ONNX Runtime."""
