"""What goes wrong on the way to a target."""


class DeliveryError(Exception):
    """A target that could not be invoked: the code that a dead-letter queue is told, and why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
