"""How long it takes to have the service back, and what is lost, measured on a local cloud of its own."""
