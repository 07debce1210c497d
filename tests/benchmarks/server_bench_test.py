"""What server_bench reads from a server's metrics."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import server_bench  # noqa: E402

SERIES = 'strided_step_batch_size_{}{{model="m",phase="{}",version="1"{}}}'


def scrape(phase, below, rows):
    """The batch size histogram of one phase: `below` are the cumulative counts of its buckets."""
    metrics = {SERIES.format("bucket", phase, f',le="{bound}"'): count for bound, count in below.items()}
    return metrics | {SERIES.format("count", phase, ""): below["+Inf"], SERIES.format("sum", phase, ""): rows}


class StepsByRowsTest(unittest.TestCase):
    BEFORE = scrape("decode", {"64": 10, "128": 10, "256": 10, "+Inf": 10}, rows=10)
    AFTER = scrape("decode", {"64": 12, "128": 15, "256": 110, "+Inf": 110}, rows=25_000)

    def test_buckets_count_alone_and_since_the_scrape_before(self):
        counts, steps, rows = server_bench.batch_growth(self.BEFORE, self.AFTER)
        self.assertEqual(counts, {64: 2, 128: 3, 256: 95, float("inf"): 0})
        self.assertEqual((steps, rows), (100, 24_990))

    def test_mixed_steps_decode_and_prompts_alone_do_not(self):
        after = self.AFTER | scrape("mixed", {"64": 0, "128": 0, "256": 4, "+Inf": 9}, rows=9_000)
        after |= scrape("prefill", {"64": 0, "128": 0, "256": 0, "+Inf": 7}, rows=14_000)
        counts, steps, _ = server_bench.batch_growth(self.BEFORE, after)
        self.assertEqual((counts[256], counts[float("inf")], steps), (99, 5, 109))

    def test_full_is_the_bucket_of_the_streams(self):
        counts = {64: 2, 128: 3, 256: 95, float("inf"): 0}
        self.assertEqual(server_bench.full_share(counts, 256), 0.95)
        self.assertEqual(server_bench.full_share(counts, 129), 0.95)
        self.assertEqual(server_bench.full_share(counts, 100), 0.03)


class RequestsByDeviceTest(unittest.TestCase):
    def test_they_are_counted_since_the_scrape_before(self):
        series = 'strided_device_requests_total{{device="cuda:{}",model="m",version="1"}}'
        before, after = {series.format(0): 3}, {series.format(0): 10, series.format(1): 5}
        self.assertEqual(server_bench.device_growth(before, after), {"cuda:0": 7, "cuda:1": 5})


if __name__ == "__main__":
    unittest.main()
