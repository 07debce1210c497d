"""Safetensors files and the model directories made of them, in NumPy alone.

A file is an 8-byte little-endian header length, a JSON header {name: {dtype, shape, data_offsets}}
and the tensors' bytes. bfloat16, which NumPy lacks, is the upper half of a float32. An int8 matrix
`x` [out, in] has a companion `x.scale` [out], float32: value = scale[row] * element.
"""

import json
import pathlib
import struct

import numpy as np

_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "i1"}
STORAGE = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8": "I8"}
SCALE_SUFFIX = ".scale"


def round_to_bfloat16(values):
    """The upper 16 bits of float32 `values`, rounded to nearest, ties to even, as uint16."""
    bits = np.ascontiguousarray(values, dtype="<f4").view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def widen_bfloat16(bits):
    return (bits.astype("<u4") << 16).view("<f4")


def quantise_rows(matrix):
    """int8 elements [out, in] and float32 scales [out]; a row's largest element becomes +-127.

    What `quantise_rows` made, widened again, quantises to itself.
    """
    matrix = np.asarray(matrix, dtype=np.float32)
    scale = np.abs(matrix).max(axis=1) / np.float32(127)
    scale = scale * np.float32(127) / np.float32(127)  # the scale that 127 scales give back
    divisor = np.where(scale == 0, np.float32(1), scale)
    elements = np.clip(np.rint(matrix / divisor[:, None]), -127, 127)
    return elements.astype(np.int8), scale


def encode(name, values, dtype):
    """The stored tensors {name: (dtype tag, array)} of one float tensor; vectors are never int8."""
    values = np.asarray(values, dtype=np.float32)
    if dtype == "int8" and values.ndim == 2:
        elements, scale = quantise_rows(values)
        return {name: ("I8", elements), name + SCALE_SUFFIX: ("F32", scale)}
    if dtype == "bfloat16":
        return {name: ("BF16", round_to_bfloat16(values))}
    if dtype == "float16":
        return {name: ("F16", values.astype("<f2"))}
    return {name: ("F32", values)}


def write_file(path, stored):
    """Writes {name: (dtype tag, array)} in the order given."""
    header, blobs, offset = {}, [], 0
    for name, (tag, array) in stored.items():
        blob = np.ascontiguousarray(array, dtype=_DTYPES[tag]).tobytes()
        header[name] = {
            "dtype": tag,
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_file(path):
    """{name: (dtype tag, array)}; bfloat16 arrays are uint16."""
    content = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    stored = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        array = np.frombuffer(content[begin:end], dtype=_DTYPES[entry["dtype"]])
        stored[name] = (entry["dtype"], array.reshape(entry["shape"]))
    return stored


def write_directory(directory, config, tensors, dtype="float32", shards=1):
    """config.json and the weights of a model: one file, or `shards` of them with an index.

    tensors: {name: float array}, in the order they are to be stored.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    stored = {}
    for name, values in tensors.items():
        stored.update(encode(name, values, dtype))
    if shards == 1:
        write_file(directory / "model.safetensors", stored)
        return
    names, weight_map = list(stored), {}
    for index in range(shards):
        file_name = f"model-{index + 1:05d}-of-{shards:05d}.safetensors"
        part = names[index * len(names) // shards : (index + 1) * len(names) // shards]
        write_file(directory / file_name, {name: stored[name] for name in part})
        weight_map.update(dict.fromkeys(part, file_name))
    total = sum(array.nbytes for _, array in stored.values())
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=1)
    (directory / "model.safetensors.index.json").write_text(text + "\n")


def _read_stored(directory):
    index = directory / "model.safetensors.index.json"
    if not index.exists():
        return read_file(directory / "model.safetensors")
    stored = {}
    for file_name in sorted(set(json.loads(index.read_text())["weight_map"].values())):
        stored.update(read_file(directory / file_name))
    return stored


def read_directory(directory):
    """(config, {name: array}): every tensor widened without rounding, int8 by its row scales."""
    directory = pathlib.Path(directory)
    config = json.loads((directory / "config.json").read_text())
    stored = _read_stored(directory)
    tensors = {}
    for name, (tag, array) in stored.items():
        if tag == "BF16":
            array = widen_bfloat16(array)
        if tag == "I8":
            array = array.astype(np.float32) * stored[name + SCALE_SUFFIX][1][:, None]
        if not name.endswith(SCALE_SUFFIX):
            tensors[name] = array.astype(np.float32)
    return config, tensors
