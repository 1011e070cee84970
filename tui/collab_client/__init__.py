"""The client without a screen: session, link, and the buffer that an editor shows."""
