"""What all commands are made of: options, outputs, bars, and how they begin and end."""
