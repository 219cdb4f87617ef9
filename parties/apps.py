"""The two apps that Flower's bundle names: what a node does when Flower calls it.

They are loaded in a process that the node started itself, from the packages installed there. So
whose node it is stands in the environment, and nothing that was sent has a say in it.
"""

import logging
from typing import Final

import torch

from federation.exchange.flower import NodeConfig, client_app, server_app
from federation.exchange.flower_directory import KnownKeys
from federation.exchange.steering import Order, Steering
from parties.keys.roster import read_roster
from parties.node.hosting import host_job
from parties.node.jobs import Job, all_jobs, new_job
from parties.node.members import host_of, member_of
from parties.node.party_file import PartyFile, own_party_file
from parties.node.serving import serve

LOG: Final = logging.getLogger("fedrecall.apps")


class OwnNode:
    """The item party's or partner's node that this process runs under."""

    def name(self, config: NodeConfig) -> str:
        """Whose node it is; Flower's own configuration of it is not asked."""
        del config
        return own_party_file().name

    def serve(self, order: Order, config: NodeConfig) -> Order:
        """Take part in a session.

        Raises:
            PartyFileError, KeysError: this party's files cannot be used.
        """
        del config
        party = own_party_file()
        if party.experiment.repeatable:
            torch.set_num_threads(1)  # sums of several threads differ in their last bits
        return serve(member_of(party), order)


def host(steering: Steering) -> None:
    """Work on the coordinator's job until it is over.

    Raises:
        PartyFileError, KeysError, JobError: this node's files cannot be used.
        CheckpointError, FederationError, OSError: as `host_job`.
    """
    party = own_party_file()
    progress = host_job(host_of(party), _due(party), steering)
    LOG.info("the job is %s %s", progress.status.value, progress.reason)


def _due(party: PartyFile) -> Job:
    """The newest job that is not over, or a new one with the settings of [run]."""
    for job in reversed(all_jobs(party.state)):
        if not job.progress().status.over:
            return job
    return new_job(party.state, party.run_config())


def known_nodes() -> KnownKeys:
    """Who is who, by the keys on the roster."""
    roster = read_roster(own_party_file().roster)
    return KnownKeys({entry.name: entry.node for entry in roster.entries if entry.node})


server = server_app(host, lambda _: known_nodes())
client = client_app(OwnNode())
