"""docs/benchmarks.md and its plot, from the JSON files of the runs."""

from __future__ import annotations

import json
from pathlib import Path

from peers.engines import PEERS
from peers.workloads import WORKLOADS

TITLES = {name: peer.title for name, peer in PEERS.items()} | {f"treble-{p}": "Treble" for p in ("f32", "bf16", "int8")}
PRECISIONS = ("f32", "bf16", "int8")
SERVER_TITLES = {
    "treble": "treble serve",
    "treble-int8": "treble serve --dtype int8",
    "st": "sentence-transformers, FastAPI, uvicorn",
    "llama": "llama-cpp-python's server",
}
SERVERS_BEGIN = "## Servers"
MAMBA2_BEGIN = "## Mamba-2"


def precision_of(engine: str) -> str:
    return engine.rsplit("-", 1)[1]


def value_of(entry: dict) -> float:
    """What engines are compared by: tokens a second; one text at a time, texts a second at the median."""
    return 1.0 / entry["p50"] if "p50" in entry else entry["tokens_per_second"]


def best_peer(result: dict, precision: str) -> str | None:
    peers = [name for name in result["engines"] if name in PEERS and precision_of(name) == precision]
    return max(peers, key=lambda name: value_of(result["engines"][name]), default=None)


def ratio(result: dict, engine: str) -> float | None:
    """Treble's speed over the best peer's of the same precision."""
    best = best_peer(result, precision_of(engine))
    if engine not in result["engines"] or best is None:
        return None
    return value_of(result["engines"][engine]) / value_of(result["engines"][best])


def share(result: dict, engine: str) -> float | None:
    """Of the measured GEMM peak."""
    peak = result["gemm_gflops"].get(precision_of(engine))
    return result["flops"] / result["engines"][engine]["seconds"] / (peak * 1e9) if peak else None


def cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def one_table(result: dict) -> str:
    """All engines of one model and workload, as Markdown."""
    peak = ", ".join(f"{name} {value:.0f}" for name, value in result["gemm_gflops"].items() if value)
    single = "p50" in next(iter(result["engines"].values()))
    speed = "p50 / p99, ms" if single else "tokens/s"
    lines = [
        f"**{result['workload']}: {result['title']}** — {result['texts']} texts, {result['tokens']} tokens, "
        f"{result['threads']} threads; measured GEMM peak, GFLOP/s: {peak}",
        "",
    ]
    lines.append(
        f"| engine | | {speed} | of best peer | of GEMM peak | peak MiB | start-up s | max abs | cosine mean / min |"
    )
    lines.append("|---|---|---|---|---|---|---|---|---|")
    order = sorted(result["engines"], key=lambda name: (PRECISIONS.index(precision_of(name)), name not in TITLES, name))
    order.sort(key=lambda name: (PRECISIONS.index(precision_of(name)), not name.startswith("treble")))
    for name in order:
        entry = result["engines"][name]
        value = (
            f"{1000 * entry['p50']:.2f} / {1000 * entry['p99']:.2f}" if single else f"{entry['tokens_per_second']:.0f}"
        )
        best = best_peer(result, precision_of(name))
        over = value_of(entry) / value_of(result["engines"][best]) if best else None
        lines.append(
            f"| {TITLES[name]} | {precision_of(name)} | {value} | {cell(over, '.2f')} "
            f"| {cell(share(result, name), '.0%')} "
            f"| {entry['peak_mib']:.0f} | {entry['startup']:.2f} | {entry['max_abs']:.1e} "
            f"| {entry['mean_cosine']:.5f} / {entry['min_cosine']:.5f} |"
        )
    return "\n".join(lines) + "\n"


def reference_of(result: dict) -> str:
    """Whose vectors the others are held against: sentence-transformers' float32, or if it did not run the first's."""
    return "st-f32" if "st-f32" in result["engines"] else next(iter(result["engines"]))


def notes(result: dict) -> str:
    """What a reader of one table must know: whose vectors count, and which peers did not run."""
    absent = [f"{TITLES[name]} {precision_of(name)}" for name in PEERS if name not in result["engines"]]
    text = f"Differences are to {TITLES[reference_of(result)]} {precision_of(reference_of(result))}."
    return text + (f" Not in this run: {', '.join(absent)}." if absent else "") + "\n"


def read_results(folder: Path) -> list[dict]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda one: (one["model"] != "all-MiniLM-L6-v2", one["model"], one["workload"]))


def overview(results: list[dict]) -> list[str]:
    """Treble over the best peer, with its share of the machine's limit; a line a model and workload."""
    lines = [
        "| model | workload | f32 | bf16 | int8 | best f32 peer | best bf16 peer | best int8 peer |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        peers = [TITLES[name] if (name := best_peer(one, precision)) else "-" for precision in PRECISIONS]
        ours = [against_best(one, f"treble-{precision}") for precision in PRECISIONS]
        cells = [one["model"], f"{one['workload']} {WORKLOADS[one['workload']].title}", *ours, *peers]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def against_best(result: dict, engine: str) -> str:
    """ "1.25 (91%)": times the best peer, and of the measured peak."""
    over = ratio(result, engine)
    return "-" if over is None else f"{over:.2f} ({cell(share(result, engine), '.0%')})"


def reasons(results: list[dict]) -> list[str]:
    """Who could not take part, and why; each once a model."""
    seen = {
        f"{TITLES[engine]} {precision_of(engine)} ({one['model']}): {why}"
        for one in results
        for engine, why in one["left_out"].items()
    }
    return [f"- {line}" for line in sorted(seen)]


def draw(results: list[dict], target: Path) -> None:
    """Tokens a second on W4, a group of bars a model."""
    import matplotlib  # noqa: PLC0415

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    mixed = [one for one in results if one["workload"] == "W4"]
    if not mixed:
        return
    figure, axes = pyplot.subplots(1, len(mixed), figsize=(4.6 * len(mixed), 4), layout="constrained", squeeze=False)
    for axis, one in zip(axes[0], mixed, strict=True):
        names = sorted(one["engines"], key=lambda name: one["engines"][name]["tokens_per_second"])
        values = [one["engines"][name]["tokens_per_second"] for name in names]
        colors = ["#c2410c" if name.startswith("treble") else "#94a3b8" for name in names]
        axis.barh([f"{TITLES[name]} {precision_of(name)}" for name in names], values, color=colors)
        axis.set_title(f"{one['model']}\nmixed lengths")
        axis.set_xlabel(f"tokens a second, {one['threads']} threads")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=90)


def server_table(result: dict) -> list[str]:
    """One line a server and number of clients: throughput, and times in milliseconds, p50 / p99."""
    lines = [
        "| clients | server | texts/s | of best peer | any text, ms | up to 32 tokens, ms | client's share of CPU "
        "| peak MB | max abs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for clients in map(str, result["clients"]):
        speeds = {name: entry["texts_per_second"][clients] for name, entry in result["servers"].items()}
        best = max((speed for name, speed in speeds.items() if not name.startswith("treble")), default=None)
        for name, entry in result["servers"].items():
            times = [f"{entry[key][clients][0]:.1f} / {entry[key][clients][1]:.1f}" for key in ("all_ms", "short_ms")]
            of_best = "" if best is None else f"{speeds[name] / best:.2f}"
            lines.append(
                f"| {clients} | {SERVER_TITLES[name]} | {speeds[name]:.0f} | {of_best} | {' | '.join(times)} "
                f"| {entry['client_share'][clients]:.0%} | {entry['peak_mb']:.0f} | {entry['max_difference']:.1e} |"
            )
    return lines


def server_section(result: dict) -> list[str]:
    return [
        SERVERS_BEGIN,
        "",
        f"Written by benchmarks/bench_server.py: {result['model']} behind OpenAI's /v1/embeddings on {result['cpu']}, "
        f"{result['threads']} threads; {result['rounds']} interleaved rounds of {result['seconds']} seconds, "
        f"medians. Each client has one request at a time, of one text of 5 to {result['longest']} tokens (lengths "
        "uniform on a logarithmic scale). Every vector is checked against `encode`'s; max abs is the largest "
        "difference. Times are p50 / p99, of a whole request; the clients run on the same cores. Peers are at their "
        "defaults: neither gathers texts of several requests into a batch.",
        "",
        *server_table(result),
        "",
    ]


def section_of(page: str, heading: str) -> str:
    """A section with its heading, up to the next of the same level; empty where there is none."""
    begin = page.find(heading + "\n")
    if begin < 0:
        return ""
    end = page.find("\n## ", begin + len(heading))
    return page[begin : end if end >= 0 else len(page)].strip("\n") + "\n"


def write_section(lines: list[str], docs: Path) -> None:
    """A section of docs/benchmarks.md, `lines` with its heading first: in its place, or at the end; the rest stays."""
    page = docs / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    section = "\n".join(lines).strip("\n") + "\n"
    old = section_of(text, lines[0])
    text = text.replace(old, section) if old else text.rstrip("\n") + "\n\n" + section
    page.write_text(text, encoding="utf-8")


def write_servers(result: dict, docs: Path) -> None:
    """The section about servers."""
    write_section(server_section(result), docs)


def mamba2_section(result: dict) -> list[str]:
    """Of bench_mamba2.py."""
    lines = [
        MAMBA2_BEGIN,
        "",
        "Written by benchmarks/bench_mamba2.py: the shape of Mamba-2 130M (24 layers, 768 wide, 24 heads of 64, states "
        f"of 128) with random weights, {result['threads']} threads, {result['cpu']}; medians of {result['rounds']} "
        "interleaved rounds. transformers runs its PyTorch path in float32, the only one it has on a CPU. Tokens a "
        "second, and the ratio to transformers.",
        "",
        "| texts | transformers | " + " | ".join(f"Treble {d}" for d in result["dtypes"]) + " |",
        "|---|---|" + "---|" * len(result["dtypes"]),
    ]
    for row in result["compared"]:
        speeds = row["tokens_per_second"]
        peer = speeds["transformers"]
        cells = [f"{speeds[d]:.0f} ({speeds[d] / peer:.1f} times)" for d in result["dtypes"]]
        lines.append(f"| {row['texts']} of {row['tokens']} tokens | {peer:.0f} | {' | '.join(cells)} |")
    lines += ["", "One text alone, float32, read once: what a token costs does not grow with the text.", ""]
    lines += ["| tokens | tokens a second |", "|---|---|"]
    lines += [f"| {row['tokens']:,} | {row['tokens_per_second']:.0f} |" for row in result["alone"]]
    return lines


def write_page(folder: Path, docs: Path) -> None:
    """docs/benchmarks.md and docs/images/benchmarks.png; what bench_mamba2.py wrote stays."""
    results = read_results(folder)
    if not results:
        return
    draw(results, docs / "images" / "benchmarks.png")
    first = results[0]
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench-peers` (benchmarks/bench_peers.py); do not edit. Other machines give other figures: "
        "read the ratios.",
        "",
        f"Machine: {first['cpu']}, {first['threads']} threads, instruction sets: {first['isa']}. Every engine runs "
        "in a process of its own on the same texts, tokenising included, interleaved; medians (engines that take twice "
        "as long as the best of their precision are timed once). Peers that pad get texts sorted by length and the "
        "batch size that suits them best. Start-up is from a process's start to its first "
        "vector, with a warm file cache.",
        "",
        "![tokens a second](images/benchmarks.png)",
        "",
        "## Treble over the best peer of the same precision",
        "",
        "Tokens a second; with one text at a time, texts a second at the median. Above 1 Treble is faster. In brackets",
        "the share of the measured GEMM peak: at 100% there is nothing left to gain. Best among the",
        "peers of the run, which the tables below name.",
        "",
        *overview(results),
        "",
        "## Left out",
        "",
        *reasons(results),
        "",
    ]
    for model in dict.fromkeys(one["model"] for one in results):
        lines += [f"## {model}", ""]
        lines += [one_table(one) + "\n" + notes(one) for one in results if one["model"] == model]
    before = docs / "benchmarks.md"
    if before.is_file():
        lines += [section_of(before.read_text(encoding="utf-8"), MAMBA2_BEGIN)]
    for path in sorted((folder / "servers").glob("*.json")):
        lines += server_section(json.loads(path.read_text(encoding="utf-8")))
    (docs / "benchmarks.md").write_text("\n".join(lines), encoding="utf-8")
