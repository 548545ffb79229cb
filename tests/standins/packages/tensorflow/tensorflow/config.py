"""What of tf.config is about devices."""

from collections import namedtuple

PhysicalDevice = namedtuple("PhysicalDevice", ["name", "device_type"])
_xpus = []
_details = {}


def list_physical_devices(device_type=None):
    devices = [PhysicalDevice("/physical_device:CPU:0", "CPU"), *_xpus]
    return [device for device in devices if device_type in (None, device.device_type)]


class experimental:
    @staticmethod
    def get_device_details(device):
        return dict(_details) if device in _xpus else {}


class optimizer:
    @staticmethod
    def set_jit(enabled):
        pass


def _offer(count, details):
    _xpus[:] = [PhysicalDevice(f"/physical_device:XPU:{i}", "XPU") for i in range(count)]
    _details.update(details)
