"""Images as they come in: are they what the service takes, and how large, and how do they look when small."""
