"""The pictures of deploy/sheets.py, pixel by pixel, and what it asks of `stride`."""

import array
import pathlib
import struct
import sys
import tempfile
import unittest
import wave
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "deploy"))
import sheets  # noqa: E402

GREY = {"height": 2, "width": 2, "channels": 1}


def decode(file):
    """(width, height, rows) of a PNG file whose rows are not filtered."""
    chunks, at = {}, 8
    while at < len(file):
        (length,) = struct.unpack_from(">I", file, at)
        name, body = file[at + 4 : at + 8], file[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", file, at + 8 + length)
        assert checksum == zlib.crc32(name + body), name
        chunks[name] = body
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8
    stride = width * {0: 1, 2: 3}[colour]
    raw = zlib.decompress(chunks[b"IDAT"])
    rows = [raw[y * (stride + 1) : (y + 1) * (stride + 1)] for y in range(height)]
    assert all(row[0] == 0 for row in rows)
    return width, height, [row[1:] for row in rows]


class Pictures(unittest.TestCase):
    def test_a_sheet_has_every_image_in_its_place_on_white(self):
        rows = [[b"\1\2\3\4", b"\5\6\7\10"], [b"\11\12\13\14"]]
        width, height, pixels = sheets.sheet(rows, GREY)
        self.assertEqual((width, height), (2 * (2 + 2 + 2), 2 * (2 + 2 + 2)))
        _, _, lines = decode(sheets.png(width, height, 1, pixels))
        self.assertEqual(lines[0], bytes([1, 1, 2, 2, 255, 255, 255, 255, 5, 5, 6, 6]))
        self.assertEqual(lines[1], lines[0])
        self.assertEqual(lines[2][:4], bytes([3, 3, 4, 4]))
        self.assertEqual(lines[4], bytes([255] * 12))
        self.assertEqual(lines[8], bytes([9, 9, 10, 10] + [255] * 8))

    def test_a_waveform_is_inked_between_the_extremes_of_each_column(self):
        width, height = sheets.WAVE_SIZE
        pixels = sheets.waveform([32767, -32768] * width + [0] * (2 * width))
        _, _, lines = decode(sheets.png(width, height, 3, pixels))
        loud = {line[:3] for line in lines}
        self.assertEqual(loud, {bytes(sheets.INK)})
        quiet = [y for y, line in enumerate(lines) if line[-3:] == bytes(sheets.INK)]
        self.assertEqual(quiet, [(height - 1) // 2])


class FakeServer(sheets.Server):
    """Answers as `stride` would, and keeps what it was asked."""

    def __init__(self):
        super().__init__("stride", "address")
        self.asked = []

    def stride(self, *arguments):
        self.asked.append(arguments)
        output = pathlib.Path(arguments[arguments.index("--output") + 1])
        if output.suffix == ".wav":
            with wave.open(str(output), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(array.array("h", [0, 1000, -1000]).tobytes())
            return b""
        for i in range(int(arguments[arguments.index("--samples") + 1])):
            output.with_name(f"image-{i}.raw").write_bytes(bytes([i] * 4))
        return b""


MODEL = {"name": "image", "modality": "image", "image": GREY,
         "conditions": {"class": {"values": 3, "labels": ["any", "cat", "dog"]}}}


class Requests(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_every_class_has_a_row_of_samples(self):
        server = FakeServer()
        width, height, lines = decode(sheets.sample_images(server, MODEL, self.folder).read_bytes())
        self.assertEqual((width, height), (2 * (8 * 4 - 2), 2 * (2 * 4 - 2)))
        self.assertEqual(lines[0][-1], 7)
        conditions = [call[call.index("--condition") + 1] for call in server.asked]
        self.assertEqual(conditions, ["class=1", "class=2"])

    def test_a_model_without_conditions_fills_a_square(self):
        server = FakeServer()
        path = sheets.sample_images(server, {**MODEL, "conditions": {}}, self.folder)
        width, height, _ = decode(path.read_bytes())
        self.assertEqual(width, height)
        self.assertEqual(len(server.asked), 8)

    def test_the_first_image_of_each_class_is_completed_from_its_upper_half(self):
        server = FakeServer()
        images = bytes([10] * 4 + [20] * 4 + [30] * 4)
        path = sheets.complete_images(server, MODEL, self.folder, images, labels=b"\1\1\0")
        _, _, lines = decode(path.read_bytes())
        self.assertEqual(lines[0][:4], bytes([30] * 4), "class 1 of the model is label 0")
        self.assertEqual(lines[8][:4], bytes([10] * 4))
        self.assertEqual(lines[0][8:12], bytes([30] * 4), "the half that is given")
        self.assertEqual(lines[2][8:12], bytes([255] * 4))
        self.assertEqual(lines[2][16:20], bytes([0] * 4), "the first completion")
        for call in server.asked:
            self.assertEqual(call[call.index("--prompt-rows") + 1], "1")

    def test_sound_is_written_with_its_waveform(self):
        server = FakeServer()
        model = {"name": "audio", "audio": {"sample_rate_hz": 8000}}
        sound, picture = sheets.sample_audio(server, model, self.folder)
        self.assertTrue(sound.exists())
        self.assertEqual(decode(picture.read_bytes())[:2], sheets.WAVE_SIZE)
        [call] = server.asked
        self.assertEqual(call[call.index("--length") + 1], str(8000 * sheets.SOUND_SECONDS))


if __name__ == "__main__":
    unittest.main()
