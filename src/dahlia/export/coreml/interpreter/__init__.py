"""An interpreter of what Core ML's files compute, where Core ML itself does not run: numpy alone."""
