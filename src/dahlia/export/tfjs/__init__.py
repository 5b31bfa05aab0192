"""TensorFlow.js: a graph model of the frozen graph, proven in TensorFlow.js itself."""
