"""Hypothesis strategies for every message of the wire."""

from __future__ import annotations

from hypothesis import strategies as st

from collab_protocol import limits
from collab_protocol import messages as m
from collab_protocol.errors import FaultCode
from collab_protocol.limits import RoomLimits
from collab_protocol.presence import Activity, Author, Caret, Person, Role, View

seqs = st.integers(0, 2**53 - 1)
texts = st.text(max_size=40)
blobs = st.binary(max_size=200)
ids = st.binary(min_size=16, max_size=16)
offsets = st.integers(0, 2**31 - 1)
retries = st.none() | st.integers(0, 10**9)
colours = st.integers(0, 255)

people = st.builds(Person, seqs, texts, texts, st.sampled_from(Role), colours)
carets = st.builds(Caret, offsets, offsets)
presences = st.builds(
    m.Presence,
    st.none() | people,
    st.lists(carets, max_size=limits.CARETS).map(tuple),
    seqs,
    st.sampled_from(Activity),
    seqs,
    st.none() | st.builds(View, offsets, offsets),
)
authors = st.builds(Author, texts, texts, colours)
hellos = st.builds(
    m.Hello,
    st.lists(st.integers(0, 100), max_size=8).map(tuple),
    ids,
    st.binary(min_size=32, max_size=32),
    st.lists(seqs, max_size=8).map(tuple),
    texts,
    st.none() | colours,
    st.none() | texts,
    st.none() | ids,
    st.none() | ids,
    seqs,
    blobs,
)
welcomes = st.builds(
    m.Welcome,
    seqs,
    seqs,
    ids,
    ids,
    seqs,
    st.sampled_from(Role),
    st.builds(RoomLimits, seqs, seqs),
    st.booleans(),
    st.booleans(),
    st.lists(presences, max_size=4).map(tuple),
    st.lists(st.tuples(texts, texts), max_size=4).map(tuple),
    blobs,
    st.none() | people,
)
messages = st.one_of(
    hellos,
    welcomes,
    st.builds(m.Update, seqs, blobs),
    st.builds(m.Receipt, seqs, seqs, st.booleans()),
    st.builds(m.Batch, seqs, seqs, st.lists(st.tuples(seqs, blobs), max_size=4).map(tuple)),
    presences,
    st.builds(m.Setting, texts, texts),
    st.builds(m.Resync, seqs, blobs),
    st.builds(m.Sync, seqs, blobs, blobs),
    st.builds(m.Part, seqs, st.integers(0, 100), st.integers(0, 100), blobs),
    st.builds(m.Fault, st.sampled_from(FaultCode), texts, retries),
    st.builds(m.Bye, texts, retries),
    st.builds(m.Check, seqs, st.binary(min_size=32, max_size=32)),
    st.builds(m.Trouble, texts),
    st.builds(m.Say, texts),
    st.builds(m.Said, seqs, seqs, authors, texts, st.booleans()),
    st.builds(m.Look, st.none() | people),
    st.builds(m.Credential, texts, st.none() | seqs),
    st.builds(m.Kick, seqs, seqs),
    st.builds(m.CloseRoom, st.booleans()),
    st.builds(m.AskAuthors, st.none() | seqs),
    st.builds(m.Authors, st.none() | seqs, st.lists(authors, max_size=4).map(tuple), blobs),
    st.just(m.AskPulse()),
    st.builds(m.Pulse, st.lists(st.tuples(seqs, seqs), max_size=4).map(tuple)),
    st.builds(m.Declined, texts),
    st.builds(m.Ping, seqs),
    st.builds(m.Pong, seqs),
)
