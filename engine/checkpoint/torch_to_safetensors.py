#!/usr/bin/env python3
"""Writes the tensors of a PyTorch checkpoint as safetensors, beside it or where OUT says.

  torch_to_safetensors.py SOURCE [OUT]

SOURCE is a .pt, .pth or .bin file, or a Hugging Face directory with pytorch_model.bin or its shards
and index; OUT is a file or, for a directory, a directory, by default SOURCE itself. Pickles are read
with weights_only=True, so that no code of theirs is run, and one shard is in memory at a time. A
checkpoint may be the tensors themselves or hold them under "state_dict" or "model". A checkpoint of
our own trainer is exported by engine/training/export.py instead, which knows its configuration.
"""

import argparse
import json
import pathlib
import struct
import sys

import torch

DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
INDEX = "pytorch_model.bin.index.json"


class CheckpointError(Exception):
    """What is wrong with a checkpoint, in words for its owner."""


def is_tensors(value):
    return isinstance(value, dict) and value and all(torch.is_tensor(v) for v in value.values())


def read_tensors(path):
    """{name: tensor} of a pickle; what is not floating point (masks of attention) is left out."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except Exception as error:  # torch.load raises whatever its parts do
        raise CheckpointError(f"{path} is no checkpoint of tensors alone: {error}") from None
    if isinstance(checkpoint, dict) and "recipe" in checkpoint:
        raise CheckpointError(f"{path} is of our own trainer: use engine/training/export.py")
    for key in (None, "state_dict", "model"):
        tensors = checkpoint if key is None else checkpoint.get(key) if isinstance(checkpoint, dict) else None
        if is_tensors(tensors):
            return {name: value for name, value in tensors.items() if value.is_floating_point()}
    raise CheckpointError(f"{path} holds no tensors by name; expected them at its top, or as state_dict")


def stored_form(name, tensor):
    """(dtype tag, contiguous tensor); float64 becomes float32."""
    tensor = tensor.detach().float() if tensor.dtype == torch.float64 else tensor.detach()
    if tensor.dtype not in DTYPES:
        raise CheckpointError(f"{name} is {tensor.dtype}; expected float32, float16 or bfloat16")
    if not torch.isfinite(tensor).all():
        raise CheckpointError(f"{name} holds a value that is not finite")
    return DTYPES[tensor.dtype], tensor.contiguous()


def write_safetensors(path, tensors):
    """An 8-byte length, a JSON header, the bytes one after the other; the name comes last."""
    header, offset, forms = {"__metadata__": {"format": "pt"}}, 0, []
    for name in sorted(tensors):
        tag, tensor = stored_form(name, tensors[name])
        size = tensor.numel() * tensor.element_size()
        header[name] = {"dtype": tag, "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
        forms.append(tensor)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for tensor in forms:
            out.write(tensor.reshape(-1).view(torch.uint8).numpy())
    partial.rename(path)


def convert_shards(source, out):
    weight_map = {}
    shards = sorted(set(json.loads((source / INDEX).read_text())["weight_map"].values()))
    for number, shard in enumerate(shards, 1):
        if pathlib.PurePath(shard).name != shard:
            raise CheckpointError(f"{source / INDEX} names {shard!r}; expected a file beside it")
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = read_tensors(source / shard)
        write_safetensors(out / name, tensors)
        weight_map.update(dict.fromkeys(tensors, name))
        print(f"{out / name}: {len(tensors)} tensors")
    index = {"metadata": {}, "weight_map": weight_map}
    (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def convert(source, out):
    if source.is_dir():
        out = out or source
        out.mkdir(parents=True, exist_ok=True)
        if (source / INDEX).exists():
            return convert_shards(source, out)
        source, target = source / "pytorch_model.bin", out / "model.safetensors"
    else:
        target = out or source.with_suffix(".safetensors")
    tensors = read_tensors(source)
    write_safetensors(target, tensors)
    print(f"{target}: {len(tensors)} tensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path, nargs="?")
    arguments = parser.parse_args()
    try:
        convert(arguments.source, arguments.out)
    except (CheckpointError, OSError, KeyError, ValueError) as error:
        sys.exit(f"torch_to_safetensors.py: {error}")


if __name__ == "__main__":
    main()
