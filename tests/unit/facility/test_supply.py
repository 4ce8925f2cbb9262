"""What is energised, told by single lines of a one-line diagram, and held against every way the unknown may stand."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facility.supply import Node, Role, Supply


def supply(**nodes: tuple[str, str]) -> Supply:
    """name="role: sources"."""
    return Supply({name: Node(name, Role(role), tuple(fed.split())) for name, (role, fed) in nodes.items()})


def live(graph: Supply, **positions: float) -> dict[str, bool | None]:
    return graph.energised(positions.get)


# Two incomers on two busbars with a tie between; an ATS after the first busbar and the genset.
SITE = supply(
    utility_1=("source", ""),
    utility_2=("source", ""),
    genset=("source", ""),
    incomer_1=("switch", "utility_1"),
    incomer_2=("switch", "utility_2"),
    bus_1=("through", "incomer_1 tie"),
    bus_2=("through", "incomer_2 tie"),
    tie=("switch", "bus_1 bus_2"),
    feeder=("switch", "bus_1"),
    transformer=("through", "feeder"),
    ats=("selector", "transformer genset"),
    lift=("through", "ats"),
)
NORMAL = {"incomer_1": 1, "incomer_2": 1, "tie": 0, "feeder": 1, "ats": 1, "genset": 0, "utility_1": 1, "utility_2": 1}


def test_on_a_normal_day_all_but_the_genset_is_live():
    state = live(SITE, **NORMAL)
    assert {name for name, power in state.items() if power is not True} == {"genset", "tie"}


def test_a_tripped_feeder_takes_what_it_alone_feeds():
    state = live(SITE, **{**NORMAL, "feeder": 0})
    assert {name for name, power in state.items() if power is False} == {"feeder", "transformer", "ats", "lift"} | {
        "genset",
        "tie",
    }


def test_the_genset_carries_on_behind_the_ats():
    state = live(SITE, **{**NORMAL, "feeder": 0, "genset": 1, "ats": 2})
    assert state["lift"] is True
    assert state["transformer"] is False


def test_an_ats_that_did_not_change_over_passes_nothing_on():
    assert live(SITE, **{**NORMAL, "feeder": 0, "genset": 1})["lift"] is False
    assert live(SITE, **{**NORMAL, "ats": 0})["lift"] is False


def test_the_tie_feeds_either_bus_from_the_other():
    assert live(SITE, **{**NORMAL, "incomer_1": 0, "tie": 1})["lift"] is True
    assert live(SITE, **{**NORMAL, "incomer_2": 0, "tie": 1})["bus_2"] is True


def test_a_ring_without_a_source_does_not_hold_itself_up():
    state = live(SITE, **{**NORMAL, "incomer_1": 0, "incomer_2": 0, "tie": 1})
    assert (state["bus_1"], state["tie"], state["bus_2"]) == (False, False, False)


@pytest.mark.parametrize(
    ("feeder", "power"),
    [
        pytest.param(None, None, id="not known"),
        pytest.param(2, None, id="no position at all"),
        pytest.param(float("nan"), None, id="not a number"),
        pytest.param(1, True, id="closed"),
        pytest.param(0, False, id="open"),
    ],
)
def test_a_switch_that_stands_somewhere(feeder, power):
    assert live(SITE, **{**NORMAL, "feeder": feeder})["lift"] is power


def test_an_unknown_switch_in_a_dead_line_changes_nothing():
    assert live(SITE, **{**NORMAL, "incomer_1": 0, "feeder": None})["lift"] is False


@pytest.mark.parametrize("ats", [None, 3, 1.5, float("nan")])
def test_an_ats_that_stands_nobody_knows_where(ats):
    assert live(SITE, **{**NORMAL, "ats": ats})["lift"] is None
    assert live(SITE, **{**NORMAL, "ats": ats, "genset": 1})["lift"] is True
    assert live(SITE, **{**NORMAL, "ats": ats, "feeder": 0})["lift"] is False


def test_a_source_that_nobody_reads_counts_as_live():
    assert live(SITE, **{**NORMAL, "utility_1": None})["lift"] is True
    assert live(SITE, **{**NORMAL, "utility_1": 0})["lift"] is False


def test_a_source_that_is_not_in_the_site_gives_nothing():
    graph = supply(lift=("through", "nowhere"), ats=("selector", ""))
    assert live(graph) == {"lift": False, "ats": False}


def test_up_and_down():
    assert SITE.upstream("transformer") == {
        "feeder",
        "bus_1",
        "incomer_1",
        "utility_1",
        "tie",
        "bus_2",
        "incomer_2",
        "utility_2",
    }
    assert SITE.downstream("feeder") == {"transformer", "ats", "lift"}
    assert "bus_1" not in SITE.downstream("bus_1"), "a ring leads back, but nothing feeds itself"
    assert SITE.downstream("nowhere") == frozenset()


# Any graph at all, rings and nonsense included.

ROLES = st.sampled_from(list(Role))


@st.composite
def graphs(draw: st.DrawFn) -> Supply:
    names = [f"n{i}" for i in range(draw(st.integers(2, 7)))]
    return Supply(
        {
            name: Node(
                name, draw(ROLES), tuple(draw(st.lists(st.sampled_from(names), max_size=3, unique=True).map(sorted)))
            )
            for name in names
        }
    )


def places(node: Node) -> list[float]:
    return [float(n) for n in range(1, len(node.fed_by) + 1)] or [0.0] if node.role is Role.SELECTOR else [0.0, 1.0]


def walked(graph: Supply, positions: dict[str, float]) -> set[str]:
    """The same question answered by walking from the sources along what conducts."""
    reached: set[str] = set()
    todo = [n.id for n in graph.nodes.values() if n.role is Role.SOURCE and positions[n.id] != 0]
    while todo:
        at = todo.pop()
        reached.add(at)
        for node in graph.nodes.values():
            if node.role is Role.SELECTOR:
                conducts = any(at == source and positions[node.id] == n for n, source in enumerate(node.fed_by, 1))
            else:
                conducts = at in node.fed_by and (node.role is Role.THROUGH or positions[node.id] == 1)
            if conducts and node.role is not Role.SOURCE and node.id not in reached:
                todo.append(node.id)
    return reached


@settings(deadline=None)
@given(graphs(), st.data())
def test_with_every_position_known_it_is_a_walk_from_the_sources(graph, data):
    positions = {n.id: data.draw(st.sampled_from([0.0, *places(n)])) for n in graph.nodes.values()}
    state = graph.energised(positions.get)
    assert {name for name, power in state.items() if power is True} == walked(graph, positions)
    assert None not in state.values()


@settings(max_examples=150, deadline=None)
@given(graphs(), st.data())
def test_what_is_said_for_sure_holds_however_the_unknown_stands(graph, data):
    known = {n.id: data.draw(st.sampled_from([None, *places(n)])) for n in graph.nodes.values()}
    known = {name: 1.0 if at is None and graph.nodes[name].role is Role.SOURCE else at for name, at in known.items()}
    unknown = [name for name, at in known.items() if at is None and graph.nodes[name].role is not Role.THROUGH]
    state = graph.energised(known.get)
    for guess in product(*(places(graph.nodes[name]) for name in unknown)):
        reached = walked(graph, {**known, **dict(zip(unknown, guess, strict=True))})
        for name, power in state.items():
            if power is not None:
                assert power is (name in reached), f"{name} was said to be {power} for sure"


@settings(deadline=None)
@given(graphs(), st.data(), st.randoms())
def test_the_order_of_the_machines_does_not_matter(graph, data, dice):
    known = {n.id: data.draw(st.sampled_from([None, 0.0, *places(n)])) for n in graph.nodes.values()}
    names = list(graph.nodes)
    dice.shuffle(names)
    assert Supply({name: graph.nodes[name] for name in names}).energised(known.get) == graph.energised(known.get)
