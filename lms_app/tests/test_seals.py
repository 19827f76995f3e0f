import json
from datetime import date, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st
from lms_app.services import seals

KEY = b"of one school"
values = st.recursive(
    st.text(max_size=20) | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
snapshots = st.dictionaries(st.text(max_size=8), values, max_size=6)


@given(snapshots)
def test_a_seal_holds_for_what_it_was_made_for(snapshot):
    assert seals.holds(KEY, snapshot, seals.seal(KEY, snapshot))


@given(snapshots)
def test_a_seal_holds_for_a_snapshot_that_was_written_down_and_read_again(snapshot):
    sealed = seals.seal(KEY, snapshot)
    for form in ({"indent": 1}, {"ensure_ascii": False}, {"separators": (" , ", " : ")}):
        assert seals.holds(KEY, json.loads(json.dumps(snapshot, **form)), sealed)
    assert seals.holds(KEY, dict(reversed(snapshot.items())), sealed)


@given(snapshots, snapshots)
def test_a_seal_holds_for_nothing_else(one, other):
    assume(seals.canonical(one) != seals.canonical(other))
    assert not seals.holds(KEY, other, seals.seal(KEY, one))


@given(snapshots)
def test_a_seal_of_another_school_does_not_hold(snapshot):
    assert not seals.holds(KEY, snapshot, seals.seal(b"of another school", snapshot))


@given(st.text(max_size=70))
def test_what_is_no_seal_does_not_hold(text):
    assume(text != seals.seal(KEY, {}))
    assert not seals.holds(KEY, {}, text)


def test_a_seal_stays_the_same_from_version_to_version():
    # Certificates outlive versions: whoever changes how seals are made has to keep this one.
    assert seals.seal(b"key", {"b": "é", "a": [1, ""]}) == (
        "4370145852ccebea82cb46b4123f47d81797a302cfdd1766023a9a97a66addda"
    )


@given(st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)))
def test_a_certificate_is_valid_up_to_its_last_day_and_through_it(today):
    def standing(days):
        return seals.standing((today + timedelta(days=days)).isoformat(), today, is_revoked=False)

    assert (standing(1), standing(0), standing(-1)) == (seals.VALID, seals.VALID, seals.EXPIRED)
    assert seals.standing("", today, is_revoked=False) == seals.VALID


@given(st.sampled_from(["", "2000-01-01", "2999-01-01"]))
def test_one_that_was_taken_back_is_nothing_else(expires_on):
    assert seals.standing(expires_on, date(2026, 11, 27), is_revoked=True) == seals.REVOKED
