"""The screen of `collab top`: how a server is, looked at again and again."""
