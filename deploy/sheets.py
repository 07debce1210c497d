#!/usr/bin/env python3
"""Pictures, sound and text of what a running server samples, for the model cards.

  sheets.py [--images FILE.u8] [--labels FILE.u8] STRIDE ADDRESS FOLDER

STRIDE is the command line, ADDRESS the server. For every model that is ready:

  image   FOLDER/<model>/samples.png      a row of samples for each label of its first condition
          FOLDER/<model>/completions.png  with --images: original, given half, completions
  audio   FOLDER/<model>/sample.wav, waveform.png
  text    FOLDER/<model>/sample.txt

--images are raw images of the model's size, one after the other; --labels one byte for each, the
row of the class that it is of. Of each class the first image is completed. Python's own modules
are enough.
"""

import argparse
import array
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import wave
import zlib

COLUMNS = 8  # images in a row
COMPLETIONS = 6  # of each image, after the original and the half that is given
GAP = 2  # pixels between images, before scaling
SCALE = 2  # pixels of a sheet for each of an image
SOUND_SECONDS = 10
SOUND_TEMPERATURE = 0.94
TEXT_BYTES = 6000
TEXT_TEMPERATURE = 0.8
TEXT_PROMPT = '<doc id="1" url="https://en.wikipedia.org/wiki?curid=1" title="'
WAVE_SIZE = (1200, 240)  # width and height of a waveform, pixels
BACKGROUND, INK = 255, (31, 119, 180)


def png(width, height, channels, pixels):
    """The bytes of a PNG file; `pixels` are 8-bit, in raster order, channels (1 or 3) innermost."""

    def chunk(name, body):
        checked = name + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    stride = width * channels
    rows = b"".join(b"\0" + pixels[y * stride : (y + 1) * stride] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def sheet(rows, layout):
    """(width, height, pixels) of images tiled on white, each pixel SCALE wide and high.

    rows: lists of raw images; layout: {"height", "width", "channels"} of each.
    """
    height, width, channels = layout["height"], layout["width"], layout["channels"]
    columns = max(len(row) for row in rows)
    total_width = columns * (width + GAP) - GAP
    blank = bytes([BACKGROUND]) * (total_width * channels)
    lines = []
    for index, row in enumerate(rows):
        if index > 0:
            lines += [blank] * GAP
        for y in range(height):
            parts = [image[y * width * channels : (y + 1) * width * channels] for image in row]
            line = (bytes([BACKGROUND]) * (GAP * channels)).join(parts)
            lines.append(line + blank[len(line) :])
    wide = [b"".join(line[x : x + channels] * SCALE for x in range(0, len(line), channels))
            for line in lines]
    pixels = b"".join(line * SCALE for line in wide)
    return total_width * SCALE, len(lines) * SCALE, pixels


def waveform(samples):
    """RGB pixels of WAVE_SIZE: in each column the range of its 16-bit samples."""
    width, height = WAVE_SIZE
    pixels = bytearray([BACKGROUND]) * (width * height * 3)
    for x in range(width):
        part = samples[x * len(samples) // width : max(1, (x + 1) * len(samples) // width)] or [0]
        top, bottom = ((32767 - value) * (height - 1) // 65535 for value in (max(part), min(part)))
        for y in range(top, bottom + 1):
            at = (y * width + x) * 3
            pixels[at : at + 3] = bytes(INK)
    return bytes(pixels)


class Server:
    def __init__(self, program, address):
        self.program, self.address = program, address

    def stride(self, *arguments):
        """What `stride` prints; ends this program with its message where it fails."""
        command = [self.program, arguments[0], "--address", self.address, *arguments[1:]]
        ran = subprocess.run(command, capture_output=True, check=False)
        if ran.returncode != 0:
            sys.exit(f"{' '.join(command)}: {ran.stderr.decode(errors='replace')}")
        return ran.stdout

    def models(self):
        """The models that are ready, as `stride models --json` gives them."""
        models = [json.loads(line) for line in self.stride("models", "--json").splitlines()]
        return [model for model in models if model["state"] == "READY"]

    def images(self, model, count, seed, *arguments):
        """`count` whole images as raw bytes, a prompt included."""
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder) / "image.raw"
            self.stride("generate", "--model", model["name"], "--samples", str(count), "--seed",
                        str(seed), "--echo", "--format", "raw", "--output", str(output), *arguments)
            # `stride` numbers the files of several samples.
            return [output.with_name(f"image-{i}.raw").read_bytes() for i in range(count)]


def choices(model):
    """[(flags, value)] for each value of the first condition but 0, "any"; or one without flags."""
    for name, condition in model["conditions"].items():
        return [(["--condition", f"{name}={v}"], v) for v in range(1, condition["values"])]
    return [([], None)]


def sample_images(server, model, folder):
    rows = [server.images(model, COLUMNS, seed, *flags)
            for seed, (flags, _) in enumerate(choices(model))]
    if len(rows) == 1:  # of an unconditional model: as many rows as columns
        rows += [server.images(model, COLUMNS, seed) for seed in range(1, COLUMNS)]
    width, height, pixels = sheet(rows, model["image"])
    path = folder / "samples.png"
    path.write_bytes(png(width, height, model["image"]["channels"], pixels))
    return path


def complete_images(server, model, folder, images, labels):
    layout = model["image"]
    size = layout["height"] * layout["width"] * layout["channels"]
    given_rows = layout["height"] // 2
    given = given_rows * layout["width"] * layout["channels"]
    rows = []
    for seed, (flags, value) in enumerate(choices(model)):
        # Labels count the classes from 0, values from 1: 0 is "any".
        index = labels.index(value - 1) if labels and value is not None else seed
        original = images[index * size : (index + 1) * size]
        half = original[:given] + bytes([BACKGROUND]) * (size - given)
        with tempfile.NamedTemporaryFile(suffix=".raw") as file:
            file.write(original)
            file.flush()
            completions = server.images(model, COMPLETIONS, seed, "--prompt-file", file.name,
                                        "--prompt-rows", str(given_rows),
                                        *(flags if labels else []))
        rows.append([original, half, *completions])
    width, height, pixels = sheet(rows, layout)
    path = folder / "completions.png"
    path.write_bytes(png(width, height, layout["channels"], pixels))
    return path


def sample_audio(server, model, folder):
    path, picture = folder / "sample.wav", folder / "waveform.png"
    length = SOUND_SECONDS * model["audio"]["sample_rate_hz"]
    server.stride("generate", "--model", model["name"], "--length", str(length), "--seed", "1",
                  "--temperature", str(SOUND_TEMPERATURE), "--output", str(path))
    with wave.open(str(path), "rb") as file:
        samples = array.array("h", file.readframes(file.getnframes()))
    if sys.byteorder == "big":
        samples.byteswap()
    picture.write_bytes(png(*WAVE_SIZE, 3, waveform(samples)))
    return [path, picture]


def sample_text(server, model, folder):
    text = server.stride("generate", "--model", model["name"], "--prompt", TEXT_PROMPT, "--echo",
                         "--length", str(TEXT_BYTES), "--temperature", str(TEXT_TEMPERATURE),
                         "--seed", "1")
    path = folder / "sample.txt"
    path.write_bytes(text)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=pathlib.Path, help="raw images to complete")
    parser.add_argument("--labels", type=pathlib.Path, help="a byte for each: its class from 0")
    parser.add_argument("stride", help="the command line")
    parser.add_argument("address", help="the server")
    parser.add_argument("folder", type=pathlib.Path, help="a folder for each model is made here")
    arguments = parser.parse_args()
    server = Server(arguments.stride, arguments.address)
    for model in server.models():
        folder = arguments.folder / model["name"]
        folder.mkdir(parents=True, exist_ok=True)
        if model["modality"] == "image":
            print(sample_images(server, model, folder))
            if arguments.images:
                labels = arguments.labels.read_bytes() if arguments.labels else None
                images = arguments.images.read_bytes()
                print(complete_images(server, model, folder, images, labels))
            else:
                print(f"{model['name']}: no completions without --images")
        elif model["modality"] == "audio":
            print(*sample_audio(server, model, folder), sep="\n")
        else:
            print(sample_text(server, model, folder))


if __name__ == "__main__":
    main()
