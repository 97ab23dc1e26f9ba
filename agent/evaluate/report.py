"""The scores of an agent as text for a person; the same figures are in the JSON, with more beside them."""

from __future__ import annotations

from typing import Any

Json = Any

_COLUMNS = (
    "answer_accuracy",
    "plan_accuracy",
    "argument_accuracy",
    "refusal_accuracy",
    "citation_accuracy",
)


def agent_text(report: dict[str, Json]) -> str:
    """A line per family, the whole, and what was wrong."""
    head = f"{'family':14}{'asked':>6}{'answer right':>21}{'plan':>7}{'arguments':>11}{'refusals':>10}"
    lines = [
        f"{report['model']} on {report['index']} (seed {report['seed']}): {report['questions']} questions, "
        f"{report['answers_count']} answers",
        "",
        f"{head}{'citations':>11}{'unsup.':>8}{'steps':>7}{'s':>7}",
    ]
    lines += [_line(name, row) for name, row in report["families"].items()]
    lines += [_line("all", report), ""]
    lines += [
        f"answers right among those that can be answered {_share(report, 'answerable_accuracy')}; declined "
        f"though they can {_share(report, 'refused_wrongly')}",
        f"refused rightly {_share(report, 'refused_rightly')}, asked back rightly "
        f"{_share(report, 'asked_rightly')}, declined where it should ask "
        f"{_share(report, 'declined_instead_of_asked')}, asked where it need not "
        f"{_share(report, 'asked_wrongly')}",
        f"could not be judged on this planet: {report['unjudged']}; tokens per answer "
        f"{report['tokens_mean'] or 'not reported'}; seconds beside the tools' own "
        f"{report['overhead_seconds_median']}",
    ]
    if len(report["by_repeat"]) > 1:
        lines.append("answers right in each repeat: " + ", ".join(map(_number, report["by_repeat"])))
    return "\n".join(lines)


def _line(name: str, row: dict[str, Json]) -> str:
    span = f"{_number(row['answer_accuracy_low'])}–{_number(row['answer_accuracy_high'])}"
    cells = [_number(row[key]) for key in _COLUMNS]
    return (
        f"{name:14}{row['answers_count']:6d}{cells[0]:>9} {span:>11}{cells[1]:>7}{cells[2]:>11}{cells[3]:>10}"
        f"{cells[4]:>11}{row['unsupported_numbers']:8d}{row['steps_mean'] or 0:7.1f}"
        f"{row['seconds_median'] or 0:7.2f}"
    )


def _share(row: dict[str, Json], name: str) -> str:
    return f"{_number(row[name])} ({_number(row[f'{name}_low'])}–{_number(row[f'{name}_high'])})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
