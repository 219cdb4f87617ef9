"""How gRPC is set up at both ends of a stream between a party and the hub.

Sources: gRPC's list of channel arguments (grpc_types.h, channel_arg_names.h), and for keepalive
its proposal A8.
"""

from typing import Final, TypeAlias

from federation.protocol.limits import MIB, Limits

Options: TypeAlias = list[tuple[str, int | str]]

SERVICE: Final = "fedrecall.Hub"
CALL: Final = "Join"
METHOD: Final = f"/{SERVICE}/{CALL}"

KEEPALIVE_MS: Final = 7_000  # a silent cut is noticed after this and the next: below 20 s
KEEPALIVE_TIMEOUT_MS: Final = 12_000  # a ping waits behind what is under way on a slow line
CONNECT_MS: Final = 5_000
IDLE_MS: Final = 30_000  # a connection without a call is closed
METADATA_BYTES: Final = 8 * 1024
SLACK_BYTES: Final = 64 * 1024  # a frame that is hardly too long is refused by name, and logged

COMMON: Final[Options] = [
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),  # 60 s otherwise, and that one counts
    ("grpc.http2.max_pings_without_data", 0),  # 0: as many as keepalive needs
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.max_send_message_length", -1),  # frames are measured before they are sent
    ("grpc.http2.lookahead_bytes", MIB),
    ("grpc.http2.max_frame_size", MIB),
]


def server_options(limits: Limits) -> Options:
    """The hub's end."""
    return [
        *COMMON,
        ("grpc.max_receive_message_length", limits.max_frame_bytes + SLACK_BYTES),
        ("grpc.so_reuseport", 0),  # a second hub on one port is a mistake
        ("grpc.http2.min_recv_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
        ("grpc.max_concurrent_streams", 4),
        ("grpc.max_connection_idle_ms", IDLE_MS),
        ("grpc.server_handshake_timeout_ms", CONNECT_MS),
    ]


def client_options(limits: Limits, hub: str) -> Options:
    """A party's end; `hub` is the DNS name in the hub's certificate."""
    return [
        *COMMON,
        ("grpc.max_receive_message_length", limits.max_frame_bytes),
        ("grpc.ssl_target_name_override", hub),
        ("grpc.default_authority", hub),
        ("grpc.enable_http_proxy", 0),  # nothing goes anywhere but to the hub
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.min_reconnect_backoff_ms", CONNECT_MS),
    ]
