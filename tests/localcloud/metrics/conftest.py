from tests.localcloud.ecs.conftest import cloud

__all__ = ["cloud"]
