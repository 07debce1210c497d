"""A page of text, a sheet of images or a piece of sound from a model, as files to look at."""

import wave

import numpy as np
import torch

from decoder import sample

TEXT_BYTES = 600
AUDIO_SAMPLES = 4096
SHEET = (4, 8)  # rows and columns of images


def mulaw_to_linear(codes):
    """int16 samples of 8-bit mu-law codes (G.711's curve with 255 steps, as torchaudio's)."""
    f = 2 * codes.astype(np.float64) / 255 - 1
    return np.round(np.sign(f) * (256 ** np.abs(f) - 1) / 255 * 32767).astype(np.int16)


def write_wav(path, samples, rate):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def write_sheet(path, images):
    """images: uint8 [rows, columns, height, width, channels]."""
    from PIL import Image  # looked for late: text and audio do without it

    rows, columns, height, width, channels = images.shape
    sheet = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    Image.fromarray(sheet.squeeze()).save(path)


def _image_conditions(config, device):
    """The values of the last condition in turn, 0 among them."""
    count = SHEET[0] * SHEET[1]
    conditions = torch.zeros(count, len(config.get("conditions") or []), dtype=torch.int64)
    if conditions.shape[1]:
        conditions[:, -1] = torch.arange(count) % config["conditions"][-1]["values"]
    return conditions.to(device)


def write_samples(model, folder, name, seed):
    """folder/name.txt, .png or .wav; returns the path."""
    config, n = model.config, model.config["context_length"]
    device = model.token_embedding.weight.device
    if config["modality"] == "image":
        path, image = folder / f"{name}.png", config["image"]
        count = SHEET[0] * SHEET[1]
        drawn = sample(model, n, count, seed=seed, conditions=_image_conditions(config, device))
        shape = (*SHEET, image["height"], image["width"], image["channels"])
        write_sheet(path, drawn.reshape(shape))
    elif config["modality"] == "audio":
        path, audio = folder / f"{name}.wav", config["audio"]
        codes = sample(model, min(AUDIO_SAMPLES, n), seed=seed)[0]
        linear = codes.astype(np.int16) * 256 - 32640
        if audio["encoding"] == "mulaw":
            linear = mulaw_to_linear(codes)
        write_wav(path, linear, audio["sample_rate_hz"])
    else:
        path = folder / f"{name}.txt"
        text = sample(model, min(TEXT_BYTES, n), temperature=0.8, seed=seed)[0].tobytes()
        path.write_text(text.decode(errors="replace"))
    return path
