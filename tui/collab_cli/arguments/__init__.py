"""What may be typed after each command of whoever runs a server, for Typer; what it does is in `commands`."""
