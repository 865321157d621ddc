"""timm's ConvNeXt-T and ViT, without torchvision.

timm imports torchvision for data loading and for layers that these models do not use. Where it is not installed,
importing it yields empty stand-in classes, in this process only.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types

import torch

STAND_IN = "torchvision"


class StandInType(type):
    """A class whose unknown attributes are their own names, as enumeration members are read at import time."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class StandInModule(types.ModuleType):
    __path__: list[str] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandInType(name, (torch.nn.Module,), {"__module__": self.__name__})


class StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] == STAND_IN:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        return StandInModule(spec.name)

    def exec_module(self, module):
        pass


NAMES = {"convnext_t": "convnext_tiny", "vit_t": "vit_tiny_patch16_224", "vit_s": "vit_small_patch16_224",
         "vit_b": "vit_base_patch16_224", "vit_l": "vit_large_patch16_224"}


def build(name: str, size: int) -> torch.nn.Module:
    if importlib.util.find_spec(STAND_IN) is None:
        sys.meta_path.append(StandInFinder())
    import timm

    options = {"img_size": size} if name.startswith("vit_") else {}
    return timm.create_model(NAMES[name], pretrained=False, **options).eval()
