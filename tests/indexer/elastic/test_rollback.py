"""Where rollbacks lead, whatever was deleted by hand, gone back from or killed between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.elastic import ElasticIndex, generations
from indexer.elastic.connection import connect, parse
from indexer.elastic.generations import Generation, lineage
from indexer.elastic.rollout import ElasticDraft, move_alias
from indexer.errors import IndexNotFoundError, IndexUnavailableError
from indexer.records import CaptionRecord
from tests.indexer.elastic.dogs import built, captions, concrete, delete_by_hand, dogs, gone_back

_T = TypeVar("_T")

#: So many requests of publishing the alias has moved after.
LIVE_AFTER = 9


@pytest.mark.elasticsearch
def test_rollback_returns_to_the_generation_before(elastic_where: str) -> None:
    built(elastic_where, 1)
    with ElasticIndex.open(elastic_where) as index:
        with pytest.raises(IndexNotFoundError, match=r"no older index is kept to go back to$"):
            index.rollback()
        built(elastic_where, 2)
        built(elastic_where, 3)
        assert len(concrete(elastic_where)) == 2  # the live one and one to go back to
        assert index.rollback().captions == 2
        assert captions(elastic_where) == 2


@pytest.mark.elasticsearch
def test_what_a_rollback_led_to_is_kept_and_gone_back_to_again(elastic_where: str) -> None:
    built(elastic_where, 1)
    built(elastic_where, 2)  # a bad one
    assert gone_back(elastic_where) == 1
    bad = built(elastic_where, 3)
    assert gone_back(elastic_where) == 1
    with pytest.raises(IndexNotFoundError, match=rf"no older .*\({bad}: newer, .*; --to leads to them\)"):
        gone_back(elastic_where)
    built(elastic_where, 4)
    assert len(concrete(elastic_where)) == 2
    assert gone_back(elastic_where) == 1


@pytest.mark.elasticsearch
def test_a_live_index_that_was_deleted_leads_to_the_newest_one_that_is_kept(elastic_where: str) -> None:
    older = built(elastic_where, 1)
    delete_by_hand(elastic_where, built(elastic_where, 2))
    with pytest.raises(IndexNotFoundError, match=f"no such index, but {older} is kept; .*`indexer rollback"):
        captions(elastic_where)
    assert gone_back(elastic_where) == 1
    assert captions(elastic_where) == 1


@pytest.mark.elasticsearch
def test_an_index_that_lost_its_name_is_gone_back_to(elastic_where: str) -> None:
    built(elastic_where, 1)
    nameless = built(elastic_where, 2)
    address = parse(elastic_where)
    with connect(address) as client:
        client.indices.delete_alias(index=nameless, name=address.name)
    assert gone_back(elastic_where) == 2
    assert gone_back(elastic_where) == 1


@pytest.mark.elasticsearch
def test_a_build_after_the_live_index_was_deleted_can_be_gone_back_from(elastic_where: str) -> None:
    built(elastic_where, 1)
    delete_by_hand(elastic_where, built(elastic_where, 2))
    built(elastic_where, 3)
    assert gone_back(elastic_where) == 1


@pytest.mark.elasticsearch
def test_one_deleted_from_the_middle_is_passed_over(elastic_where: str) -> None:
    built(elastic_where, 1, keep=5)
    middle = built(elastic_where, 2, keep=5)
    built(elastic_where, 3, keep=5)
    delete_by_hand(elastic_where, middle)
    assert gone_back(elastic_where) == 1


@pytest.mark.elasticsearch
def test_what_was_gone_back_from_is_not_gone_back_to_where_all_else_is_gone(elastic_where: str) -> None:
    good = built(elastic_where, 1)
    bad = built(elastic_where, 2)
    assert gone_back(elastic_where) == 1
    delete_by_hand(elastic_where, good)
    with pytest.raises(IndexNotFoundError, match=rf"no older .*\({bad}: newer, .*; --to leads to them\)"):
        gone_back(elastic_where)
    said = r"no such index; make it with `indexer build --index [^`]+`, or in Python with open_index\(\.\.\."
    with pytest.raises(IndexNotFoundError, match=said):
        captions(elastic_where)


@pytest.mark.elasticsearch
def test_a_rollback_leads_to_what_was_live_also_where_that_was_changed_by_hand(elastic_where: str) -> None:
    older = built(elastic_where, 1)
    built(elastic_where, 2)
    address = parse(elastic_where)
    with connect(address) as client:
        move_alias(client, address, older)
    built(elastic_where, 3, keep=5)
    assert gone_back(elastic_where) == 1


@pytest.mark.elasticsearch
def test_a_draft_that_was_given_the_name_by_hand_is_no_draft(elastic_where: str) -> None:
    address = parse(elastic_where)
    with ElasticIndex.open(elastic_where, create=True) as index, connect(address) as client:
        with index.draft("k") as draft:
            draft.add(dogs(2))
        move_alias(client, address, concrete(elastic_where)[-1])
        with index.draft("k") as draft:
            assert draft.add(dogs(3)).added == 3


@pytest.mark.elasticsearch
def test_of_those_that_were_gone_back_from_the_newest_is_kept(elastic_where: str) -> None:
    good = built(elastic_where, 1)
    older, newer = (built_and_left(elastic_where, number) for number in (2, 3))
    live = built(elastic_where, 4, keep=2)
    assert concrete(elastic_where) == [good, newer, live] and older not in concrete(elastic_where)


def built_and_left(where: str, number: int) -> str:
    index = built(where, number, keep=5)
    gone_back(where)
    return index


@pytest.mark.elasticsearch
def test_what_was_built_after_the_clock_was_set_back_is_not_gone_back_to_once_it_was_gone_back_from(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AnHourBehind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(hours=1)

    good = built(elastic_where, 1)
    with monkeypatch.context() as patch:
        patch.setattr(generations, "datetime", AnHourBehind)
        bad = built(elastic_where, 2)
    assert bad < good
    assert gone_back(elastic_where) == 1
    with pytest.raises(IndexNotFoundError, match=rf"no older .*\({bad}: newer, .*; --to leads to them\)"):
        gone_back(elastic_where)


@pytest.mark.elasticsearch
def test_any_that_is_kept_can_be_gone_to_by_its_name(elastic_where: str) -> None:
    """So a rollback by mistake is undone, and leaves no mark."""
    first, second, third = (built(elastic_where, number, keep=5) for number in (1, 2, 3))
    with ElasticIndex.open(elastic_where, create=True) as index:
        assert index.rollback(first).captions == 1
        assert index.rollback(third).captions == 3
        assert index.rollback().captions == 2, "as if nothing had been gone back from"
        assert index.rollback(third).captions == 3
        draft = index.draft("4 dogs")
        draft.close()
        for name in (third, concrete(elastic_where)[-1], f"{third}x", "another"):
            kept = rf"no index {name} is kept to go to; kept: {first}, {second}$"
            with pytest.raises(IndexNotFoundError, match=kept):
                index.rollback(name)
        with connect(parse(elastic_where)) as client:
            client.indices.close(index=first)
        with pytest.raises(IndexUnavailableError, match=f"{first}: the index is closed; open it with POST"):
            index.rollback(first)
        assert captions(elastic_where) == 3


@pytest.mark.elasticsearch
def test_a_name_of_which_nothing_is_kept_is_no_index(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.draft("k").close()
        with pytest.raises(IndexNotFoundError, match=r"no such index; make it with `indexer build"):
            index.rollback()


@pytest.mark.elasticsearch
@pytest.mark.parametrize("at", range(LIVE_AFTER + 1))
@pytest.mark.parametrize("back", [False, True], ids=["then another", "then back"])
def test_a_build_that_dies_between_any_two_steps_of_publishing(
    elastic_where: str, at: int, back: bool
) -> None:
    """It is a draft that the same build goes on with, or one that readers saw and that nothing resumes."""
    built(elastic_where, 1)
    with ElasticIndex.open(elastic_where) as index:
        index.keep = 5
        with pytest.raises(KeyboardInterrupt), index.draft("again") as draft:
            draft.add(dogs(2))
            dying(draft, at)
            draft.publish()
        kept, resumed = [1], at < LIVE_AFTER
        assert index.status().captions == (1 if resumed else 2)
        if not resumed:
            assert index.add([CaptionRecord("later", "a late dog")]).added == 1
            if back:
                assert index.rollback().captions == 1
            else:
                kept = [4, 3, 1]
                built(elastic_where, 4, keep=5)
        with index.draft("again") as draft:
            assert draft.add(dogs(2)).added == (0 if resumed else 2)
            assert draft.publish().captions == 2
        assert [index.rollback().captions for _ in kept] == kept
        with pytest.raises(IndexNotFoundError, match="no older index is kept"):
            index.rollback()


def dying(draft: ElasticDraft, at: int) -> None:
    """From now on it is interrupted after so many requests."""
    left, ask = [None] * at, draft._ask

    def dying(request: Callable[[], _T]) -> _T:
        if left:
            left.pop()
            answer = ask(request)
            if left:
                return answer
        raise KeyboardInterrupt

    draft._ask = dying


def generation(index: int, before: int | None, live: bool, kind: str) -> Generation:
    meta = {} if before is None else {"before": f"{before:02d}"}
    return Generation(
        f"{index:02d}",
        live,
        {"analyzer": "words/1", **meta},
        0,
        draft=kind == "draft" and not live,
        left=kind == "left",
    )


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 9)), st.sampled_from(["published", "draft", "left"])),
        min_size=1,
        max_size=9,
    ),
    st.data(),
)
def test_any_notes_lead_through_each_generation_once(
    notes: list[tuple[int | None, str]], data: st.DataObject
) -> None:
    live = data.draw(st.integers(0, len(notes)))  # none, in the end
    every = [generation(index, before, index == live, kind) for index, (before, kind) in enumerate(notes)]
    chain = lineage(every)
    assert len({one.index for one in chain}) == len(chain)
    assert not any(one.live or one.draft for one in chain)
    for one, before in pairwise([*every[live : live + 1], *chain]):
        followed = one.meta.get("before") == before.index
        assert followed or (before.index < one.index and not before.left)
    if not any(note is not None for note, _ in notes):
        kept = [one for one in every[:live] if not one.draft and not one.left]
        assert chain == kept[::-1]
