"""Pages and pictures that show photos with their captions."""
