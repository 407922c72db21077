"""The echo service: an ASGI application for the hot path, Flask for everything else, gunicorn around both."""
