from tests.localcloud.events.conftest import quick_cloud

__all__ = ["quick_cloud"]
