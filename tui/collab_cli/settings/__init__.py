"""What is set where: flags, environment, config.toml, defaults; how to join and how to serve."""
