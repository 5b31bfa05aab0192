"""TensorFlow: an image network of torch as an NHWC graph, its files, and the runtimes that open them."""
