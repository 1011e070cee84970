"""The terminal screens: how a buffer and a session look, and what keys and mouse do to them."""
