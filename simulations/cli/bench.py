"""`fedrecall bench …`: speed and size, as ratios against named peers in the same run."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from simulations.bench.exchange import run_exchange_bench
from simulations.bench.psi import run_psi_bench
from simulations.bench.sequence_models import Model
from simulations.bench.step import run_step_bench
from simulations.cli.complaints import say

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")]


@app.callback()
def group() -> None:
    """Measure speed and size. Absolute times drift with the machine; ratios hold."""


@app.command()
def psi(
    size: Annotated[int, typer.Option(min=2, help="Identifiers a party brings.")] = 100_000,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes a party.")] = 2,
    peer: Annotated[bool, typer.Option(help="Compare with openmined-psi if installed.")] = True,
    as_json: AsJson = False,
) -> None:
    """Align two sets: multiplications a second against bare X25519, CPU against openmined-psi."""
    _run(
        lambda say: run_psi_bench(size=size, processes=processes, peer=peer, progress=say),
        as_json=as_json,
    )


@app.command()
def exchange(
    rows: Annotated[int, typer.Option(min=1, help="Users in a batch.")] = 1024,
    dim: Annotated[int, typer.Option(min=1, help="Width of an embedding.")] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="Runs a median is taken of.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Encrypt, add and open a batch for 2 and 4 partners, against CKKS and Paillier."""
    _run(
        lambda say: run_exchange_bench(rows=rows, dim=dim, repeats=repeats, progress=say),
        as_json=as_json,
    )


@app.command()
def step(
    rows: Annotated[int, typer.Option(min=1, help="Users in a batch.")] = 1024,
    dim: Annotated[int, typer.Option(min=1, help="Width of an embedding.")] = 64,
    columns: Annotated[int, typer.Option(min=1, help="Width of a partner's encoder.")] = 32,
    partners: Annotated[int, typer.Option(min=1, help="Partners in the step.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Time one whole strict training step, both directions, by stage."""
    _run(
        lambda say: run_step_bench(
            rows=rows, dim=dim, columns=columns, partners=partners, progress=say
        ),
        as_json=as_json,
    )


@app.command()
def link(
    quick: Annotated[
        bool, typer.Option("--quick", help="A small federation and few batches: does it work?")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Exchange hub: round trips against bare TLS, training against memory, bytes on the wire."""
    # gRPC and everything that trains take seconds to import, which other benches need not spend.
    bench = import_module("simulations.bench.link")
    extent = bench.QUICK if quick else bench.FULL
    _run(lambda say: bench.run_link_bench(extent=extent, progress=say), as_json=as_json)


@app.command()
def sequence(
    data: Annotated[str, typer.Option(help="File, a user and their items a line; or world.")],
    model: Annotated[Model, typer.Option(help="What is trained.")] = Model.ALL,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most, a model.")] = None,
    peer_python: Annotated[
        Path | None, typer.Option(help="Interpreter with RecTools 0.19, to compare costs with.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train sequence models afresh: full-ranking HR and NDCG of the last item, and the cost."""
    # torch takes seconds to import, which other benches need not spend.
    bench = import_module("simulations.bench.sequence")
    wanted = bench.SequenceBench(
        data=data, model=model, seed=seed, epochs=epochs, peer_python=peer_python
    )
    _run(lambda say: bench.run_sequence_bench(wanted, say), as_json=as_json)


@app.command()
def graph(
    data: Annotated[str, typer.Option(help="A data set's name, a folder, or world.")] = "world",
    seed: Annotated[int, typer.Option(min=0, help="Of what is hidden, and of training.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Knowledge graph: Song2Vec with and without it, and its paths, for warm users."""
    bench = import_module("simulations.bench.graph")
    _run(lambda say: bench.run_graph_bench(data=data, seed=seed, progress=say), as_json=as_json)


@app.command()
def channels(
    data: Annotated[str, typer.Option(help="Data set, or a folder.")] = "lastfm-2k",
    share: Annotated[float, typer.Option(help="Share of each user's songs to hide.")] = 0.2,
    splits: Annotated[int, typer.Option(help="Seeded splits to average over.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the first split.")] = 0,
    peer_python: Annotated[
        Path | None,
        typer.Option(help="Interpreter with `implicit` and `lightfm-next`, to compare with."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find warm users' hidden songs: every channel, their fusion, and peers on the same split."""
    bench = import_module("simulations.bench.channels")
    asked = bench.Asked(data=data, share=share, splits=splits, seed=seed, peer_python=peer_python)
    _run(lambda say: bench.run_channels_bench(asked, say), as_json=as_json)


@app.command()
def index(
    size: Annotated[int, typer.Option(min=1, help="Songs.")] = 100_000,
    dim: Annotated[int, typer.Option(min=2, help="Numbers in a vector.")] = 64,
    k: Annotated[int, typer.Option("--k", min=1, help="Songs a query.")] = 200,
    prior: Annotated[
        bool, typer.Option("--prior", help="Let the last number be the songs' popularity.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Default index: speed at equal recall against bare FAISS, HNSW and Milvus, and memory."""
    bench = import_module("simulations.bench.index")  # FAISS takes a while to import
    _run(
        lambda say: bench.run_index_bench(size=size, dim=dim, k=k, prior=prior, progress=say),
        as_json=as_json,
    )


def _run(bench: Callable[[Callable[[str], None]], Mapping[str, Any]], *, as_json: bool) -> None:
    with Console(stderr=True).status("measuring …") as spinner:
        result = bench(spinner.update)
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
        return
    rows = [row for row in _rows(result) if row[0] != "bench"]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"{name:{width}}  {value}")


def _rows(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every figure with its dotted name."""
    match value:
        case dict():
            for key, each in value.items():
                yield from _rows(each, f"{name}.{key}" if name else str(key))
        case list():
            for number, each in enumerate(value):
                yield from _rows(each, f"{name}.{number}")
        case float():
            yield name, f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
        case int() if not isinstance(value, bool):
            yield name, f"{value:,}"
        case _:
            yield name, str(value)
