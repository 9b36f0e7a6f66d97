"""What a store knows of zones, lines and alerts, asked in plain SQL.

Needs Python alone: no pip install, not even edgeattr. A store is what
`edgeattr run camera.mp4 --zone ... --line ... --store people.sqlite` writes.

    python examples/zones_in_sql.py people.sqlite
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys

QUESTIONS = {
    "people in each zone, and how long they stayed on average": """
        SELECT streams.name AS camera, zone, count(*) AS people, round(avg(dwell_ms) / 1000, 1) AS s
        FROM visits JOIN people USING (person) JOIN streams USING (stream)
        GROUP BY camera, zone ORDER BY camera, zone""",
    "crossings of each line by the hour": """
        SELECT strftime('%Y-%m-%d %H:00', time / 1000, 'unixepoch') AS hour, line,
               sum("in") AS "in", sum("out") AS "out"
        FROM crossings JOIN people USING (person)
        GROUP BY hour, line ORDER BY hour, line""",
    "who stayed longest": """
        SELECT streams.name AS camera, zone, track, dwell_ms / 1000.0 AS s
        FROM visits JOIN people USING (person) JOIN streams USING (stream)
        ORDER BY dwell_ms DESC LIMIT 5""",
    "alerts by rule": """
        SELECT rule, count(*) AS alerts, datetime(max(time) / 1000, 'unixepoch') AS latest
        FROM alerts GROUP BY rule ORDER BY rule""",
}


def main(path: str) -> None:
    """Print the answers."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        for question, sql in QUESTIONS.items():
            rows = store.execute(sql)
            print(f"{question}: {', '.join(column[0] for column in rows.description)}")
            for row in rows:
                print("  ", *row)


if __name__ == "__main__":
    main(sys.argv[1])
