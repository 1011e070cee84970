"""What a server tells about itself: whether it is well, and its figures, by HTTP and to its operator."""
