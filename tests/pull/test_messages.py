"""Messages as bytes, against pynetdicom's own making of them."""

from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pynetdicom.dimse_messages import C_FIND_RQ, C_MOVE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_FIND, C_MOVE, C_STORE
from pynetdicom.dsutils import create_file_meta, encode_file_meta
from pynetdicom.pdu import P_DATA_TF

from mpss_lib.pull.archive import messages
from mpss_lib.pull.archive.messages import Assembly, BrokenMessageError, command_of, pdus

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
NM = "1.2.840.10008.5.1.4.1.1.20"
SLOWLY = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def theirs(message, primitive, limit):
    message = message()
    message.primitive_to_message(primitive)
    whole = b""
    for part in message.encode_msg(3, limit):
        pdu = P_DATA_TF()
        pdu.from_primitive(part)
        whole += pdu.encode()
    return whole


@pytest.mark.parametrize("limit", [0, 64, 16384])
def test_requests_are_those_of_pynetdicom(limit):
    find, move, data = C_FIND(), C_MOVE(), bytes(range(256))
    for one, uid in ((find, FIND), (move, MOVE)):
        one.MessageID, one.AffectedSOPClassUID, one.Priority = 7, uid, 0
        one.Identifier = BytesIO(data)
    move.MoveDestination = "MPSS_A1"
    common = {messages.MESSAGE_ID: 7, messages.PRIORITY: 0}
    command = common | {messages.SOP_CLASS: FIND, messages.FIELD: messages.C_FIND}
    assert pdus(3, command, data, limit) == theirs(C_FIND_RQ, find, limit)
    command = common | {
        messages.SOP_CLASS: MOVE,
        messages.FIELD: messages.C_MOVE,
        messages.DESTINATION: "MPSS_A1",
    }
    assert pdus(3, command, data, limit) == theirs(C_MOVE_RQ, move, limit)


def test_an_answer_to_an_object_is_that_of_pynetdicom():
    answer = C_STORE()
    answer.MessageIDBeingRespondedTo, answer.Status = 9, 0xA700
    answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID = NM, "1.2.3"
    command = {
        messages.SOP_CLASS: NM,
        messages.FIELD: messages.C_STORE | messages.RESPONSE,
        messages.ANSWERED_ID: 9,
        messages.STATUS: 0xA700,
        messages.SOP_INSTANCE: "1.2.3",
    }
    assert pdus(3, command, b"", 16384) == theirs(C_STORE_RSP, answer, 16384)


def test_a_file_has_the_meta_information_of_pynetdicom():
    syntax = "1.2.840.10008.1.2.1"
    made = messages.as_file(NM, "1.2.3", syntax, b"")
    meta = create_file_meta(sop_class_uid=NM, sop_instance_uid="1.2.3", transfer_syntax=syntax)
    assert made == bytes(128) + b"DICM" + encode_file_meta(meta)
    assert dcmread(BytesIO(made)).file_meta.TransferSyntaxUID == syntax


def contents(stream):
    """Content of each PDU, read one after the other."""
    while stream:
        length = int.from_bytes(stream[2:6], "big")
        yield memoryview(stream[6 : 6 + length])
        stream = stream[6 + length :]


@SLOWLY
@given(
    data=st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=3),
    limit=st.integers(8, 200),
)
def test_what_is_sent_is_put_together_again(data, limit):
    assembly, found = Assembly(), []
    command = {messages.SOP_CLASS: NM, messages.FIELD: messages.C_STORE, messages.MESSAGE_ID: 1}
    stream = b"".join(pdus(5, command, one, limit) for one in [*data, b""])
    for content in contents(stream):
        found += assembly.add(content)
    assert [one.data for one in found] == [*data, None]
    assert {one.context_id for one in found} == {5}
    assert {one.number(messages.FIELD) for one in found} == {messages.C_STORE}
    assert {one.text(messages.SOP_CLASS) for one in found} == {NM}
    assert found[0].number(messages.STATUS) is None


@SLOWLY
@given(content=st.binary(max_size=60))
def test_bytes_of_any_kind_are_messages_or_refused(content):
    for read in (lambda: list(Assembly().add(memoryview(content))), lambda: command_of(content)):
        try:
            read()
        except BrokenMessageError:
            continue


def test_a_data_set_without_a_command_and_a_command_within_one_are_refused():
    command = {messages.SOP_CLASS: NM, messages.FIELD: messages.C_STORE}
    first, data = contents(pdus(1, command, b"data", 0))
    with pytest.raises(BrokenMessageError):
        list(Assembly().add(data))
    assembly = Assembly()
    assert not list(assembly.add(first))
    with pytest.raises(BrokenMessageError):
        list(assembly.add(first))
