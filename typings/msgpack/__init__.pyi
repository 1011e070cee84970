# The part of msgpack that collab uses; the package ships no annotations.
from typing import Any

class UnpackException(Exception): ...

def packb(o: Any, /) -> bytes: ...
def unpackb(
    packed: bytes,
    /,
    *,
    raw: bool,
    strict_map_key: bool,
    timestamp: int,
    max_ext_len: int,
    max_map_len: int,
    max_array_len: int,
    max_str_len: int,
    max_bin_len: int,
) -> Any: ...
