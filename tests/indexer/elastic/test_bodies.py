"""What the server is asked."""

from __future__ import annotations

from indexer.elastic import bodies


def test_a_token_is_looked_for_no_further_away_than_its_corrections_may_be() -> None:
    suggest = bodies.misspelt(["dgo", "brocolli"])["suggest"]
    assert [suggest[number]["term"]["max_edits"] for number in ("0", "1")] == [1, 2]
