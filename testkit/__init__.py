"""What tests share, under one name: servers, clusters, receivers, proxies, the model. Knows HTTP, files and commands."""
