"""What can be downloaded, as its publishers have it: addresses, sizes, checksums, licences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["KNOWN", "RemoteFile", "RemoteModel"]

_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/"
_ZOO = "https://storage.openvinotoolkit.org/repositories/open_model_zoo/"


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A published file."""

    name: str  # path in the cache, with slashes
    url: str
    bytes: int
    digest: str  # hexadecimal: 64 digits are a SHA-256, 96 a SHA-384


@dataclass(frozen=True, kw_only=True)
class RemoteModel:
    """A published model: one file, or several that belong together."""

    files: tuple[RemoteFile, ...]  # the first is the one to open
    licence: str
    summary: str

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(file.bytes for file in self.files)


_YOLOX_FILES = {  # name: (bytes, SHA-256, what it is)
    "yolox_nano": (
        3659407,
        "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
        "person detector, 416x416, 0.9 M parameters: what `person` was made from",
    ),
    "yolox_tiny": (
        20219662,
        "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
        "person detector, 416x416, 5 M parameters",
    ),
    "yolox_s": (
        35858002,
        "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
        "person detector, 640x640, 9 M parameters: far and small people",
    ),
}

_ZOO_SUMMARIES = {  # name: (what it is)
    "pedestrian-detection-adas-0002": "person detector, 672x384: people in streets",
    "person-detection-0200": "person detector, 256x256, 1.8 M parameters",
    "person-detection-0201": "person detector, 384x384, 1.8 M parameters",
    "person-detection-0202": "person detector, 512x512, 1.8 M parameters",
    "person-detection-retail-0013": "person detector, 544x320, 0.7 M parameters: upright people",
}

_ZOO_FILES = {  # name: (release, folder, bytes and SHA-384 of the XML and of the weights)
    "pedestrian-detection-adas-0002": (
        "2023.0",
        "FP16",
        (
            308923,
            "f5fed243fa69ae9151a632e5b495854f71863e249217a0bc5899e486017358098e7220f0540973a894476dbadf905d55",
        ),
        (
            2330176,
            "c4635a4bfc7e2d10fdb6e6e192bba63d0aba9d78360aa05539f00e07307c5fd0e5a2e0b0dbac17f8157a187816bd6742",
        ),
    ),
    "pedestrian-detection-adas-0002-int8": (
        "2023.0",
        "FP16-INT8",
        (
            455222,
            "83a58d9c24b13d479e7ac3ca38e5675bf1f044f46ae460c7a727f3b4209cfe36b52c9df79eaf52c22ed12fc002a1d7ac",
        ),
        (
            1223675,
            "5583feeaf6fbd5f7424465f4ca51aac421c30689c6f6479e66832719eb32ef6e589884c67aaab9e454bd33d2fc811b42",
        ),
    ),
    "person-detection-0200": (
        "2023.0",
        "FP16",
        (
            254619,
            "654a515935f6dffc0440cffdeeb6a889bc25bf5d64e425ce2337070cdbcce1b1fbbcf42e4b2761265eb65ec07c1cd6f7",
        ),
        (
            3634654,
            "10b6f79b495ad1ef13748938c452379c6b6cd825d11426ffa68be3eeed6c48a0af04e0b913c843e6e7431aa1c13f5471",
        ),
    ),
    "person-detection-0200-int8": (
        "2022.3",
        "FP16-INT8",
        (
            490209,
            "63a1413cfe34c4085fbc704ab183679ec58ad97d4ce8cfc7b816c645ef0157984b36b7d50d2287f4ed03628a69f3c606",
        ),
        (
            1942006,
            "3f887e8bfb8b53ae9c937d16b6de9020141b32eddc8fec4d88b981c7ab179709116a8fcfca9c5ebb8633ede3272f10e7",
        ),
    ),
    "person-detection-0201": (
        "2023.0",
        "FP16",
        (
            254808,
            "942e46956337770c06bde6a96a40c34eca97fb5c210171bc61477bccdedccc574b1654740dd947d1f611ed4979c5f2a4",
        ),
        (
            3634654,
            "3840ca7a33d20c665dbe295b81e2eaacdb7e123e83c7fa547ae888c8ca15fbcd1a2f5f0d28ca043b870df0a9fb994ecb",
        ),
    ),
    "person-detection-0201-int8": (
        "2022.3",
        "FP16-INT8",
        (
            490458,
            "7e61aca25b89c9c87c86093d236d06af852a4c5be558437f658ca10aa293caccef3c04bca056ec37fc883fe21ca57a5f",
        ),
        (
            1942006,
            "56072e46f86cab6939199eee600957010ad6b78ae7a57716c39edd1b952da4ca82f077776dff8db01fdc6ae430dbf39e",
        ),
    ),
    "person-detection-0202": (
        "2023.0",
        "FP16",
        (
            254889,
            "7746ed6534bb59c9d16e7af4dbcbc768772288d48aca7e081c059eb1924ea956c67f23381a860a0bf0e187d66b7f1955",
        ),
        (
            3634654,
            "2a149bc8c2f02965c59a998d7ca7868e4ba537c223ae492a8a177386f98997d8c15204f1c7fe847a51c660d9d4116d10",
        ),
    ),
    "person-detection-0202-int8": (
        "2022.3",
        "FP16-INT8",
        (
            490566,
            "5945dc0778915c41d3d5cbb77d4780dbb1db2a4a91a0f223c653f84e3a0a23be5e69651249549633825e426c5e939f67",
        ),
        (
            1942006,
            "f3c64f38b325f6054daa42132aa382a539c22df0082e73444a0af0bbd8786a36b455492e79e46fb8773baf8bf4597f17",
        ),
    ),
    "person-detection-retail-0013": (
        "2023.0",
        "FP16",
        (
            571233,
            "99ad3d4580a0123bef05ff77b6f46ccec16de974d1f5699fb94cd842e3242c6aa641f4977f9a5bb2f0fab42fe51cbb63",
        ),
        (
            1445734,
            "a67422e3b5ec76057651d2a0237eab862de00e968c7eef1e5f333849ae64f91900bcd30a23e1b7dbaa07313e358759b9",
        ),
    ),
    "person-detection-retail-0013-int8": (
        "2023.0",
        "FP16-INT8",
        (
            980596,
            "fce8a548be5b01c54f6c24e6496645cc95ba31fd2ff4aa2722de10f7ae598fd744e6ed66a15ed546ade6695221f94261",
        ),
        (
            775998,
            "17f16e907d4d30ec5913489b6f537daf94a347c0d0b4c4381004118653cc55f731e8b6f3bf23f6306f122d6d7ff32ebc",
        ),
    ),
}


def _yolox() -> Iterator[tuple[str, RemoteModel]]:
    for name, (size, digest, summary) in _YOLOX_FILES.items():
        file = RemoteFile(
            name=f"{name}.onnx", url=f"{_YOLOX}{name}.onnx", bytes=size, digest=digest
        )
        yield name, RemoteModel(files=(file,), licence="Apache-2.0", summary=summary)


def _zoo() -> Iterator[tuple[str, RemoteModel]]:
    for key, (release, precision, *facts) in _ZOO_FILES.items():
        name = key.removesuffix("-int8")
        folder = f"{name}/{precision}/{name}"
        files = tuple(
            RemoteFile(
                name=f"{folder}.{suffix}",
                url=f"{_ZOO}{release}/models_bin/1/{folder}.{suffix}",
                bytes=size,
                digest=digest,
            )
            for suffix, (size, digest) in zip(("xml", "bin"), facts, strict=True)
        )
        summary = f"{_ZOO_SUMMARIES[name]}; {precision}, needs OpenVINO"
        yield key, RemoteModel(files=files, licence="Apache-2.0", summary=summary)


KNOWN: Mapping[str, RemoteModel] = MappingProxyType(dict([*_yolox(), *_zoo()]))
