"""One order for what a .safetensors file says of itself: its writer takes another one at every call."""

import json


def ordered(raw: bytes) -> bytes:
    """Return a .safetensors file's contents with the entries of its header sorted; the tensors' own order stays."""
    end = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:end])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + raw[end:]
