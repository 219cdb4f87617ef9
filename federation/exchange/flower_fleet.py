"""What a SuperNode pushes to Flower's server: answers, under its own number, and nothing else.

Flower's server takes any message from a node that proves its key: also one that says it is the
server's own order to another node, which would then follow it.
"""

import os

# A privacy product phones nobody; Flower reads these once, when it is imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

from flwr.proto.fleet_pb2 import PushMessagesRequest
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it has none


def holds_answers_only(body: bytes) -> bool:
    """Whether the body of a push-messages call holds answers of the node that calls.

    The server itself checks that the number of the node goes with the key of the call.
    """
    try:
        request = PushMessagesRequest.FromString(body)
    except DecodeError:
        return False
    node = request.node.node_id
    return all(
        message.metadata.reply_to_message_id and message.metadata.src_node_id == node
        for message in request.messages_list
    )
