"""Installations that are not there: folders with metadata and empty modules, which is all that the analyser
looks at.
"""

import os

_NEWEST = {
    "tensorflow": "2.16.2",
    "keras": "3.8.0",
    "intel-extension-for-tensorflow": "2.16.0.0",
    "intel-extension-for-tensorflow-lib": "2.16.0.0.2",
    "setuptools": "68.2.2",
}
_WHEEL = {
    "tensorflow": "2.15.1",
    "keras": "2.15.0",
    "intel-extension-for-tensorflow": "2.15.0.3",
    "intel-extension-for-tensorflow-lib": "2.15.0.3.2",
    "setuptools": "68.2.2",
}
SITES = {
    "newest": _NEWEST,
    "newest-legacy": {**_NEWEST, "tf-keras": "2.16.0"},
    "newest-keras-3.4": {**_NEWEST, "keras": "3.4.1"},
    "newest-without-keras": {name: version for name, version in _NEWEST.items() if name != "keras"},
    "wheel": _WHEEL,
    "wheel-keras3": {**_WHEEL, "keras": "3.4.1"},
    "wheel-cpu": {**_WHEEL, "intel-extension-for-tensorflow-lib": "2.15.0.3.0"},
    "old": {
        "tensorflow": "2.14.1",
        "keras": "2.14.0",
        "intel-extension-for-tensorflow": "2.14.0.2",
        "intel-extension-for-tensorflow-lib": "2.14.0.2.1",
    },
    "none": {},
}
_MODULES = {"tf-keras": "tf_keras"}


def make(folder, name):
    """A site-packages folder with the distributions of SITES[name]; returns its path."""
    site = os.path.join(folder, name, "site-packages")
    os.makedirs(site, exist_ok=True)
    for distribution, version in SITES[name].items():
        module = _MODULES.get(distribution, distribution.replace("-", "_"))
        info = os.path.join(site, f"{module}-{version}.dist-info")
        os.makedirs(info, exist_ok=True)
        os.makedirs(os.path.join(site, module), exist_ok=True)
        with open(os.path.join(info, "METADATA"), "w", encoding="utf-8") as file:
            file.write(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n\n")
        with open(os.path.join(site, module, "__init__.py"), "w", encoding="utf-8") as file:
            file.write(f'raise SystemExit("{module} must not be imported here")\n')
    return site
