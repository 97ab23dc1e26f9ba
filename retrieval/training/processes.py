"""Several processes that train one model: how they start, find each other, average, and end together.

Either torchrun started this process, or `start_together` starts ``processes`` of them on this machine and
waits. One that fails ends all, with one error. The first process alone writes, judges and reports.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.multiprocessing.spawn import start_processes

from retrieval.errors import AreographerError, SettingsError
from retrieval.training.plan import TrainConfig, TrainReport

Progress = Callable[[str, int, int], None]
Part = Callable[[TrainConfig, "Team", Progress], TrainReport]

# The others wait while the first one judges, which may take long for a large model. A process that ends is
# noticed at once, by its connection or by whoever started it, so nobody waits this long for a dead one.
_WAIT = timedelta(hours=2)
_AT_ONCE = 32 * 2**20  # numbers averaged at once: 128 MB


@dataclass(frozen=True)
class Team:
    """This process among those that train together.

    Attributes
    ----------
    rank, size
        Number of this process, and of how many.
    device
        Where this process computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes, judges and reports."""
        return self.rank == 0

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace float32 tensors by their mean over all processes; the same in each to the last bit."""
        if self.size == 1:
            return
        for group in _groups(tensors):
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in group])
            dist.all_reduce(flat)
            flat /= self.size
            means = torch.split(flat, [tensor.numel() for tensor in group])
            for tensor, mean in zip(group, means, strict=True):
                tensor.detach().copy_(mean.view(tensor.shape))

    def agree(self, numbers: Sequence[float]) -> list[float]:
        """What the first process says, in all processes."""
        if self.size == 1:
            return list(numbers)
        said = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.broadcast(said, src=0)
        return [float(number) for number in said.tolist()]

    def gather(self, numbers: torch.Tensor) -> torch.Tensor:
        """Equally shaped numbers of all processes, stacked, on the CPU."""
        if self.size == 1:
            return numbers[None]
        mine = numbers.to(self.device)
        everyone = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(everyone, mine)
        return torch.stack(everyone).cpu()

    def share(self, thing: Any) -> Any:
        """Some small object of the first process, in all processes."""
        held = [thing]
        if self.size > 1:
            dist.broadcast_object_list(held, src=0)
        return held[0]

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            # An all-reduce rather than dist.barrier, which guesses the GPU with nccl.
            dist.all_reduce(torch.zeros(1, device=self.device))


def together(part: Part, config: TrainConfig, tell: Progress) -> TrainReport:
    """Do a part of the work in as many processes as asked for, this one included or not.

    Raises
    ------
    SettingsError
        If a process was killed, or there are fewer GPUs than processes.
    """
    if dist.is_torchelastic_launched():
        return _in_torchrun(part, config, tell)
    if config.processes > 1:
        device_of(config.device, config.processes - 1)  # a clear error before anything starts
        return _start_together(part, config, tell)
    return part(config, Team(0, 1, device_of(config.device, 0)), tell)


def device_of(name: str, local_rank: int) -> torch.device:
    """The device of a process, by its number on this machine.

    Raises
    ------
    SettingsError
        If a GPU is asked for and there is none for this process.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not gpus):
        return torch.device("cpu")
    if local_rank >= gpus:
        raise SettingsError(
            f"process {local_rank + 1} of this machine has no GPU: torch sees {gpus}",
            next_step="ask for as many processes as there are GPUs, or for --device cpu",
        )
    return torch.device("cuda", local_rank)


def _in_torchrun(part: Part, config: TrainConfig, tell: Progress) -> TrainReport:
    """Take part in what torchrun started; all processes return the same report."""
    device = device_of(config.device, dist.get_node_local_rank())
    _join(device, init_method="env://")
    try:
        team = Team(dist.get_rank(), dist.get_world_size(), device)
        config = replace(config, processes=team.size)
        report: TrainReport = team.share(part(config, team, tell if team.first else _silent))
        return replace(report, process=team.rank)
    finally:
        dist.destroy_process_group()


def _start_together(part: Part, config: TrainConfig, tell: Progress) -> TrainReport:
    """Start the processes, pass on what the first one tells, and end all if one fails."""
    messages = mp.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="areographer-") as folder:
        arguments = (part, config, Path(folder) / "meeting", messages)
        # torch's starter rather than plain processes: they end, too, when this one is killed.
        processes: list[Any] = start_processes(  # type: ignore[no-untyped-call]
            _started, arguments, nprocs=config.processes, join=False
        ).processes
        report: TrainReport | None = None
        try:
            ended = False
            while not ended:
                connection.wait([p.sentinel for p in processes if p.exitcode is None], timeout=0.2)
                ended = all(process.exitcode == 0 for process in processes)
                while not messages.empty():
                    kind, content = messages.get()
                    if kind == "progress":
                        tell(*content)
                    elif kind == "report":
                        report = content
                    else:
                        raise _reason(processes, content)
                if any(process.exitcode for process in processes):
                    raise _reason(processes, None)
        finally:
            _end(processes)
    assert report is not None, "the first process ends well only after its report"
    return report


def _started(rank: int, part: Part, config: TrainConfig, meeting: Path, messages: Any) -> None:
    """A started process from its first to its last line."""
    device = device_of(config.device, rank)
    if device.type == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // config.processes))
    last = 0.0

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 0.2 or done >= total:
            last = time.monotonic()
            messages.put(("progress", (stage, done, total)))

    try:
        _join(device, init_method=f"file://{meeting}", rank=rank, world_size=config.processes)
        report = part(config, Team(rank, config.processes, device), tell if rank == 0 else _silent)
        if rank == 0:
            messages.put(("report", report))
        dist.destroy_process_group()
    except AreographerError as error:
        messages.put(("error", error))
        time.sleep(60)  # to be ended by who started it, before the others complain of a lost connection
    except Exception:
        messages.put(("error", RuntimeError(f"training process {rank} failed:\n{traceback.format_exc()}")))
        time.sleep(60)


def _join(device: torch.device, **where: Any) -> None:
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_WAIT, **where)


def _reason(processes: Sequence[Any], said: Exception | None) -> Exception:
    """Why the run ended: what a process says is wrong, or which one was killed, else a fault of ours.

    When one is killed the others fail as well, for want of their connection, and may say so first.
    """
    if isinstance(said, AreographerError):
        return said
    connection.wait([process.sentinel for process in processes], timeout=0.5)
    for rank, process in enumerate(processes):
        code = process.exitcode or 0
        if code < 0:
            return SettingsError(
                f"training process {rank} was ended by {signal.Signals(-code).name}",
                next_step="if memory ran out take a smaller --batch or fewer --processes; "
                "otherwise go on with --resume",
            )
    return said or RuntimeError("a training process ended without a word")


def _end(processes: Sequence[Any]) -> None:
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        process.join(5)
        if process.is_alive():
            process.kill()


def _groups(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Tensors in groups of so many numbers: a large model would need its own size again."""
    group: list[torch.Tensor] = []
    size = 0
    for tensor in tensors:
        if group and size + tensor.numel() > _AT_ONCE:
            yield group
            group, size = [], 0
        group.append(tensor)
        size += tensor.numel()
    if group:
        yield group


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
