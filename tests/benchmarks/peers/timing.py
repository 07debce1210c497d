"""Time on the GPU: CUDA graphs, their replays, the memory's bandwidth."""

import statistics
import time

import torch

WARM_UP_SECONDS = 0.3  # a device that was idle runs some 5 % slower for its first tenths of a second; cuda_step_bench's


def capture(step):
    """`step` as a CUDA graph; it runs once before, so that whatever is made lazily exists."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph


def replay_us(graph, repeats, warm=3):
    """Median microseconds from one replay's end to the next one's, with the host ahead, as in a sampler's loop."""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    for _ in range(warm):
        graph.replay()
    for event in events[:-1]:
        event.record()
        graph.replay()
    events[-1].record()
    torch.cuda.synchronize()
    return statistics.median(a.elapsed_time(b) for a, b in zip(events, events[1:])) * 1e3


def warm_up(graph):
    """Replays until the device has been busy for WARM_UP_SECONDS."""
    begun = time.monotonic()
    while time.monotonic() - begun < WARM_UP_SECONDS:
        graph.replay()
        torch.cuda.synchronize()


def copy_gb_per_s(gib=1):
    """Bytes read and written per second by a copy on the device."""
    source = torch.empty(int(gib * 2**30), dtype=torch.uint8, device="cuda").zero_()
    target = torch.empty_like(source)
    graph = capture(lambda: target.copy_(source))
    return 2 * source.numel() / replay_us(graph, 20) / 1e3


def describe_device():
    return {
        "device": torch.cuda.get_device_name(0),
        "copy_gb_per_s": copy_gb_per_s(),
        "torch": torch.__version__,
    }
