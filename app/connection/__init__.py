"""A client's connection: HTTP/1.1, TLS and WebSocket frames on a socket, beneath any request."""
