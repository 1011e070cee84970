"""The widgets of the editor screen, one a file."""
