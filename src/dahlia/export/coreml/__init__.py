"""Core ML: ML programs and neural networks, written from torch, opened in Core ML or interpreted."""
