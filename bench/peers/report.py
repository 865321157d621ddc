"""Markdown from the JSON of a run."""

from __future__ import annotations


def number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def conditions(report: dict) -> list[str]:
    machine, versions = report["machine"], report["versions"]
    return [
        f"- {report['date']}, commit {report['commit']}{' with local changes' if report['modified'] else ''}",
        f"- {machine['cpu']} (family {machine['family']}), {machine['cores']} cores, {machine['memory_gb']} GiB; "
        + ", ".join(machine["flags"]),
        "- " + ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        f"- `{report['command']}`",
    ]


def cell_lines(cell: dict, title: str, peers: list[str]) -> list[str]:
    shown = [peer for peer in peers if any(row["name"] == peer for row in cell["results"])]
    states = ", ".join(f"{count} {state}" for state, count in cell["rounds_by_state"].items())
    others = sorted(s["others_percent"] for s in cell["rounds"] if s["state"] == cell["majority_state"])
    head = ["contender", "median ms", "p10", "p90", *(f"/ {peer}" for peer in shown), "peak MB", "load peak MB", "form"]
    lines = [f"### {title}", "",
             f"Rounds: {states}; kept: {cell['majority_state']}. "
             f"Other processes used {others[len(others) // 2]} % of a core in those (median).", "",
             "| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 2) + " --- |"]
    for row in sorted(cell["results"], key=lambda row: row.get("median_ms", float("inf"))):
        if "error" in row:
            cells = [row["name"], *["-"] * (len(head) - 2), row["error"].replace("|", "/")]
            lines.append("| " + " | ".join(cells) + " |")
            continue
        cells = [row["name"], number(row["median_ms"]), number(row["p10_ms"]), number(row["p90_ms"]),
                 *(number(row["ratios"].get(peer)) for peer in shown), number(row.get("run_peak_rss_mb"), 0),
                 number(row.get("peak_rss_mb"), 0), row["variant"]]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def markdown(report: dict) -> str:
    lines = ["# Peers", "", *conditions(report), "",
             "Times are medians over all repetitions of the kept rounds; a ratio below 1 means faster than that peer. "
             "Peak MB is the process's peak resident memory while running, load peak also counts loading.", ""]
    for task, heading in (("latency", "Models"), ("kernel", "Attention kernels"), ("training", "Training step")):
        cells = [cell for cell in report["cells"] if cell["task"] == task]
        if cells:
            lines += [f"## {heading}", ""]
        for cell in cells:
            lines += cell_lines(cell, cell["title"], report["peers"])
    return "\n".join(lines).rstrip() + "\n"
